//! The simulated beamline under real clients: pytest runs pyepics, caproto and ophyd against a
//! server that is started here.

use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sim_ioc::{Error, Family, Prefixes, Server, Settings};
use tokio_util::sync::CancellationToken;

/// The slowest client suite takes under a minute on an idle machine.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(240);

fn free_port() -> Settings {
    Settings { port: 0, ..Settings::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_clients_read_write_and_monitor_every_family() {
    let Some(python) = peers::python() else { return };
    let server = Server::bind(free_port()).await.unwrap();
    let port = server.port();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(server.serve(shutdown.clone()));
    let clients = tokio::process::Command::new(python)
        .args(["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients"))
        .env("EPICS_CA_ADDR_LIST", "127.0.0.1")
        .env("EPICS_CA_AUTO_ADDR_LIST", "NO")
        .env("EPICS_CA_SERVER_PORT", port.to_string())
        .env("EPICS_CA_MAX_ARRAY_BYTES", "20000000")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(CLIENT_TIMEOUT, clients).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_an_error_that_names_it() {
    let first = Server::bind(free_port()).await.unwrap();
    let port = first.port();
    let second = Server::bind(Settings { port, ..Settings::default() }).await;
    let error = second.unwrap_err();
    assert!(matches!(error, Error::PortInUse { port: named, .. } if named == port));
    assert_eq!(
        error.to_string(),
        format!("Channel Access port {port} on 127.0.0.1 is already in use")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_server_returns_and_frees_its_port() {
    let server = Server::bind(free_port()).await.unwrap();
    let port = server.port();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(server.serve(shutdown.clone()));
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), serving).await.unwrap().unwrap().unwrap();
    Server::bind(Settings { port, ..Settings::default() }).await.unwrap();
}

#[test]
fn a_runtime_that_is_taken_down_does_not_wait_for_a_server_that_nobody_stopped() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::bind(free_port())).unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    runtime.spawn(server.serve(CancellationToken::new()));
    client.read_exact(&mut [0; 16]).expect("the version that a server begins with");
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(runtime);
        done.send(())
    });
    ended.recv_timeout(Duration::from_secs(30)).unwrap();
}

#[tokio::test]
async fn only_the_chosen_families_exist_under_the_chosen_prefixes() {
    let settings = Settings {
        families: vec![Family::Motors],
        prefixes: Prefixes { motors: "lab:".into(), ..Prefixes::default() },
        ..free_port()
    };
    let pvs = sim_ioc::list_pvs(&settings).await.unwrap();
    let names: Vec<&str> = pvs.iter().map(|pv| pv.name.as_str()).collect();
    assert_eq!(names, ["lab:mtr1", "lab:mtr2", "lab:mtr3"]);
    assert!(pvs.iter().all(|pv| pv.record_type == "motor"));
}

#[tokio::test]
async fn a_prefix_given_twice_is_refused() {
    let settings = Settings {
        families: vec![Family::RandomWalk],
        prefixes: Prefixes {
            random_walks: vec!["walk:".into(), "walk:".into()],
            ..Prefixes::default()
        },
        ..free_port()
    };
    assert!(matches!(sim_ioc::list_pvs(&settings).await, Err(Error::DoubledPrefix { .. })));
}
