//! Users of an OpenID Connect provider (`OIDCAuthenticator`, contract queue-server §4.5): authorization code flow with
//! PKCE (OpenID Connect Core 1.0 §3.1, RFC 7636), and behind it a device code flow of our own for programs without a browser.

pub(super) mod devices;
mod discovery;
mod id_token;
pub(super) mod page;
mod settings;
pub(super) mod ticket;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use rustls::ClientConfig;
use serde_json::Value;
use tokio::sync::{Mutex, Semaphore};
use url::Url;

use super::http::{Http, NoAnswer};
use super::provider::Silent;
use crate::error::with_sources;
use devices::Devices;
use discovery::{Document, Metadata, SecretIn};
use id_token::{BadIdToken, Expected};
use ticket::Bonds;

pub(super) use discovery::keys;
pub(super) use settings::{Endpoints, Settings};

/// How long a provider is believed to be where it was, with the keys that it had.
const FRESH: Duration = Duration::from_secs(3_600);
/// The same where a token is signed with a key that nobody knows: there may be a new one.
const FRESH_ENOUGH_TO_REFUSE: Duration = Duration::from_secs(60);
/// How long a provider that was silent is left alone.
const PAUSE: Duration = Duration::from_secs(5);
/// Users who come back from the provider at the same time.
const AT_ONCE: usize = 32;
/// Longest error of a provider that is noted.
const NOTED: usize = 100;

/// A provider where users log in.
#[derive(Debug)]
pub struct Oidc {
    settings: Settings,
    http: Http,
    known: ArcSwapOption<Known>,
    /// One asks at a time where the provider is. It has when that was in vain last.
    in_vain: Mutex<Option<Instant>>,
    turns: Semaphore,
    devices: Devices,
}

#[derive(Debug)]
struct Known {
    metadata: Metadata,
    keys: Vec<Jwk>,
    /// When it was asked; never where the configuration says it all.
    asked: Option<Instant>,
}

/// Why a code is worth nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the provider refuses the code: {0}")]
    Refused(String),
    #[error("the provider has no ID token for the code")]
    NoIdToken,
    #[error("the ID token is not good")]
    IdToken(#[from] BadIdToken),
    #[error(transparent)]
    Silent(#[from] Unknown),
}

/// It is not known where the provider is, or the provider has no answer.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("{0} did not answer a moment ago")]
    Paused(String),
    #[error("{0} is the discovery document of the issuer {1}, not of the one that is expected")]
    Issuer(String, String),
}

impl Oidc {
    /// The provider of those settings, whose certificate `tls` looks at.
    pub(super) fn new(settings: Settings, tls: &ClientConfig) -> Self {
        let known = match &settings.endpoints {
            Endpoints::Discovered(_) => None,
            Endpoints::Fixed { authorization, token, keys } => Some(Arc::new(Known {
                metadata: Metadata {
                    issuer: settings.issuer.clone(),
                    authorization: authorization.clone(),
                    token: token.clone(),
                    secret_in: SecretIn::Form,
                },
                keys: keys.clone(),
                asked: None,
            })),
        };
        Self {
            settings,
            http: Http::new(tls),
            known: ArcSwapOption::new(known),
            in_vain: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
            devices: Devices::default(),
        }
    }

    /// Room for those who come back from the provider at the same time.
    pub(super) fn turns(&self) -> &Semaphore {
        &self.turns
    }

    /// Devices that wait for a login here.
    pub(super) fn devices(&self) -> &Devices {
        &self.devices
    }

    /// One of our own routes of this provider, as browsers reach it.
    pub(super) fn route(&self, name: &str) -> Url {
        let mut url = self.settings.redirect_uri.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop().push(name);
        }
        url
    }

    /// What a user reads who has logged in for a device.
    pub(super) fn confirmation(&self, id: &str) -> String {
        match &self.settings.confirmation {
            Some(message) => message.fill(|_| id.into()),
            None => format!("You are logged in as {id}. Go back to where the code was shown."),
        }
    }

    /// Where a browser logs in. It comes back with `state`.
    pub(super) async fn authorization(&self, state: &str, bonds: &Bonds) -> Result<Url, Silent> {
        let known = self.known(FRESH).await.map_err(|error| silent(&error))?;
        let mut url = known.metadata.authorization.clone();
        let Settings { client_id, redirect_uri, .. } = &self.settings;
        let challenge = bonds.challenge();
        let ours = [
            ("client_id", client_id.as_str()),
            ("redirect_uri", redirect_uri.as_str()),
            ("response_type", "code"),
            ("scope", "openid"),
            ("state", state),
            ("nonce", bonds.nonce.as_str()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        // What a configuration has in its address already is its own, such as more scopes.
        let theirs: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        let missing = ours.iter().filter(|(name, _)| theirs.iter().all(|one| one != name));
        url.query_pairs_mut().extend_pairs(missing);
        Ok(url)
    }

    /// Whose code that is; `None` if it is worth nothing.
    pub(super) async fn user(&self, code: &str, bonds: &Bonds) -> Result<Option<String>, Silent> {
        match self.redeem(code, bonds).await {
            Ok(user) => Ok(Some(user)),
            Err(Failure::Silent(error)) => Err(silent(&error)),
            Err(error) => {
                tracing::warn!(error = with_sources(&error), "a login elsewhere is refused");
                Ok(None)
            }
        }
    }

    async fn redeem(&self, code: &str, bonds: &Bonds) -> Result<String, Failure> {
        let mut known = self.known(FRESH).await?;
        let Settings { client_id, client_secret, redirect_uri, .. } = &self.settings;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri.as_str()),
            ("client_id", client_id),
            ("code_verifier", &bonds.verifier),
        ];
        let authorization = match known.metadata.secret_in {
            SecretIn::Basic => Some(basic(client_id, client_secret.reveal())),
            SecretIn::Form => {
                form.push(("client_secret", client_secret.reveal()));
                None
            }
        };
        let url = &known.metadata.token;
        let answered = self.http.form(url, &form, authorization.flatten()).await;
        let (status, answer) = answered.map_err(Unknown::from)?;
        let text = |name: &str| {
            answer.as_ref().and_then(|answer| answer.get(name)).and_then(Value::as_str)
        };
        if status.is_server_error() {
            return Err(Unknown::from(NoAnswer::Status(url.to_string(), status)).into());
        }
        if !status.is_success() {
            let error = text("error").unwrap_or(status.as_str());
            return Err(Failure::Refused(error.chars().take(NOTED).collect()));
        }
        let id_token = text("id_token").ok_or(Failure::NoIdToken)?;
        if let Err(BadIdToken::UnknownKey) = self.subject(&known, id_token, bonds) {
            known = self.known(FRESH_ENOUGH_TO_REFUSE).await?;
        }
        Ok(self.subject(&known, id_token, bonds)?)
    }

    fn subject(&self, known: &Known, id_token: &str, bonds: &Bonds) -> Result<String, BadIdToken> {
        let issuer = known.metadata.issuer.as_deref();
        let (client_id, nonce) = (&self.settings.client_id, &bonds.nonce);
        id_token::subject(id_token, &known.keys, Expected { issuer, client_id, nonce })
    }

    /// Where the provider is and what it signs with, as it said at most so long ago; longer when it is silent now.
    async fn known(&self, fresh: Duration) -> Result<Arc<Known>, Unknown> {
        let recent = || {
            let known = self.known.load_full();
            known.filter(|known| known.asked.is_none_or(|asked| asked.elapsed() < fresh))
        };
        if let Some(known) = recent() {
            return Ok(known);
        }
        let Endpoints::Discovered(address) = &self.settings.endpoints else {
            return self
                .known
                .load_full()
                .ok_or_else(|| Unknown::Paused(self.route("code").into()));
        };
        let mut in_vain = self.in_vain.lock().await;
        if let Some(known) = recent() {
            return Ok(known);
        }
        let outcome = match *in_vain {
            Some(last) if last.elapsed() < PAUSE => Err(Unknown::Paused(address.to_string())),
            _ => self.discover(address).await,
        };
        let error = match outcome {
            Ok(known) => {
                let known = Arc::new(known);
                self.known.store(Some(Arc::clone(&known)));
                return Ok(known);
            }
            Err(error) => error,
        };
        if !matches!(error, Unknown::Paused(_)) {
            *in_vain = Some(Instant::now());
        }
        let known = self.known.load_full().ok_or(error)?;
        tracing::debug!(%address, "a login provider is believed to be as it was");
        Ok(known)
    }

    async fn discover(&self, address: &Url) -> Result<Known, Unknown> {
        let document = self.http.document(address).await?;
        let document: Document =
            serde_json::from_value(document).map_err(|_| NoAnswer::Content(address.to_string()))?;
        if !document.is_of(self.settings.issuer.as_deref(), address) {
            let issuer = document.issuer.chars().take(NOTED).collect();
            return Err(Unknown::Issuer(address.to_string(), issuer));
        }
        let keys = discovery::keys(&self.http.document(&document.jwks_uri).await?);
        Ok(Known { metadata: document.metadata(), keys, asked: Some(Instant::now()) })
    }
}

fn silent(error: &Unknown) -> Silent {
    tracing::warn!(error = with_sources(error), "a login provider cannot be asked");
    Silent
}

/// Name and secret of a client in a header (RFC 6749 §2.3.1).
fn basic(client_id: &str, secret: &str) -> Option<HeaderValue> {
    let form =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let both = STANDARD.encode(format!("{}:{}", form(client_id), form(secret)));
    let mut value = HeaderValue::try_from(format!("Basic {both}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}
