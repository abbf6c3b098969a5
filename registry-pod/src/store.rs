//! The Kubernetes API as the store: writes, their errors, and waiting until they can be read.

pub(crate) mod locks;
pub(crate) mod watch;
pub(crate) mod write;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Who the API says wrote a field.
pub(crate) const FIELD_MANAGER: &str = "beamline-registry";
/// Longest wait for one answer of the API.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The store refused, failed, or holds something that cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The API answered with an error, or not at all.
    #[error("the Kubernetes API failed")]
    Api(#[source] Arc<kube::Error>),
    /// No answer in time. What was asked for may or may not have happened.
    #[error("the Kubernetes API did not answer within {} s", CALL_TIMEOUT.as_secs())]
    Timeout,
    /// It is stored, but the API has not told of it in time, so that readers do not see it yet.
    #[error("the Kubernetes API has not told of a change that it stored")]
    Unseen,
    /// An object of ours is damaged.
    #[error("{what} cannot be read: {reason}")]
    Unreadable {
        /// Which one.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Other writers were faster every time.
    #[error("{0} was changed by others on every attempt")]
    Contended(&'static str),
    /// This service is stopping.
    #[error("the service is stopping")]
    Stopped,
}

impl StoreError {
    fn code(&self) -> Option<u16> {
        match self {
            Self::Api(error) => match error.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            _ => None,
        }
    }

    /// Somebody else changed or created the object meanwhile.
    pub(crate) fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// The API said no, so nothing has happened.
    pub(crate) fn is_refusal(&self) -> bool {
        self.code().is_some_and(|code| (400..500).contains(&code))
    }

    /// The object does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// What the API finds wrong with the object, where that is the reason.
    pub(crate) fn invalid(&self) -> Option<String> {
        match self {
            Self::Api(error) => match error.as_ref() {
                kube::Error::Api(status) if matches!(status.code, 400 | 422) => {
                    Some(status.message.clone())
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// Calls the API, for a bounded time.
pub(crate) async fn bounded_call<T>(
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|error| StoreError::Api(Arc::new(error))),
        Err(_) => Err(StoreError::Timeout),
    }
}
