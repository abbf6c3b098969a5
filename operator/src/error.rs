//! Why a reconcile or the operator as a whole failed.

use std::time::Duration;

use kube::core::error_boundary::InvalidObject;

use crate::launch::LaunchError;

/// A reconcile failed. The variants are the steps.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The object cannot be read as its kind: another version of this project wrote it, or nothing
    /// validated it.
    #[error("failed to read the object")]
    InvalidObject(#[source] Box<InvalidObject>),
    /// What the object depends on cannot be read.
    #[error("failed to read the {what}")]
    Read {
        /// What was asked for.
        what: &'static str,
        /// What the API said.
        #[source]
        source: Call,
    },
    /// Another operator looks after the beamline.
    #[error(
        "left alone: the operator in namespace '{operator}' looks after it; the annotation \
         {annotation} names the one that shall"
    )]
    OtherOperator {
        /// The namespace of that operator.
        operator: String,
        /// The annotation by which that is changed.
        annotation: &'static str,
    },
    /// The beamline cannot be taken on by this operator.
    #[error("failed to take on the beamline")]
    Claim(#[source] Call),
    /// The token of a worker cannot be had.
    #[error("failed to read the token from the secret '{secret}'")]
    Token {
        /// Name of the Secret.
        secret: String,
        /// What the API said; none when the Secret has no such key.
        #[source]
        source: Option<Call>,
    },
    /// The launcher cannot say how a worker is.
    #[error("failed to look at the worker")]
    Look(#[source] LaunchError),
    /// A worker cannot be ended.
    #[error("failed to end the worker")]
    Stop(#[source] LaunchError),
    /// An object that a beamline needs cannot be made.
    #[error("failed to apply the {kind} '{name}'")]
    Apply {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// What the API said.
        #[source]
        source: Call,
    },
    /// An object that a beamline needs exists, and somebody else made it.
    #[error("the {kind} '{name}' exists and is not of this beamline: delete or rename it")]
    Foreign {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// An object that a beamline does not need any more cannot be removed.
    #[error("failed to remove the {kind} '{name}'")]
    Remove {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// What the API said.
        #[source]
        source: Call,
    },
    /// The shipped device classes cannot be read, which a test rules out.
    #[error("failed to read the shipped device classes")]
    Catalogue(#[source] crds::catalogue::Error),
    /// The status cannot be written.
    #[error("failed to write the status")]
    Status(#[source] Call),
    /// The finalizer cannot be set or removed.
    #[error("failed to change the finalizer")]
    Finalizer(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// When something that failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// When the object is edited: nothing else can help.
    OnEdit,
    /// In a few seconds: it is under way, and no failure.
    Soon,
    /// With backoff.
    Later,
}

impl Error {
    /// A fixed word for metrics and events.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::InvalidObject(_) => "InvalidObject",
            Self::Read { .. } => "ReadFailed",
            Self::OtherOperator { .. } => "OtherOperator",
            Self::Claim(_) => "ClaimFailed",
            Self::Token { .. } => "TokenMissing",
            Self::Look(_) => "LookFailed",
            Self::Stop(_) => "StopFailed",
            Self::Apply { .. } => crds::conditions::reasons::APPLY_FAILED,
            Self::Foreign { .. } => crds::conditions::reasons::CONFLICT,
            Self::Remove { .. } => "RemoveFailed",
            Self::Catalogue(_) => "CatalogueFailed",
            Self::Status(_) => "StatusFailed",
            Self::Finalizer(_) => "FinalizerFailed",
        }
    }

    /// When it is tried again.
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::InvalidObject(_) => Retry::OnEdit,
            Self::Stop(LaunchError::StillEnding) => Retry::Soon,
            _ => Retry::Later,
        }
    }
}

/// A call to the Kubernetes API failed.
#[derive(Debug, thiserror::Error)]
pub enum Call {
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
    /// The shipped device classes cannot be read, which a test rules out.
    #[error("the shipped device classes are broken: {0}")]
    Catalogue(String),
    /// The lease is lost: another operator may work now.
    #[error("another operator may be at work")]
    LeaseLost(#[source] service::lease::Loss),
}
