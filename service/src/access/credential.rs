//! What a request shows to say who sends it (contract queue-server §4.5).

use axum::http::{HeaderMap, Uri, header};

use super::refusal::Refusal;
use super::secret::Secret;

/// What the protocol of a WebSocket is called that a browser offers beside its credential, to have one that can be chosen.
pub const SUBPROTOCOL: &str = "beamline";
/// What stands before the credential in an offered protocol: a browser can send no header with a WebSocket.
const OFFERED_KEY: &str = "apikey.";
const OFFERED_TOKEN: &str = "bearer.";

/// A credential. Cookies are none: a browser sends them along for every page, whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// `ApiKey …`.
    ApiKey(Secret),
    /// `Bearer …`.
    Bearer(Secret),
}

impl Credential {
    /// What a request shows: `?api_key=` counts before the header.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn of_request(uri: &Uri, headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        if let Some(key) = in_query(uri, "api_key") {
            return Ok(Some(Self::ApiKey(key)));
        }
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Ok(None);
        };
        let text = value.to_str().map_err(|_| Refusal::Malformed)?;
        if text.is_empty() {
            return Ok(None);
        }
        let (scheme, secret) = text.split_once(' ').ok_or(Refusal::Malformed)?;
        if secret.is_empty() {
            return Err(Refusal::Malformed);
        }
        Ok(match scheme.to_ascii_lowercase().as_str() {
            "apikey" => Some(Self::ApiKey(secret.into())),
            "bearer" => Some(Self::Bearer(secret.into())),
            // For somebody else, such as a proxy before us.
            _ => None,
        })
    }

    /// What the opening request of a WebSocket shows: as any request, in `?access_token=`, or as one of the protocols that it offers.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn of_handshake(uri: &Uri, headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        if let Some(shown) = Self::of_request(uri, headers)? {
            return Ok(Some(shown));
        }
        if let Some(token) = in_query(uri, "access_token") {
            return Ok(Some(Self::Bearer(token)));
        }
        Ok(offered(headers).find_map(|protocol| {
            let key = protocol.strip_prefix(OFFERED_KEY).map(|key| Self::ApiKey(key.into()));
            key.or_else(|| Some(Self::Bearer(protocol.strip_prefix(OFFERED_TOKEN)?.into())))
        }))
    }
}

/// Whether a browser offers the protocol that we choose then.
pub(super) fn offers_protocol(headers: &HeaderMap) -> bool {
    offered(headers).any(|protocol| protocol == SUBPROTOCOL)
}

fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(',')).map(str::trim)
}

fn in_query(uri: &Uri, wanted: &str) -> Option<Secret> {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?.0;
    let value = pairs.into_iter().find(|(name, _)| name == wanted)?.1;
    Some(value.as_str().into())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, text)| (name.clone(), HeaderValue::from_static(text))).collect()
    }

    fn shown(
        path: &'static str,
        authorization: &'static str,
    ) -> Result<Option<Credential>, Refusal> {
        Credential::of_request(
            &Uri::from_static(path),
            &headers(&[(header::AUTHORIZATION, authorization)]),
        )
    }

    fn key(text: &str) -> Credential {
        Credential::ApiKey(text.into())
    }

    #[test]
    fn keys_and_tokens_come_in_the_header_whatever_the_case_of_the_scheme() {
        for scheme in ["ApiKey abc", "Apikey abc", "APIKEY abc"] {
            assert_eq!(shown("/", scheme), Ok(Some(key("abc"))));
        }
        assert_eq!(shown("/", "bearer x.y.z"), Ok(Some(Credential::Bearer("x.y.z".into()))));
        assert_eq!(shown("/", "Basic dTpw"), Ok(None));
        assert_eq!(shown("/", ""), Ok(None));
    }

    #[test]
    fn a_header_without_a_secret_is_malformed() {
        for header in ["ApiKey", "ApiKey ", "abc"] {
            assert_eq!(shown("/", header), Err(Refusal::Malformed), "{header}");
        }
    }

    #[test]
    fn a_key_in_the_query_counts_first_and_cookies_count_never() {
        assert_eq!(shown("/a?x=1&api_key=q", "ApiKey h"), Ok(Some(key("q"))));
        let cookie = headers(&[(header::COOKIE, "bluesky_httpserver_api_key=abc")]);
        assert_eq!(Credential::of_request(&Uri::from_static("/"), &cookie), Ok(None));
    }

    #[test]
    fn a_browser_offers_its_credential_as_a_protocol() {
        let offer = headers(&[(header::SEC_WEBSOCKET_PROTOCOL, "beamline, apikey.abc")]);
        assert_eq!(Credential::of_handshake(&Uri::from_static("/"), &offer), Ok(Some(key("abc"))));
        assert!(offers_protocol(&offer));
        let token = Credential::of_handshake(&Uri::from_static("/?access_token=t"), &offer);
        assert_eq!(token, Ok(Some(Credential::Bearer("t".into()))));
        let none = headers(&[(header::SEC_WEBSOCKET_PROTOCOL, "graphql-ws")]);
        assert_eq!(Credential::of_handshake(&Uri::from_static("/"), &none), Ok(None));
        assert!(!offers_protocol(&none));
    }
}
