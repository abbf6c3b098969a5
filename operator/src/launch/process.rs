//! Workers as child processes of the operator.
//!
//! A child is owned by one task, which waits for its end. Nobody else signals it, so a signal never
//! reaches a process id that the system has given to somebody else.

use std::collections::HashMap;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use crds::PlanWorker;
use crds::plan_worker::Engine;
use kube::ResourceExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parking_lot::Mutex;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::{
    LONGEST_EXIT, LaunchError, Launcher, Nature, Order, Phase, TOKEN_VARIABLE, last_words,
    publisher,
};
use crate::settings::{Program, Settings};

/// How the end of a program that ended by itself begins.
const EXIT_CODE: &str = "exit code";
/// Longest wait for the last words of a child that has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs workers as child processes.
#[derive(Debug)]
pub struct ProcessLauncher {
    native: Program,
    bluesky: Program,
    publisher: Program,
    grace: Duration,
    workers: Mutex<HashMap<String, Worker>>,
    tasks: TaskTracker,
    ends: watch::Sender<u64>,
}

#[derive(Clone, Debug)]
struct Worker {
    phase: watch::Receiver<Phase>,
    stop: CancellationToken,
}

impl ProcessLauncher {
    /// A launcher that runs the programs of `settings`.
    pub fn new(settings: &Settings) -> Self {
        Self {
            native: settings.worker.clone(),
            bluesky: settings.bluesky.clone(),
            publisher: settings.publisher.clone(),
            grace: settings.grace,
            workers: Mutex::default(),
            tasks: TaskTracker::new(),
            ends: watch::Sender::new(0),
        }
    }

    fn program(&self, worker: &PlanWorker) -> &Program {
        match worker.spec.engine {
            Engine::Native => &self.native,
            Engine::Bluesky => &self.bluesky,
        }
    }

    fn spawn(&self, worker: &PlanWorker, token: &str) -> io::Result<Child> {
        let (address, epoch) = (&worker.spec.connect_to, worker.spec.epoch.to_string());
        let program = self.program(worker);
        command(program)
            .args(["--connect-to", address, "--epoch", &epoch])
            .envs(worker.spec.environment())
            .env(TOKEN_VARIABLE, token)
            .stderr(Stdio::piped())
            .spawn()
    }
}

#[async_trait]
impl Launcher for ProcessLauncher {
    async fn phase(&self, worker: &PlanWorker) -> Result<Phase, LaunchError> {
        let workers = self.workers.lock();
        let known = workers.get(&uid(worker));
        Ok(known.map_or(Phase::Absent, |worker| worker.phase.borrow().clone()))
    }

    async fn start(&self, order: Order) -> Result<Phase, LaunchError> {
        let Order { worker, token } = order;
        let (uid, name) = (uid(&worker), worker.name_any());
        let mut workers = self.workers.lock();
        if let Some(worker) = workers.get(&uid) {
            return Ok(worker.phase.borrow().clone());
        }
        if self.tasks.is_closed() {
            return Err(LaunchError::Ending);
        }
        let token = token.ok_or(LaunchError::NoToken)?;
        let child = self.spawn(&worker, &token).map_err(|source| LaunchError::Spawn {
            program: self.program(&worker).path.display().to_string(),
            source,
        })?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        tracing::info!(worker = name, pid, "started a worker");
        let place = pid.map_or_else(|| "running".to_owned(), |pid| format!("process {pid} runs"));
        let running = Phase::Running { pid, place };
        let (phase_sender, phase) = watch::channel(running.clone());
        let stop = CancellationToken::new();
        workers.insert(uid, Worker { phase, stop: stop.clone() });
        let (grace, ends) = (self.grace, self.ends.clone());
        let over = CancellationToken::new();
        if worker.spec.publishers.are_any() {
            let program = self.publisher.clone();
            self.tasks.spawn(publisher::accompany(program, worker, over.clone(), grace));
        }
        self.tasks.spawn(async move {
            let _over = over.drop_guard();
            let ended = own(child, &stop, grace).await;
            tracing::info!(worker = name, pid, ?ended, "a worker ended");
            phase_sender.send_replace(ended);
            ends.send_modify(|count| *count += 1);
        });
        Ok(running)
    }

    async fn stop(&self, worker: &PlanWorker) -> Result<(), LaunchError> {
        let uid = uid(worker);
        let Some(Worker { mut phase, stop }) = self.workers.lock().get(&uid).cloned() else {
            return Ok(());
        };
        stop.cancel();
        // An error means that the owning task is gone, and its child with it.
        let _ = phase.wait_for(|phase| matches!(phase, Phase::Ended { .. })).await;
        self.workers.lock().remove(&uid);
        Ok(())
    }

    async fn stop_all(&self) {
        self.tasks.close();
        for worker in self.workers.lock().values() {
            worker.stop.cancel();
        }
        self.tasks.wait().await;
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.ends.subscribe()
    }

    fn nature(&self) -> Nature {
        Nature {
            finds_again: false,
            needs_token: true,
            loss: "the operator that started it is gone",
        }
    }
}

/// What starts `program` as a child.
pub(super) fn command(program: &Program) -> Command {
    let mut command = Command::new(&program.path);
    command.args(&program.args).envs(&program.environment).stdin(Stdio::null());
    // In a group of its own, or Ctrl-C on the terminal would end it before we can do so in order.
    command.process_group(0).kill_on_drop(true);
    command
}

fn uid(worker: &PlanWorker) -> String {
    worker.uid().unwrap_or_default()
}

/// Waits for the end of `child`; when `stop` comes first, asks it to end, and kills it after
/// `grace`.
async fn own(mut child: Child, stop: &CancellationToken, grace: Duration) -> Phase {
    let said = child.stderr.take();
    // It is dropped when this ends: a grandchild may hold the pipe open for longer.
    let said = AbortOnDropHandle::new(tokio::spawn(async move {
        match said {
            Some(said) => last_words::listen(said).await,
            None => None,
        }
    }));
    let by_itself = tokio::select! {
        status = child.wait() => Some(status),
        () = stop.cancelled() => None,
    };
    if let Some(status) = by_itself {
        let said = tokio::time::timeout(LAST_WORDS, said).await;
        let said = said.ok().and_then(Result::ok).flatten();
        return with_last_words(ended(status), said);
    }
    ended(end(child, grace).await)
}

/// Asks `child` to end, and kills it after `grace`.
pub(super) async fn end(mut child: Child, grace: Duration) -> io::Result<ExitStatus> {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid
        && let Err(error) = kill(Pid::from_raw(pid), Signal::SIGTERM)
    {
        tracing::warn!(pid, %error, "failed to send SIGTERM");
    }
    if let Ok(status) = tokio::time::timeout(grace, child.wait()).await {
        return status;
    }
    tracing::warn!(pid, grace_s = grace.as_secs(), "a child did not end in time and is killed");
    if let Err(error) = child.start_kill() {
        tracing::warn!(%error, "failed to send SIGKILL");
    }
    child.wait().await
}

/// A program that gave up by itself says why on its last line.
fn with_last_words(end: Phase, said: Option<String>) -> Phase {
    match (end, said) {
        (Phase::Ended { exit, clean: false }, Some(said)) if exit.starts_with(EXIT_CODE) => {
            let exit = format!("{exit}: {said}").chars().take(LONGEST_EXIT).collect();
            Phase::Ended { exit, clean: false }
        }
        (end, _) => end,
    }
}

fn ended(status: io::Result<ExitStatus>) -> Phase {
    use std::os::unix::process::ExitStatusExt;
    match status {
        Ok(status) => {
            let exit = match (status.code(), status.signal().map(Signal::try_from)) {
                (Some(code), _) => format!("{EXIT_CODE} {code}"),
                (None, Some(Ok(signal))) => format!("signal {signal}"),
                (None, _) => status.to_string(),
            };
            Phase::Ended { exit, clean: status.success() }
        }
        Err(error) => Phase::Ended { exit: format!("unknown: {error}"), clean: false },
    }
}
