//! Users and their passwords, as a configuration lists them (`DictionaryAuthenticator`).

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::secret::{Secret, SecretDigest};

/// How a hash by bcrypt begins.
const BCRYPT: [&str; 3] = ["$2a$", "$2b$", "$2y$"];

/// Passwords that are hashed at the same time: each takes a core for a good part of a second.
const HASHING: usize = 2;

/// Users and their passwords. Clones share them.
#[derive(Clone, Debug)]
pub struct Passwords(Arc<Listed>);

#[derive(Debug)]
struct Listed {
    users: BTreeMap<String, Password>,
    turns: Semaphore,
}

#[derive(Clone, Debug)]
enum Password {
    /// A hash, as `htpasswd -nB USER` makes it.
    Bcrypt(String),
    /// Of a password that stands in the configuration as it is.
    Plain(SecretDigest),
}

impl Password {
    fn new(text: &Secret) -> Self {
        match BCRYPT.iter().any(|prefix| text.reveal().starts_with(prefix)) {
            true => Self::Bcrypt(text.reveal().to_owned()),
            false => Self::Plain(text.digest()),
        }
    }

    fn is(&self, password: &Secret) -> bool {
        match self {
            Self::Plain(digest) => digest.is_of(password),
            // A hash that is none fits nothing.
            Self::Bcrypt(hash) => bcrypt::verify(password.reveal(), hash).unwrap_or(false),
        }
    }
}

impl Passwords {
    /// As listed: a password, or its hash by bcrypt.
    pub fn new<'a>(users: impl IntoIterator<Item = (&'a String, &'a Secret)>) -> Self {
        let users = users.into_iter().map(|(user, text)| (user.clone(), Password::new(text)));
        Self(Arc::new(Listed { users: users.collect(), turns: Semaphore::new(HASHING) }))
    }

    /// Room for the passwords that are hashed at the same time.
    pub(super) fn turns(&self) -> &Semaphore {
        &self.0.turns
    }

    /// The user, if that is the password.
    pub(super) async fn user(&self, user: &str, password: Secret) -> Option<String> {
        let (passwords, user) = (self.clone(), user.to_owned());
        let looked_at = move || passwords.fit(&user, &password).then_some(user);
        tokio::task::spawn_blocking(looked_at).await.ok().flatten()
    }

    /// Whether it is the password of that user. Takes as long for a user who is not there. Works for a good part of a
    /// second where passwords are hashed: not for a thread that others wait for.
    fn fit(&self, user: &str, password: &Secret) -> bool {
        let (known, is_there) = match self.0.users.get(user) {
            Some(known) => (Some(known), true),
            None => (self.0.users.values().next(), false),
        };
        // Both are always worked out.
        known.is_some_and(|known| known.is(password)) & is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_fit_their_user_plain_or_hashed() {
        let hashed = bcrypt::hash("bob_password", 4).unwrap();
        let users = BTreeMap::from([
            ("alice".to_owned(), Secret::from("alice_password")),
            ("bob".to_owned(), Secret::from(hashed.as_str())),
            ("eve".to_owned(), Secret::from("$2b$nonsense")),
        ]);
        let passwords = Passwords::new(&users);
        for (user, password, fits) in [
            ("alice", "alice_password", true),
            ("alice", "bob_password", false),
            ("bob", "bob_password", true),
            ("bob", hashed.as_str(), false),
            ("eve", "$2b$nonsense", false),
            ("nobody", "alice_password", false),
        ] {
            assert_eq!(passwords.fit(user, &password.into()), fits, "{user} {password}");
        }
        assert!(!format!("{passwords:?}").contains("_password"));
    }
}
