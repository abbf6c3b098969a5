//! `PlanWorker`: an open worker environment, run as a process or pod behind a [`Launcher`].
//!
//! A worker is started at most once: its token admits it once, and a second process beside a first
//! could move the same hardware. That it is about to start is written before it does, so that after
//! a crash nothing is started again; such a worker is lost.
//!
//! The finalizer is here because a process is state outside the API: once the object is gone, so is
//! the process, and whoever deleted it may open the next environment.

mod apply;
mod build;
mod dereference;
mod status;
mod validate;

use std::sync::Arc;

use async_trait::async_trait;
use crds::PlanWorker;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use kube::runtime::controller::Action;
use kube::runtime::finalizer::{self, Event, finalizer};

use crate::context::Context;
use crate::controller::Reconcile;
use crate::error::{Error, call};
use crate::launch::{Launcher, Phase};
use validate::Verdict;

/// The finalizer of a worker that may have a process.
const FINALIZER: &str = "beamline.dev/worker-process";

/// The controller of workers.
pub(crate) struct PlanWorkers {
    /// The API, events and backoff.
    pub(crate) context: Context,
    /// Where workers run.
    pub(crate) launcher: Arc<dyn Launcher>,
}

#[async_trait]
impl Reconcile for PlanWorkers {
    type Object = PlanWorker;
    const NAME: &'static str = "plan_worker";

    fn context(&self) -> &Context {
        &self.context
    }

    async fn reconcile(&self, worker: &PlanWorker) -> Result<(), Error> {
        let object = Arc::new(worker.clone());
        let outcome = finalizer(&self.context.beside(worker), FINALIZER, object, |event| async {
            match event {
                Event::Apply(worker) => self.bring_up(&worker).await,
                Event::Cleanup(worker) => apply::take_down(self, &worker).await,
            }
            .map(|()| Action::await_change())
        })
        .await;
        match outcome {
            Ok(_) => Ok(()),
            Err(finalizer::Error::ApplyFailed(error) | finalizer::Error::CleanupFailed(error)) => {
                Err(error)
            }
            Err(error) => Err(Error::Finalizer(Box::new(error))),
        }
    }
}

impl PlanWorkers {
    async fn bring_up(&self, worker: &PlanWorker) -> Result<(), Error> {
        let phase = self.launcher.phase(worker).await.map_err(Error::Look)?;
        match validate::validate(worker, &phase, self.launcher.nature()) {
            Verdict::Settled => Ok(()),
            Verdict::Say(saying) => {
                status::update(&self.context, worker, &build::build(worker, &saying)).await
            }
            Verdict::Start => self.start(worker).await,
        }
    }

    async fn start(&self, worker: &PlanWorker) -> Result<(), Error> {
        let Some(found) = dereference::dereference(self, worker).await? else {
            return Ok(());
        };
        let starting = build::build(&found.worker, &validate::starting());
        let marked = status::update_to(&self.context, &found.worker, &starting).await?;
        let saying = apply::start(self, &marked, found.token).await?;
        status::update(&self.context, &marked, &build::build(&marked, &saying)).await
    }

    /// Says how the workers ended when the operator ended them. Failures are logged; nothing waits
    /// for them.
    pub(crate) async fn farewell(&self) {
        let api: Api<PlanWorker> = self.context.scope.api(&self.context.client);
        let workers = match call(api.list(&ListParams::default())).await {
            Ok(list) => list.items,
            Err(error) => {
                tracing::warn!(%error, "failed to list the workers while ending");
                return;
            }
        };
        for worker in workers {
            let known =
                self.launcher.phase(&worker).await.is_ok_and(|phase| phase != Phase::Absent);
            if known && let Err(error) = self.bring_up(&worker).await {
                tracing::warn!(%error, worker = %worker.name_any(), "failed to say how it ended");
            }
        }
    }
}
