//! The queue server: plans queued, validated and run by a worker.
//!
//! One actor owns a pure state machine ([`machine`]); 0MQ, HTTP and WebSockets are thin fronts over the same commands. Every item is a
//! `QueueItem` resource that is written before the client gets its answer.

mod announced;
pub mod approval;
pub mod checkout;
mod claims;
pub mod console;
pub mod desk;
pub mod driver;
mod encoding;
pub mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
mod http;
pub mod inventory;
pub mod item;
pub mod kernel;
pub mod lock;
pub mod machine;
pub mod manifest;
pub mod methods;
pub mod metrics;
pub mod plans;
pub mod python;
pub mod queue;
pub mod rank;
mod requests;
mod server;
mod settings;
pub mod spreadsheet;
pub mod status;
pub mod tasks;
pub mod view;
mod zmq;

pub use encoding::Encoding;
pub use files::Files;
pub use server::{BindError, ServeError, Server};
pub use settings::{Access, Settings};
