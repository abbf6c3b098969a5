//! The two pages that users of the device code flow see in their browser.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

/// Nothing but a form of our own, in no frame, kept nowhere. The origin goes along with the form, or it would be refused.
const HEADERS: [(HeaderName, &str); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Asks for the code that a device shows. `approval` is sent along with it.
pub(in crate::access) fn ask_for_code(user: &str, approval: &str) -> Response {
    let (user, approval) = (escaped(user), escaped(approval));
    page(
        StatusCode::OK,
        &format!(
            "<p>You are logged in as {user}. Type the code that your terminal or program shows, only if you started it yourself: \
             it will act in your name.</p>\
             <form method=\"post\" action=\"device_code\">\
             <input type=\"hidden\" name=\"approval\" value=\"{approval}\">\
             <input name=\"user_code\" autofocus required autocomplete=\"off\" maxlength=\"20\"> \
             <button>Continue</button></form>"
        ),
    )
}

/// Says how it ended.
pub(in crate::access) fn say(status: StatusCode, text: &str) -> Response {
    page(status, &format!("<p>{}</p>", escaped(text)))
}

fn page(status: StatusCode, body: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Log in</title><h1>Log in</h1>{body}</html>"
    );
    let mut response = (status, Html(page)).into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Text as it may stand in a page and in an attribute.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn names_are_text_in_a_page() {
        let page = ask_for_code("<script>'\"&", "a\"b");
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-store");
        let body = page.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("as &lt;script&gt;&#39;&quot;&amp;."), "{body}");
        assert!(body.contains("value=\"a&quot;b\""), "{body}");
    }
}
