//! Who has which roles, and what roles allow (`api_access`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::document::{ApiAccess, OneOrMany};
use super::{ConfigError, arguments, last};
use crate::access::access_server::{AccessServer, Settings};
use crate::access::directory::{User, Users};
use crate::access::role::{Change, Roles};
use crate::access::trust;

const AVAILABLE: &str =
    "BasicAPIAccessControl, DictionaryAPIAccessControl, ServerBasedAPIAccessControl";

type Changes = BTreeMap<String, Option<Change>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Basic {
    #[serde(default)]
    roles: Changes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dictionary {
    #[serde(default)]
    roles: Changes,
    /// One without anything is as good as not there.
    #[serde(default)]
    users: BTreeMap<String, Option<UserEntry>>,
}

/// Times in seconds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerBased {
    instrument: String,
    #[serde(default)]
    roles: Changes,
    base_url: Option<Url>,
    #[serde(default = "localhost")]
    server: String,
    #[serde(default = "usual_port")]
    port: u16,
    #[serde(default = "usual_period")]
    update_period: u32,
    expiration_period: Option<u32>,
    #[serde(default = "usual_timeout")]
    http_timeout: u32,
}

fn localhost() -> String {
    "localhost".to_owned()
}

fn usual_port() -> u16 {
    8000
}

fn usual_period() -> u32 {
    600
}

fn usual_timeout() -> u32 {
    5
}

/// Who has which roles, and what those allow.
pub(super) fn read(ApiAccess { policy, args }: ApiAccess) -> Result<(Users, Roles), ConfigError> {
    match last(&policy) {
        "BasicAPIAccessControl" => {
            let Basic { roles } = arguments(args)?;
            Ok((Users::default(), changed(&roles)))
        }
        "DictionaryAPIAccessControl" => {
            let Dictionary { roles, users } = arguments(args)?;
            let users =
                users.into_iter().filter_map(|(name, user)| Some((name, user?.into()))).collect();
            Ok((Users::Listed(users), changed(&roles)))
        }
        "ServerBasedAPIAccessControl" => {
            let args = arguments::<ServerBased>(args)?;
            let server = AccessServer::new(args.settings()?, &*trust::tls()?);
            Ok((Users::Asked(Arc::new(server)), changed(&args.roles)))
        }
        _ => Err(ConfigError::Absent { name: policy, available: AVAILABLE }),
    }
}

fn changed(changes: &Changes) -> Roles {
    let mut roles = Roles::default();
    for (role, change) in changes {
        roles.change(role, &change.unwrap_or_default());
    }
    roles
}

impl ServerBased {
    fn settings(&self) -> Result<Settings, ConfigError> {
        let Self { instrument, base_url, server, port, .. } = self;
        let (update, answer) = (self.update_period, self.http_timeout);
        if update == 0 || answer == 0 {
            return Err(ConfigError::Argument(
                "update_period and http_timeout are seconds, 1 or more",
            ));
        }
        let address = match base_url {
            Some(url) => Some(url.clone()),
            None => format!("http://{server}:{port}").parse::<Url>().ok(),
        };
        let mut address = address.ok_or(ConfigError::Argument("server and port are no address"))?;
        address
            .path_segments_mut()
            .map_err(|()| ConfigError::Argument("base_url is no address of a server"))?
            .pop_if_empty()
            .extend(["instrument", &instrument.to_lowercase(), "qserver", "access"]);
        let lasts =
            self.expiration_period.map_or(Duration::from_secs(update.into()).mul_f64(1.5), |s| {
                Duration::from_secs(s.into())
            });
        Ok(Settings {
            address,
            period: Duration::from_secs(update.into()),
            lasts,
            answers_in: Duration::from_secs(answer.into()),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserEntry {
    #[serde(default)]
    roles: OneOrMany,
    displayed_name: Option<String>,
    #[serde(alias = "mail")]
    email: Option<String>,
}

impl From<UserEntry> for User {
    fn from(entry: UserEntry) -> Self {
        let UserEntry { roles, displayed_name, email } = entry;
        Self { roles: roles.into_vec(), displayed_name, email }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(args: &serde_json::Value) -> Result<Settings, ConfigError> {
        serde_json::from_value::<ServerBased>(args.clone()).unwrap().settings()
    }

    #[test]
    fn the_access_server_is_asked_for_the_instrument() {
        let usual = settings(&json!({"instrument": "TST"})).unwrap();
        assert_eq!(usual.address.as_str(), "http://localhost:8000/instrument/tst/qserver/access");
        assert_eq!((usual.period.as_secs(), usual.lasts.as_secs()), (600, 900));
        assert_eq!(usual.answers_in.as_secs(), 5);
        let other = json!({
            "instrument": "a b", "base_url": "https://access.x/api/", "update_period": 10, "expiration_period": 60,
            "server": "not.asked",
        });
        let other = settings(&other).unwrap();
        assert_eq!(other.address.as_str(), "https://access.x/api/instrument/a%20b/qserver/access");
        assert_eq!((other.period.as_secs(), other.lasts.as_secs()), (10, 60));
    }

    #[test]
    fn a_period_that_would_ask_without_a_pause_is_refused() {
        for args in [
            json!({"instrument": "tst", "update_period": 0}),
            json!({"instrument": "tst", "http_timeout": 0}),
            json!({"instrument": "tst", "base_url": "mailto:x@y.z"}),
            json!({"instrument": "tst", "server": "a b"}),
        ] {
            assert!(matches!(settings(&args), Err(ConfigError::Argument(_))), "{args}");
        }
    }
}
