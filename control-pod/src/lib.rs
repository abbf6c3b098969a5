//! Direct control (port 8003): read, set and watch PVs and devices over REST and WebSocket.
//!
//! Data flows one way: IOC → [`channels`] → one shared monitor per PV → each client's outbox. A
//! write is checked against the registry as known in memory ([`gate`]) and against the PV's limits
//! ([`limits`]) before anything is sent. Devices, classes, PVs and locks come from
//! watches, and not from other pods. Besides, one of its replicas tells of every device whether IOCs answer for it
//! ([`connections`]).
//!
//! The core is the same for both APIs: direct control's own, and that of ophyd-websocket ([`oas`],
//! port 8001).
//!
//! Wire contract: `registry-and-direct-control` §2, `ophyd-websocket`.

mod audit;
mod camera;
mod clock;
mod connections;
mod declared;
mod device;
mod diagnostics;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
mod gate;
mod gateway;
mod http;
mod limits;
pub mod metrics;
mod monitors;
mod oas;
mod put;
mod read;
mod registry;
mod server;
mod settings;
mod socket;
mod values;

pub use camera::encode::Encoding;
pub use oas::Settings as OasSettings;
pub use server::{Server, ServerError};
pub use settings::Settings;
