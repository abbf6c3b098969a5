//! What must be finished once it was begun, although the API went away or the client did: one task tries until it is done.
//!
//! An end of the process is no matter of this task: what it leaves half, the next start finishes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crds::DeviceLocksSpec;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::history::{NewRow, holders};
use crate::index::Index;
use crate::locks::{self, Trace};
use crate::registry::Registry;
use crate::reset::{self, Kind};
use crate::seed::SeedError;
use crate::store::StoreError;
use crate::store::locks::{ChangeError, Decided};

/// Work that waits for the task: each is one HTTP request in progress, or one that failed half way.
const WAITING: usize = 1024;
/// Wait before trying again.
const RETRY: Duration = Duration::from_secs(1);

/// Something that must not stay half done.
#[derive(Debug)]
pub(crate) enum Unfinished {
    /// Locks that were taken and of which nobody was told, so that nobody may hold them; and releases that may have
    /// happened, and then belong in the history.
    Locking(Vec<Trace>),
    /// Rows that the history lacks about something that happened.
    Rows(Vec<NewRow>),
    /// A reset that was begun.
    Reset,
}

impl Unfinished {
    async fn finish(&self, registry: &Registry) -> Result<(), SeedError> {
        match self {
            Self::Locking(traces) => {
                let rows = take_back(registry, traces).await?;
                registry.journal.append(rows).await?;
            }
            Self::Rows(rows) => registry.journal.append(rows.clone()).await?,
            Self::Reset => drop(reset::complete(registry).await?),
        }
        Ok(())
    }
}

/// Undoes the locks of `traces`, in the history too if that tells of them. Answers the rows that it lacks then about those
/// releases among them that have happened.
pub(crate) async fn take_back(
    registry: &Registry,
    traces: &[Trace],
) -> Result<Vec<NewRow>, StoreError> {
    let asked = traces.to_vec();
    let told = registry.journal.look(|log| holders::taken_back(log, traces));
    let decide = move |table: &DeviceLocksSpec, _: &Index| {
        let (next, happened) = locks::take_back(table, &asked);
        let goes = |row: &&NewRow| {
            let device = &row.device_name;
            table.locks.contains_key(device) && !next.locks.contains_key(device)
        };
        let rows = told.iter().filter(goes).cloned().collect();
        Ok::<_, StoreError>(Decided { next: Some(next), rows, answer: happened })
    };
    match registry.lock_table.change(decide).await {
        Ok(changed) => Ok(changed.answer),
        Err(ChangeError::Refused(error) | ChangeError::Store(error)) => Err(error),
    }
}

#[derive(Debug)]
enum Request {
    Finish(Unfinished),
    Reset(Kind, oneshot::Sender<Result<usize, SeedError>>),
}

/// Hands work to the task.
#[derive(Clone, Debug)]
pub(crate) struct Mender {
    requests: mpsc::Sender<Request>,
}

/// The work itself. Owned by one task.
#[derive(Debug)]
pub(crate) struct Bench {
    requests: mpsc::Receiver<Request>,
    left: VecDeque<Unfinished>,
}

/// A mender, and what its work lies on until [`Bench::run`] does it.
pub(crate) fn new() -> (Mender, Bench) {
    let (sender, requests) = mpsc::channel(WAITING);
    (Mender { requests: sender }, Bench { requests, left: VecDeque::new() })
}

impl Mender {
    /// Leaves something for the task to finish.
    pub(crate) fn finish(&self, work: Unfinished) {
        if let Err(error) = self.requests.try_send(Request::Finish(work)) {
            tracing::error!(%error, "too much is left half done; the next start finishes it");
        }
    }

    /// Resets or clears the registry, whether or not the client waits for it. Answers how many devices there are then.
    ///
    /// # Errors
    /// When the store fails. What was begun by then is done as soon as it is back.
    pub(crate) async fn reset(&self, kind: Kind) -> Result<usize, SeedError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Reset(kind, reply);
        self.requests.send(request).await.map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

impl Bench {
    /// Works until `shutdown`.
    pub(crate) async fn run(mut self, registry: Arc<Registry>, shutdown: CancellationToken) {
        let work = async {
            loop {
                tokio::select! {
                    request = self.requests.recv() => match request {
                        Some(request) => self.take(&registry, request).await,
                        None => return,
                    },
                    () = tokio::time::sleep(RETRY), if !self.left.is_empty() => {
                        self.try_again(&registry).await;
                    }
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = work => {}
        }
    }

    async fn take(&mut self, registry: &Registry, request: Request) {
        match request {
            Request::Finish(work) => {
                self.left.push_back(work);
                self.try_again(registry).await;
            }
            Request::Reset(kind, reply) => {
                let done = reset::perform(registry, kind).await;
                if done.is_err() {
                    self.left.push_back(Unfinished::Reset);
                }
                // The client may have left.
                reply.send(done).ok();
            }
        }
    }

    async fn try_again(&mut self, registry: &Registry) {
        for work in std::mem::take(&mut self.left) {
            if let Err(error) = work.finish(registry).await {
                let error = service::error::with_sources(&error);
                tracing::warn!(error, ?work, "cannot be finished yet");
                self.left.push_back(work);
            }
        }
        self.left.truncate(WAITING);
    }
}
