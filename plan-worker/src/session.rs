//! One worker at work: obeys the queue pod's commands until it is told to leave, or has to.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::documents::Outlet;
use crate::engine::{Engine, Finished, Request};
use crate::environment::Devices;
use crate::link::Reports;
use crate::metadata;
use crate::plans;
use crate::protocol::{
    Command, ExitStatus, Order, PlanCall, PlanOutcome, Report, TaskCall, TaskOutcome,
};
use crate::rejoin::Connection;

/// Requests that may wait for the engine: every order that makes sense at once, several times.
const REQUESTS: usize = 16;
/// Longest clean-up of a plan when the worker has to leave: motors may go back to their start. Then it is halted. Below the 30 s
/// that Kubernetes leaves a pod.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest wait for a halted plan: every stop command is out by then.
const HALT_TIMEOUT: Duration = Duration::from_secs(8);
/// Said to who wants something of a kernel.
const NO_KERNEL: &str = "the native engine has no IPython kernel";
/// Items whose plan was begun that are remembered: a queue pod never goes back further than one.
const REMEMBERED: usize = 64;

/// Why a worker left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// The queue pod told it to.
    Closed,
    /// The process was told to end.
    Shutdown,
    /// The connection was lost, and no other was found in time.
    Lost,
    /// The engine failed in itself.
    Broken,
}

/// A worker at work.
#[derive(Debug)]
pub struct Session {
    devices: Devices,
    epoch: i64,
    reports: Reports,
    work: Work,
    /// Items whose plan was begun: none of them is ever begun again.
    begun: VecDeque<String>,
}

/// What the engine does.
#[derive(Debug)]
enum Work {
    Idle(Box<Engine<Outlet>>),
    Running(Running),
    /// The engine is gone; only while the session changes from one to the other, or after a failure of the engine itself.
    Gone,
}

/// What a plan's task returns: the engine for the next plan, and how this one ended.
type Ended = (Box<Engine<Outlet>>, Finished);

#[derive(Debug)]
struct Running {
    item_uid: String,
    requests: mpsc::Sender<Request>,
    task: JoinHandle<Ended>,
}

impl Session {
    /// A session over `devices` that refuses commands of an epoch before `epoch`.
    pub fn new(devices: Devices, epoch: i64, reports: Reports, engine: Engine<Outlet>) -> Self {
        let work = Work::Idle(Box::new(engine));
        Self { devices, epoch, reports, work, begun: VecDeque::new() }
    }

    /// Obeys commands. When it returns, no plan is running and nothing moves.
    pub async fn serve(
        &mut self,
        connection: &mut Connection,
        shutdown: &CancellationToken,
    ) -> Leaving {
        loop {
            let leaving = tokio::select! {
                biased;
                () = shutdown.cancelled() => Leaving::Shutdown,
                ended = self.plan_ended() => match self.finished(ended).await {
                    Ok(()) => continue,
                    Err(leaving) => leaving,
                },
                command = connection.command() => match command {
                    None => Leaving::Lost,
                    Some(command) => match self.obey(command).await {
                        None => continue,
                        Some(leaving) => leaving,
                    },
                },
            };
            self.come_to_rest(leaving).await;
            return leaving;
        }
    }

    /// The end of the running plan; never returns without one.
    async fn plan_ended(&mut self) -> Result<Ended, JoinError> {
        match &mut self.work {
            Work::Running(running) => (&mut running.task).await,
            Work::Idle(_) | Work::Gone => std::future::pending().await,
        }
    }

    async fn obey(&mut self, command: Command) -> Option<Leaving> {
        let reports = self.reports.clone();
        let refuse = async |message: String| {
            reports.send(&Report::Refused { message }).await;
        };
        if command.epoch < self.epoch {
            let (old, known) = (command.epoch, self.epoch);
            tracing::warn!(old, known, "refused a command of an older lease");
            refuse(format!("the command is of lease epoch {old}, but {known} is known")).await;
            return None;
        }
        self.epoch = command.epoch;
        let request = match command.order {
            // Names are resolved among the devices of the registry, which every group may use.
            Order::Welcome { .. } | Order::Permit { .. } => return None,
            Order::Devices { .. } => {
                refuse("the native engine reads the registry itself".into()).await;
                return None;
            }
            Order::RunPlan { plan } => {
                self.start(plan).await;
                return None;
            }
            Order::RunTask { task } => {
                let outcome = no_python(&task);
                reports.send(&Report::TaskFinished { outcome }).await;
                return None;
            }
            Order::ReadMetadata { keys } => {
                let metadata = metadata::permitted(crate::constant_metadata(), &keys);
                reports.send(&Report::Metadata { metadata, error: None }).await;
                return None;
            }
            Order::ReadDevices => {
                let error = Some("The native engine has no profile that makes devices".to_owned());
                let (devices, left_out) = Default::default();
                reports.send(&Report::OwnDevices { devices, left_out, error }).await;
                return None;
            }
            Order::ReserveKernel => {
                let error = Some(NO_KERNEL.to_owned());
                reports.send(&Report::KernelReserved { error }).await;
                return None;
            }
            Order::ReleaseKernel => return None,
            Order::InterruptKernel { .. } => {
                refuse(NO_KERNEL.into()).await;
                return None;
            }
            Order::Close => match self.work {
                Work::Running(_) => {
                    let message = "the worker cannot leave while a plan is running".to_owned();
                    reports.send(&Report::CloseRefused { message }).await;
                    return None;
                }
                Work::Idle(_) | Work::Gone => return Some(Leaving::Closed),
            },
            Order::Pause { option } => Request::Pause(option),
            Order::Resume => Request::Resume,
            Order::Stop => Request::Stop,
            Order::Abort => Request::Abort(String::new()),
            Order::Halt => Request::Halt,
        };
        match &self.work {
            Work::Running(running) => {
                if running.requests.try_send(request).is_err() {
                    refuse("the plan has not yet answered to earlier commands".into()).await;
                }
            }
            Work::Idle(_) | Work::Gone => refuse("no plan is running".into()).await,
        }
        None
    }

    async fn start(&mut self, call: PlanCall) {
        if self.begun.contains(&call.item_uid) {
            let message = format!("item {} was begun already", call.item_uid);
            self.reports.send(&Report::Refused { message }).await;
            return;
        }
        let Work::Idle(mut engine) = std::mem::replace(&mut self.work, Work::Gone) else {
            let message = "a plan is running already".to_owned();
            self.reports.send(&Report::Refused { message }).await;
            return;
        };
        self.begun.truncate(REMEMBERED - 1);
        self.begun.push_front(call.item_uid.clone());
        self.reports.begins(&call.item_uid);
        let plan = match plans::build(&call, &self.devices) {
            Ok(plan) => plan,
            Err(error) => {
                self.work = Work::Idle(engine);
                let message = format!(
                    "Plan failed: Error occurred while processing plan parameters or starting \
                     the plan: {error}"
                );
                let outcome = PlanOutcome {
                    item_uid: call.item_uid,
                    exit_status: ExitStatus::Failed,
                    run_uids: Vec::new(),
                    scan_ids: Vec::new(),
                    traceback: format!("{message}\n"),
                    message,
                };
                self.reports.send(&Report::PlanFinished { outcome }).await;
                return;
            }
        };
        let (requests, mut requested) = mpsc::channel(REQUESTS);
        let metadata = call.meta;
        let task = tokio::spawn(async move {
            let finished = engine.run(plan, metadata, &mut requested).await;
            (engine, finished)
        });
        self.work = Work::Running(Running { item_uid: call.item_uid, requests, task });
    }

    /// Reports the end of the plan.
    async fn finished(&mut self, ended: Result<Ended, JoinError>) -> Result<(), Leaving> {
        let item_uid = match std::mem::replace(&mut self.work, Work::Gone) {
            Work::Running(running) => running.item_uid,
            Work::Idle(_) | Work::Gone => String::new(),
        };
        let (engine, finished) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "the engine failed in itself");
                let outcome = PlanOutcome {
                    item_uid,
                    exit_status: ExitStatus::Failed,
                    run_uids: Vec::new(),
                    scan_ids: Vec::new(),
                    message: format!("Plan failed: the engine failed in itself: {error}"),
                    traceback: String::new(),
                };
                self.reports.send(&Report::PlanFinished { outcome }).await;
                return Err(Leaving::Broken);
            }
        };
        self.work = Work::Idle(engine);
        let outcome = outcome(item_uid, finished);
        self.reports.send(&Report::PlanFinished { outcome }).await;
        // The list of runs is that of the running plan.
        self.reports.send(&Report::Runs { runs: Vec::new() }).await;
        Ok(())
    }

    /// Aborts the running plan and waits for its end; halts it when its clean-up takes too long.
    async fn come_to_rest(&mut self, leaving: Leaving) {
        let why = match leaving {
            Leaving::Closed | Leaving::Broken => return,
            Leaving::Shutdown => "the worker was told to end",
            Leaving::Lost => "the connection to the queue server was lost",
        };
        let Work::Running(running) = &self.work else { return };
        tracing::warn!(why, "aborting the running plan");
        let requests = running.requests.clone();
        for (request, patience) in
            [(Request::Abort(why.to_owned()), CLEAN_UP_TIMEOUT), (Request::Halt, HALT_TIMEOUT)]
        {
            // A full queue has an abort in it already, or the engine would have answered.
            let _ = requests.try_send(request);
            if let Ok(ended) = timeout(patience, self.plan_ended()).await {
                let _ = self.finished(ended).await;
                return;
            }
            tracing::error!(seconds = patience.as_secs(), "the plan has not ended in time");
        }
    }
}

/// Tasks are Python code, and there is no Python here.
fn no_python(task: &TaskCall) -> TaskOutcome {
    let title = task.work.title();
    let message =
        format!("Error occurred while executing '{title}': the native engine runs no Python code");
    TaskOutcome {
        task_uid: task.task_uid.clone(),
        success: false,
        traceback: message.clone(),
        message,
        return_value: Value::Null,
    }
}

fn outcome(item_uid: String, finished: Finished) -> PlanOutcome {
    let Finished { exit_status, message, traceback, runs } = finished;
    let message = match exit_status {
        ExitStatus::Failed => format!("Plan failed: {message}"),
        _ => message,
    };
    PlanOutcome {
        item_uid,
        exit_status,
        scan_ids: runs.iter().map(|run| run.scan_id).collect(),
        run_uids: runs.into_iter().map(|run| run.uid).collect(),
        message,
        traceback,
    }
}
