//! The operator against the API of one machine, with real processes as workers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod beamline;
mod beamlines;
mod cluster;
mod devices;
mod mini_beamline;
mod process_variables;
mod resilience;
mod scale;
mod workers;
