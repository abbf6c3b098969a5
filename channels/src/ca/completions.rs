//! Writes that wait for the IOC's completion: of each PV one at a time.
//!
//! EPICS base stops reading a client's whole circuit when a second put callback comes for a channel
//! whose first is not done, and everything that follows waits with it, a stop too. So the next one
//! is sent when the IOC has answered the one before, also where nobody waits for that answer any
//! more. Plain writes never wait.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use epics_base_rs::types::EpicsValue;
use epics_ca_rs::client::CaChannel as WireChannel;
use epics_ca_rs::{CaError, CaResult};
use tokio::sync::{Mutex, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long an answer of the IOC may take: as long as the longest motion. The loss of the connection ends the wait before.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The completions of one PV.
pub(super) struct Completions {
    turn: Arc<Mutex<()>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Completions {
    /// None yet. What is waited for when nobody else waits any more is one of `tasks`, until `stop`.
    pub(super) fn new(tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { turn: Arc::default(), tasks, stop }
    }

    /// Writes and waits until the IOC says that it is done. What is dropped before its turn has come is never sent.
    pub(super) async fn put(
        &self,
        wire: WireChannel,
        value: EpicsValue,
        timeout: Duration,
    ) -> CaResult<()> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let mut put = Box::pin(async move { wire.put_with_timeout(&value, LONGEST).await });
        // It is sent now: a task would send it some time later, perhaps after what comes next.
        if let Poll::Ready(done) = futures::poll!(&mut put) {
            return done;
        }
        let (done, is_done) = oneshot::channel();
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let answer = tokio::select! {
                answer = put => answer,
                () = stop.cancelled() => Err(CaError::Shutdown),
            };
            drop(turn);
            // Whoever wrote may have given up.
            let _ = done.send(answer);
        });
        match tokio::time::timeout(timeout, is_done).await {
            Ok(answer) => answer.unwrap_or(Err(CaError::Shutdown)),
            Err(_) => Err(CaError::Timeout),
        }
    }
}
