//! One login provider of a configuration: its name, its authenticator and the arguments of that.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ConfigError, arguments, document, last, ldap, oidc};
use crate::access::ldap::Ldap;
use crate::access::oidc::Oidc;
use crate::access::password::Passwords;
use crate::access::provider::Provider;
use crate::access::secret::Secret;
use crate::access::trust;

const AVAILABLE: &str = "DictionaryAuthenticator, LDAPAuthenticator, OIDCAuthenticator";

/// What takes the place of an authenticator of the Python server.
#[rustfmt::skip]
const INSTEAD: [(&str, &str); 3] = [
    ("PAMAuthenticator", "PAM asks the system for its users, and the image of this service has none. Take LDAPAuthenticator or OIDCAuthenticator for the directory behind PAM, or DictionaryAuthenticator with hashes of the passwords"),
    ("SAMLAuthenticator", "take OIDCAuthenticator: most providers speak both, and Keycloak or Dex in between translates for the others"),
    ("DummyAuthenticator", "it lets everybody in under every name. Take DictionaryAuthenticator"),
];

/// The arguments of `DictionaryAuthenticator`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Dictionary {
    users_to_passwords: BTreeMap<String, Secret>,
}

/// The name of a provider, and what it is.
pub(super) fn read(entry: document::Provider) -> Result<(String, Provider), ConfigError> {
    let document::Provider { provider: name, authenticator, args } = entry;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(fits) {
        return Err(ConfigError::Provider(name));
    }
    match of_kind(&name, &authenticator, args) {
        Ok(provider) => Ok((name, provider)),
        Err(source) => Err(ConfigError::OfProvider { name, source: Box::new(source) }),
    }
}

fn of_kind(
    name: &str,
    authenticator: &str,
    args: Map<String, Value>,
) -> Result<Provider, ConfigError> {
    match last(authenticator) {
        "DictionaryAuthenticator" => {
            let Dictionary { users_to_passwords } = arguments(args)?;
            Ok(Provider::Passwords(Passwords::new(&users_to_passwords)))
        }
        "LDAPAuthenticator" => {
            let settings = arguments::<ldap::Arguments>(args)?.settings()?;
            Ok(Provider::Ldap(Arc::new(Ldap::new(settings, trust::tls()?))))
        }
        "OIDCAuthenticator" => {
            let settings = arguments::<oidc::Arguments>(args)?.settings(name)?;
            Ok(Provider::Oidc(Arc::new(Oidc::new(settings, &*trust::tls()?))))
        }
        class => {
            let asked = authenticator.to_owned();
            let instead = INSTEAD.iter().find(|(absent, _)| *absent == class);
            Err(match instead {
                Some((_, instead)) => ConfigError::Elsewhere { name: asked, instead },
                None => ConfigError::Absent { name: asked, available: AVAILABLE },
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(name: &str, authenticator: &str, args: &Value) -> String {
        let entry = json!({ "provider": name, "authenticator": authenticator, "args": args });
        read(serde_json::from_value(entry).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn who_asks_for_what_is_not_here_is_told_what_is() {
        for (authenticator, told) in [
            (
                "m:PAMAuthenticator",
                "'m:PAMAuthenticator' is not available here: PAM asks the system",
            ),
            ("m:SAMLAuthenticator", "take OIDCAuthenticator"),
            ("DummyAuthenticator", "lets everybody in"),
            (
                "m:Other",
                "not available here; available: DictionaryAuthenticator, LDAPAuthenticator",
            ),
        ] {
            let error = error("p", authenticator, &json!({}));
            assert!(error.starts_with("the provider 'p': ") && error.contains(told), "{error}");
        }
        assert!(
            error("a/b", "DictionaryAuthenticator", &json!({})).contains("'a/b' is not the name")
        );
    }

    #[test]
    fn arguments_are_those_of_the_authenticator() {
        let swapped = error("p", "OIDCAuthenticator", &json!({ "users_to_passwords": {} }));
        assert!(swapped.contains("unknown field `users_to_passwords`"), "{swapped}");
    }
}
