//! EPICS process variables behind a narrow trait.
//!
//! One channel and one monitor per PV for the whole process, however many users it has, over Channel Access ([`ca`]) or
//! PVAccess ([`pva`]). Nothing outside this crate names a type of the protocol libraries, so they can be swapped (see
//! `docs/dependencies.md`).

pub mod ca;
mod client;
mod convert;
pub mod diagnosis;
pub mod error;
pub mod fake;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
pub mod metrics;
pub mod motion;
mod presence;
mod probe;
pub mod pva;
pub mod sample;
mod scheme;
mod search;
mod shared;
pub mod value;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use diagnosis::Turns;

pub use ca::CaClient;
pub use diagnosis::Diagnosis;
pub use error::PvError;
pub use fake::Fake;
pub use presence::Presence;
pub use pva::PvaClient;
pub use sample::{Alarm, Image, Metadata, Sample, Severity};
pub use scheme::{Clients, Protocol, split_scheme};
pub use value::PvValue;

/// Hands out the one shared channel of each PV.
#[async_trait]
pub trait PvClient: Send + Sync + 'static {
    /// The channel of the PV `name`. Never blocks; the search goes on in the background for as long as the channel is held.
    ///
    /// The wire channel is released some time after its last user has dropped it.
    fn channel(&self, name: &str) -> Arc<dyn PvChannel>;

    /// Whether an IOC serves the PV `name`, and nothing else of it: over the same shared channel, but no value is asked for, so
    /// that thousands of PVs cost their IOCs a connection and no traffic.
    fn presence(&self, name: &str) -> Presence {
        let channel = self.channel(name);
        Presence::new(channel.connection(), channel)
    }

    /// Asks every place where the PV `name` is searched, and says what came back. Takes some seconds when places are silent.
    async fn diagnose(&self, name: &str) -> Diagnosis;
}

/// One PV.
#[async_trait]
pub trait PvChannel: Send + Sync {
    /// EPICS name.
    fn name(&self) -> &str;

    /// When the connection came and went.
    fn turns(&self) -> Turns;

    /// The connection, and every change of it.
    fn connection(&self) -> watch::Receiver<Connection>;

    /// Waits until the PV is connected.
    ///
    /// # Errors
    /// [`PvError::NotFound`] when nobody has answered for the name within `timeout`.
    async fn connected(&self, timeout: Duration) -> Result<ConnectedInfo, PvError>;

    /// Reads the PV from the IOC; waits for the connection first, within the same `timeout`. Arrays come at their current length.
    ///
    /// # Errors
    /// [`PvError::NotFound`], [`PvError::Disconnected`], [`PvError::Timeout`].
    async fn get(&self, want: Want, timeout: Duration) -> Result<Sample, PvError>;

    /// Writes the PV; waits for the connection first, within the same `timeout`.
    ///
    /// The value is converted to the PV's own type: a number or a label for an enum, text for a character array.
    ///
    /// # Errors
    /// [`PvError::ReadOnly`] without write access, [`PvError::Rejected`] when the IOC refuses, [`PvError::BadValue`] when the value
    /// does not fit the PV, [`PvError::Timeout`] when a completion does not arrive.
    async fn put(&self, value: PvValue, mode: PutMode, timeout: Duration) -> Result<(), PvError>;

    /// The latest sample with its metadata, and every newer one. `None` until the first one arrived.
    ///
    /// All users share one monitor on the wire. A slow user sees the newest value, not every value; [`PvChannel::updates`] is for
    /// those who need each one. Connection loss and return, alarm, limit and label changes arrive as samples as well.
    fn monitor(&self) -> watch::Receiver<Option<Arc<Sample>>>;

    /// Every sample from now on, in order. A user who falls behind is told how many it missed.
    fn updates(&self) -> tokio::sync::broadcast::Receiver<Arc<Sample>>;
}

/// State of a channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Connection {
    /// Nobody has answered for the name yet.
    #[default]
    Never,
    /// An IOC serves the PV.
    Connected(ConnectedInfo),
    /// The IOC was there and is gone.
    Disconnected,
}

/// What the IOC says of a connected PV.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectedInfo {
    /// Native type.
    pub native: NativeType,
    /// Most elements that the PV can have; 1 for a scalar, [`Self::UNBOUNDED`] where the protocol knows no most.
    pub max_count: usize,
    /// Whether it may be read.
    pub read_access: bool,
    /// Whether it may be written. PVAccess tells this only in answer to a write.
    pub write_access: bool,
    /// Address of the IOC.
    pub host: String,
}

impl ConnectedInfo {
    /// Of an array that may have any length.
    pub const UNBOUNDED: usize = usize::MAX;
}

/// Native type of a PV, as Channel Access names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NativeType {
    /// Text of at most 40 bytes.
    String,
    /// Signed 16 bit.
    Short,
    /// 32 bit floating point.
    Float,
    /// Index into a list of labels.
    Enum,
    /// Unsigned 8 bit; an array of these is often text.
    Char,
    /// Signed 32 bit.
    Long,
    /// 64 bit floating point.
    Double,
}

/// How much a read should bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Value, alarm and the IOC's time (`DBR_TIME_*`).
    Time,
    /// Value, alarm, units, precision, limits and labels (`DBR_CTRL_*`), with the time of a second request.
    Control,
}

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// When it has been handed to the IOC's connection.
    NoWait,
    /// When the IOC says that everything it caused is done (put callback).
    Completion,
}
