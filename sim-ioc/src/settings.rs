//! What a caller chooses: where to listen, which families of PVs run, and their prefixes.

use std::net::Ipv4Addr;

/// A family of PVs that runs or does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `mini:`: beam current, pinhole, edge, slit and the moving dot.
    MiniBeamline,
    /// `sim:`: three motor records.
    Motors,
    /// `random_walk:`, `random_walk:horiz-` and `random_walk:vert-`.
    RandomWalk,
    /// `thermo:`: an oscillating temperature.
    Thermo,
    /// `13SIM1:`: a simulated camera and its image plugin.
    AreaDetector,
}

impl Family {
    /// All families, in the order in which they are built.
    pub const ALL: [Self; 5] =
        [Self::MiniBeamline, Self::Motors, Self::RandomWalk, Self::Thermo, Self::AreaDetector];
}

/// Prefix of each family's PV names, separator included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// Default `mini:`.
    pub mini_beamline: String,
    /// Default `sim:`.
    pub motors: String,
    /// One random walk for each entry: default `random_walk:`, `random_walk:horiz-`,
    /// `random_walk:vert-`.
    pub random_walks: Vec<String>,
    /// Default `thermo:`.
    pub thermo: String,
    /// Default `13SIM1:`.
    pub area_detector: String,
}

impl Default for Prefixes {
    fn default() -> Self {
        Self {
            mini_beamline: "mini:".into(),
            motors: "sim:".into(),
            random_walks: ["random_walk:", "random_walk:horiz-", "random_walk:vert-"]
                .map(str::to_owned)
                .to_vec(),
            thermo: "thermo:".into(),
            area_detector: "13SIM1:".into(),
        }
    }
}

/// Settings of the simulated beamline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// IPv4 address to listen on, for UDP searches and TCP circuits alike. Clients reach a
    /// loopback server with `EPICS_CA_ADDR_LIST=127.0.0.1`; `0.0.0.0` answers broadcast searches
    /// too.
    pub host: Ipv4Addr,
    /// UDP and TCP port; 0 takes a free one, see [`crate::Server::port`].
    pub port: u16,
    /// Families that run.
    pub families: Vec<Family>,
    /// Prefixes of the PV names.
    pub prefixes: Prefixes,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST,
            port: 5064,
            families: Family::ALL.to_vec(),
            prefixes: Prefixes::default(),
        }
    }
}
