//! Changing the lock table: whoever wants it changed hands in a decision, and one task, the [`keeper`], decides and
//! stores all that wait together.

mod batch;
pub(crate) mod keeper;

use std::time::Duration;

use crds::device_locks::OBJECT_NAME;
use crds::{DeviceLocks, DeviceLocksSpec};
use kube::api::PostParams;
use tokio::sync::{mpsc, oneshot};

use super::{FIELD_MANAGER, StoreError, bounded_call};
use crate::history::NewRow;
use crate::index::Index;
use crate::registry::Registry;
use batch::{Asked, Question};
use keeper::Keeper;

/// Changes that wait, and the most that are stored together: each is one HTTP request in progress.
const WAITING: usize = 1024;
/// How often changes are tried against other writers of the table.
const ATTEMPTS: u32 = 30;
/// Wait before trying again, longer each time.
const PAUSE: Duration = Duration::from_millis(2);

/// A change of the lock table did not happen.
#[derive(Debug)]
pub(crate) enum ChangeError<E> {
    /// The rules refuse it.
    Refused(E),
    /// The store failed.
    Store(StoreError),
}

impl<E> From<StoreError> for ChangeError<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A decision about the table.
#[derive(Debug)]
pub(crate) struct Decided<T> {
    /// The next table; `None` to leave it as it is.
    pub(crate) next: Option<DeviceLocksSpec>,
    /// What the history is to tell of it.
    pub(crate) rows: Vec<NewRow>,
    /// What the client is told.
    pub(crate) answer: T,
}

/// A decision that holds.
#[derive(Debug)]
pub(crate) struct Changed<T> {
    /// Version of the table that it made.
    pub(crate) version: i64,
    /// Epoch of the table.
    pub(crate) epoch: String,
    pub(crate) answer: T,
}

/// Hands decisions to the [`Keeper`].
#[derive(Clone, Debug)]
pub(crate) struct LockTable {
    asked: mpsc::Sender<Box<dyn Asked>>,
}

/// The lock table, and who changes it once [`Keeper::run`] does.
pub(crate) fn new() -> (LockTable, Keeper) {
    let (sender, asked) = mpsc::channel(WAITING);
    (LockTable { asked: sender }, Keeper::new(asked))
}

impl LockTable {
    /// Changes the table by `decide`, which is asked again when somebody else was faster. When this returns, the change
    /// is stored and visible, and the history has its rows.
    ///
    /// A change whose caller goes away is not made, or brought to its end: see [`keeper`].
    pub(crate) async fn change<T, E>(
        &self,
        decide: impl FnMut(&DeviceLocksSpec, &Index) -> Result<Decided<T>, E> + Send + 'static,
    ) -> Result<Changed<T>, ChangeError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let question = Box::new(Question::new(decide, reply));
        self.asked.send(question).await.map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

/// A table that nobody has locked anything in. Its epoch tells clients that earlier locks are lost.
fn fresh(lock_all: bool) -> DeviceLocks {
    let epoch = uuid::Uuid::new_v4().simple().to_string();
    DeviceLocks::new(OBJECT_NAME, DeviceLocksSpec { epoch, lock_all, ..Default::default() })
}

fn post() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// Makes sure that there is a lock table.
pub(crate) async fn ensure(registry: &Registry) -> Result<DeviceLocks, StoreError> {
    if let Some(found) = bounded_call(registry.locks.get_opt(OBJECT_NAME)).await? {
        return Ok(found);
    }
    let table = fresh(registry.settings.lock_all);
    match bounded_call(registry.locks.create(&post(), &table)).await {
        Err(error) if error.is_conflict() => bounded_call(registry.locks.get(OBJECT_NAME)).await,
        created => created,
    }
}
