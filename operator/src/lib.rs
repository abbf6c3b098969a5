//! The reconcilers of a beamline: `Beamline`, `Device`, `ProcessVariable` and `PlanWorker` objects
//! are brought to their declared state.
//!
//! Every controller is the same steps, a file each: *dereference* (what else must be known),
//! *validate* (what the spec means), *build* (what should be), *apply* (change the world outside),
//! *status* (say so). Validate and build are plain functions. A step that has nothing to do in a
//! controller is absent: devices and PVs are nothing but status, so they have no *apply*.

mod backoff;
mod beamline;
mod cluster;
mod context;
mod controller;
mod controllers;
mod device;
mod error;
mod index;
pub mod judge;
mod launch;
pub mod metrics;
mod mirror;
mod mirrors;
mod plan_worker;
mod pods;
mod process_variable;
mod progress;
mod report;
mod run;
mod scope;
mod settings;
mod tasks;
mod wakes;

pub use beamline::names::Component;
pub use cluster::{ClusterSettings, Server};
pub use error::{Call, RunError};
pub use launch::process::ProcessLauncher;
pub use launch::{LaunchError, Launcher, Nature, Order, Phase, TOKEN_VARIABLE};
pub use run::{run, run_with};
pub use scope::Scope;
pub use settings::{Program, Settings};
