//! A whole beamline on this machine: every part in one process, the workers as its children.
//!
//! Everything that can be refused is refused before anything is served: manifests are read, all ports are bound and the state is
//! opened first. Whatever ends by itself later takes the rest with it, in order.

mod apply;
mod overview;
mod parts;
mod ports;
mod ready;

pub(crate) use apply::MANAGER;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use channels::{CaClient, Clients, PvaClient, ca::Settings as CaSettings, pva};
use clap::Args;
use embedded::Embedded;
use tokio_util::sync::CancellationToken;

use self::parts::Parts;
use self::ports::Ports;
use crate::{manifests, measured, signals};

/// Namespace of the beamline on one machine: the one that `kubectl` uses when none is named.
const NAMESPACE: &str = "default";

/// Settings of a beamline of one machine.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Folder that keeps all state: the API's objects, the runs, the scan id.
    #[arg(long, env = "BEAMLINE_STATE", default_value = ".beamline")]
    state: PathBuf,
    /// Manifests to apply: files, or folders of `.yaml` files. Each is applied when it is new or has changed since.
    #[arg(long, short, value_name = "PATH")]
    manifests: Vec<PathBuf>,
    /// Address on which the Kubernetes API listens. Nobody asks for a login there: keep it on loopback.
    #[arg(long, env = "BEAMLINE_API_HOST", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    api_host: IpAddr,
    /// Port of the Kubernetes API.
    #[arg(long, env = "BEAMLINE_API_PORT", default_value_t = 8010)]
    api_port: u16,
    /// Do not run the simulated IOC; PVs are searched as the `EPICS_CA_*` and `EPICS_PVA_*` environment says.
    #[arg(long)]
    no_sim_ioc: bool,
    /// IPv4 address of the simulated IOC.
    #[arg(long, default_value = "127.0.0.1")]
    ioc_host: Ipv4Addr,
    /// Channel Access port of the simulated IOC.
    #[arg(long, default_value_t = 5064)]
    ioc_port: u16,
    /// 0MQ address on which workers publish documents, for `bluesky.callbacks.zmq.RemoteDispatcher`.
    #[arg(long, env = "BEAMLINE_WORKER_DOCUMENTS_ADDRESS", default_value = "tcp://127.0.0.1:5578")]
    documents_address: String,
    /// Python interpreter of the bluesky engine, with the package `beamline-worker` and the packages of the profile.
    #[arg(long, env = "BEAMLINE_WORKER_PYTHON", default_value = "python3")]
    worker_python: PathBuf,
    #[command(flatten)]
    pub(crate) registry: registry_pod::Settings,
    #[command(flatten)]
    pub(crate) control: control_pod::Settings,
    #[command(flatten)]
    pub(crate) queue: queue_pod::Settings,
}

/// Runs until Ctrl-C, SIGTERM, or until a part ends by itself.
pub(crate) async fn run(args: UpArgs) -> anyhow::Result<()> {
    let shutdown = signals::shutdown()?;
    measured::install()?;
    let wanted = manifests::load(&args.manifests)?;
    let ports = Ports::bind(&args).await?;
    let api = open(&args).await?;
    overview::step("state opened", &args.state.display());
    let ended = serve(&args, &api, ports, &wanted, &shutdown).await;
    api.close().await;
    ended
}

async fn open(args: &UpArgs) -> anyhow::Result<Embedded> {
    std::fs::create_dir_all(&args.state)
        .with_context(|| format!("cannot make the state folder {}", args.state.display()))?;
    let path = args.state.join("state.db");
    Ok(Embedded::open(embedded::Settings { path, crds: crds::all() }).await?)
}

async fn serve(
    args: &UpArgs,
    api: &Embedded,
    ports: Ports,
    wanted: &[manifests::Manifest],
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let client = api.client(NAMESPACE);
    let applied = apply::all(&client, NAMESPACE, wanted).await?;
    overview::step("manifests applied", &applied);
    let channel_access = channel_access(args, &ports)?;
    let ca = CaClient::new(channel_access.clone()).await?;
    let pvs = Clients { ca, pva: PvaClient::new(pva::Settings::from_env()?)? };
    let urls = ports.urls();
    let parts = Parts { args, api, client, pvs: Arc::new(pvs.clone()), channel_access };
    let ended = parts.run(ports, &urls, shutdown).await;
    pvs.shutdown().await;
    ended
}

/// The simulated IOC first, then whatever the environment names.
fn channel_access(args: &UpArgs, ports: &Ports) -> anyhow::Result<CaSettings> {
    let mut settings = CaSettings::from_env()?;
    if let Some(port) = ports.ioc_port() {
        let named = std::env::var_os("EPICS_CA_ADDR_LIST").is_some();
        settings.search.auto_addresses &= named;
        settings.search.addresses.insert(0, format!("{}:{port}", reachable(args.ioc_host)));
    }
    Ok(settings)
}

/// An address that a client of this machine can use for a server that listens on `host`.
fn reachable(host: Ipv4Addr) -> Ipv4Addr {
    if host.is_unspecified() { Ipv4Addr::LOCALHOST } else { host }
}
