//! The book of accounts: who has logged in, their sessions and their API keys. Plain data and what happens to it; secrets are
//! in it as digests only.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::scope::Scopes;
use super::secret::{NoRandomness, Secret, SecretDigest};

/// Sessions of one principal. The oldest goes when one more begins.
const SESSIONS: usize = 50;
/// API keys of one principal.
const KEYS: usize = 100;
/// Random bytes of an API key: four by which it is known, and 32.
const KEY_BYTES: usize = 36;
/// Characters by which an API key is known.
const SHOWN: usize = 8;

/// The book.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Book {
    pub(super) principals: Vec<Principal>,
}

/// Somebody who has logged in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Principal {
    pub(super) uuid: Uuid,
    /// The provider that knows the principal, and the name there.
    pub(super) provider: String,
    pub(super) id: String,
    /// Unix time in seconds.
    pub(super) latest_login: i64,
    pub(super) sessions: Vec<Session>,
    pub(super) api_keys: Vec<ApiKey>,
}

/// A login and its refresh tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) uuid: Uuid,
    /// Unix time in seconds.
    pub(super) expires: i64,
    pub(super) revoked: bool,
}

/// An API key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ApiKey {
    pub(super) first_eight: String,
    digest: SecretDigest,
    /// What it allows; `None`: whatever its principal may do.
    pub(super) scopes: Option<Scopes>,
    pub(super) note: Option<String>,
    /// Unix time in seconds; never without it.
    pub(super) expires: Option<i64>,
}

/// The principal has too many API keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoKey {
    #[error("there are {KEYS} API keys already; delete one first")]
    TooMany,
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl Book {
    pub(super) fn principal(&self, uuid: Uuid) -> Option<&Principal> {
        self.principals.iter().find(|one| one.uuid == uuid)
    }

    fn principal_mut(&mut self, uuid: Uuid) -> Option<&mut Principal> {
        self.principals.iter_mut().find(|one| one.uuid == uuid)
    }

    /// Somebody logs in: a session of that principal, new if need be.
    pub(super) fn log_in(
        &mut self,
        (provider, id): (&str, &str),
        now: i64,
        expires: i64,
    ) -> (Uuid, Uuid) {
        self.forget_expired(now);
        let known = self.principals.iter().position(|one| one.provider == provider && one.id == id);
        let at = known.unwrap_or_else(|| {
            self.principals.push(Principal {
                uuid: Uuid::new_v4(),
                provider: provider.to_owned(),
                id: id.to_owned(),
                latest_login: now,
                sessions: Vec::new(),
                api_keys: Vec::new(),
            });
            self.principals.len() - 1
        });
        let principal = &mut self.principals[at];
        principal.latest_login = now;
        let session = Uuid::new_v4();
        principal.sessions.push(Session { uuid: session, expires, revoked: false });
        let surplus = principal.sessions.len().saturating_sub(SESSIONS);
        principal.sessions.drain(..surplus);
        (principal.uuid, session)
    }

    /// Whose session that is, while it lasts.
    pub(super) fn of_session(&self, session: Uuid, now: i64) -> Option<(&Principal, &Session)> {
        self.any_session(session).filter(|(_, session)| !session.revoked && session.expires > now)
    }

    /// Whose session that is, ended or not.
    pub(super) fn any_session(&self, session: Uuid) -> Option<(&Principal, &Session)> {
        let mut all =
            self.principals.iter().flat_map(|one| one.sessions.iter().map(move |s| (one, s)));
        all.find(|(_, candidate)| candidate.uuid == session)
    }

    /// Ends a session.
    pub(super) fn revoke(&mut self, session: Uuid) {
        let mut all = self.principals.iter_mut().flat_map(|one| &mut one.sessions);
        if let Some(session) = all.find(|candidate| candidate.uuid == session) {
            session.revoked = true;
        }
    }

    /// Whose key that is, while it is good.
    pub(super) fn of_key(&self, secret: &Secret, now: i64) -> Option<(&Principal, &ApiKey)> {
        let shown = secret.reveal().get(..SHOWN)?;
        let mut all =
            self.principals.iter().flat_map(|one| one.api_keys.iter().map(move |k| (one, k)));
        all.find(|(_, key)| key.first_eight == shown && key.digest.is_of(secret))
            .filter(|(_, key)| key.is_good(now))
    }

    /// A new key of a principal that is there, and its secret, which is not kept.
    pub(super) fn add_key(
        &mut self,
        principal: Uuid,
        scopes: Option<Scopes>,
        note: Option<String>,
        (now, expires): (i64, Option<i64>),
    ) -> Result<Option<(ApiKey, Secret)>, NoKey> {
        self.forget_expired(now);
        let Some(principal) = self.principal_mut(principal) else { return Ok(None) };
        if principal.api_keys.len() >= KEYS {
            return Err(NoKey::TooMany);
        }
        let secret = Secret::random(KEY_BYTES)?;
        let first_eight = secret.reveal()[..SHOWN].to_owned();
        let key = ApiKey { first_eight, digest: secret.digest(), scopes, note, expires };
        principal.api_keys.push(key.clone());
        Ok(Some((key, secret)))
    }

    /// Deletes a key. Whether there was one.
    pub(super) fn delete_key(&mut self, principal: Uuid, first_eight: &str) -> bool {
        let Some(principal) = self.principal_mut(principal) else { return false };
        let before = principal.api_keys.len();
        principal.api_keys.retain(|key| key.first_eight != first_eight);
        principal.api_keys.len() < before
    }

    fn forget_expired(&mut self, now: i64) {
        for principal in &mut self.principals {
            principal.sessions.retain(|session| session.expires > now);
            principal.api_keys.retain(|key| key.is_good(now));
        }
    }
}

impl ApiKey {
    fn is_good(&self, now: i64) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scope::Scope;
    use super::*;

    const BOB: (&str, &str) = ("toy", "bob");

    #[test]
    fn a_session_lasts_until_it_is_revoked_or_over() {
        let mut book = Book::default();
        let (bob, first) = book.log_in(BOB, 0, 100);
        let (again, second) = book.log_in(BOB, 1, 100);
        assert_eq!(bob, again);
        assert_ne!(bob, book.log_in(("other", "bob"), 1, 100).0, "another provider");
        assert_eq!(book.of_session(first, 99).unwrap().0.uuid, bob);
        assert!(book.of_session(first, 100).is_none());
        book.revoke(first);
        assert!(book.of_session(first, 1).is_none() && book.any_session(first).is_some());
        assert!(book.of_session(second, 1).is_some());
        book.log_in(BOB, 200, 300);
        assert_eq!(
            book.principal(bob).unwrap().sessions.len(),
            1,
            "those that are over are forgotten"
        );
    }

    #[test]
    fn sessions_and_keys_of_one_principal_are_bounded() {
        let mut book = Book::default();
        let (bob, first) = book.log_in(BOB, 0, 100);
        for _ in 0..SESSIONS {
            book.log_in(BOB, 0, 100);
        }
        assert!(book.any_session(first).is_none());
        for _ in 0..KEYS {
            assert!(book.add_key(bob, None, None, (0, None)).unwrap().is_some());
        }
        assert!(matches!(book.add_key(bob, None, None, (0, None)), Err(NoKey::TooMany)));
    }

    #[test]
    fn a_key_is_known_by_its_secret_until_it_expires_or_is_deleted() {
        let mut book = Book::default();
        let (bob, _) = book.log_in(BOB, 0, 100);
        let scopes = Some(Scope::ReadStatus.into());
        let (key, secret) = book.add_key(bob, scopes, None, (0, Some(10))).unwrap().unwrap();
        assert_eq!(
            (secret.reveal().len(), secret.reveal().get(..8)),
            (72, Some(&*key.first_eight))
        );
        assert_eq!(book.of_key(&secret, 9).unwrap().1.scopes, scopes);
        assert!(book.of_key(&secret, 10).is_none());
        let other = format!("{}{}", key.first_eight, "0".repeat(64));
        assert!(book.of_key(&other.as_str().into(), 9).is_none());
        assert!(!serde_json::to_string(&book).unwrap().contains(secret.reveal()));
        assert!(book.delete_key(bob, &key.first_eight) && !book.delete_key(bob, &key.first_eight));
        assert!(book.of_key(&secret, 9).is_none());
        assert!(book.of_key(&"é".into(), 9).is_none());
    }

    #[test]
    fn the_book_reads_what_it_wrote() {
        let mut book = Book::default();
        let (bob, session) = book.log_in(BOB, 0, 100);
        let (_, secret) = book.add_key(bob, None, Some("note".into()), (0, None)).unwrap().unwrap();
        let read: Book = serde_json::from_str(&serde_json::to_string(&book).unwrap()).unwrap();
        assert!(read.of_key(&secret, 0).is_some() && read.of_session(session, 0).is_some());
    }
}
