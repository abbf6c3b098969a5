//! What a provider says of itself (OpenID Connect Discovery 1.0 §3).

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// What comes after the issuer in the address of a discovery document.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";
/// Keys of a set that are looked at.
const KEYS: usize = 100;

/// Where a provider answers, and who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Who has to have issued an ID token; unknown where a configuration does not say.
    pub(super) issuer: Option<String>,
    pub(super) authorization: Url,
    pub(super) token: Url,
    pub(super) secret_in: SecretIn,
}

/// How a client shows its secret (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecretIn {
    /// In a header.
    Basic,
    /// In the form, as bluesky-httpserver.
    Form,
}

/// A discovery document, as far as it is looked at.
#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    pub(super) jwks_uri: Url,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

impl Document {
    /// Whether it is the one of that issuer; of the one to whom its address belongs if none is given.
    pub(super) fn is_of(&self, issuer: Option<&str>, address: &Url) -> bool {
        let expected = issuer.or_else(|| address.as_str().strip_suffix(WELL_KNOWN));
        expected.is_some_and(|one| one.trim_end_matches('/') == self.issuer.trim_end_matches('/'))
    }

    pub(super) fn metadata(self) -> Metadata {
        let takes_form = self
            .token_endpoint_auth_methods_supported
            .iter()
            .any(|one| one == "client_secret_post");
        Metadata {
            issuer: Some(self.issuer),
            authorization: self.authorization_endpoint,
            token: self.token_endpoint,
            secret_in: if takes_form { SecretIn::Form } else { SecretIn::Basic },
        }
    }
}

/// The keys of a set that are understood. Others may stand beside them.
pub(in crate::access) fn keys(set: &Value) -> Vec<Jwk> {
    let keys = set.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    keys.iter().take(KEYS).filter_map(|key| serde_json::from_value(key.clone()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(methods: &Value) -> Document {
        let document = json!({
            "issuer": "https://id.x/realm",
            "authorization_endpoint": "https://id.x/authorize",
            "token_endpoint": "https://id.x/token",
            "jwks_uri": "https://id.x/keys",
            "token_endpoint_auth_methods_supported": methods,
        });
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn a_document_of_somebody_else_is_known() {
        let document = document(&json!([]));
        for (address, issuer, fits) in [
            ("https://id.x/realm/.well-known/openid-configuration", None, true),
            ("https://id.y/realm/.well-known/openid-configuration", None, false),
            ("https://id.x/elsewhere", None, false),
            ("http://keycloak/elsewhere", Some("https://id.x/realm/"), true),
            ("https://id.x/realm/.well-known/openid-configuration", Some("https://id.y"), false),
        ] {
            assert_eq!(document.is_of(issuer, &address.parse().unwrap()), fits, "{address}");
        }
    }

    #[test]
    fn the_secret_is_shown_as_the_provider_takes_it() {
        for (methods, shown) in [
            (json!([]), SecretIn::Basic),
            (json!(["client_secret_basic"]), SecretIn::Basic),
            (json!(["client_secret_basic", "client_secret_post"]), SecretIn::Form),
        ] {
            assert_eq!(document(&methods).metadata().secret_in, shown);
        }
    }

    #[test]
    fn keys_of_other_kinds_do_not_spoil_the_set() {
        let set = json!({ "keys": [
            { "kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB" },
            { "kty": "EC", "crv": "secp256k1", "x": "", "y": "" },
            "nonsense",
        ] });
        assert_eq!(keys(&set).len(), 1);
        assert!(keys(&json!([])).is_empty());
    }
}
