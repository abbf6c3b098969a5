//! Documents on 0MQ, as bluesky's own `Publisher` writes them: one frame `prefix name pickle`, with an empty prefix.
//!
//! Bluesky's publisher connects to a proxy; this one binds, so that a `RemoteDispatcher` can connect to it without one.

use std::time::Duration;

use omq_tokio::{Message, Options, Socket, SocketType};
use serde_json::Value;
use thiserror::Error;
use tokio::time::timeout;

/// Longest wait for the subscribers' queues; a document is dropped after it, as 0MQ does with slow subscribers.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// A bound PUB socket.
pub struct Publisher {
    socket: Socket,
    address: String,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Why documents are not published.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The address cannot be used.
    #[error("documents cannot be published on {address}: {source}")]
    Bind {
        /// The address as given.
        address: String,
        /// What the socket says.
        source: omq_tokio::Error,
    },
    /// The document has no pickle.
    #[error("the document cannot be pickled: {0}")]
    Pickle(#[from] serde_pickle::Error),
    /// The socket failed.
    #[error("the document cannot be sent: {0}")]
    Send(#[from] omq_tokio::Error),
    /// Subscribers are too slow.
    #[error("the subscribers did not take the document in time")]
    Slow,
}

impl Publisher {
    /// Binds `address`, such as `tcp://127.0.0.1:5578`; port 0 takes any free one.
    ///
    /// # Errors
    /// [`PublishError::Bind`].
    pub async fn bind(address: &str) -> Result<Self, PublishError> {
        let socket = Socket::new(SocketType::Pub, Options::new());
        let bound = socket
            .bind(address)
            .await
            .map_err(|source| PublishError::Bind { address: address.to_owned(), source })?;
        Ok(Self { socket, address: bound.to_string() })
    }

    /// The address that subscribers connect to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Publishes one document to whoever listens now.
    ///
    /// # Errors
    /// [`PublishError`]; the document is lost for the subscribers then.
    pub async fn publish(&mut self, name: &str, document: &Value) -> Result<(), PublishError> {
        let mut frame = format!(" {name} ").into_bytes();
        frame.extend(serde_pickle::to_vec(document, serde_pickle::SerOptions::new())?);
        match timeout(SEND_TIMEOUT, self.socket.send(Message::single(frame))).await {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(PublishError::Slow),
        }
    }
}
