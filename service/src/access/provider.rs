//! Login providers: whom a server asks whether somebody is who they say (contract queue-server §4.5).

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::ldap::Ldap;
use super::oidc::Oidc;
use super::password::Passwords;
use super::secret::Secret;

/// A login provider, as a configuration describes it. Clones share it.
#[derive(Clone, Debug)]
pub enum Provider {
    /// Users and passwords of the configuration itself (`DictionaryAuthenticator`).
    Passwords(Passwords),
    /// A directory (`LDAPAuthenticator`).
    Ldap(Arc<Ldap>),
    /// A page of somebody else's, where users log in (`OIDCAuthenticator`).
    Oidc(Arc<Oidc>),
}

/// A provider cannot say whether a password is right. Why stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the login provider cannot be asked")]
pub struct Silent;

/// A provider that takes passwords.
#[derive(Clone, Copy, Debug)]
pub(super) enum TakesPasswords<'a> {
    Listed(&'a Passwords),
    Ldap(&'a Ldap),
}

impl Provider {
    /// The provider, if it takes passwords.
    pub(super) fn takes_passwords(&self) -> Option<TakesPasswords<'_>> {
        match self {
            Self::Passwords(passwords) => Some(TakesPasswords::Listed(passwords)),
            Self::Ldap(ldap) => Some(TakesPasswords::Ldap(ldap)),
            Self::Oidc(_) => None,
        }
    }

    /// The provider, if it has a page where users log in.
    pub(super) fn page(&self) -> Option<&Oidc> {
        match self {
            Self::Oidc(oidc) => Some(oidc),
            Self::Passwords(_) | Self::Ldap(_) => None,
        }
    }
}

impl TakesPasswords<'_> {
    /// Room for the passwords that are looked at at the same time.
    pub(super) fn turns(&self) -> &Semaphore {
        match self {
            Self::Listed(passwords) => passwords.turns(),
            Self::Ldap(ldap) => ldap.turns(),
        }
    }

    /// The user whose password that is, by the name that the provider has for them; `None` when it is wrong.
    pub(super) async fn user(
        &self,
        user: &str,
        password: Secret,
    ) -> Result<Option<String>, Silent> {
        match self {
            Self::Listed(passwords) => Ok(passwords.user(user, password).await),
            Self::Ldap(ldap) => ldap.user(user, &password).await,
        }
    }
}
