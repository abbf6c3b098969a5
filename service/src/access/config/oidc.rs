//! The arguments of `OIDCAuthenticator`.

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::ConfigError;
use crate::access::oidc::{Endpoints, Settings, keys};
use crate::access::secret::Secret;
use crate::access::template::Template;

/// As bluesky-httpserver names them; `well_known_uri`, as its sister tiled has it, takes the place of three of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    client_id: String,
    client_secret: Secret,
    redirect_uri: Url,
    well_known_uri: Option<Url>,
    authorization_endpoint: Option<String>,
    token_uri: Option<Url>,
    public_keys: Option<Vec<Value>>,
    issuer: Option<String>,
    confirmation_message: Option<String>,
}

impl Arguments {
    /// What they say of the provider of that name, if that can be.
    pub(super) fn settings(self, name: &str) -> Result<Settings, ConfigError> {
        let endpoints = self.endpoints()?;
        let is_ours =
            self.redirect_uri.path().ends_with(&format!("/api/auth/provider/{name}/code"));
        if !is_ours || !is_web(&self.redirect_uri) || self.redirect_uri.query().is_some() {
            return Err(ConfigError::Argument(
                "redirect_uri: it has to end with /api/auth/provider/NAME/code, with the name of the provider",
            ));
        }
        let message = self.confirmation_message.as_deref();
        let confirmation = message.map(|text| Template::new(text, &["id"])).transpose()?;
        Ok(Settings {
            client_id: self.client_id,
            client_secret: self.client_secret,
            redirect_uri: self.redirect_uri,
            issuer: self.issuer,
            endpoints,
            confirmation,
        })
    }

    fn endpoints(&self) -> Result<Endpoints, ConfigError> {
        let Self { well_known_uri, authorization_endpoint, token_uri, public_keys, .. } = self;
        let endpoints = match (well_known_uri, authorization_endpoint, token_uri, public_keys) {
            (Some(address), None, None, None) => Endpoints::Discovered(address.clone()),
            (None, Some(authorization), Some(token), Some(public)) => {
                let authorization = Template::new(authorization, &["client_id", "redirect_uri"])?;
                let authorization = authorization.fill(|blank| match blank {
                    "client_id" => self.client_id.as_str().into(),
                    _ => self.redirect_uri.as_str().into(),
                });
                let understood = keys(&json!({ "keys": public }));
                if understood.is_empty() || understood.len() < public.len() {
                    return Err(ConfigError::Argument("public_keys, as a list of JWKs"));
                }
                let authorization = authorization
                    .parse()
                    .map_err(|_| ConfigError::Argument("authorization_endpoint"))?;
                Endpoints::Fixed { authorization, token: token.clone(), keys: understood }
            }
            _ => {
                return Err(ConfigError::Argument(
                    "well_known_uri alone, or authorization_endpoint, token_uri and public_keys together",
                ));
            }
        };
        let asked = match &endpoints {
            Endpoints::Discovered(address) => vec![address],
            Endpoints::Fixed { authorization, token, .. } => vec![authorization, token],
        };
        if !asked.into_iter().all(is_web) {
            return Err(ConfigError::Argument(
                "well_known_uri, authorization_endpoint and token_uri begin with https:// or http://",
            ));
        }
        Ok(endpoints)
    }
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http") && url.has_host()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream() -> Value {
        json!({
            "client_id": "APP-1",
            "client_secret": "hidden",
            "redirect_uri": "https://bl.x/api/auth/provider/orcid/code",
            "authorization_endpoint": "https://orcid.x/authorize?client_id={client_id}&scope=openid&redirect_uri={redirect_uri}",
            "token_uri": "https://orcid.x/token",
            "public_keys": [{ "kty": "RSA", "kid": "a", "alg": "RS256", "use": "sig", "n": "AQAB", "e": "AQAB" }],
            "confirmation_message": "You are {id}.",
        })
    }

    fn settings(arguments: Value) -> Result<Settings, String> {
        let arguments: Arguments = serde_json::from_value(arguments).map_err(|e| e.to_string())?;
        arguments.settings("orcid").map_err(|error| error.to_string())
    }

    #[test]
    fn the_arguments_of_upstream_are_understood() {
        let Endpoints::Fixed { authorization, keys, .. } = settings(upstream()).unwrap().endpoints
        else {
            panic!("nothing is discovered")
        };
        assert_eq!(keys.len(), 1);
        let query: Vec<_> = authorization.query_pairs().map(|(_, value)| value).collect();
        assert_eq!(query, ["APP-1", "openid", "https://bl.x/api/auth/provider/orcid/code"]);
    }

    #[test]
    fn what_cannot_be_is_refused_at_the_start() {
        for (name, value, told) in [
            ("redirect_uri", json!("https://bl.x/api/auth/provider/other/code"), "redirect_uri"),
            ("redirect_uri", json!("ftp://bl.x/api/auth/provider/orcid/code"), "redirect_uri"),
            ("well_known_uri", json!("https://orcid.x/well-known"), "well_known_uri alone"),
            ("token_uri", json!(null), "token_uri and public_keys together"),
            ("token_uri", json!("file:///etc/passwd"), "https:// or http://"),
            ("public_keys", json!([]), "public_keys"),
            ("public_keys", json!([{ "kty": "oct", "k": 1 }]), "public_keys"),
            ("authorization_endpoint", json!("https://x/{other}"), "{client_id}"),
            ("confirmation_message", json!("{name}"), "{id}"),
            ("client_secret", json!(5), "put it in quotes"),
        ] {
            let mut arguments = upstream();
            arguments[name] = value;
            let error = settings(arguments).unwrap_err();
            assert!(error.contains(told) && !error.contains("hidden"), "{name}: {error}");
        }
    }
}
