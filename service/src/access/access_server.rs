//! Who has which roles, as a server of the facility says (`ServerBasedAPIAccessControl`, contract queue-server §4.5).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use url::Url;

use super::directory::User;
use super::http::{Http, NoAnswer};
use super::role::Roles;
use crate::error::with_sources;

/// Longest pause after an answer that was none.
const AGAIN: Duration = Duration::from_secs(30);
/// How far pauses differ from what they are on average, so that not all servers ask at the same time.
const SPREAD: f64 = 0.2;

/// Where it is asked, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::access) struct Settings {
    /// The address with the path of the instrument.
    pub(super) address: Url,
    /// Pause between two questions, on average.
    pub(super) period: Duration,
    /// How long an answer is believed when there is no newer one.
    pub(super) lasts: Duration,
    /// How long an answer may take.
    pub(super) answers_in: Duration,
}

/// The server, and what it said last.
#[derive(Debug)]
pub struct AccessServer {
    settings: Settings,
    http: Http,
    said: ArcSwapOption<Said>,
}

#[derive(Debug)]
struct Said {
    users: BTreeMap<String, User>,
    until: Instant,
}

/// It has not said anything that still holds. Why stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NothingSaid;

/// Who has a role, and what else is known of them.
type Members = BTreeMap<String, Value>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Member {
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
}

impl AccessServer {
    /// The server of those settings, whose certificate `tls` looks at. It is not asked before [`AccessServer::follow`].
    pub(super) fn new(settings: Settings, tls: &ClientConfig) -> Self {
        Self { settings, http: Http::new(tls), said: ArcSwapOption::empty() }
    }

    /// A user; `None` for one without a role.
    pub(super) fn user(&self, id: &str) -> Result<Option<User>, NothingSaid> {
        let said = self.said.load();
        let said = said.as_ref().filter(|said| Instant::now() < said.until).ok_or(NothingSaid)?;
        Ok(said.users.get(id).cloned())
    }

    /// Asks for ever. What was said is believed for as long as the settings say, also when there is no answer any more.
    pub(super) async fn follow(&self, roles: &Roles) {
        let Settings { address, period, lasts, .. } = &self.settings;
        loop {
            let pause = match self.ask().await {
                Ok(groups) => {
                    let users = users(groups, roles);
                    tracing::debug!(%address, users = users.len(), "the access server has answered");
                    let until = Instant::now() + *lasts;
                    self.said.store(Some(Arc::new(Said { users, until })));
                    *period
                }
                Err(error) => {
                    let error = with_sources(&error);
                    if self.user("").is_err() {
                        tracing::error!(
                            error,
                            "the access server has no answer, and nobody is let in"
                        );
                    } else {
                        tracing::warn!(
                            error,
                            "the access server has no answer; what it said is still believed"
                        );
                    }
                    AGAIN.min(*period)
                }
            };
            sleep(pause.mul_f64(rand::random_range(1.0 - SPREAD..=1.0 + SPREAD))).await;
        }
    }

    async fn ask(&self) -> Result<BTreeMap<String, Members>, NoAnswer> {
        let Settings { address, answers_in, .. } = &self.settings;
        let asked = timeout(*answers_in, self.http.document(address)).await;
        let document = asked.map_err(|_| NoAnswer::Late(address.to_string()))??;
        serde_json::from_value(document).map_err(|_| NoAnswer::Content(address.to_string()))
    }
}

/// Who has which of these roles.
fn users(groups: BTreeMap<String, Members>, roles: &Roles) -> BTreeMap<String, User> {
    let mut users = BTreeMap::<String, User>::new();
    for (role, members) in groups {
        if !roles.knows(&role) {
            tracing::warn!(role, "the access server has a role that is not known");
            continue;
        }
        for (id, member) in members {
            // What else is said of somebody is for people: it takes away nobody's role.
            let Member { first_name, last_name, email } =
                serde_json::from_value(member).unwrap_or_default();
            let names = [first_name, last_name].into_iter().flatten();
            let names: Vec<_> = names.map(|name| name.trim().to_owned()).collect();
            let name = names.join(" ").trim().to_owned();
            let user = users.entry(id).or_default();
            user.roles.push(role.clone());
            user.displayed_name =
                user.displayed_name.take().or(Some(name).filter(|name| !name.is_empty()));
            user.email = user.email.take().or(email.filter(|email| !email.is_empty()));
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everybody_has_the_roles_under_which_they_are_named() {
        let groups = json!({
            "admin": {"bob": {"email": "bob@x.y"}, "tom": {}},
            "expert": {"bob": {"first_name": " Bob ", "last_name": "B"}, "eve": {"email": 1}},
            "king": {"eve": {}},
            "observer": {},
        });
        let users = users(serde_json::from_value(groups).unwrap(), &Roles::default());
        assert_eq!(users["bob"].roles, ["admin", "expert"]);
        assert_eq!(users["bob"].displayed_name.as_deref(), Some("Bob B"));
        assert_eq!(users["bob"].email.as_deref(), Some("bob@x.y"));
        assert_eq!(users["tom"], User { roles: vec!["admin".to_owned()], ..User::default() });
        assert_eq!(users["eve"].roles, ["expert"]);
    }

    #[test]
    fn nobody_has_a_role_before_the_server_has_answered_and_when_its_answer_is_too_old() {
        let settings = Settings {
            address: "http://127.0.0.1:1/".parse().unwrap(),
            period: Duration::from_secs(600),
            lasts: Duration::from_secs(900),
            answers_in: Duration::from_secs(5),
        };
        let server = AccessServer::new(settings, &super::super::trust::tls().unwrap());
        assert_eq!(server.user("bob"), Err(NothingSaid));
        let say = |until| {
            let users = [("bob".to_owned(), User::default())].into();
            server.said.store(Some(Arc::new(Said { users, until })));
        };
        say(Instant::now() + Duration::from_secs(60));
        assert_eq!(server.user("bob"), Ok(Some(User::default())));
        assert_eq!(server.user("eve"), Ok(None));
        say(Instant::now());
        assert_eq!(server.user("bob"), Err(NothingSaid));
    }
}
