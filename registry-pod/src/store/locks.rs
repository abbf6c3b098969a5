//! Changing the lock table: read, decide, compare-and-swap, and again when somebody was faster.

use std::sync::Arc;
use std::time::Duration;

use crds::device_locks::OBJECT_NAME;
use crds::{DeviceLocks, DeviceLocksSpec};
use kube::api::PostParams;

use super::{FIELD_MANAGER, StoreError, bounded_call};
use crate::registry::Registry;

/// How often a change is tried against other writers of the table.
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

/// Changes the table by `decide`: the next table, or `None` to leave it, and an answer. Returns
/// the table in force and the answer of the last decision, once the change is stored and visible.
pub(crate) async fn change<T, E>(
    registry: &Registry,
    mut decide: impl FnMut(&DeviceLocksSpec) -> Result<(Option<DeviceLocksSpec>, T), E>,
) -> Result<(Arc<DeviceLocks>, T), ChangeError<E>> {
    let _turn = registry.lock_turn.acquire().await.map_err(|_| StoreError::Stopped)?;
    let mut table = match registry.look(|index| index.locks().cloned()) {
        Some(table) => table,
        None => Arc::new(ensure(registry).await?),
    };
    for attempt in 1..=ATTEMPTS {
        let (next, answer) = decide(&table.spec).map_err(ChangeError::Refused)?;
        let Some(spec) = next else { return Ok((table, answer)) };
        let wanted = DeviceLocks { spec, metadata: table.metadata.clone() };
        match bounded_call(registry.locks.replace(OBJECT_NAME, &post(), &wanted)).await {
            Ok(stored) => {
                registry.update(|index| {
                    index.set_locks(Some(stored.clone()));
                    Vec::new()
                });
                return Ok((Arc::new(stored), answer));
            }
            Err(error) if error.is_conflict() || error.is_not_found() => {
                tokio::time::sleep(PAUSE * attempt).await;
                table = Arc::new(ensure(registry).await?);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Contended("the lock table").into())
}
