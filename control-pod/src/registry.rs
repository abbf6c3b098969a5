//! What this process knows of the registry: devices, their classes, standalone PVs and locks, kept
//! by watches.
//!
//! Nobody asks another pod on the path of a request: [`View::snapshot`] is one atomic load.

pub(crate) mod known;
pub(crate) mod objects;
pub(crate) mod snapshot;
mod state;
pub(crate) mod subject;
pub(crate) mod view;
pub(crate) mod watch;

pub(crate) use known::KnownDevice;
pub(crate) use snapshot::Snapshot;
pub(crate) use view::View;
