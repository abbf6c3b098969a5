//! The reconcilers of a beamline: `Device`, `ProcessVariable` and `PlanWorker` objects are brought
//! to their declared state.
//!
//! Every controller is the same steps, a file each: *dereference* (what else must be known),
//! *validate* (what the spec means), *build* (what should be), *apply* (change the world outside),
//! *status* (say so). Validate and build are plain functions. A step that has nothing to do in a
//! controller is absent: devices and PVs are nothing but status, so they have no *apply*.

mod backoff;
mod context;
mod controller;
mod device;
mod error;
mod launch;
mod mirror;
mod plan_worker;
mod process_variable;
mod report;
mod run;
mod settings;

pub use error::RunError;
pub use launch::process::ProcessLauncher;
pub use launch::{LaunchError, Launcher, Order, Phase, TOKEN_VARIABLE};
pub use run::{run, run_with};
pub use settings::{Program, Settings};
