//! The task that changes the lock table: one write for all who wait, and one for their rows in the history.
//!
//! # Guarantees
//! * One batch at a time is written, so this process never competes with itself. Another replica that was faster makes
//!   it decide all anew. The rows of a batch are written while the next one is decided.
//! * Every answer, refusals too, rests on a table that was the stored one: a write against its version says so, and where
//!   nothing is to be written it is read.
//! * Once decided, a change is brought to its end, whether or not the client waits for it: it is in the table and in the
//!   history, or in neither. A lock whose client is gone by the time of the answer is given back.
//! * When nobody knows whether a write was done, everyone is told that it failed. The [mender](crate::mending) then takes
//!   the locks back and records the releases that were made.

use std::sync::Arc;

use crds::DeviceLocks;
use crds::device_locks::OBJECT_NAME;
use metrics::histogram;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::batch::{Asked, Batch, Entry};
use super::{ATTEMPTS, PAUSE, WAITING, ensure, post};
use crate::history::journal::Receipt;
use crate::locks::Trace;
use crate::mending::{Unfinished, take_back};
use crate::registry::Registry;
use crate::store::{StoreError, bounded_call};

/// Batches whose rows are being written: one is under way, one waits, and more would only wait longer.
const RECORDINGS: usize = 2;

/// Changes the lock table. Owned by one task.
#[derive(Debug)]
pub(crate) struct Keeper {
    asked: mpsc::Receiver<Box<dyn Asked>>,
    /// The last write failed: what the table is now is not known.
    is_unsure: bool,
    recordings: Arc<Semaphore>,
    tasks: JoinSet<()>,
}

/// A batch is not stored.
struct Failure {
    error: StoreError,
    /// Or perhaps it is.
    is_in_doubt: bool,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, is_in_doubt: false }
    }
}

impl Keeper {
    pub(super) fn new(asked: mpsc::Receiver<Box<dyn Asked>>) -> Self {
        let recordings = Arc::new(Semaphore::new(RECORDINGS));
        Self { asked, is_unsure: false, recordings, tasks: JoinSet::new() }
    }

    /// Changes the table as asked for, until `shutdown`. What was decided by then is brought to its end.
    pub(crate) async fn run(mut self, registry: Arc<Registry>, shutdown: CancellationToken) {
        loop {
            let first = tokio::select! {
                () = shutdown.cancelled() => break,
                first = self.asked.recv() => first,
                Some(ended) = self.tasks.join_next() => match ended {
                    Ok(()) => continue,
                    Err(error) => {
                        tracing::error!(%error, "locks could not be recorded");
                        break;
                    }
                },
            };
            let Some(first) = first else { break };
            let mut asked = vec![first];
            while asked.len() < WAITING
                && let Ok(next) = self.asked.try_recv()
            {
                asked.push(next);
            }
            self.serve(&registry, Batch::new(asked)).await;
        }
        // Whoever still waits is told that the service stops.
        let Self { asked, mut tasks, .. } = self;
        drop(asked);
        while tasks.join_next().await.is_some() {}
    }

    async fn serve(&mut self, registry: &Arc<Registry>, mut batch: Batch) {
        match self.store(registry, &mut batch).await {
            Ok(()) => self.record(registry, batch).await,
            Err(Failure { error, is_in_doubt }) => {
                self.is_unsure = true;
                let traces: Vec<Trace> = batch.traces().cloned().collect();
                if is_in_doubt && !traces.is_empty() {
                    registry.mender.finish(Unfinished::Locking(traces));
                }
                refuse(batch.0, &error);
            }
        }
    }

    /// Decides, and stores what comes of it.
    async fn store(&mut self, registry: &Registry, batch: &mut Batch) -> Result<(), Failure> {
        let known = registry.look(|index| index.locks().cloned()).filter(|_| !self.is_unsure);
        let mut is_fresh = known.is_none();
        let mut table = match known {
            Some(table) => table,
            None => read(registry).await?,
        };
        self.is_unsure = false;
        for attempt in 1..=ATTEMPTS {
            let next = registry.look(|index| batch.decide(&table.spec, index));
            let Some(spec) = next else {
                if is_fresh || batch.0.is_empty() {
                    return Ok(());
                }
                table = read(registry).await?;
                is_fresh = true;
                continue;
            };
            let wanted = DeviceLocks { spec, metadata: table.metadata.clone() };
            match bounded_call(registry.locks.replace(OBJECT_NAME, &post(), &wanted)).await {
                Ok(stored) => {
                    histogram!("registry_lock_batch_size").record(size(batch));
                    show(registry, stored);
                    return Ok(());
                }
                Err(error) if error.is_conflict() || error.is_not_found() => {
                    tokio::time::sleep(PAUSE * attempt).await;
                    table = read(registry).await?;
                    is_fresh = true;
                }
                Err(error) => {
                    let is_in_doubt = !error.is_refusal();
                    return Err(Failure { error, is_in_doubt });
                }
            }
        }
        Err(StoreError::Contended("the lock table").into())
    }

    /// Answers who changed nothing, and the others as soon as the history has their rows.
    async fn record(&mut self, registry: &Arc<Registry>, batch: Batch) {
        let (told, rest): (Vec<Entry>, Vec<Entry>) =
            batch.0.into_iter().partition(|entry| !entry.traces.is_empty());
        for entry in rest {
            entry.answer(Ok(()));
        }
        if told.is_empty() {
            return;
        }
        let Ok(permit) = Arc::clone(&self.recordings).acquire_owned().await else {
            return refuse(told, &StoreError::Stopped);
        };
        // Here, so that the history has the rows in the order of the table.
        let rows = told.iter().flat_map(|entry| &entry.traces).map(|trace| trace.row.clone());
        let receipt = registry.journal.hand_in(rows.collect()).await;
        self.tasks.spawn(record(Arc::clone(registry), told, receipt, permit));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a batch is small")]
fn size(batch: &Batch) -> f64 {
    batch.0.len() as f64
}

/// The table as the API has it now.
async fn read(registry: &Registry) -> Result<Arc<DeviceLocks>, StoreError> {
    let table = ensure(registry).await?;
    show(registry, table.clone());
    Ok(Arc::new(table))
}

fn show(registry: &Registry, table: DeviceLocks) {
    registry.update(|index| {
        index.set_locks(Some(table));
        Vec::new()
    });
}

fn refuse(entries: Vec<Entry>, error: &StoreError) {
    for entry in entries {
        entry.answer(Err(error.clone()));
    }
}

/// Answers when the rows of changes that were made are written.
async fn record(
    registry: Arc<Registry>,
    entries: Vec<Entry>,
    receipt: Result<Receipt, StoreError>,
    permit: OwnedSemaphorePermit,
) {
    let recorded = match receipt {
        Ok(receipt) => receipt.stored().await,
        Err(error) => Err(error),
    };
    // Taking locks back needs the task that waits for this.
    drop(permit);
    match recorded {
        Ok(()) => {
            let unheard: Vec<Trace> = entries.into_iter().filter_map(unheard).flatten().collect();
            if !unheard.is_empty() {
                registry.mender.finish(Unfinished::Locking(unheard));
            }
        }
        Err(error) => {
            // The clients are told that they hold nothing, so they must hold nothing.
            let traces: Vec<Trace> =
                entries.iter().flat_map(|entry| entry.traces.clone()).collect();
            let left = match take_back(&registry, &traces).await {
                Ok(rows) => Unfinished::Rows(rows),
                Err(_) => Unfinished::Locking(traces),
            };
            registry.mender.finish(left);
            refuse(entries, &error);
        }
    }
}

/// Answers; the locks that nobody was told of, if so.
fn unheard(entry: Entry) -> Option<Vec<Trace>> {
    let locks: Vec<Trace> = entry.traces.iter().filter(|trace| trace.is_lock()).cloned().collect();
    (!entry.answer(Ok(())) && !locks.is_empty()).then_some(locks)
}
