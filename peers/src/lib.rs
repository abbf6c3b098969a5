//! Real programs that the tests of several crates run beside what they test: the Python of the repository's virtual environment, and
//! IOCs made with it. And [`replay`], which feeds what reads bytes from outside. For tests only.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod replay;

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

pub use replay::replay;

/// The interpreter that has the Python packages of the tests: `BEAMLINE_PYTHON`, or that of `.venv`. Without one the caller skips,
/// loudly.
///
/// # Panics
/// Under CI, where nothing may be skipped.
pub fn python() -> Option<PathBuf> {
    let python = std::env::var_os("BEAMLINE_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python"),
        PathBuf::from,
    );
    if python.exists() {
        return Some(python);
    }
    let missing = format!("{} is missing: `make .venv/.installed` makes it", python.display());
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("SKIPPED: {missing}");
    None
}

/// A port of loopback that is free for TCP and UDP.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    for _ in 0..100 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free for both TCP and UDP");
}

/// One of caproto's example IOCs, on a port of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct CaprotoIoc {
    python: PathBuf,
    port: u16,
    arguments: Vec<String>,
    process: Child,
}

impl CaprotoIoc {
    /// Starts `caproto.ioc_examples.<example>`; it may take a while until it answers. `None` without Python.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(example: &str, arguments: &[&str]) -> Option<Self> {
        let python = python()?;
        let port = free_port();
        let module = ["-m".to_owned(), format!("caproto.ioc_examples.{example}")];
        let arguments: Vec<String> =
            module.into_iter().chain(arguments.iter().map(|&it| it.to_owned())).collect();
        let process = launch(&python, port, &arguments);
        Some(Self { python, port, arguments, process })
    }

    /// Its Channel Access port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it without a word.
    ///
    /// # Panics
    /// When it has ended before.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Ends it without a word and starts it again on the same port.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn restart(&mut self) {
        self.kill().await;
        self.process = launch(&self.python, self.port, &self.arguments);
    }
}

fn launch(python: &Path, port: u16, arguments: &[String]) -> Child {
    Command::new(python)
        .args(arguments)
        .args(["--interfaces", "127.0.0.1"])
        .env("EPICS_CA_SERVER_PORT", port.to_string())
        .env("EPICS_CAS_SERVER_PORT", port.to_string())
        .env("EPICS_CAS_BEACON_ADDR_LIST", "127.0.0.1")
        .env("EPICS_CAS_AUTO_BEACON_ADDR_LIST", "NO")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
