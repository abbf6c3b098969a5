//! The parts of a beamline as tasks of one process: started in order, supervised, stopped in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use channels::Clients;
use channels::ca::Settings as CaSettings;
use embedded::Embedded;
use kube::Client;
use operator::Program;
use service::access::Pages;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::ports::{Ports, Urls};
use super::{NAMESPACE, UpArgs, overview, ready};

/// How long the parts may take to stop: a worker's 15 s to abort its plan and park what moves, and some for the rest.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// What every part is made from.
pub(super) struct Parts<'a> {
    pub(super) args: &'a UpArgs,
    pub(super) api: &'a Embedded,
    pub(super) client: Client,
    pub(super) pvs: Arc<Clients>,
    pub(super) channel_access: CaSettings,
}

/// A part's name and how it ended.
type Ended = (&'static str, anyhow::Result<()>);

impl Parts<'_> {
    /// Runs everything until `shutdown`, or until a part ends by itself.
    pub(super) async fn run(
        self,
        ports: Ports,
        urls: &Urls,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut running = self.start(ports, urls)?;
        let outcome = running.watch(urls, shutdown).await;
        if outcome.is_ok() {
            overview::step("stopping", &"plans, then services");
        }
        let stopped = running.stop().await;
        outcome.and(stopped)
    }

    fn start(&self, ports: Ports, urls: &Urls) -> anyhow::Result<Running> {
        let Ports { api, registry, control, queue, ioc, .. } = ports;
        let settings = self.operator(urls)?;
        let mut running = Running::default();

        if let Some(ioc) = ioc {
            let stop = running.stop_ground.clone();
            running.ground.spawn(async move {
                ("the simulated IOC", ioc.serve(stop).await.map_err(Into::into))
            });
        }
        let pages = Pages::default().open(&api);
        let router = service::http::refuse_foreign("kubernetes-api", pages, self.api.router());
        let stop = running.stop_ground.clone();
        running.ground.spawn(async move {
            let served = service::http::serve(api, router, stop).await;
            ("the Kubernetes API", served.map_err(Into::into))
        });
        let (client, stop, next) =
            (self.client.clone(), running.stop_workers.clone(), running.stop_pods.clone());
        running.pods.spawn(async move {
            // The pods stop when the workers are gone, and also when the operator crashes.
            let _next = next.drop_guard();
            let ended = operator::run(settings, client, NAMESPACE, stop).await;
            ("the operator", ended.map_err(Into::into))
        });
        let (client, stop) = (self.client.clone(), running.stop_pods.clone());
        running.pods.spawn(async move {
            let ended = registry.serve(client, NAMESPACE, stop).await;
            ("the registry", ended.map_err(Into::into))
        });
        let (client, stop, pvs) =
            (self.client.clone(), running.stop_pods.clone(), self.pvs.clone());
        running.pods.spawn(async move {
            let ended = control.serve(client, NAMESPACE.to_owned(), pvs, stop).await;
            ("direct control", ended.map_err(Into::into))
        });
        let (client, stop) = (self.client.clone(), running.stop_pods.clone());
        running.pods.spawn(async move {
            let ended = queue.serve(client, NAMESPACE.to_owned(), stop).await;
            ("the queue server", ended.map_err(Into::into))
        });
        Ok(running)
    }

    /// Workers are children of this process; they find the API and the IOC where it has them.
    fn operator(&self, urls: &Urls) -> anyhow::Result<operator::Settings> {
        let mut program = Program::this_executable()?;
        program.args.extend(["--namespace".to_owned(), NAMESPACE.to_owned()]);
        let runs = std::path::absolute(self.args.state.join("runs"))?;
        let environment = BTreeMap::from([
            ("BEAMLINE_API_SERVER".to_owned(), urls.api.clone()),
            ("BEAMLINE_WORKER_RUNS_DIR".to_owned(), text(&runs)?),
            ("BEAMLINE_WORKER_DOCUMENTS_ADDRESS".to_owned(), self.args.documents_address.clone()),
        ]);
        program.environment.extend(environment);
        program.environment.extend(variables(&self.channel_access));
        let mut bluesky = Program::bluesky(&self.args.worker_python);
        bluesky.environment.clone_from(&program.environment);
        bluesky.environment.insert("BEAMLINE_NAMESPACE".to_owned(), NAMESPACE.to_owned());
        Ok(operator::Settings::new(program, bluesky))
    }
}

/// Settings of a Channel Access client as the environment of another process.
fn variables(settings: &CaSettings) -> [(String, String); 2] {
    let auto = if settings.search.auto_addresses { "YES" } else { "NO" };
    [
        ("EPICS_CA_ADDR_LIST".to_owned(), settings.search.addresses.join(" ")),
        ("EPICS_CA_AUTO_ADDR_LIST".to_owned(), auto.to_owned()),
    ]
}

fn text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().ok_or_else(|| anyhow!("{} is not UTF-8", path.display()))?;
    Ok(text.to_owned())
}

/// The running parts. They stop in three stages: workers first, while the queue can still hear how their plans ended; then the
/// pods; last the ground that all stand on.
#[derive(Debug, Default)]
struct Running {
    /// Ends the operator, which ends the workers; then [`Running::stop_pods`] follows.
    stop_workers: CancellationToken,
    stop_pods: CancellationToken,
    stop_ground: CancellationToken,
    /// The operator and the three services.
    pods: JoinSet<Ended>,
    /// The API and the IOC.
    ground: JoinSet<Ended>,
}

impl Running {
    /// Waits until everything answers, shows where it is, and then until the end.
    async fn watch(&mut self, urls: &Urls, shutdown: &CancellationToken) -> anyhow::Result<()> {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            early = self.first_end() => return Err(early),
            ready = ready::all(urls) => ready?,
        }
        let login = match urls.asking.as_slice() {
            [] => "nothing asks for a login on these addresses".to_owned(),
            some => format!("nothing but {} asks for a key on these addresses", some.join(", ")),
        };
        if urls.loopback_only {
            tracing::info!("{login}; they can be reached from this machine only");
        } else {
            tracing::warn!("{login}, and some of them can be reached from other machines");
        }
        overview::urls(urls);
        tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            early = self.first_end() => Err(early),
        }
    }

    /// The first part that ends by itself, as the error that it is.
    async fn first_end(&mut self) -> anyhow::Error {
        let ended = tokio::select! {
            Some(ended) = self.pods.join_next() => ended,
            Some(ended) = self.ground.join_next() => ended,
            else => return anyhow!("nothing runs any more"),
        };
        match ended {
            Ok((part, Err(error))) => error.context(format!("{part} failed")),
            Ok((part, Ok(()))) => anyhow!("{part} ended by itself"),
            Err(error) => anyhow!("a part of the beamline failed: {error}"),
        }
    }

    async fn stop(self) -> anyhow::Result<()> {
        let Self { stop_workers, stop_pods, stop_ground, pods, ground } = self;
        let all = async {
            stop_workers.cancel();
            let first = last_words(pods).await;
            stop_ground.cancel();
            let second = last_words(ground).await;
            first.and(second)
        };
        let ended = timeout(STOP_GRACE, all).await;
        stop_pods.cancel();
        ended.map_err(|_| anyhow!("not everything stopped within {} s", STOP_GRACE.as_secs()))?
    }
}

/// Waits for all of `tasks`; the first failure of them.
async fn last_words(mut tasks: JoinSet<Ended>) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let (part, end) =
            ended.unwrap_or_else(|error| ("a part of the beamline", Err(error.into())));
        outcome = outcome.and(end.with_context(|| format!("{part} did not stop well")));
    }
    outcome
}
