//! Why a reconcile or the operator as a whole failed.

use std::time::Duration;

use kube::core::error_boundary::InvalidObject;

use crate::launch::LaunchError;

/// A reconcile failed; it is tried again with backoff. The variants are the steps.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The object cannot be read as its kind: another version of this project wrote it, or nothing
    /// validated it.
    #[error("failed to read the object")]
    InvalidObject(#[source] Box<InvalidObject>),
    /// The token of a worker cannot be had.
    #[error("failed to read the token from the secret '{secret}'")]
    Token {
        /// Name of the Secret.
        secret: String,
        /// What the API said; none when the Secret has no such key.
        #[source]
        source: Option<Call>,
    },
    /// A worker cannot be ended.
    #[error("failed to end the worker")]
    Stop(#[source] LaunchError),
    /// The status cannot be written.
    #[error("failed to write the status")]
    Status(#[source] Call),
    /// The finalizer cannot be set or removed.
    #[error("failed to change the finalizer")]
    Finalizer(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A fixed word for metrics and events.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::InvalidObject(_) => "InvalidObject",
            Self::Token { .. } => "TokenMissing",
            Self::Stop(_) => "StopFailed",
            Self::Status(_) => "StatusFailed",
            Self::Finalizer(_) => "FinalizerFailed",
        }
    }

    /// Whether only an edit of the object can help.
    pub(crate) fn waits_for_an_edit(&self) -> bool {
        matches!(self, Self::InvalidObject(_))
    }
}

/// A call to the Kubernetes API failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Call {
    /// It answered with an error, or not at all.
    #[error("the Kubernetes API refused")]
    Api(#[source] Box<kube::Error>),
    /// It took too long.
    #[error("the Kubernetes API did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
}

/// Longest time for one call to the API.
const DEADLINE: Duration = Duration::from_secs(10);

/// Bounds a call to the API in time.
pub(crate) async fn call<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Call> {
    match tokio::time::timeout(DEADLINE, request).await {
        Ok(answer) => answer.map_err(|error| Call::Api(Box::new(error))),
        Err(_) => Err(Call::Timeout(DEADLINE)),
    }
}

/// Why the operator ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A watch or a controller ended, which it never does while the operator runs.
    #[error("the {0} ended early")]
    EndedEarly(&'static str),
    /// A watch or a controller crashed.
    #[error("a part of the operator crashed")]
    Crashed(#[source] tokio::task::JoinError),
}
