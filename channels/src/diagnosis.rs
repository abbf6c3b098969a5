//! What can be said about one PV beyond its value: where it is searched, what each of these places
//! answers, and when it was there. Plain data.

use std::net::SocketAddr;
use std::time::SystemTime;

use crate::Connection;
pub use crate::search::Search;

/// Everything known about one PV at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diagnosis {
    /// Where it is searched.
    pub search: Search,
    /// Its channel.
    pub connection: Connection,
    /// When that last changed.
    pub turns: Turns,
    /// What each place answered just now.
    pub probes: Vec<Probe>,
}

/// When a channel came and went, as far as this process has seen it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// When it last connected.
    pub connected: Option<SystemTime>,
    /// When it was last lost.
    pub lost: Option<SystemTime>,
}

/// One place that was asked for the PV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// How the place is asked.
    pub kind: PlaceKind,
    /// The place as it was configured.
    pub place: String,
    /// What came back.
    pub outcome: Outcome,
}

/// How a place is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceKind {
    /// By TCP.
    NameServer,
    /// By UDP.
    Address,
    /// By UDP, with whoever hears it.
    Broadcast,
}

/// What came back from one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The name of the place leads to no address.
    Unresolved(String),
    /// Nothing can be reached there; the reason is of the system.
    Unreachable {
        /// What the system said.
        reason: String,
        /// Whether a server of the other protocol listens on the same host.
        other_protocol: bool,
    },
    /// Something listens there and does not speak the protocol.
    Stranger {
        /// Whether a server of the other protocol listens on the same host.
        other_protocol: bool,
    },
    /// A server is there, and says that it has no such PV.
    NoSuchPv {
        /// Its minor version of Channel Access; PVAccess tells none.
        version: Option<u16>,
    },
    /// Nobody answered.
    Silent,
    /// A server answered the search, and then could not be reached by TCP.
    Advertised {
        /// Where it says that it is.
        by: SocketAddr,
        /// What the system said.
        reason: String,
    },
    /// The PV is there.
    Serves {
        /// The server.
        by: SocketAddr,
        /// Its minor version of Channel Access; PVAccess tells none.
        version: Option<u16>,
        /// Whether it answered the search in the way in which this place is asked. An IOC that was
        /// asked directly by TCP, because it did not, is found by nobody else.
        found_by_search: bool,
    },
}
