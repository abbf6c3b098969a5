//! The queue server by itself on one machine: its own API in memory and on disk, its workers as children of this process.
//!
//! It is what `start-re-manager` is with Redis: nothing else of a beamline runs, and nothing else is needed.

mod paths;
mod simulated;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{ArgAction, Args, ValueEnum};
use crds::ipython_kernel::IpythonKernel;
use crds::plan_worker::Engine;
use crds::profile::Profile;
use crds::{Queue, QueueSpec};
use embedded::Embedded;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use operator::Program;
use queue_pod::console::Shown;
use serde_json::json;
use service::access::Pages;
use service::http::Listener;
use tokio_util::sync::CancellationToken;

use crate::{measured, signals};
use paths::{absolute, full, text};

/// Namespace of the queue.
const NAMESPACE: &str = "default";
/// Where the API for the workers listens: on any free port, for this machine only.
const API: &str = "127.0.0.1:0";
/// How long a worker may take to bring its plan to an end before it is killed. The RE manager kills at once.
const GRACE: Duration = Duration::from_secs(5);

/// Settings of a queue server by itself.
#[derive(Args, Clone, Debug)]
pub(crate) struct AloneArgs {
    /// Run by itself on this machine, without a Kubernetes API: folder that keeps the queue, its history and the runs.
    #[arg(long, conflicts_with = "api_server")]
    pub(crate) state: Option<PathBuf>,
    /// By itself: what runs the plans. `bluesky` when a profile is given.
    #[arg(long, requires = "state")]
    engine: Option<EngineName>,
    /// By itself: folder whose `.py` and `.ipy` files are the profile. Its permissions, plans and devices are in it too.
    #[arg(long, requires = "state", conflicts_with_all = ["startup_module", "startup_script", "startup_profile", "ipython_dir"])]
    startup_dir: Option<PathBuf>,
    /// By itself: module that is the profile.
    #[arg(long, requires = "state", conflicts_with = "startup_script")]
    startup_module: Option<String>,
    /// By itself: script that is the profile.
    #[arg(long, requires = "state")]
    startup_script: Option<PathBuf>,
    /// By itself: IPython profile whose startup folder is the profile. With a module or a script only its permissions, plans and devices count.
    #[arg(long, requires = "state")]
    startup_profile: Option<String>,
    /// By itself: folder of IPython's profiles; `~/.ipython` when absent.
    #[arg(long, requires = "state")]
    ipython_dir: Option<PathBuf>,
    /// By itself: `ON` leaves out plans that cannot be described.
    #[arg(long, requires = "state", value_enum, default_value = "OFF")]
    ignore_invalid_plans: Switch,
    /// By itself: how deep the components of devices are described; 0 for all of them.
    #[arg(long, requires = "state", default_value_t = 0)]
    device_max_depth: i32,
    /// By itself: Python interpreter of the bluesky engine, with the package `beamline-worker` and the packages of the profile.
    #[arg(long, env = "BEAMLINE_WORKER_PYTHON", default_value = "python3")]
    worker_python: PathBuf,
    /// By itself: 0MQ address on which workers publish documents; not published without it.
    #[arg(long, requires = "state", env = "BEAMLINE_WORKER_DOCUMENTS_ADDRESS")]
    documents_address: Option<String>,
    /// By itself: forget the lock that somebody has left, as `qserver-clear-lock` does.
    #[arg(long, requires = "state", action = ArgAction::SetTrue)]
    clear_lock: bool,
}

/// `ON` or `OFF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Switch {
    On,
    Off,
}

/// Name of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineName {
    Native,
    Bluesky,
}

impl AloneArgs {
    /// The profile that is asked for.
    fn profile(&self, ipython_kernel: Option<IpythonKernel>) -> anyhow::Result<Profile> {
        let is_code_elsewhere = self.startup_module.is_some() || self.startup_script.is_some();
        let folder = self.folder()?.filter(|_| !is_code_elsewhere);
        if let Some(missing) = folder.as_deref().filter(|folder| !folder.is_dir()) {
            bail!("Startup directory '{}' does not exist", missing.display());
        }
        Ok(Profile {
            startup_dir: folder.as_deref().map(text).transpose()?,
            startup_module: self.startup_module.clone(),
            startup_script: absolute(self.startup_script.as_deref())?,
            ignore_invalid_plans: self.ignore_invalid_plans == Switch::On,
            device_max_depth: self.device_max_depth,
            ipython_kernel,
            ..Profile::default()
        })
    }

    /// The engine that is asked for.
    fn engine(&self, profile: &Profile) -> Engine {
        match self.engine {
            Some(EngineName::Native) => Engine::Native,
            Some(EngineName::Bluesky) => Engine::Bluesky,
            None if profile.is_default() => Engine::Native,
            None => Engine::Bluesky,
        }
    }

    /// The folder of the profile, if it has one: as told, or the startup folder of the IPython profile.
    fn folder(&self) -> anyhow::Result<Option<PathBuf>> {
        if let Some(folder) = &self.startup_dir {
            return Ok(Some(full(folder)?));
        }
        if self.startup_profile.is_none() && self.ipython_dir.is_none() {
            return Ok(None);
        }
        let ipython = self.ipython_dir.clone();
        let ipython = ipython.or_else(|| std::env::var_os("IPYTHONDIR").map(PathBuf::from));
        let ipython = full(&ipython.unwrap_or_else(|| PathBuf::from("~/.ipython")))?;
        let name = self.startup_profile.as_deref().unwrap_or("default");
        Ok(Some(ipython.join(format!("profile_{name}")).join("startup")))
    }

    /// The settings of the server, with the files of the profile where nothing else is said.
    async fn server(
        &self,
        mut settings: queue_pod::Settings,
        profile: &Profile,
    ) -> anyhow::Result<queue_pod::Settings> {
        // Only one can run on a folder: a lease that a crash has left behind is not waited for.
        settings.holder = Some("queue-alone".to_owned());
        let files = &mut settings.files;
        let has_source = [&profile.startup_dir, &profile.startup_module, &profile.startup_script]
            .into_iter()
            .any(Option::is_some);
        let is_simulated = !has_source && self.engine(profile) == Engine::Bluesky;
        let beside = match self.folder()? {
            None if is_simulated => simulated::folder(&self.worker_python).await,
            folder => folder,
        };
        if is_simulated && files.lists.is_none() {
            files.keep();
        }
        for path in [&mut files.permissions, &mut files.lists] {
            *path = match path.take() {
                Some(given) => Some(full(&given)?),
                None => beside.clone(),
            };
        }
        Ok(settings)
    }

    /// Workers find the API and keep the runs where this server has them.
    fn operator(
        &self,
        state: &Path,
        api: SocketAddr,
        shown: Shown,
    ) -> anyhow::Result<operator::Settings> {
        let mut native = Program::this_executable()?;
        let runs = std::path::absolute(state.join("runs"))?;
        let mut environment = BTreeMap::from([
            ("BEAMLINE_API_SERVER".to_owned(), format!("http://{api}")),
            ("BEAMLINE_NAMESPACE".to_owned(), NAMESPACE.to_owned()),
            ("BEAMLINE_WORKER_RUNS_DIR".to_owned(), text(&runs)?),
        ]);
        if let Some(address) = &self.documents_address {
            environment.insert("BEAMLINE_WORKER_DOCUMENTS_ADDRESS".to_owned(), address.clone());
        }
        let mut bluesky = Program::bluesky(&self.worker_python);
        native.environment.clone_from(&environment);
        if shown != Shown::Log {
            // What it prints is in this terminal as a part of the console, or is not wanted there.
            environment.insert("BEAMLINE_WORKER_ECHO".to_owned(), "OFF".to_owned());
        }
        bluesky.environment = environment;
        Ok(operator::Settings { grace: GRACE, ..operator::Settings::new(native, bluesky) })
    }
}

/// Runs until Ctrl-C, SIGTERM or `manager_stop`.
pub(crate) async fn run(
    args: AloneArgs,
    kernel: Option<IpythonKernel>,
    state: &Path,
    settings: queue_pod::Settings,
) -> anyhow::Result<()> {
    let shutdown = signals::shutdown()?;
    measured::install()?;
    let queue = settings.queue.clone();
    let shown = settings.output.shown;
    let profile = args.profile(kernel)?;
    let settings = args.server(settings, &profile).await?;
    let server = queue_pod::Server::bind(settings).await?;
    let listener = Listener::bind(API, "the API for the workers").await?;
    std::fs::create_dir_all(state)
        .with_context(|| format!("cannot make the state folder {}", state.display()))?;
    let path = state.join("state.db");
    let api = Embedded::open(embedded::Settings { path, crds: crds::all() }).await?;
    let operator = args.operator(state, listener.addr(), shown)?;
    let client = api.client(NAMESPACE);
    let ended = match configure(&args, profile, &client, &queue).await {
        Ok(()) => serve(server, operator, &api, listener, &shutdown).await,
        Err(error) => Err(error),
    };
    api.close().await;
    ended
}

/// Everything until the end, in order: the queue server hears of the end of its worker, and the API outlives both.
async fn serve(
    server: queue_pod::Server,
    settings: operator::Settings,
    api: &Embedded,
    listener: Listener,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let (stop_workers, stop_queue, stop_api) =
        (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let client = api.client(NAMESPACE);
    let queue = async {
        let ended = server.serve(client.clone(), NAMESPACE.to_owned(), stop_queue.clone()).await;
        stop_workers.cancel();
        ended.context("the queue server failed")
    };
    let operator = async {
        let ended = operator::run(settings, client.clone(), NAMESPACE, stop_workers.clone()).await;
        stop_queue.cancel();
        ended.context("the keeper of the workers failed")
    };
    let both = async {
        let (queue, operator) = tokio::join!(queue, operator);
        stop_api.cancel();
        queue.and(operator)
    };
    let api = async {
        let pages = Pages::default().open(&listener);
        let router = service::http::refuse_foreign("kubernetes-api", pages, api.router());
        let ended = service::http::serve(listener, router, stop_api.clone()).await;
        stop_workers.cancel();
        ended.context("the API for the workers failed")
    };
    let signal = async {
        tokio::select! {
            () = shutdown.cancelled() => stop_workers.cancel(),
            () = stop_workers.cancelled() => {}
        }
    };
    let (both, api, ()) = tokio::join!(both, api, signal);
    both.and(api)
}

/// Puts what the command line says into the queue.
async fn configure(
    args: &AloneArgs,
    profile: Profile,
    client: &Client,
    name: &str,
) -> anyhow::Result<()> {
    let queues: Api<Queue> = Api::namespaced(client.clone(), NAMESPACE);
    let engine = args.engine(&profile);
    let Some(queue) = queues.get_opt(name).await? else {
        let queue = Queue::new(name, QueueSpec { engine, profile, ..QueueSpec::default() });
        queues.create(&PostParams::default(), &queue).await.context("the profile is refused")?;
        return Ok(());
    };
    let mut wanted = queue.clone();
    (wanted.spec.engine, wanted.spec.profile) = (engine, profile);
    if wanted != queue {
        queues
            .replace(name, &PostParams::default(), &wanted)
            .await
            .context("the profile is refused")?;
    }
    if args.clear_lock {
        let unlocked = Patch::Merge(json!({ "status": { "lock": null } }));
        queues.patch_status(name, &PatchParams::default(), &unlocked).await?;
    }
    Ok(())
}
