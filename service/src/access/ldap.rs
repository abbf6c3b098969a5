//! Users of a directory and their passwords (`LDAPAuthenticator`, contract queue-server §4.5).
//!
//! A password is right when the directory lets its user bind with it. A bind without a password succeeds for everybody
//! (RFC 4513 §5.1.2), so an empty one never gets so far. What a user types is escaped wherever it goes.

mod question;
mod session;
mod settings;

use std::sync::Arc;

use ldap3::{Scope, SearchEntry};
use rustls::ClientConfig;
use tokio::sync::Semaphore;

use super::provider::Silent;
use super::secret::Secret;
use crate::error::with_sources;
use session::{Failure, Session};

pub(super) use settings::{Lookup, Restriction, Settings};

/// Users who log in at the same time. One may wait until somebody looks at a telephone.
const AT_ONCE: usize = 16;

/// A directory.
#[derive(Debug)]
pub struct Ldap {
    settings: Settings,
    tls: Arc<ClientConfig>,
    turns: Semaphore,
}

/// Somebody of the directory.
struct Person {
    /// The name that goes into DNs and filters.
    name: String,
    /// Where they were found.
    dn: Option<String>,
}

impl Ldap {
    /// The directory of those settings, whose certificate `tls` looks at.
    pub(super) fn new(settings: Settings, tls: Arc<ClientConfig>) -> Self {
        Self { settings, tls, turns: Semaphore::new(AT_ONCE) }
    }

    /// Room for those who log in at the same time.
    pub(super) fn turns(&self) -> &Semaphore {
        &self.turns
    }

    /// The user whose password that is, by the name that the directory has for them where one is looked up.
    pub(super) async fn user(
        &self,
        name: &str,
        password: &Secret,
    ) -> Result<Option<String>, Silent> {
        if !self.settings.usernames.is_match(name) || password.reveal().trim().is_empty() {
            return Ok(None);
        }
        self.ask(name, password).await.map_err(|error| {
            tracing::warn!(error = with_sources(&error), "the LDAP server cannot be asked");
            Silent
        })
    }

    async fn ask(&self, typed: &str, password: &Secret) -> Result<Option<String>, Failure> {
        let person = match &self.settings.lookup {
            Some(lookup) => self.look_up(lookup, typed).await?,
            None => Some(Person { name: typed.to_owned(), dn: None }),
        };
        let Some(person) = person else { return Ok(None) };
        let Some((mut session, dn)) = self.bind(&person, password).await? else { return Ok(None) };
        let may = self.is_in_search(&mut session, &person.name).await?
            && self.is_in_a_group(&mut session, (&person.name, &dn)).await?;
        session.close().await;
        let keeps_typed = self.settings.lookup.as_ref().is_some_and(|lookup| lookup.keeps_typed);
        let name = if keeps_typed { typed.to_owned() } else { person.name };
        Ok(may.then_some(name))
    }

    /// Who has typed that name.
    async fn look_up(&self, lookup: &Lookup, typed: &str) -> Result<Option<Person>, Failure> {
        let (account, secret) = match &lookup.account {
            Some((account, secret)) => (account.as_str(), secret.reveal()),
            // An anonymous bind, as upstream.
            None => ("", ""),
        };
        let mut session = self.session().await?;
        if !session.bind(account, secret).await? {
            return Err(Failure::LookupRefused);
        }
        let filter = question::with_login(&lookup.filter, &lookup.attribute, typed);
        let found = session
            .entries((&lookup.base, Scope::Subtree), &filter, &[&lookup.name_attribute])
            .await?;
        session.close().await;
        let [entry] = found.as_slice() else {
            tracing::info!(found = found.len(), "a user is not one entry of the directory");
            return Ok(None);
        };
        let name = first(entry, &lookup.name_attribute);
        Ok(name.map(|name| Person { name, dn: Some(entry.dn.clone()) }))
    }

    /// A session of that person, and their DN, if the password is right.
    async fn bind(
        &self,
        person: &Person,
        password: &Secret,
    ) -> Result<Option<(Session, String)>, Failure> {
        let templates = self.settings.templates.iter();
        let dns = templates.map(|template| question::with_username(template, &person.name));
        let found = person.dn.iter().filter(|_| self.settings.templates.is_empty()).cloned();
        for dn in dns.chain(found) {
            let mut session = self.session().await?;
            if session.bind(&dn, password.reveal()).await? {
                return Ok(Some((session, dn)));
            }
        }
        Ok(None)
    }

    async fn is_in_search(&self, session: &mut Session, name: &str) -> Result<bool, Failure> {
        let Some(Restriction { base, filter, attribute }) = &self.settings.restriction else {
            return Ok(true);
        };
        let filter = question::with_user(filter, attribute, name);
        let found = session.entries((base, Scope::Subtree), &filter, &["1.1"]).await?;
        Ok(found.len() == 1)
    }

    async fn is_in_a_group(
        &self,
        session: &mut Session,
        (name, dn): (&str, &str),
    ) -> Result<bool, Failure> {
        let groups = &self.settings.allowed_groups;
        let filter = question::is_member(name, dn);
        for group in groups {
            if !session.entries((group, Scope::Base), &filter, &["1.1"]).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(groups.is_empty())
    }

    async fn session(&self) -> Result<Session, Failure> {
        Session::open(&self.settings, &self.tls).await
    }
}

/// The first value of an attribute, whose name is written as the directory pleases.
fn first(entry: &SearchEntry, attribute: &str) -> Option<String> {
    let mut attributes = entry.attrs.iter();
    let (_, values) = attributes.find(|(name, _)| name.eq_ignore_ascii_case(attribute))?;
    values.first().filter(|name| !name.is_empty()).cloned()
}
