//! A real IOC in a process of its own.

use std::sync::Arc;
use std::time::Duration;

use channels::ca::Settings;
use channels::{CaClient, PvClient, Want};
use peers::CaprotoIoc;

/// A running IOC and a client that finds it.
pub(crate) struct Ioc {
    pub(crate) pvs: Arc<dyn PvClient>,
    process: CaprotoIoc,
}

impl Ioc {
    /// Starts a caproto example on a port of its own and waits until it serves `pv`. None without Python.
    pub(crate) async fn start(example: &str, pv: &str) -> Option<Self> {
        let process = CaprotoIoc::start(example, &[])?;
        let client = CaClient::new(Settings::loopback(process.port())).await.unwrap();
        client.channel(pv).get(Want::Time, Duration::from_secs(60)).await.unwrap();
        Some(Self { pvs: Arc::new(client), process })
    }

    /// What another client needs in its environment to find the IOC, and no other.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        let port = self.process.port();
        [
            ("EPICS_CA_AUTO_ADDR_LIST", "NO".into()),
            ("EPICS_CA_ADDR_LIST", format!("127.0.0.1:{port}")),
            ("EPICS_CA_SERVER_PORT", port.to_string()),
        ]
    }

    /// Ends the IOC without a word.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// The present value of a PV.
    pub(crate) async fn value(&self, pv: &str) -> f64 {
        let sample = self.pvs.channel(pv).get(Want::Time, Duration::from_secs(10)).await.unwrap();
        sample.value.as_f64().unwrap()
    }
}
