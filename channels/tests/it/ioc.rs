//! Starts Python-made IOCs on free loopback ports.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use channels::ca::Settings;
use channels::{CaClient, PvaClient, pva};

use crate::checks::Outage;

/// How long an IOC may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A running IOC; killed when dropped, and gone with the test process in any case because its standard input closes.
#[derive(Debug)]
pub(crate) struct Ioc {
    script: &'static str,
    arguments: Vec<String>,
    ports: Ports,
    process: Child,
}

/// The ports of an IOC on loopback.
#[derive(Clone, Copy, Debug)]
struct Ports {
    ca: u16,
    beacons: u16,
    /// Of PVAccess, by TCP and by UDP; of IOCs that speak it.
    pva: (u16, u16),
}

impl Ioc {
    /// Starts `tests/iocs/<script>` and waits until it serves.
    pub(crate) fn start(script: &'static str, arguments: &[&str]) -> Self {
        let free = peers::free_port;
        let ports = Ports { ca: free(), beacons: free(), pva: (free(), free()) };
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        let process = launch(script, &arguments, ports);
        Self { script, arguments, ports, process }
    }

    /// Settings that find this IOC and no other.
    pub(crate) fn settings(&self) -> Settings {
        Settings::loopback(self.ports.ca)
    }

    /// Its port on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.ports.ca
    }

    /// Settings that find its PVs over PVAccess, by TCP.
    pub(crate) fn pva_settings(&self) -> pva::Settings {
        pva::Settings::loopback(self.ports.pva.0)
    }

    /// Settings that find its PVs over PVAccess, by UDP.
    pub(crate) fn pva_udp_settings(&self) -> pva::Settings {
        let mut settings = self.pva_settings();
        settings.search.addresses = vec![Ipv4Addr::LOCALHOST.to_string()];
        settings.search.name_servers.clear();
        settings.broadcast_port = self.ports.pva.1;
        settings
    }

    /// Its port of PVAccess on loopback.
    pub(crate) fn pva_port(&self) -> u16 {
        self.ports.pva.0
    }

    /// A PVAccess client of its own for this IOC.
    pub(crate) fn pva_client(&self) -> PvaClient {
        PvaClient::new(self.pva_settings()).unwrap()
    }

    /// Its process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// A client of its own for this IOC.
    pub(crate) async fn client(&self) -> CaClient {
        CaClient::new(self.settings()).await.unwrap()
    }
}

impl Outage for Ioc {
    /// `kill -9`.
    fn lose(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again at the same port.
    fn restore(&mut self) {
        self.process = launch(self.script, &self.arguments, self.ports);
    }
}

impl Drop for Ioc {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn launch(script: &str, arguments: &[String], ports: Ports) -> Child {
    let Ports { ca: port, beacons: beacon_port, pva } = ports;
    let crate_folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python = peers::python().expect("Python with softioc, caproto and p4p");
    let mut process = Command::new(&python)
        .arg(crate_folder.join("tests/iocs").join(script))
        .args(arguments)
        .env("EPICS_CA_SERVER_PORT", port.to_string())
        .env("EPICS_CAS_SERVER_PORT", port.to_string())
        .env("EPICS_CA_REPEATER_PORT", beacon_port.to_string())
        .env("EPICS_CAS_BEACON_PORT", beacon_port.to_string())
        .env("EPICS_CAS_INTF_ADDR_LIST", "127.0.0.1")
        .env("EPICS_CAS_BEACON_ADDR_LIST", "127.0.0.1")
        .env("EPICS_CAS_AUTO_BEACON_ADDR_LIST", "NO")
        .env("EPICS_CA_ADDR_LIST", "127.0.0.1")
        .env("EPICS_CA_AUTO_ADDR_LIST", "NO")
        .env("EPICS_PVAS_SERVER_PORT", pva.0.to_string())
        .env("EPICS_PVAS_BROADCAST_PORT", pva.1.to_string())
        .env("EPICS_PVAS_INTF_ADDR_LIST", "127.0.0.1")
        .env("EPICS_PVAS_BEACON_ADDR_LIST", "127.0.0.1")
        .env("EPICS_PVAS_AUTO_BEACON_ADDR_LIST", "NO")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(process.stdout.take().unwrap());
    let (ready, is_ready) = mpsc::channel();
    // Reads on to the end, so that the IOC never blocks on a full pipe.
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if line.contains("READY") {
                let _ = ready.send(());
            }
        }
    });
    let started = is_ready.recv_timeout(START);
    assert!(started.is_ok(), "{script} did not start: run it by hand with {python:?}");
    process
}
