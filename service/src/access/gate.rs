//! The gate of a service: who somebody is, and whether that is enough.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use kube::Client;
use tokio::sync::Semaphore;

use super::accounts::Accounts;
use super::attempts::{Attempts, FOR_KEYS, FOR_PASSWORDS, subject};
use super::audit;
use super::caller::{By, Caller, PUBLIC_NAME, SINGLE_USER_NAME};
use super::credential::Credential;
use super::directory::Directory;
use super::policy::{Entrance, Policy};
use super::refusal::Refusal;
use super::reviews::Reviews;
use super::role::{PUBLIC, SINGLE_USER};
use super::scope::{Scope, Scopes};
use super::secret::{Secret, SecretDigest};
use super::store::Store;

/// Sockets that may be open at once whose clients have not said yet who they are.
const UNKNOWN_SOCKETS: usize = 32;

/// The gate of a service. Clones share it.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    service: &'static str,
    entrance: Entrance,
    key: Option<SecretDigest>,
    single_user: Caller,
    public: Option<Caller>,
    accounts: Option<Accounts>,
    reviews: Option<Reviews>,
    attempts: Attempts<IpAddr>,
    logins: Attempts<(Option<IpAddr>, String)>,
    unknown_sockets: Arc<Semaphore>,
}

/// What is known of a request before anybody looks who sends it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Where from; unknown in tests without a socket.
    pub(super) from: Option<IpAddr>,
    pub(super) method: String,
    /// The path as it was asked for. Never the query: a key may stand in it.
    pub(super) path: String,
    /// What it takes; nothing but to be somebody without it.
    pub(super) scope: Option<Scope>,
    /// Whether it may change something.
    pub(super) changes: bool,
}

impl Asked {
    fn required(&self) -> Scopes {
        self.scope.into_iter().collect()
    }
}

impl Gate {
    /// The gate of `service`, as `policy` says and with that entrance of it. Accounts are kept in `store`.
    pub fn new(service: &'static str, policy: &Policy, entrance: Entrance, store: Store) -> Self {
        let Policy { directory, secret_keys, lifetimes, .. } = policy;
        let reviews = reviews(policy, store.place());
        let accounts = (entrance == Entrance::Accounts)
            .then(|| Accounts::new(directory.clone(), *lifetimes, secret_keys.clone(), store));
        Self::build(service, policy, entrance, (accounts, reviews))
    }

    /// The gate of a service that has no accounts ([`Policy::keyed`]). Tokens are looked at in that namespace.
    pub fn keyed(
        service: &'static str,
        policy: &Policy,
        entrance: Entrance,
        place: (Client, &str),
    ) -> Self {
        Self::build(service, policy, entrance, (None, reviews(policy, place)))
    }

    /// Says whether a service asks for its key; loudly if not. For the moment when it begins to serve.
    pub fn announce(&self, listens_on: SocketAddr) {
        let service = self.service();
        match (self.entrance(), listens_on.ip().is_loopback()) {
            (Entrance::Open, true) => tracing::warn!(
                service, %listens_on, "nobody is asked for a key: whoever works on this machine gets in"
            ),
            (Entrance::Open, false) => tracing::warn!(
                service, %listens_on, "nobody is asked for a key: whoever reaches this address gets in"
            ),
            (Entrance::ClusterTokens, _) => {
                tracing::info!(service, %listens_on, "requests need a token of the cluster");
            }
            _ => tracing::info!(service, %listens_on, "requests need the API key"),
        }
    }

    fn build(
        service: &'static str,
        policy: &Policy,
        entrance: Entrance,
        (accounts, reviews): (Option<Accounts>, Option<Reviews>),
    ) -> Self {
        let Directory { roles, group, .. } = &policy.directory;
        let group = group.as_deref();
        let by = if entrance == Entrance::Open { By::Open } else { By::SingleUserKey };
        let single_user = Caller::new(SINGLE_USER_NAME, by, roles.scopes([SINGLE_USER]));
        let public = Caller::new(PUBLIC_NAME, By::Anonymous, roles.scopes([PUBLIC]));
        Self(Arc::new(Inner {
            service,
            key: entrance.key().map(Secret::digest),
            entrance,
            single_user: single_user.with_roles(vec![SINGLE_USER.to_owned()]).in_group(group),
            public: (policy.allow_anonymous)
                .then(|| public.with_roles(vec![PUBLIC.to_owned()]).in_group(group)),
            accounts,
            reviews,
            attempts: Attempts::new(FOR_KEYS),
            logins: Attempts::new(FOR_PASSWORDS),
            unknown_sockets: Arc::new(Semaphore::new(UNKNOWN_SOCKETS)),
        }))
    }

    /// Name of the service, for the audit.
    pub(super) fn service(&self) -> &'static str {
        self.0.service
    }

    /// The accounts, where there are providers.
    pub(super) fn accounts(&self) -> Option<&Accounts> {
        self.0.accounts.as_ref()
    }

    /// Failed logins of late, by address and name, or by address and route where no name is given.
    pub(super) fn logins(&self) -> &Attempts<(Option<IpAddr>, String)> {
        &self.0.logins
    }

    /// How one gets in: for the log of the service.
    pub fn entrance(&self) -> &Entrance {
        &self.0.entrance
    }

    /// Whether somebody who shows nothing may say later who it is, instead of being refused.
    pub(super) fn knows_nothing_of(&self, asked: &Asked, shown: Option<&Credential>) -> bool {
        let public = self.0.public.as_ref();
        let anonymous = public.is_some_and(|one| one.scopes().contains(asked.required()));
        shown.is_none() && self.0.entrance != Entrance::Open && !anonymous
    }

    /// Room for sockets whose clients have not said yet who they are.
    pub(super) fn unknown_sockets(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.unknown_sockets)
    }

    /// Decides on a request, and notes the decision.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) async fn decide(
        &self,
        asked: &Asked,
        shown: Result<Option<Credential>, Refusal>,
    ) -> Result<Caller, Refusal> {
        let decided = self.judge(asked, shown).await;
        let (decided, noted) = match decided {
            Err(refusal) => self.count(asked, refusal),
            Ok(caller) => (Ok(caller), true),
        };
        let outcome = decided.as_ref().map(|caller| (caller.user(), caller.by().label()));
        audit::note(self.0.service, asked, outcome, noted);
        decided
    }

    async fn judge(
        &self,
        asked: &Asked,
        shown: Result<Option<Credential>, Refusal>,
    ) -> Result<Caller, Refusal> {
        let required = asked.required();
        let caller = match &self.0.entrance {
            Entrance::Open => Some(self.0.single_user.clone()),
            _ => match shown? {
                Some(credential) => Some(self.identify(asked, &credential).await?),
                None => self.0.public.clone(),
            },
        };
        let had = caller.as_ref().map(Caller::scopes).unwrap_or_default();
        caller.filter(|_| had.contains(required)).ok_or(Refusal::Scopes { required, had })
    }

    async fn identify(&self, asked: &Asked, credential: &Credential) -> Result<Caller, Refusal> {
        let ours = match &self.0.accounts {
            Some(accounts) => accounts.identify(credential).await,
            None => self.single_user(credential),
        };
        match (ours, credential, &self.0.reviews) {
            (Err(Refusal::Token), Credential::Bearer(token), Some(reviews)) => {
                let guesses = || {
                    let from = asked.from.map(subject);
                    from.is_some_and(|from| self.0.attempts.is_exhausted(&from, Instant::now()))
                };
                reviews.identify(token, guesses).await
            }
            (ours, ..) => ours,
        }
    }

    fn single_user(&self, credential: &Credential) -> Result<Caller, Refusal> {
        match credential {
            Credential::ApiKey(key) if self.0.key.as_ref().is_some_and(|ours| ours.is_of(key)) => {
                Ok(self.0.single_user.clone())
            }
            Credential::ApiKey(_) => Err(Refusal::ApiKey),
            Credential::Bearer(_) => Err(Refusal::Token),
        }
    }

    /// Counts a refusal against its address: what it is answered, and whether it is worth a line of its own.
    fn count(&self, asked: &Asked, refusal: Refusal) -> (Result<Caller, Refusal>, bool) {
        let within =
            asked.from.is_none_or(|from| self.0.attempts.failed(&subject(from), Instant::now()));
        match refusal {
            guess if guess.is_failed_attempt() && !within => (Err(Refusal::TooMany), false),
            other => (Err(other), within),
        }
    }
}

fn reviews(policy: &Policy, (client, namespace): (Client, &str)) -> Option<Reviews> {
    let audience = policy.audience.as_deref()?;
    Some(Reviews::new(client, namespace, audience, policy.directory.roles.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "APIKEYFORTESTS";

    fn gate(policy: &Policy) -> Gate {
        // Nothing is asked of it where there are no accounts.
        let nowhere = tower::service_fn(async |_: http::Request<kube::client::Body>| {
            Ok::<_, std::convert::Infallible>(http::Response::new(kube::client::Body::empty()))
        });
        let client = kube::Client::new(nowhere, "default");
        let store = Store::new(client, "default", "accounts".to_owned());
        Gate::new("test", policy, policy.entrance(true).unwrap(), store)
    }

    fn with_key() -> Policy {
        Policy { single_user_key: Some(KEY.into()), ..Policy::default() }
    }

    fn asked(scope: Scope) -> Asked {
        let from = Some(IpAddr::from([192, 0, 2, 1]));
        Asked {
            from,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            scope: Some(scope),
            changes: false,
        }
    }

    async fn user(gate: &Gate, scope: Scope, shown: Option<Credential>) -> Result<String, String> {
        let decided = gate.decide(&asked(scope), Ok(shown)).await;
        decided.map(|caller| caller.user().to_owned()).map_err(|refusal| refusal.to_string())
    }

    fn key(text: &str) -> Option<Credential> {
        Some(Credential::ApiKey(text.into()))
    }

    #[tokio::test]
    async fn an_open_gate_looks_at_nothing() {
        let gate = gate(&Policy::default());
        assert_eq!(*gate.entrance(), Entrance::Open);
        for shown in [None, key("whatever")] {
            assert_eq!(user(&gate, Scope::WriteExecute, shown).await.unwrap(), SINGLE_USER_NAME);
        }
        assert!(user(&gate, Scope::AdminApiKeys, None).await.is_err());
    }

    #[tokio::test]
    async fn a_key_lets_the_single_user_in_and_nothing_else_does() {
        let gate = gate(&with_key());
        assert_eq!(user(&gate, Scope::WriteExecute, key(KEY)).await.unwrap(), SINGLE_USER_NAME);
        let none = user(&gate, Scope::ReadStatus, None).await.unwrap_err();
        assert_eq!(
            none,
            "Not enough permissions. Requires scopes ['read:status']. Request had scopes []"
        );
        assert_eq!(user(&gate, Scope::ReadStatus, key("x")).await.unwrap_err(), "Invalid API key");
        let token = Some(Credential::Bearer("x".into()));
        let token = user(&gate, Scope::ReadStatus, token).await.unwrap_err();
        assert_eq!(token, "Could not validate credentials");
    }

    #[tokio::test]
    async fn anonymous_callers_read_the_status_and_wrong_keys_are_still_wrong() {
        let gate = gate(&Policy { allow_anonymous: true, ..with_key() });
        assert_eq!(user(&gate, Scope::ReadStatus, None).await.unwrap(), PUBLIC_NAME);
        let queue = user(&gate, Scope::ReadQueue, None).await.unwrap_err();
        assert!(queue.ends_with("Request had scopes ['read:status']"), "{queue}");
        assert_eq!(user(&gate, Scope::ReadStatus, key("x")).await.unwrap_err(), "Invalid API key");
    }

    #[tokio::test]
    async fn who_guesses_is_told_to_wait_and_the_right_key_still_counts() {
        let gate = gate(&with_key());
        let mut answers = Vec::new();
        while answers.last().is_none_or(|last| last == "Invalid API key") {
            assert!(answers.len() < 1_000, "nobody stops the guessing");
            answers.push(user(&gate, Scope::ReadStatus, key("guess")).await.unwrap_err());
        }
        assert_eq!(answers.last().unwrap(), "Too many failed attempts. Try again later.");
        assert!(user(&gate, Scope::ReadStatus, key(KEY)).await.is_ok());
    }
}
