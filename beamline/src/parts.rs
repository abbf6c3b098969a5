//! Each part of a beamline as a process of its own, with the Kubernetes API as `kubectl` finds it or as told.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context;
use channels::{CaClient, Clients, PvaClient, ca, pva};
use clap::Args;

use crate::alone::{self, AloneArgs};
use crate::re_manager::ManagerArgs;
use crate::remote::Usage;
use crate::{measured, signals};

/// Where the Kubernetes API is, and which namespace is the beamline.
#[derive(Clone, Debug, Args)]
pub(crate) struct ApiArgs {
    /// Address of the Kubernetes API, such as `http://127.0.0.1:8010`; without it, as `kubectl` finds it.
    #[arg(long, env = "BEAMLINE_API_SERVER")]
    api_server: Option<http::Uri>,
    /// Namespace of the beamline.
    #[arg(long, short, env = "BEAMLINE_NAMESPACE", default_value = "default")]
    namespace: String,
}

impl ApiArgs {
    async fn client(&self) -> anyhow::Result<kube::Client> {
        let mut config = match &self.api_server {
            Some(address) => kube::Config::new(address.clone()),
            None => kube::Config::infer()
                .await
                .context("no Kubernetes API: give --api-server, or a kubeconfig as for kubectl")?,
        };
        config.default_namespace.clone_from(&self.namespace);
        kube::Client::try_from(config).context("the Kubernetes API cannot be used")
    }
}

/// Settings of the registry by itself.
#[derive(Debug, Args)]
pub(crate) struct RegistryArgs {
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    pub(crate) settings: registry_pod::Settings,
}

/// Settings of direct control by itself.
#[derive(Debug, Args)]
pub(crate) struct ControlArgs {
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    pub(crate) settings: control_pod::Settings,
}

/// Said to who wants a kernel where the `Queue` says whether there is one.
const KERNEL_ELSEWHERE: &str = "--use-ipython-kernel counts with --state; elsewhere a kernel is asked for by \
    spec.profile.ipythonKernel of the Queue";

/// Settings of the queue server by itself.
#[derive(Debug, Args)]
pub(crate) struct QueueServerArgs {
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    pub(crate) alone: AloneArgs,
    #[command(flatten)]
    settings: queue_pod::Settings,
    #[command(flatten)]
    pub(crate) manager: ManagerArgs,
}

impl QueueServerArgs {
    /// The settings of the server, with what the options of `start-re-manager` say.
    pub(crate) fn settings(&self) -> queue_pod::Settings {
        self.manager.applied(self.settings.clone())
    }
}

/// Settings of the operator by itself, on a cluster.
#[derive(Debug, Args)]
pub(crate) struct OperatorArgs {
    /// Address of the Kubernetes API, such as `http://127.0.0.1:8010`; without it, as `kubectl` finds it.
    #[arg(long, env = "BEAMLINE_API_SERVER")]
    api_server: Option<http::Uri>,
    #[command(flatten)]
    settings: operator::ClusterSettings,
}

/// Settings of a worker.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Namespace of the beamline.
    #[arg(long, short, env = "BEAMLINE_NAMESPACE", default_value = "default")]
    namespace: String,
    #[command(flatten)]
    settings: plan_worker::Settings,
}

/// Settings of the simulated IOC by itself.
#[derive(Debug, Args)]
pub(crate) struct SimIocArgs {
    /// IPv4 address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: Ipv4Addr,
    /// Channel Access port, UDP and TCP.
    #[arg(long, default_value_t = 5064)]
    port: u16,
    /// Prefix of the mini beamline's PVs, separator included.
    #[arg(long, default_value = "mini:")]
    prefix: String,
    /// Print the names and types of all PVs and leave.
    #[arg(long)]
    list_pvs: bool,
}

pub(crate) async fn registry(args: RegistryArgs) -> anyhow::Result<()> {
    measured::install()?;
    let shutdown = signals::shutdown()?;
    let server = registry_pod::Server::bind(args.settings).await?;
    let client = args.api.client().await?;
    Ok(server.serve(client, &args.api.namespace, shutdown).await?)
}

/// Both protocols, as the environment says.
async fn epics() -> anyhow::Result<Clients> {
    let pva = PvaClient::new(pva::Settings::from_env()?)?;
    Ok(Clients { ca: CaClient::new(ca::Settings::from_env()?).await?, pva })
}

pub(crate) async fn control(args: ControlArgs) -> anyhow::Result<()> {
    measured::install()?;
    let shutdown = signals::shutdown()?;
    let server = control_pod::Server::bind(args.settings).await?;
    let client = args.api.client().await?;
    let pvs = epics().await?;
    let served =
        server.serve(client, args.api.namespace.clone(), Arc::new(pvs.clone()), shutdown).await;
    pvs.shutdown().await;
    Ok(served?)
}

pub(crate) async fn queue(args: QueueServerArgs) -> anyhow::Result<()> {
    args.manager.warn();
    let settings = args.settings();
    let kernel = args.manager.kernel()?;
    if let Some(state) = args.alone.state.clone() {
        return alone::run(args.alone, kernel, &state, settings).await;
    }
    if kernel.is_some() {
        return Err(Usage(KERNEL_ELSEWHERE.to_owned()).into());
    }
    measured::install()?;
    let shutdown = signals::shutdown()?;
    let server = queue_pod::Server::bind(settings).await?;
    let client = args.api.client().await?;
    Ok(server.serve(client, args.api.namespace.clone(), shutdown).await?)
}

pub(crate) async fn operator(args: OperatorArgs) -> anyhow::Result<()> {
    measured::install()?;
    let OperatorArgs { api_server, settings } = args;
    let shutdown = signals::shutdown()?;
    let api = ApiArgs { api_server, namespace: settings.operator_namespace.clone() };
    let server = operator::Server::bind(settings).await?;
    let client = api.client().await?;
    Ok(server.serve(client, shutdown).await?)
}

pub(crate) async fn worker(args: WorkerArgs) -> anyhow::Result<()> {
    let shutdown = signals::shutdown()?;
    let client = args.settings.client(&args.namespace).await?;
    let pvs = epics().await?;
    let ended =
        plan_worker::run(args.settings, client, &args.namespace, Arc::new(pvs.clone()), shutdown)
            .await;
    pvs.shutdown().await;
    Ok(ended?)
}

pub(crate) async fn sim_ioc(args: SimIocArgs) -> anyhow::Result<()> {
    let mut settings =
        sim_ioc::Settings { host: args.host, port: args.port, ..sim_ioc::Settings::default() };
    settings.prefixes.mini_beamline = args.prefix;
    if args.list_pvs {
        for pv in sim_ioc::list_pvs(&settings).await? {
            println!("{:40} {}", pv.name, pv.record_type);
        }
        return Ok(());
    }
    let shutdown = signals::shutdown()?;
    let server = sim_ioc::Server::bind(settings).await?;
    tracing::info!(host = %args.host, port = server.port(), "serving the simulated beamline");
    Ok(server.serve(shutdown).await?)
}
