//! The operator on a cluster: one of several replicas works, the others stand by with everything
//! known.
//!
//! ```text
//! bind ─ mirrors fill ─ lease won ─ controllers ─ SIGTERM: controllers finish, lease given back
//!                                       └ lease lost: nothing is written any more, the process ends
//! ```

mod gate;
mod http;

use std::sync::Arc;

use clap::Args;
use kube::Client;
use service::http::{BindError, Listener};
use service::lease::{self, Election, Held};
use tokio_util::sync::CancellationToken;

use crate::beamline::{Cluster, Shipped};
use crate::controllers::Parts;
use crate::error::RunError;
use crate::launch::pod::PodLauncher;
use crate::mirrors::Mirrors;
use crate::progress::Board;
use crate::scope::Scope;
use crate::tasks::Tasks;

/// `metadata.name` of the operator's Lease.
pub(crate) const LEASE: &str = "beamline-operator";

/// Settings of the operator on a cluster.
#[derive(Args, Clone, Debug)]
#[group(id = "operator")]
pub struct ClusterSettings {
    /// Namespace that is looked after; all namespaces when empty.
    #[arg(long, env = "OPERATOR_WATCH_NAMESPACE", default_value = "")]
    pub watch_namespace: String,
    /// Namespace of the operator itself, for its Lease.
    #[arg(long, env = "OPERATOR_NAMESPACE", default_value = "default")]
    pub operator_namespace: String,
    /// Name of the operator's pod.
    #[arg(long, env = "BEAMLINE_POD_NAME")]
    pub pod_name: Option<String>,
    /// Image of the pods of beamlines that name none.
    #[arg(long, env = "BEAMLINE_IMAGE")]
    pub image: Option<String>,
    /// Where health, readiness, metrics and diagnostics are served.
    #[arg(long, env = "OPERATOR_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: String,
}

/// A bound operator.
#[derive(Debug)]
pub struct Server {
    settings: ClusterSettings,
    listener: Listener,
}

impl Server {
    /// Binds the port for health and metrics.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn bind(settings: ClusterSettings) -> Result<Self, BindError> {
        let listener = Listener::bind(&settings.listen, "the operator").await?;
        Ok(Self { settings, listener })
    }

    /// Where health and metrics are served.
    pub fn addr(&self) -> std::net::SocketAddr {
        self.listener.addr()
    }

    /// Runs until `shutdown`, then finishes what it began and gives the lease back.
    ///
    /// # Errors
    /// When a part ends by itself, or the lease is lost. The process should end then.
    pub async fn serve(self, client: Client, shutdown: CancellationToken) -> Result<(), RunError> {
        let Self { settings, listener } = self;
        let (scope, board) = (Scope::from(settings.watch_namespace.as_str()), Board::default());
        // The ground ends last: probes and metrics are answered until the lease is given back.
        let mut ground = Tasks::new(CancellationToken::new());
        let state = http::State::new(board.clone());
        ground.own("health server", http::serve(listener, state.clone(), ground.stop()));
        let mirrors = Mirrors::start(&mut ground, &client, &scope, &board, true);
        let led = async {
            let holder = lease::identity(settings.pod_name.as_deref());
            let lease =
                lease::Settings { name: LEASE.to_owned(), holder, times: lease::Times::default() };
            let mut election = Election::new(&client, &settings.operator_namespace, lease);
            let held = tokio::select! {
                held = election.win(|holder| state.standing_by(holder)) => held,
                () = shutdown.cancelled() => return Ok(()),
            };
            tracing::info!(epoch = held.tenure().epoch(), "leading");
            state.leading(held.tenure().epoch());
            lead(held, &settings, &client, &scope, &board, mirrors, &shutdown).await
        };
        let outcome = tokio::select! {
            outcome = led => outcome,
            early = ground.supervise() => early,
        };
        ground.stop().cancel();
        let grounded = ground.supervise().await;
        outcome.and(grounded)
    }
}

/// Works as long as the lease is held.
async fn lead(
    mut held: Held,
    settings: &ClusterSettings,
    client: &Client,
    scope: &Scope,
    board: &Board,
    mirrors: Mirrors,
    shutdown: &CancellationToken,
) -> Result<(), RunError> {
    // Everything that the controllers write goes through the gate.
    let client = gate::guarded(client, held.tenure());
    let mut tasks = Tasks::new(shutdown.child_token());
    let shipped = Shipped::read().map_err(|error| RunError::Catalogue(error.to_string()))?;
    let parts = Parts {
        client: &client,
        scope,
        board,
        mirrors,
        launcher: Arc::new(PodLauncher::new(&client, settings.image.clone())),
        cluster: Some(Cluster {
            operator: settings.operator_namespace.clone(),
            image: settings.image.clone(),
            shipped: Arc::new(shipped),
        }),
    };
    parts.start(&mut tasks);
    let outcome = tokio::select! {
        biased;
        // Dropping the tasks aborts them: there is nothing to finish for one who may not write.
        loss = held.keep() => return Err(RunError::LeaseLost(loss)),
        outcome = tasks.supervise() => outcome,
    };
    held.release().await;
    outcome
}
