//! Who sends a command, as far as that can be known.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;

use crate::gateway::Gateway;
use crate::oas::Oas;
use crate::socket::Api;

/// What a proxy that asks for a login says of whom it lets through.
const USER_HEADERS: [&str; 3] = ["x-forwarded-user", "x-auth-request-user", "remote-user"];
/// Most characters of a header that are kept.
const MOST: usize = 200;

/// Who sends a command. Neither API asks for a login: only the address is certain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Caller {
    /// Which API.
    #[serde(serialize_with = "word")]
    #[schema(value_type = String)]
    pub(crate) api: Api,
    /// The route, such as `/api/v1/pv/set`, or the socket.
    pub(crate) route: String,
    /// Address and port from which the client, or the last proxy before us, has connected.
    pub(crate) from: String,
    /// The user as a proxy names it, in `X-Forwarded-User` or its like; whoever gets past the proxy can claim to be
    /// anybody.
    pub(crate) user: Option<String>,
    /// `X-Forwarded-For`: where the client of a proxy is, as the proxy says.
    pub(crate) forwarded_for: Option<String>,
    /// The program, as it calls itself in `User-Agent`.
    pub(crate) agent: Option<String>,
}

fn word<S: serde::Serializer>(api: &Api, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(api.label())
}

impl Caller {
    /// The caller of a request to `api`.
    pub(crate) fn of(parts: &Parts, api: Api) -> Arc<Self> {
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let route = parts.extensions.get::<MatchedPath>();
        let headers = &parts.headers;
        Arc::new(Self {
            api,
            route: route.map_or_else(|| parts.uri.path(), MatchedPath::as_str).to_owned(),
            from: from.map(|from| from.0.to_string()).unwrap_or_default(),
            user: USER_HEADERS.iter().find_map(|name| header(headers, name)),
            forwarded_for: header(headers, "x-forwarded-for"),
            agent: header(headers, "user-agent"),
        })
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(headers.get(name)?.as_bytes());
    Some(text.chars().take(MOST).collect()).filter(|text: &String| !text.is_empty())
}

/// The [`Caller`] of a request, extracted.
#[derive(Clone, Debug)]
pub(crate) struct CalledBy(pub(crate) Arc<Caller>);

impl FromRequestParts<Arc<Gateway>> for CalledBy {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &Arc<Gateway>,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self(Caller::of(parts, Api::Direct)))
    }
}

impl FromRequestParts<Arc<Oas>> for CalledBy {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Oas>) -> Result<Self, Self::Rejection> {
        Ok(Self(Caller::of(parts, Api::Oas)))
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::Request;

    use super::*;

    #[test]
    fn a_caller_is_its_address_and_what_headers_say_of_it_cut_short() {
        let from: SocketAddr = "192.0.2.1:5000".parse().unwrap();
        let request = Request::builder()
            .uri("/api/v1/pv/set?x=1")
            .header("user-agent", "a".repeat(1000))
            .header("remote-user", "bob")
            .header("x-forwarded-user", "alice")
            .extension(ConnectInfo(from))
            .body(())
            .unwrap();
        let caller = Caller::of(&request.into_parts().0, Api::Direct);
        assert_eq!(caller.route, "/api/v1/pv/set");
        assert_eq!(caller.from, "192.0.2.1:5000");
        assert_eq!(caller.user.as_deref(), Some("alice"));
        assert_eq!(caller.agent.as_ref().map(String::len), Some(MOST));
        assert_eq!(caller.forwarded_for, None);
    }
}
