//! Whether the queue server lets devices be moved (contract §9).
//!
//! Upstream waits for a state that no queue server has; here every state in which a plan runs or
//! starts counts, and a paused one.

use std::time::Duration;

use axum::http::StatusCode;
use parking_lot::Mutex;
use reqwest::header::{ACCEPT, AUTHORIZATION};
use serde_json::{Value, json};
use service::ApiError;
use thiserror::Error;
use tokio::time::Instant;

use crate::oas::settings::Settings;

/// How long the queue server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer holds.
const FRESH: Duration = Duration::from_millis(500);
/// States in which a plan runs, or may at any moment.
const BUSY: [&str; 5] =
    ["running", "paused", "starting_queue", "executing_queue", "executing_task"];

/// The queue server of this beamline.
#[derive(Debug)]
pub(crate) struct QueueServer {
    http: Option<reqwest::Client>,
    url: String,
    key: String,
    strict: bool,
    gates_sockets: bool,
    latest: Mutex<Option<(Instant, Value)>>,
}

/// The queue server did not say how it is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Unknown {
    /// Our key is wrong.
    #[error("Authentication failed - check QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY")]
    Unauthorised,
    /// Our key does not allow to ask.
    #[error("Access forbidden - API key may not have sufficient permissions")]
    Forbidden,
    /// It says something else.
    #[error("Queue server returned status {status}: {body}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it says.
        body: String,
    },
    /// Nobody listens there.
    #[error("Could not connect to queue server at {0}: Connection refused")]
    NotThere(String),
    /// The network failed.
    #[error("Network error connecting to queue server: {0}")]
    Network(String),
    /// It did not answer in time.
    #[error("Timeout connecting to queue server at {0}")]
    Timeout(String),
    /// Its answer is no status.
    #[error("Unable to verify queue server safety: {0}")]
    Nonsense(String),
}

impl Unknown {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorised => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Refused { status, .. } => {
                StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY)
            }
            Self::NotThere(_) | Self::Network(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Nonsense(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether it might be that there is no queue server at all.
    fn may_be_absent(&self) -> bool {
        matches!(self, Self::NotThere(_) | Self::Network(_) | Self::Timeout(_) | Self::Nonsense(_))
    }
}

/// Devices must not be moved now.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Busy {
    /// A plan runs.
    #[error("Device operation blocked - Queue server is currently running an experiment")]
    Running {
        /// The plan.
        uid: String,
        /// What the manager does.
        state: String,
    },
    /// The manager is about to run a plan, or holds one.
    #[error("Device operation blocked - Queue server state is '{0}'")]
    State(String),
    /// It cannot be known.
    #[error(transparent)]
    Unknown(#[from] Unknown),
}

impl From<Unknown> for ApiError {
    fn from(error: Unknown) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

impl From<Busy> for ApiError {
    fn from(busy: Busy) -> Self {
        let error = busy.to_string();
        let detail = match busy {
            Busy::Running { uid, state } => json!({
                "error": error,
                "running_item_uid": uid,
                "manager_state": state,
                "message": "Cannot modify device values while an experiment is running. Wait for the current item \
                            to complete.",
            }),
            Busy::State(state) => json!({
                "error": error,
                "manager_state": state,
                "message": "Cannot modify device values while queue server is in a running or paused state.",
            }),
            Busy::Unknown(unknown) => return unknown.into(),
        };
        Self::new(StatusCode::LOCKED, detail)
    }
}

/// Whether a queue server of that status lets devices be moved.
fn judge(status: &Value) -> Result<(), Busy> {
    let state = status["manager_state"].as_str().unwrap_or_default();
    if let Some(uid) = status.get("running_item_uid").filter(|uid| !uid.is_null()) {
        let uid = uid.as_str().map_or_else(|| uid.to_string(), str::to_owned);
        return Err(Busy::Running { uid, state: state.to_owned() });
    }
    if BUSY.contains(&state) {
        return Err(Busy::State(state.to_owned()));
    }
    Ok(())
}

impl QueueServer {
    /// The queue server of these settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build();
        Self {
            http: http.inspect_err(|error| tracing::error!(%error, "no HTTP client")).ok(),
            url: settings.queue_url(),
            key: settings.queue_key.clone(),
            strict: settings.require_qserver,
            gates_sockets: settings.gate_sockets,
            latest: Mutex::default(),
        }
    }

    /// Whether it is asked before a write over a socket too.
    pub(crate) fn gates_sockets(&self) -> bool {
        self.gates_sockets
    }

    /// Whether devices may be moved. A queue server that is not there forbids it only where one is
    /// required; one that does not let us ask always does.
    ///
    /// # Errors
    /// [`Busy`].
    pub(crate) async fn idle(&self) -> Result<(), Busy> {
        match self.recent().await {
            Ok(status) => judge(&status),
            Err(error) if error.may_be_absent() && !self.strict => {
                tracing::warn!(%error, "devices are moved without asking the queue server");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn recent(&self) -> Result<Value, Unknown> {
        if let Some((at, status)) = &*self.latest.lock()
            && at.elapsed() < FRESH
        {
            return Ok(status.clone());
        }
        let asked = Instant::now();
        let status = self.status().await?;
        if !status.is_object() {
            return Err(Unknown::Nonsense("the answer is no status".to_owned()));
        }
        *self.latest.lock() = Some((asked, status.clone()));
        Ok(status)
    }

    /// What the queue server says of itself.
    ///
    /// # Errors
    /// [`Unknown`].
    pub(crate) async fn status(&self) -> Result<Value, Unknown> {
        let http = self.http.as_ref().ok_or_else(|| Unknown::Network("no client".to_owned()))?;
        let request = http
            .get(format!("{}/api/status", self.url))
            .header(AUTHORIZATION, format!("Apikey {}", self.key))
            .header(ACCEPT, "application/json");
        let answer = request.send().await.map_err(|error| self.failure(&error))?;
        match answer.status().as_u16() {
            200..300 => answer.json().await.map_err(|error| self.failure(&error)),
            401 => Err(Unknown::Unauthorised),
            403 => Err(Unknown::Forbidden),
            status => {
                let body = answer.text().await.unwrap_or_default();
                Err(Unknown::Refused { status, body })
            }
        }
    }

    fn failure(&self, error: &reqwest::Error) -> Unknown {
        if error.is_timeout() {
            Unknown::Timeout(self.url.clone())
        } else if error.is_connect() {
            Unknown::NotThere(self.url.clone())
        } else if error.is_decode() {
            Unknown::Nonsense(error.to_string())
        } else {
            Unknown::Network(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_queue_server_that_runs_nothing_lets_devices_be_moved() {
        let state = |state: &str| judge(&json!({"manager_state": state, "running_item_uid": null}));
        for idle in ["idle", "initializing", "creating_environment", "closing_environment"] {
            assert_eq!(state(idle), Ok(()), "{idle}");
        }
        for busy in BUSY {
            assert_eq!(state(busy), Err(Busy::State(busy.to_owned())));
        }
        let running = json!({"manager_state": "executing_queue", "running_item_uid": "u"});
        let busy = judge(&running).unwrap_err();
        assert_eq!(
            busy,
            Busy::Running { uid: "u".to_owned(), state: "executing_queue".to_owned() }
        );
        assert_eq!(
            ApiError::from(busy).body().to_string(),
            r#"{"detail":{"error":"Device operation blocked - Queue server is currently running an experiment","running_item_uid":"u","manager_state":"executing_queue","message":"Cannot modify device values while an experiment is running. Wait for the current item to complete."}}"#
        );
        assert_eq!(judge(&json!({})), Ok(()));
    }
}
