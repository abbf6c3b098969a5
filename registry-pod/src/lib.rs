//! The registry: the configuration API of a beamline (port 8004, contract
//! registry-and-direct-control §1).
//!
//! Devices and PVs are custom resources. This service answers from an in-memory [`index`] that
//! watches feed; it writes to the Kubernetes API and nowhere else, and a write is visible to the
//! next read. [`history`] keeps the audit log and the change feed, [`locks`] has the rules of
//! device locks.

mod address;
mod answers;
mod component;
mod device;
mod export;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
mod history;
mod http;
mod index;
mod locks;
mod mending;
pub mod metrics;
mod pv_health;
mod registry;
mod reset;
mod seed;
mod server;
mod settings;
mod startup;
mod store;
mod vocabulary;

pub use http::interface;
pub use seed::Strategy;
pub use server::{RunError, Server};
pub use settings::{Settings, Unused};
