//! What a service is told about its gate, and what that comes to.

use super::directory::Directory;
use super::secret::{NoRandomness, Secret};

/// Random bytes of a key that is made up, as upstream.
const MADE_UP_BYTES: usize = 32;

/// What a service is told about its gate.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The key that lets the single user in. An empty one is none.
    pub single_user_key: Option<Secret>,
    /// Whether those who show nothing may read the status.
    pub allow_anonymous: bool,
    /// Whether nobody is asked while no key is set; when not said, only where the service can be reached from its own machine only.
    pub open: Option<bool>,
    /// For whom tokens of the cluster have to be, to be taken; none are without it.
    pub audience: Option<String>,
    /// Who may log in. As soon as there is a provider, the single-user key opens nothing.
    pub directory: Directory,
    /// What signs tokens, first, and what else verifies them; when there is none, one is made up and kept.
    pub secret_keys: Vec<Secret>,
    /// How long tokens and sessions last.
    pub lifetimes: Lifetimes,
}

/// How long tokens and sessions last, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// An access token.
    pub access_s: u32,
    /// A refresh token.
    pub refresh_s: u32,
    /// A session, however often it is refreshed.
    pub session_s: u32,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { access_s: 900, refresh_s: 7 * 24 * 3600, session_s: 365 * 24 * 3600 }
    }
}

/// A gate that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Upstream's rule, so that a key never needs to be quoted.
    #[error("the single-user API key must consist of letters and digits")]
    Key,
    /// No key can be made up.
    #[error("an API key cannot be made up: {0}")]
    Random(#[from] NoRandomness),
}

/// How one gets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// Nobody is asked.
    Open,
    /// With the key that was set.
    Key(Secret),
    /// With a key that was made up when the service started.
    MadeUpKey(Secret),
    /// With tokens of the cluster only.
    ClusterTokens,
    /// With a password, and then with tokens and API keys.
    Accounts,
}

impl Entrance {
    /// The key, where there is one.
    pub fn key(&self) -> Option<&Secret> {
        match self {
            Self::Open | Self::ClusterTokens | Self::Accounts => None,
            Self::Key(key) | Self::MadeUpKey(key) => Some(key),
        }
    }
}

impl Policy {
    /// Of a service without users: open to everybody until there is a key, or tokens are taken, as its Python counterpart.
    pub fn keyed(key: Option<&Secret>, audience: Option<&str>) -> Self {
        Self {
            single_user_key: key.cloned(),
            audience: audience.filter(|one| !one.is_empty()).map(str::to_owned),
            open: Some(true),
            ..Self::default()
        }
    }

    /// How one gets in: with the key as soon as there is one.
    ///
    /// # Errors
    /// When the key cannot be one, or there is no randomness to make one up.
    pub fn entrance(&self, loopback: bool) -> Result<Entrance, PolicyError> {
        if !self.directory.providers.is_empty() {
            return Ok(Entrance::Accounts);
        }
        match self.single_user_key.as_ref().filter(|key| !key.reveal().is_empty()) {
            Some(key) if key.reveal().chars().all(char::is_alphanumeric) => {
                Ok(Entrance::Key(key.clone()))
            }
            Some(_) => Err(PolicyError::Key),
            None if self.audience.is_some() => Ok(Entrance::ClusterTokens),
            None if self.open.unwrap_or(loopback) => Ok(Entrance::Open),
            None => Ok(Entrance::MadeUpKey(Secret::random(MADE_UP_BYTES)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entrance(key: &str, open: Option<bool>, loopback: bool) -> Result<Entrance, PolicyError> {
        let policy = Policy { single_user_key: Some(key.into()), open, ..Policy::default() };
        policy.entrance(loopback)
    }

    #[test]
    fn a_key_closes_the_gate_whatever_else_is_said() {
        for (open, loopback) in [(None, true), (Some(true), true), (Some(true), false)] {
            assert_eq!(entrance("k", open, loopback).unwrap(), Entrance::Key("k".into()));
        }
    }

    #[test]
    fn where_tokens_are_taken_nobody_gets_in_without() {
        let policy = Policy::keyed(None, Some("beamline"));
        assert_eq!(policy.entrance(true).unwrap(), Entrance::ClusterTokens);
        let both = Policy::keyed(Some(&"k".into()), Some("beamline"));
        assert_eq!(both.entrance(true).unwrap(), Entrance::Key("k".into()));
        assert_eq!(Policy::keyed(None, Some("")).entrance(false).unwrap(), Entrance::Open);
    }

    #[test]
    fn without_a_key_only_loopback_is_open_unless_said_otherwise() {
        assert_eq!(entrance("", None, true).unwrap(), Entrance::Open);
        assert_eq!(entrance("", Some(true), false).unwrap(), Entrance::Open);
        for (open, loopback) in [(None, false), (Some(false), true), (Some(false), false)] {
            let made_up = entrance("", open, loopback).unwrap();
            assert!(matches!(&made_up, Entrance::MadeUpKey(key) if key.reveal().len() == 64));
        }
    }

    #[test]
    fn a_key_that_would_need_quoting_is_refused_and_not_shown() {
        let error = entrance("a key&more", None, true).unwrap_err().to_string();
        assert!(!error.contains("more"), "{error}");
    }
}
