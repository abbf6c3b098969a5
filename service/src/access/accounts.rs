//! The accounts of a service with providers: who logs in, and who shows a key or a token.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::book::{Book, Principal};
use super::caller::{Account, By, Caller};
use super::credential::Credential;
use super::directory::{Directory, Users};
use super::policy::Lifetimes;
use super::refusal::Refusal;
use super::scope::Scopes;
use super::secret::Secret;
use super::store::{Kept, Store, StoreError};
use super::token::{self, Access, BadToken, Refresh};
use crate::error::with_sources;

/// How long the book is believed without a look at its Secret.
pub(super) const FRESH: Duration = Duration::from_secs(10);
/// The same before a key or a session that is not in it is refused: another server may just have written it.
const FRESH_ENOUGH_TO_REFUSE: Duration = Duration::from_secs(1);
/// Tries to write while others write too.
const TRIES: usize = 5;

/// The accounts of a service.
#[derive(Debug)]
pub(super) struct Accounts {
    pub(super) directory: Directory,
    lifetimes: Lifetimes,
    secret_keys: Vec<Secret>,
    store: Store,
    known: ArcSwapOption<Known>,
    /// One reads or writes at a time, so that what is known never goes back.
    alone: Semaphore,
    /// When each API key was used last, by its first eight characters. Since the start only.
    used: Mutex<HashMap<String, i64>>,
    _follows: Option<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) kept: Kept,
    read: Instant,
}

/// Unix time in seconds.
pub(super) fn now() -> i64 {
    Timestamp::now().as_second()
}

impl Accounts {
    pub(super) fn new(
        directory: Directory,
        lifetimes: Lifetimes,
        secret_keys: Vec<Secret>,
        store: Store,
    ) -> Self {
        let follows = match &directory.users {
            Users::Listed(_) => None,
            Users::Asked(server) => {
                let (server, roles) = (Arc::clone(server), directory.roles.clone());
                let follow = async move { server.follow(&roles).await };
                Some(AbortOnDropHandle::new(tokio::spawn(follow)))
            }
        };
        Self {
            directory,
            lifetimes,
            secret_keys,
            store,
            known: ArcSwapOption::empty(),
            alone: Semaphore::new(1),
            used: Mutex::default(),
            _follows: follows,
        }
    }

    /// The book as it was at most so long ago; older when it cannot be read now.
    pub(super) async fn book(&self, fresh: Duration) -> Result<Arc<Known>, Refusal> {
        if let Some(known) = self.recent(fresh) {
            return Ok(known);
        }
        let _alone = self.alone.acquire().await.map_err(|_| Refusal::Unavailable)?;
        self.read(fresh).await
    }

    fn recent(&self, fresh: Duration) -> Option<Arc<Known>> {
        self.known.load_full().filter(|known| known.read.elapsed() < fresh)
    }

    /// As [`Accounts::book`], for whoever is alone.
    async fn read(&self, fresh: Duration) -> Result<Arc<Known>, Refusal> {
        if let Some(known) = self.recent(fresh) {
            return Ok(known);
        }
        match self.store.read().await {
            Ok(kept) => Ok(self.learn(kept)),
            Err(error) => {
                tracing::warn!(error = with_sources(&error), "the accounts cannot be read");
                self.known.load_full().ok_or(Refusal::Unavailable)
            }
        }
    }

    fn learn(&self, kept: Kept) -> Arc<Known> {
        let known = Arc::new(Known { kept, read: Instant::now() });
        self.known.store(Some(Arc::clone(&known)));
        known
    }

    /// Changes the book and keeps it before anybody hears of it.
    pub(super) async fn change<T>(
        &self,
        mut change: impl FnMut(&mut Book) -> T,
    ) -> Result<T, Refusal> {
        let _alone = self.alone.acquire().await.map_err(|_| Refusal::Unavailable)?;
        let mut known = self.read(FRESH).await?;
        for _ in 0..TRIES {
            let mut kept = known.kept.clone();
            let outcome = change(&mut kept.book);
            match self.store.write(kept).await {
                Ok(kept) => {
                    self.learn(kept);
                    return Ok(outcome);
                }
                Err(StoreError::Conflict) => known = self.read(Duration::ZERO).await?,
                Err(error) => {
                    tracing::warn!(error = with_sources(&error), "the accounts cannot be kept");
                    break;
                }
            }
        }
        Err(Refusal::Unavailable)
    }

    /// Who shows that.
    pub(super) async fn identify(&self, shown: &Credential) -> Result<Caller, Refusal> {
        match shown {
            Credential::ApiKey(secret) => self.of_key(secret).await,
            Credential::Bearer(token) => self.of_token(token).await,
        }
    }

    async fn of_key(&self, secret: &Secret) -> Result<Caller, Refusal> {
        let now = now();
        let mut known = self.book(FRESH).await?;
        if known.kept.book.of_key(secret, now).is_none() {
            known = self.book(FRESH_ENOUGH_TO_REFUSE).await?;
        }
        let (principal, key) = known.kept.book.of_key(secret, now).ok_or(Refusal::ApiKey)?;
        let allowed = self.directory.scopes(&principal.id, Refusal::Revoked)?;
        self.used.lock().insert(key.first_eight.clone(), now);
        let scopes = key.scopes.map_or(allowed, |scopes| scopes.within(allowed));
        let account = Account { principal: principal.uuid, key: Some(key.first_eight.clone()) };
        Ok(self.caller(principal, By::ApiKey, scopes, account))
    }

    async fn of_token(&self, token: &Secret) -> Result<Caller, Refusal> {
        let known = self.book(FRESH).await?;
        match self.read_access(&known, token) {
            Err(Refusal::Token) => {
                self.read_access(&*self.book(FRESH_ENOUGH_TO_REFUSE).await?, token)
            }
            other => other,
        }
    }

    fn read_access(&self, known: &Known, token: &Secret) -> Result<Caller, Refusal> {
        let claims: Access = match token::read(token, &self.keys(&known.kept)) {
            Ok(claims) => claims,
            Err(BadToken::Expired) => return Err(Refusal::TokenExpired),
            Err(BadToken::Invalid) => return Err(Refusal::Token),
        };
        let principal = known.kept.book.principal(claims.sub).ok_or(Refusal::Token)?;
        let allowed = self.directory.scopes(&principal.id, Refusal::Revoked)?;
        let account = Account { principal: principal.uuid, key: None };
        Ok(self.caller(principal, By::Token, claims.scp.within(allowed), account))
    }

    fn caller(&self, principal: &Principal, by: By, scopes: Scopes, account: Account) -> Caller {
        let shown = self.directory.shown(&principal.id);
        Caller::new(&shown, by, scopes)
            .with_account(self.directory.roles_of(&principal.id), account)
            .in_group(self.directory.group.as_deref())
    }

    fn keys(&self, kept: &Kept) -> Vec<Secret> {
        match self.secret_keys.is_empty() {
            true => vec![kept.signing_key.clone()],
            false => self.secret_keys.clone(),
        }
    }

    /// What signs, first, and what else verifies.
    pub(super) async fn signing_keys(&self) -> Result<Vec<Secret>, Refusal> {
        let known = self.book(FRESH).await?;
        Ok(self.keys(&known.kept))
    }

    /// A session for somebody for whom a provider vouches.
    pub(super) async fn log_in(&self, provider: &str, id: &str) -> Result<Value, Refusal> {
        let scopes = self.directory.scopes(id, Refusal::NoRole)?;
        let now = now();
        let expires = now + i64::from(self.lifetimes.session_s);
        let (principal, session) =
            self.change(|book| book.log_in((provider, id), now, expires)).await?;
        self.tokens((principal, provider, id), scopes, (session, expires)).await
    }

    /// New tokens for a session that lasts.
    pub(super) async fn refresh(&self, token: &Secret) -> Result<Value, Refusal> {
        let now = now();
        let mut known = self.book(FRESH).await?;
        let claims: Refresh = match token::read(token, &self.keys(&known.kept)) {
            Ok(claims) => claims,
            Err(BadToken::Expired) => return Err(Refusal::SessionEnded),
            Err(BadToken::Invalid) => return Err(Refusal::Token),
        };
        if known.kept.book.of_session(claims.sid, now).is_none() {
            known = self.book(FRESH_ENOUGH_TO_REFUSE).await?;
        }
        let (principal, session) =
            known.kept.book.of_session(claims.sid, now).ok_or(Refusal::SessionEnded)?;
        let scopes = self.directory.scopes(&principal.id, Refusal::Revoked)?;
        let who = (principal.uuid, principal.provider.as_str(), principal.id.as_str());
        self.tokens(who, scopes, (session.uuid, session.expires)).await
    }

    async fn tokens(
        &self,
        (principal, provider, id): (Uuid, &str, &str),
        scopes: Scopes,
        (session, session_ends): (Uuid, i64),
    ) -> Result<Value, Refusal> {
        let known = self.book(FRESH).await?;
        let keys = self.keys(&known.kept);
        let key = keys.first().ok_or(Refusal::Unavailable)?;
        let Lifetimes { access_s, refresh_s, .. } = self.lifetimes;
        let now = now();
        let left = (session_ends - now).min(i64::from(refresh_s));
        let access = Access::new(principal, (provider, id), scopes, now + i64::from(access_s));
        let refresh = Refresh::new(session, now + left);
        let signed = |token: Result<String, BadToken>| token.map_err(|_| Refusal::Unavailable);
        Ok(json!({
            "access_token": signed(token::sign(&access, key))?,
            "expires_in": access_s,
            "refresh_token": signed(token::sign(&refresh, key))?,
            "refresh_token_expires_in": left,
            "token_type": "bearer",
        }))
    }

    /// What a principal may do now; `None` for one that is not there.
    pub(super) async fn directory_scopes(&self, uuid: Uuid) -> Result<Option<Scopes>, Refusal> {
        let known = self.book(FRESH).await?;
        let principal = known.kept.book.principal(uuid);
        Ok(principal.map(|one| self.directory.scopes_shown(&one.id)))
    }

    /// When an API key was used last.
    pub(super) fn used(&self, first_eight: &str) -> Option<i64> {
        self.used.lock().get(first_eight).copied()
    }
}
