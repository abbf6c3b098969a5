//! Logging in at a provider that has a page of its own: a browser is sent there and comes back with a code.

use std::time::Instant;

use serde_json::Value;
use tokio::time::timeout;
use url::Url;

use super::accounts::{Accounts, now};
use super::attempts::subject;
use super::audit;
use super::gate::{Asked, Gate};
use super::login::WAIT;
use super::oidc::Oidc;
use super::oidc::devices::{Codes, State};
use super::oidc::ticket::{Approval, OfProvider, Purpose, Ticket};
use super::refusal::Refusal;
use super::secret::Secret;

/// By what somebody is known, for the audit.
const BY_CODE: &str = "code";
const BY_DEVICE: &str = "device-code";

/// A provider with a page, and its name here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elsewhere<'a> {
    pub(super) accounts: &'a Accounts,
    pub(super) name: &'a str,
    pub(super) oidc: &'a Oidc,
}

/// What a browser brings back.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) code: Option<String>,
    pub(super) state: Option<String>,
}

/// What comes of a login elsewhere.
#[derive(Debug)]
pub(super) enum LoggedIn {
    /// Tokens.
    Tokens(Value),
    /// The code of a device has to be typed by that user, and sent with the approval.
    TypesCode { user: String, approval: String },
}

impl Elsewhere<'_> {
    /// Where to send a browser.
    pub(super) async fn begin(&self, purpose: Purpose) -> Result<Url, Refusal> {
        let ticket = Ticket::new(self.name, purpose, now()).map_err(|_| Refusal::Unavailable)?;
        let keys = self.accounts.signing_keys().await?;
        let key = keys.first().ok_or(Refusal::Unavailable)?;
        let state = ticket.sign(key).map_err(|_| Refusal::Unavailable)?;
        let bonds = ticket.bonds(key).map_err(|_| Refusal::Unavailable)?;
        Ok(self.oidc.authorization(&state, &bonds).await?)
    }

    async fn end(&self, returned: Returned) -> Result<(String, Purpose), Refusal> {
        let Returned { code: Some(code), state: Some(state) } = returned else {
            return Err(Refusal::Elsewhere);
        };
        let keys = self.accounts.signing_keys().await?;
        let ticket = Ticket::read(&state, self.name, &keys).map_err(|_| Refusal::Elsewhere)?;
        // Keys that only verify are those of before: a login does not last so long.
        let key = keys.first().ok_or(Refusal::Unavailable)?;
        let bonds = ticket.bonds(key).map_err(|_| Refusal::Elsewhere)?;
        let user = self.oidc.user(&code, &bonds).await?.ok_or(Refusal::Elsewhere)?;
        // As upstream, which does not say that it is the role that is missing.
        self.accounts.directory.scopes(&user, Refusal::Elsewhere)?;
        Ok((user, ticket.purpose))
    }
}

impl Gate {
    /// A browser comes back from a provider; a decision that is noted.
    pub(super) async fn come_back(
        &self,
        elsewhere: Elsewhere<'_>,
        asked: &Asked,
        returned: Returned,
    ) -> Result<LoggedIn, Refusal> {
        let decided = self.slowly(elsewhere, asked, elsewhere.end(returned)).await;
        self.note_login(asked, decided.as_ref().map(|(user, _)| user.as_str()), BY_CODE);
        let (user, purpose) = decided?;
        match purpose {
            Purpose::Token => {
                let tokens = elsewhere.accounts.log_in(elsewhere.name, &user).await?;
                Ok(LoggedIn::Tokens(tokens))
            }
            Purpose::Device => {
                let keys = elsewhere.accounts.signing_keys().await?;
                let key = keys.first().ok_or(Refusal::Unavailable)?;
                let approval = Approval::new(elsewhere.name, &user, now()).sign(key);
                let approval = approval.map_err(|_| Refusal::Unavailable)?;
                Ok(LoggedIn::TypesCode { user, approval })
            }
        }
    }

    /// A device begins to wait for a login.
    pub(super) fn wait_for_login(
        &self,
        elsewhere: Elsewhere<'_>,
        asked: &Asked,
    ) -> Result<Codes, Refusal> {
        let codes = elsewhere.oidc.devices().wait(asked.from.map(subject), Instant::now());
        codes.map_err(|error| {
            tracing::warn!(%error, provider = elsewhere.name, "a device cannot wait for a login");
            Refusal::TooMany
        })
    }

    /// Somebody who has logged in types the code of a device; a decision that is noted. Who it is.
    pub(super) async fn approve(
        &self,
        elsewhere: Elsewhere<'_>,
        asked: &Asked,
        (approval, typed): (&str, &str),
    ) -> Result<String, Refusal> {
        let approving = async {
            let keys = elsewhere.accounts.signing_keys().await?;
            let approval = Approval::read(approval, elsewhere.name, &keys);
            let user = approval.map_err(|_| Refusal::Elsewhere)?.id;
            let waits = elsewhere.oidc.devices().log_in(typed, &user, Instant::now());
            if waits { Ok(user) } else { Err(Refusal::Elsewhere) }
        };
        let decided = self.slowly(elsewhere, asked, approving).await;
        self.note_login(asked, decided.as_ref().map(String::as_str), BY_DEVICE);
        decided
    }

    /// A device asks whether somebody has logged in for it; a decision that is noted. Nothing as long as nobody has.
    pub(super) async fn ask_for_device(
        &self,
        elsewhere: Elsewhere<'_>,
        asked: &Asked,
        device_code: &Secret,
    ) -> Result<Option<Value>, Refusal> {
        let asking = async {
            match elsewhere.oidc.devices().ask(device_code, Instant::now()) {
                State::Pending => Ok(None),
                State::LoggedIn(user) => Ok(Some(user)),
                State::Unknown => Err(Refusal::Elsewhere),
            }
        };
        let user = match self.slowly(elsewhere, asked, asking).await {
            Ok(None) => return Ok(None),
            Ok(Some(user)) => Ok(user),
            Err(refusal) => Err(refusal),
        };
        self.note_login(asked, user.as_ref().map(String::as_str), BY_DEVICE);
        Ok(Some(elsewhere.accounts.log_in(elsewhere.name, &user?).await?))
    }

    /// Does it, one after the other for those who fail often.
    async fn slowly<T>(
        &self,
        elsewhere: Elsewhere<'_>,
        asked: &Asked,
        what: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let who = (asked.from.map(subject), asked.path.clone());
        let turn = timeout(WAIT, elsewhere.oidc.turns().acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(Refusal::TooMany) };
        if self.logins().is_exhausted(&who, Instant::now()) {
            return Err(Refusal::TooMany);
        }
        let outcome = what.await;
        if matches!(outcome, Err(Refusal::Elsewhere)) {
            self.logins().failed(&who, Instant::now());
        }
        outcome
    }

    fn note_login(&self, asked: &Asked, user: Result<&str, &Refusal>, by: &'static str) {
        let worth_a_line = !matches!(user, Err(Refusal::TooMany));
        audit::note(self.service(), asked, user.map(|user| (user, by)), worth_a_line);
    }
}
