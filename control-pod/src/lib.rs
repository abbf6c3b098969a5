//! Direct control (port 8003): read, set and watch PVs and devices over REST and WebSocket.
//!
//! Data flows one way: IOC → [`channels`] → one shared monitor per PV → each client's outbox. A
//! write is checked against the registry as known in memory ([`gate`]) and against the PV's limits
//! ([`limits`]) before anything is sent. There is no HTTP between our pods: devices, classes, PVs
//! and locks come from watches. Besides, one of its replicas tells of every device whether IOCs answer for it
//! ([`connections`]).
//!
//! Wire contract: `registry-and-direct-control` §2.

mod camera;
mod clock;
mod connections;
mod device;
mod diagnostics;
mod gate;
mod gateway;
mod http;
mod limits;
pub mod metrics;
mod monitors;
mod put;
mod read;
mod registry;
mod server;
mod settings;
mod socket;
mod values;

pub use camera::encode::Encoding;
pub use server::{Server, ServerError};
pub use settings::Settings;
