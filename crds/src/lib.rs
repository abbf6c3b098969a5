//! The domain's words: the custom resource types of `beamline.dev/v1alpha1` and the pure rules over
//! them.
//!
//! Nothing here performs I/O or knows a client. The operator, the pods and the command line all
//! speak these types.

#![allow(clippy::duplicated_attributes, reason = "printer columns of one kind may share a type")]

pub mod beamline;
pub mod bits;
pub mod by_name;
pub mod catalogue;
pub mod claimants;
pub mod claims;
pub mod conditions;
pub mod device;
pub mod device_class;
pub mod device_locks;
mod explain;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
pub mod happi;
pub mod import;
pub mod ipython_kernel;
pub mod locking;
pub mod managed;
pub mod manifests;
pub mod names;
pub mod plan_worker;
pub mod process_variable;
pub mod profile;
pub mod publishers;
pub mod queue;
pub mod queue_item;
pub mod resolve;
mod schema;
pub mod suspender;
pub mod yaml;

pub use beamline::{Beamline, BeamlineSpec, BeamlineStatus};
pub use device::{Device, DeviceSpec, DeviceStatus};
pub use device_class::{DeviceClass, DeviceClassSpec};
pub use device_locks::{DeviceLocks, DeviceLocksSpec};
pub use plan_worker::{PlanWorker, PlanWorkerSpec, PlanWorkerStatus};
pub use process_variable::{ProcessVariable, ProcessVariableSpec, ProcessVariableStatus};
pub use profile::Profile;
pub use publishers::Publishers;
pub use queue::{Queue, QueueSpec, QueueStatus};
pub use queue_item::{QueueItem, QueueItemSpec, QueueItemStatus};
pub use schema::FreeForm;
pub use suspender::Suspender;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// API group of every kind of this project.
pub const GROUP: &str = "beamline.dev";
/// The one served and stored version.
pub const VERSION: &str = "v1alpha1";

/// Every custom resource definition of this project, in the order in which they are written and
/// installed.
pub fn all() -> Vec<CustomResourceDefinition> {
    [
        Beamline::crd(),
        Device::crd(),
        DeviceClass::crd(),
        DeviceLocks::crd(),
        PlanWorker::crd(),
        ProcessVariable::crd(),
        Queue::crd(),
        QueueItem::crd(),
    ]
    .map(explain::flow)
    .into()
}
