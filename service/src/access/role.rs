//! Roles: named sets of scopes (contract queue-server §4.5).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::scope::{Scope as S, Scopes};

/// The role of whoever holds the single-user key, and of everybody where nobody is asked.
pub const SINGLE_USER: &str = "unauthenticated_single_user";
/// The role of those who show nothing, where that is allowed.
pub const PUBLIC: &str = "unauthenticated_public";

const READ: Scopes = Scopes::of(&[
    S::ReadStatus,
    S::ReadQueue,
    S::ReadHistory,
    S::ReadResources,
    S::ReadConfig,
    S::ReadMonitor,
    S::ReadConsole,
    S::ReadLock,
    S::ReadTesting,
]);
const OBSERVER: Scopes = READ.and(Scopes::of(&[S::UserApiKeys]));
const USER: Scopes = OBSERVER.and(Scopes::of(&[
    S::WriteQueueEdit,
    S::WriteQueueControl,
    S::WriteManagerControl,
    S::WritePlanControl,
    S::WriteExecute,
    S::WriteHistoryEdit,
]));
const EXPERT: Scopes =
    USER.and(Scopes::of(&[S::WritePermissions, S::WriteScripts, S::WriteConfig, S::WriteLock]));
const ADMIN: Scopes = Scopes::of(&[
    S::ReadStatus,
    S::UserApiKeys,
    S::AdminApiKeys,
    S::AdminReadPrincipals,
    S::AdminMetrics,
]);
const SINGLE: Scopes = EXPERT.and(Scopes::of(&[S::WriteManagerStop, S::WriteTesting]));

/// What a configuration changes about a role (`api_access.args.roles`).
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Change {
    /// The scopes from now on.
    pub scopes_set: Option<Scopes>,
    /// These too.
    pub scopes_add: Scopes,
    /// These not.
    pub scopes_remove: Scopes,
}

/// Which scopes each role has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles(BTreeMap<String, Scopes>);

impl Default for Roles {
    fn default() -> Self {
        let roles = [
            ("admin", ADMIN),
            ("expert", EXPERT),
            ("advanced", USER),
            ("user", USER),
            ("observer", OBSERVER),
            (SINGLE_USER, SINGLE),
            (PUBLIC, S::ReadStatus.into()),
        ];
        Self(roles.map(|(name, scopes)| (name.to_owned(), scopes)).into())
    }
}

impl Roles {
    /// Changes a role as a configuration says; one that is not known is made.
    pub fn change(&mut self, role: &str, change: &Change) {
        let scopes = self.0.entry(role.to_owned()).or_default();
        let begin = change.scopes_set.unwrap_or(*scopes);
        *scopes = begin.and(change.scopes_add).without(change.scopes_remove);
    }

    /// The roles that somebody may be given.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|name| ![SINGLE_USER, PUBLIC].contains(name))
    }

    /// Whether there is one of that name.
    pub fn knows(&self, role: &str) -> bool {
        self.0.contains_key(role)
    }

    /// Everything that one of the roles allows; a role that is not known allows nothing.
    pub fn scopes<'a>(&self, roles: impl IntoIterator<Item = &'a str>) -> Scopes {
        let known = roles.into_iter().filter_map(|role| self.0.get(role));
        known.fold(Scopes::default(), |all, scopes| all.and(*scopes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roles_have_the_scopes_of_the_contract() {
        let roles = Roles::default();
        let all = |role| roles.scopes([role]);
        assert_eq!(all("user"), all("advanced"));
        assert!(all("observer").names().all(|name| !name.starts_with("write:")));
        assert_eq!(all("observer").names().count(), 10);
        assert_eq!(all("user").names().count(), 16);
        assert_eq!(all("expert").names().count(), 20);
        assert!(!all("expert").contains(S::WriteManagerStop.into()));
        assert_eq!(all(SINGLE_USER).names().count(), 22);
        assert!(!all("admin").contains(S::ReadQueue.into()));
        assert_eq!(all(PUBLIC).to_string(), "['read:status']");
    }

    #[test]
    fn a_configuration_changes_roles_and_makes_new_ones() {
        let mut roles = Roles::default();
        let change = |text| serde_json::from_str::<Change>(text).unwrap();
        roles.change(
            "observer",
            &change(r#"{"scopes_add": ["write:lock"], "scopes_remove": ["read:testing"]}"#),
        );
        let observer = roles.scopes(["observer"]);
        assert!(
            observer.contains(S::WriteLock.into()) && !observer.contains(S::ReadTesting.into())
        );
        roles.change("guest", &change(r#"{"scopes_set": ["read:status"]}"#));
        assert_eq!(roles.scopes(["guest"]), S::ReadStatus.into());
        assert!(serde_json::from_str::<Change>(r#"{"scopes": []}"#).is_err());
    }

    #[test]
    fn roles_add_up_and_unknown_ones_count_for_nothing() {
        let roles = Roles::default();
        let both = roles.scopes(["admin", "observer", "king"]);
        assert_eq!(both, ADMIN.and(OBSERVER));
        assert!(roles.scopes(["king"]).is_empty());
    }
}
