//! Who may log in and what they may do: the providers and the API access policy of a configuration.

use std::collections::BTreeMap;

use super::provider::Provider;
use super::role::Roles;
use super::scope::Scopes;

/// Who may log in and what they may do.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// By their names in `/api/auth/provider/{name}/…`.
    pub providers: BTreeMap<String, Provider>,
    /// Who has which roles; others have none.
    pub users: BTreeMap<String, User>,
    /// What the roles allow.
    pub roles: Roles,
    /// The group whose permissions apply to everybody; [`super::DEFAULT_GROUP`] when absent.
    pub group: Option<String>,
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
    /// What a user may do; `None` for one without a role.
    pub(super) fn scopes(&self, id: &str) -> Option<Scopes> {
        let user = self.users.get(id)?;
        let scopes = self.roles.scopes(user.roles.iter().map(String::as_str));
        Some(scopes).filter(|scopes| !scopes.is_empty())
    }

    /// The roles of a user.
    pub(super) fn roles_of(&self, id: &str) -> Vec<String> {
        self.users.get(id).map(|user| user.roles.clone()).unwrap_or_default()
    }

    /// The name that is stored with what a user does.
    pub(super) fn shown(&self, id: &str) -> String {
        let user = self.users.get(id);
        let name = user.and_then(|user| user.displayed_name.as_deref());
        let email = user.and_then(|user| user.email.as_deref());
        match (name, email) {
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
            let users = BTreeMap::from([("jdoe".to_owned(), user)]);
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
        let users = users.map(|(name, user)| (name.to_owned(), user)).into();
        let directory = Directory { users, ..Directory::default() };
        assert!(directory.scopes("bob").is_some());
        assert!(["eve", "tom", "nobody"].iter().all(|name| directory.scopes(name).is_none()));
    }
}
