//! A real IOC in a process of its own.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use channels::ca::Settings;
use channels::{CaClient, PvClient, Want};
use tokio::process::{Child, Command};

use crate::python;

/// A running IOC and a client that finds it.
pub(crate) struct Ioc {
    pub(crate) pvs: Arc<dyn PvClient>,
    port: u16,
    process: Child,
}

impl Ioc {
    /// Starts a caproto example on a port of its own and waits until it serves `pv`. None without Python.
    pub(crate) async fn start(module: &str, pv: &str) -> Option<Self> {
        let python = python::interpreter()?;
        // Free a moment ago for both protocols; caproto would take another port in silence if it were not any more, and the
        // wait below would find nothing.
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        drop(udp);
        let process = Command::new(python)
            .args(["-m", module, "--interfaces", "127.0.0.1"])
            .env("EPICS_CA_SERVER_PORT", port.to_string())
            .env("EPICS_CAS_SERVER_PORT", port.to_string())
            .env("EPICS_CAS_BEACON_ADDR_LIST", "127.0.0.1")
            .env("EPICS_CAS_AUTO_BEACON_ADDR_LIST", "NO")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pvs: Arc<dyn PvClient> =
            Arc::new(CaClient::new(Settings::loopback(port)).await.unwrap());
        pvs.channel(pv).get(Want::Time, Duration::from_secs(60)).await.unwrap();
        Some(Self { pvs, port, process })
    }

    /// What another client needs in its environment to find the IOC, and no other.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("EPICS_CA_AUTO_ADDR_LIST", "NO".into()),
            ("EPICS_CA_ADDR_LIST", format!("127.0.0.1:{}", self.port)),
            ("EPICS_CA_SERVER_PORT", self.port.to_string()),
        ]
    }

    /// Ends the IOC without a word.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// The present value of a PV.
    pub(crate) async fn value(&self, pv: &str) -> f64 {
        let sample = self.pvs.channel(pv).get(Want::Time, Duration::from_secs(10)).await.unwrap();
        sample.value.as_f64().unwrap()
    }
}
