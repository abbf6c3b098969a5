//! A simulated beamline as a Channel Access server: the mini beamline, three motor records,
//! random walks, a thermo controller and an area detector (names, types and physics: contract
//! registry-and-direct-control §6.3).
//!
//! Writable PVs are EPICS records, so put-callbacks end when the action ends and bad values are
//! refused; values that only the simulation changes are records of the access security group
//! `readonly`. The network side is the driver of `epics-ca-rs` with a thread for each client: it
//! binds the address it is given, reports a port in use, and neither reads nor writes the process
//! environment.
//!
//! ```no_run
//! # async fn run() -> Result<(), sim_ioc::Error> {
//! let server = sim_ioc::Server::bind(sim_ioc::Settings::default()).await?;
//! server.serve(tokio_util::sync::CancellationToken::new()).await
//! # }
//! ```

mod area_detector;
mod families;
mod ioc;
mod mini_beamline;
mod motor;
mod random_walk;
mod server;
mod settings;
mod thermo;

pub use families::{PvInfo, list_pvs};
pub use ioc::Error;
pub use server::Server;
pub use settings::{Family, Prefixes, Settings};
