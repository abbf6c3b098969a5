//! Real IOCs: caproto's examples from PyPI, on a port of their own.

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use channels::ca::{CaClient, Settings};
use tokio::process::{Child, Command};

/// A running caproto IOC; it ends when this is dropped.
pub(crate) struct Ioc {
    port: u16,
    arguments: Vec<&'static str>,
    _process: Child,
}

impl Ioc {
    /// Starts `python -m caproto.ioc_examples.<example>`. `None`, loudly, without the repository's
    /// virtual environment.
    pub(crate) fn start(example: &'static str, arguments: &[&'static str]) -> Option<Self> {
        let python = interpreter()?;
        let port = free_port();
        let arguments = [&[example], arguments].concat();
        let process = spawn(&python, port, &arguments);
        Some(Self { port, arguments, _process: process })
    }

    /// Kills the IOC and starts it again on the same port.
    pub(crate) async fn restart(&mut self) {
        self._process.kill().await.unwrap();
        let python = interpreter().unwrap();
        self._process = spawn(&python, self.port, &self.arguments);
    }

    /// Kills the IOC.
    pub(crate) async fn kill(&mut self) {
        self._process.kill().await.unwrap();
    }

    /// A Channel Access client that sees this IOC and nothing else.
    pub(crate) async fn client(&self) -> Arc<CaClient> {
        Arc::new(CaClient::new(Settings::loopback(self.port)).await.unwrap())
    }
}

fn spawn(python: &Path, port: u16, arguments: &[&str]) -> Child {
    let (example, rest) = arguments.split_first().unwrap();
    Command::new(python)
        .arg("-m")
        .arg(format!("caproto.ioc_examples.{example}"))
        .args(["--interfaces", "127.0.0.1"])
        .args(rest)
        .env("EPICS_CA_SERVER_PORT", port.to_string())
        .env("EPICS_CAS_SERVER_PORT", port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn interpreter() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    if python.exists() {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", python.display());
    eprintln!("SKIPPED: {} is missing", python.display());
    None
}

/// A port that is free for TCP and UDP.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
