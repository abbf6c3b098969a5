//! The tasks of the operator. Each is owned; when one ends early, all end.

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::RunError;

/// Owned tasks, each under the name by which its early end is reported. Dropped, they are aborted.
pub(crate) struct Tasks {
    set: JoinSet<&'static str>,
    stop: CancellationToken,
}

impl Tasks {
    /// No tasks yet; they are asked to end by `stop`.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self { set: JoinSet::new(), stop }
    }

    /// What asks the tasks to end.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Owns `task`.
    pub(crate) fn own(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.set.spawn(async move {
            task.await;
            name
        });
    }

    /// Waits for all tasks; the first that ends or crashes before it was asked to ends the others.
    pub(crate) async fn supervise(&mut self) -> Result<(), RunError> {
        let mut outcome = Ok(());
        while let Some(ended) = self.set.join_next().await {
            let early = match ended {
                Ok(_) if self.stop.is_cancelled() => continue,
                Ok(name) => RunError::EndedEarly(name),
                Err(error) => RunError::Crashed(error),
            };
            self.stop.cancel();
            outcome = outcome.and(Err(early));
        }
        outcome
    }
}
