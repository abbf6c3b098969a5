//! How EPICS is reached.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How EPICS is reached. The names are those of the `EPICS_CA_*` environment, and with `pva` of `EPICS_PVA_*`.
///
/// When nothing is given here and the simulated IOC is on, that IOC is the name server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Epics {
    /// `EPICS_CA_NAME_SERVERS`: `host[:port]` asked over TCP, the way that works across pod
    /// networks.
    #[schemars(length(max = 256), inner(length(min = 1, max = 253)))]
    pub ca_name_servers: Vec<String>,
    /// `EPICS_CA_ADDR_LIST`: `host[:port]` asked over UDP.
    #[schemars(length(max = 256), inner(length(min = 1, max = 253)))]
    pub addr_list: Vec<String>,
    /// `EPICS_CA_AUTO_ADDR_LIST`: also broadcast on every interface. Of use with `hostNetwork` only.
    pub auto_addr_list: bool,
    /// `EPICS_CA_SERVER_PORT`: port of the addresses that name none; 5064 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub server_port: Option<i32>,
    /// `EPICS_CA_CONN_TMO` in seconds: silence after which a connection is asked whether it lives, and the pause before a name
    /// server is dialled again. 5 when absent and there are name servers, so that an IOC whose pod was replaced is back soon;
    /// else 30, as EPICS has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub conn_tmo: Option<i32>,
    /// `EPICS_PVA_NAME_SERVERS`: PVAccess servers, `host[:port]`, asked over TCP, the way that works across pod networks.
    #[schemars(length(max = 256), inner(length(min = 1, max = 253)))]
    pub pva_name_servers: Vec<String>,
    /// `EPICS_PVA_ADDR_LIST`: `host[:port]` asked over UDP for PVs that PVAccess serves.
    #[schemars(length(max = 256), inner(length(min = 1, max = 253)))]
    pub pva_addr_list: Vec<String>,
    /// `EPICS_PVA_AUTO_ADDR_LIST`: also broadcast on every interface. Of use with `hostNetwork` only.
    pub pva_auto_addr_list: bool,
    /// `EPICS_PVA_SERVER_PORT`: port of the PVAccess name servers that name none; 5075 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub pva_server_port: Option<i32>,
    /// `EPICS_PVA_BROADCAST_PORT`: port of the PVAccess addresses that name none; 5076 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub pva_broadcast_port: Option<i32>,
}

impl Epics {
    /// Whether nothing says where IOCs of Channel Access are.
    pub fn says_nothing(&self) -> bool {
        self.ca_name_servers.is_empty() && self.addr_list.is_empty() && !self.auto_addr_list
    }
}
