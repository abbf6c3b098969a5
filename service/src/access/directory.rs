//! Who may log in and what they may do: the providers and the API access policy of a configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::access_server::{AccessServer, NothingSaid};
use super::provider::Provider;
use super::refusal::Refusal;
use super::role::Roles;
use super::scope::Scopes;

/// Who may log in and what they may do.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// By their names in `/api/auth/provider/{name}/…`.
    pub providers: BTreeMap<String, Provider>,
    /// Who has which roles.
    pub users: Users,
    /// What the roles allow.
    pub roles: Roles,
    /// The group whose permissions apply to everybody; [`super::DEFAULT_GROUP`] when absent.
    pub group: Option<String>,
}

/// Who has which roles; others have none.
#[derive(Clone, Debug)]
pub enum Users {
    /// As the configuration says (`DictionaryAPIAccessControl`).
    Listed(BTreeMap<String, User>),
    /// As a server of the facility says (`ServerBasedAPIAccessControl`).
    Asked(Arc<AccessServer>),
}

impl Default for Users {
    fn default() -> Self {
        Self::Listed(BTreeMap::new())
    }
}

impl Users {
    fn get(&self, id: &str) -> Result<Option<User>, NothingSaid> {
        match self {
            Self::Listed(users) => Ok(users.get(id).cloned()),
            Self::Asked(server) => server.user(id),
        }
    }
}

/// What is known of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Roles.
    pub roles: Vec<String>,
    /// Name for people.
    pub displayed_name: Option<String>,
    /// Mail address.
    pub email: Option<String>,
}

impl Directory {
    /// What a user may do. One without a role that allows something is refused in this way; all are while nobody can say.
    pub(super) fn scopes(&self, id: &str, refused: Refusal) -> Result<Scopes, Refusal> {
        let user = self.users.get(id).map_err(|NothingSaid| Refusal::Unavailable)?;
        let user = user.unwrap_or_default();
        let scopes = self.roles.scopes(user.roles.iter().map(String::as_str));
        if scopes.is_empty() { Err(refused) } else { Ok(scopes) }
    }

    /// What a user may do, for who looks at it; nothing when nobody can say.
    pub(super) fn scopes_shown(&self, id: &str) -> Scopes {
        self.scopes(id, Refusal::Revoked).unwrap_or_default()
    }

    /// The roles of a user; none when nobody can say.
    pub(super) fn roles_of(&self, id: &str) -> Vec<String> {
        self.known(id).roles
    }

    fn known(&self, id: &str) -> User {
        self.users.get(id).ok().flatten().unwrap_or_default()
    }

    /// The name that is stored with what a user does.
    pub(super) fn shown(&self, id: &str) -> String {
        let User { displayed_name, email, .. } = self.known(id);
        match (displayed_name, email) {
            (None, None) => id.to_owned(),
            (None, Some(email)) => format!("{id} <{email}>"),
            (Some(name), None) => format!("{id} \"{name}\""),
            (Some(name), Some(email)) => format!("{id} \"{name} <{email}>\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_shown_as_upstream_shows_them() {
        let user = |name: Option<&str>, email: Option<&str>| {
            let (displayed_name, email) = (name.map(str::to_owned), email.map(str::to_owned));
            let user = User { roles: vec!["user".into()], displayed_name, email };
            let users = Users::Listed([("jdoe".to_owned(), user)].into());
            Directory { users, ..Directory::default() }.shown("jdoe")
        };
        assert_eq!(user(None, None), "jdoe");
        assert_eq!(user(None, Some("jdoe@gmail.com")), "jdoe <jdoe@gmail.com>");
        assert_eq!(user(Some("John Doe"), None), "jdoe \"John Doe\"");
        let both = user(Some("John Doe"), Some("jdoe@gmail.com"));
        assert_eq!(both, "jdoe \"John Doe <jdoe@gmail.com>\"");
    }

    #[test]
    fn a_user_without_a_role_that_allows_something_may_do_nothing() {
        let of = |roles: &[&str]| User {
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            ..User::default()
        };
        let users = [("bob", of(&["observer"])), ("eve", of(&["king"])), ("tom", of(&[]))];
        let users = Users::Listed(users.map(|(name, user)| (name.to_owned(), user)).into());
        let directory = Directory { users, ..Directory::default() };
        let scopes = |name| directory.scopes(name, Refusal::NoRole);
        assert!(scopes("bob").is_ok());
        assert!(["eve", "tom", "nobody"].iter().all(|name| scopes(name) == Err(Refusal::NoRole)));
    }
}
