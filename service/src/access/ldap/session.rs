//! One connection to a directory.

use std::sync::Arc;
use std::time::Duration;

use ldap3::{LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, SearchOptions};
use rand::seq::SliceRandom;
use rustls::ClientConfig;

use super::Settings;
use crate::error::with_sources;

/// Entries that a search may find: more than one is as good as many.
const ENTRIES: i32 = 2;
/// How long the server may take to hear that a session is over.
const FAREWELL: Duration = Duration::from_secs(1);

/// Answers of a directory to somebody who logs in (RFC 4511 §4.1.9).
mod code {
    pub(super) const SUCCESS: u32 = 0;
    pub(super) const SIZE_LIMIT_EXCEEDED: u32 = 4;
    pub(super) const NO_SUCH_OBJECT: u32 = 32;
    /// What refuses a user: a locked account, a DN that is none, no password there, a wrong one, one that has to be changed.
    pub(super) const REFUSED: [u32; 6] = [19, NO_SUCH_OBJECT, 34, 48, 49, 53];
}

/// A directory cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// None of the servers takes a connection.
    #[error("no server can be reached")]
    Unreachable(#[source] LdapError),
    /// A connection broke off, or an answer did not come in time.
    #[error("a server does not answer")]
    Broken(#[from] LdapError),
    /// It has an answer that says nothing about the user.
    #[error("a server answers with code {code}: {text}")]
    Code { code: u32, text: String },
    /// It does not let in who looks users up.
    #[error("a server refuses the account of lookup_dn_search_user")]
    LookupRefused,
}

/// A connection to a directory.
pub(super) struct Session {
    ldap: ldap3::Ldap,
    receive_timeout: Duration,
}

impl Session {
    /// With whichever server answers first, in any order.
    pub(super) async fn open(
        settings: &Settings,
        tls: &Arc<ClientConfig>,
    ) -> Result<Self, Failure> {
        let mut servers: Vec<_> = settings.servers.iter().collect();
        servers.shuffle(&mut rand::rng());
        let mut last = LdapError::EndOfStream;
        for server in servers {
            let how = LdapConnSettings::new()
                .set_conn_timeout(settings.connect_timeout)
                .set_config(Arc::clone(tls))
                .set_starttls(settings.starttls);
            match LdapConnAsync::from_url_with_settings(how, server).await {
                Ok((connection, ldap)) => {
                    // Ends with the session.
                    ldap3::drive!(connection);
                    return Ok(Self { ldap, receive_timeout: settings.receive_timeout });
                }
                Err(error) => {
                    tracing::warn!(%server, error = with_sources(&error), "an LDAP server cannot be reached");
                    last = error;
                }
            }
        }
        Err(Failure::Unreachable(last))
    }

    /// Whether the directory takes that password for that DN.
    pub(super) async fn bind(&mut self, dn: &str, password: &str) -> Result<bool, Failure> {
        let answer = self.ldap.with_timeout(self.receive_timeout).simple_bind(dn, password).await?;
        match answer.rc {
            code::SUCCESS => Ok(true),
            code if code::REFUSED.contains(&code) => Ok(false),
            code => Err(Failure::Code { code, text: answer.text }),
        }
    }

    /// What a search finds, with these attributes. No more than two.
    pub(super) async fn entries(
        &mut self,
        (base, scope): (&str, Scope),
        filter: &str,
        attributes: &[&str],
    ) -> Result<Vec<SearchEntry>, Failure> {
        let bounded = SearchOptions::new().sizelimit(ENTRIES);
        let ldap = self.ldap.with_timeout(self.receive_timeout).with_search_options(bounded);
        let found = ldap.search(base, scope, filter, attributes).await?;
        match found.1.rc {
            code::SUCCESS | code::SIZE_LIMIT_EXCEEDED => {
                Ok(found.0.into_iter().map(SearchEntry::construct).collect())
            }
            code::NO_SUCH_OBJECT => Ok(Vec::new()),
            code => Err(Failure::Code { code, text: found.1.text }),
        }
    }

    /// Says goodbye. A server that does not listen is left.
    pub(super) async fn close(mut self) {
        if let Err(error) = self.ldap.with_timeout(FAREWELL).unbind().await {
            tracing::debug!(%error, "an LDAP server does not hear the end of a session");
        }
    }
}
