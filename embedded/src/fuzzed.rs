//! What reads bytes from outside, each as one function that takes any. `make fuzz` and the tests below call them.

use std::sync::{Arc, LazyLock};

use crate::api::Resource;
use crate::api::selector::Selector;
use crate::http::options::Query;
use crate::http::path::Path;
use crate::kinds::{Kind, builtin};
use crate::store::object::Meta;

/// Every kind that is built in.
static KINDS: LazyLock<Vec<Arc<Kind>>> =
    LazyLock::new(|| builtin::kinds().unwrap_or_default().into_iter().map(Arc::new).collect());

/// Selectors: by labels in the first line, by fields in the second.
pub fn selector(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (labels, fields) = text.split_once('\n').unwrap_or((&text, ""));
    for kind in KINDS.iter() {
        let resource = Resource { kind: Arc::clone(kind), stored: Arc::clone(kind), storage: 0 };
        if let Ok(selector) = Selector::parse(&resource, labels, fields) {
            let _ = selector.matches(&Meta::default());
        }
    }
}

/// The path and the query of a request.
pub fn request_target(bytes: &[u8]) {
    let Ok(target) = std::str::from_utf8(bytes) else { return };
    let Ok(uri) = target.parse::<http::Uri>() else { return };
    let _ = Path::parse(uri.path());
    let Ok(query) = Query::of(&uri) else { return };
    let _ = query.list();
    let _ = query.write(&http::HeaderMap::new());
    let _ = query.delete(&serde_json::Value::Null);
    let _ = query.number("limit");
}

#[cfg(test)]
mod tests {
    use peers::replay;

    #[test]
    fn any_selector_is_read_or_refused() {
        replay("selector", super::selector);
    }

    #[test]
    fn any_request_target_is_read_or_refused() {
        replay("request_target", super::request_target);
    }
}
