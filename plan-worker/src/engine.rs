//! The native Run Engine: carries out the messages of a plan, makes the documents, and answers pause, stop and abort.
//!
//! One [`Engine`] carries out one plan after another. Whatever happens to a plan, the engine ends with everything at rest that the
//! plan has moved, and with a stop document for every run that it has opened.

mod commands;
pub mod hold;
pub mod message;
pub mod output;
pub mod plan;
pub mod run;
mod statuses;

use std::collections::VecDeque;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::devices::DeviceRef;
use crate::protocol::{ExitStatus, PauseOption, RunEntry};
use hold::Hold;
use message::{Message, Response, RunStatus, Thrown};
use output::{Output, State};
use plan::{Plan, Step};
use run::Run;
use statuses::Statuses;

/// Longest wait for a device to take a stop command. Beyond it the device is reported and left.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages kept for the trace of a failed plan.
const TRACE_LENGTH: usize = 8;

/// What the user asks of a running plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Pause.
    Pause(PauseOption),
    /// Continue a paused plan.
    Resume,
    /// End the plan as a success.
    Stop,
    /// End the plan as a failure, with clean-up.
    Abort(String),
    /// End the plan without clean-up.
    Halt,
}

/// How a plan ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// In one word.
    pub exit_status: ExitStatus,
    /// Why it failed, else empty.
    pub message: String,
    /// The last messages before it failed, else empty.
    pub traceback: String,
    /// Its runs, in order.
    pub runs: Vec<RunEntry>,
}

/// Carries out plans.
#[derive(Debug)]
pub struct Engine<O> {
    output: O,
    metadata: Map<String, Value>,
    hold: Hold,
}

impl<O: Output> Engine<O> {
    /// An engine that reports to `output` and puts `metadata` into every start document.
    pub fn new(output: O, metadata: Map<String, Value>) -> Self {
        Self { output, metadata, hold: Hold::never() }
    }

    /// This engine, whose plans wait as `hold` says.
    pub fn held_by(self, hold: Hold) -> Self {
        Self { hold, ..self }
    }

    /// Carries out `plan` to its end. `metadata` goes into its start documents before all else.
    ///
    /// A `requests` channel without a sender counts as an abort: nobody could stop the plan any more.
    pub async fn run(
        &mut self,
        mut plan: Plan,
        metadata: Map<String, Value>,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Finished {
        self.output.begins(&metadata).await;
        let mut execution = Execution {
            output: &mut self.output,
            requests,
            hold: &mut self.hold,
            constant: &self.metadata,
            metadata,
            plan_name: plan.name().to_owned(),
            state: State::Idle,
            deferred_pause: false,
            ending: None,
            since_checkpoint: Vec::new(),
            run: None,
            runs: Vec::new(),
            statuses: Statuses::default(),
            moved: Vec::new(),
            staged: Vec::new(),
            trace: VecDeque::new(),
        };
        execution.enter(State::Running).await;
        let ending = execution.drive(&mut plan).await;
        drop(plan);
        execution.finish(ending).await
    }
}

/// One plan being carried out.
struct Execution<'a, O> {
    output: &'a mut O,
    requests: &'a mut mpsc::Receiver<Request>,
    hold: &'a mut Hold,
    constant: &'a Map<String, Value>,
    metadata: Map<String, Value>,
    plan_name: String,
    state: State,
    deferred_pause: bool,
    /// How the plan is being ended by the user, once it is.
    ending: Option<ExitStatus>,
    since_checkpoint: Vec<Message>,
    run: Option<Run>,
    runs: Vec<RunEntry>,
    statuses: Statuses,
    moved: Vec<DeviceRef>,
    staged: Vec<DeviceRef>,
    trace: VecDeque<String>,
}

/// Why a message was not carried out.
enum Stumble {
    Failed(String),
    Interrupted(Interruption),
}

/// What comes between a plan and its next step.
enum Interruption {
    /// The user asks for something.
    Requested(Request),
    /// The plan has to wait, for this reason.
    Held(String),
}

/// What becomes of the plan instead of an answer to its message.
enum Verdict {
    Throw(Thrown),
    Halt,
}

/// How a plan ended.
enum Ending {
    Returned(Result<(), Thrown>),
    Halted,
}

impl<O: Output> Execution<'_, O> {
    async fn drive(&mut self, plan: &mut Plan) -> Ending {
        loop {
            match plan.next().await {
                Step::Done(result) => return Ending::Returned(result),
                Step::Message(message, reply) => match self.perform(message).await {
                    Ok(response) => reply.answer(Ok(response)),
                    Err(Verdict::Throw(thrown)) => {
                        self.rest().await;
                        reply.answer(Err(thrown));
                    }
                    Err(Verdict::Halt) => return Ending::Halted,
                },
            }
        }
    }

    /// Carries out one message of the plan, and after a pause those since the last checkpoint again.
    async fn perform(&mut self, message: Message) -> Result<Response, Verdict> {
        let mut ahead = VecDeque::from([message]);
        let mut response = Response::Done;
        while let Some(message) = ahead.pop_front() {
            let interruption = match self.pending_interruption().await {
                Some(interruption) => {
                    ahead.push_front(message);
                    interruption
                }
                None => {
                    self.remember(&message);
                    match self.execute(message).await {
                        Ok(answer) => {
                            response = answer;
                            continue;
                        }
                        Err(Stumble::Failed(reason)) => {
                            return Err(Verdict::Throw(Thrown::Failed(reason)));
                        }
                        Err(Stumble::Interrupted(interruption)) => interruption,
                    }
                }
            };
            match interruption {
                Interruption::Requested(request) => self.obey(request).await?,
                Interruption::Held(reason) => self.stand_by(reason).await?,
            }
            // Back from a pause.
            let again = std::mem::take(&mut self.since_checkpoint);
            if !again.is_empty()
                && let Some(run) = &mut self.run
            {
                run.rewind();
            }
            for message in again.into_iter().rev() {
                ahead.push_front(message);
            }
        }
        Ok(response)
    }

    fn remember(&mut self, message: &Message) {
        if self.trace.len() == TRACE_LENGTH {
            self.trace.pop_front();
        }
        self.trace.push_back(message.summary());
        if message.is_repeatable() && self.ending.is_none() {
            self.since_checkpoint.push(message.clone());
        }
    }

    /// Carries out a request that interrupts the plan; returns when the plan may go on.
    async fn obey(&mut self, request: Request) -> Result<(), Verdict> {
        let mut request = request;
        loop {
            match request {
                Request::Pause(_) => {
                    self.deferred_pause = false;
                    self.enter(State::Pausing).await;
                    self.rest().await;
                    self.enter(State::Paused).await;
                }
                Request::Resume => {
                    self.enter(State::Running).await;
                    return Ok(());
                }
                Request::Stop => {
                    self.ending = Some(ExitStatus::Stopped);
                    self.enter(State::Stopping).await;
                    return Err(Verdict::Throw(Thrown::Stopped));
                }
                Request::Abort(reason) => {
                    self.ending = Some(ExitStatus::Aborted);
                    self.enter(State::Aborting).await;
                    return Err(Verdict::Throw(Thrown::Aborted(reason)));
                }
                Request::Halt => {
                    self.ending = Some(ExitStatus::Halted);
                    self.enter(State::Halting).await;
                    return Err(Verdict::Halt);
                }
            }
            request = self.decision().await;
        }
    }

    /// Stands still until nothing makes the plan wait any more, or the user decides otherwise. As in the Run Engine, the state is
    /// `running` meanwhile, so the plan can be paused.
    async fn stand_by(&mut self, mut reason: String) -> Result<(), Verdict> {
        self.output.console(format!("Plan '{}' waits: {reason}\n", self.plan_name)).await;
        self.enter(State::Suspending).await;
        self.rest().await;
        self.enter(State::Running).await;
        let request = loop {
            self.output.waits(Some(&reason)).await;
            let request = tokio::select! {
                biased;
                request = self.requests.recv() => request.unwrap_or_else(lost),
                changed = self.hold.differs_from(&reason) => match changed {
                    Some(other) => {
                        reason = other;
                        continue;
                    }
                    None => break None,
                },
            };
            if let Some(request) = self.admit(request).await {
                break Some(request);
            }
        };
        self.output.waits(None).await;
        match request {
            Some(request) => self.obey(request).await,
            None => {
                self.output.console(format!("Plan '{}' goes on\n", self.plan_name)).await;
                Ok(())
            }
        }
    }

    /// Waits in a pause for what the user decides.
    async fn decision(&mut self) -> Request {
        loop {
            match self.requests.recv().await {
                Some(Request::Pause(_)) => {
                    self.output.refused("the plan is paused already".into()).await;
                }
                Some(request) => return request,
                None => return lost(),
            }
        }
    }

    /// What interrupts the plan already. A plan that is being ended waits for nothing.
    async fn pending_interruption(&mut self) -> Option<Interruption> {
        loop {
            let request = match self.requests.try_recv() {
                Ok(request) => request,
                Err(_) if self.ending.is_some() => return None,
                Err(mpsc::error::TryRecvError::Empty) => {
                    return self.hold.reason().map(Interruption::Held);
                }
                Err(mpsc::error::TryRecvError::Disconnected) => lost(),
            };
            if let Some(request) = self.admit(request).await {
                return Some(Interruption::Requested(request));
            }
        }
    }

    /// The request, if it interrupts the plan in its present state.
    async fn admit(&mut self, request: Request) -> Option<Request> {
        match request {
            Request::Halt => Some(Request::Halt),
            _ if self.ending.is_some() => {
                self.output.refused("the plan is ending already".into()).await;
                None
            }
            Request::Pause(PauseOption::Deferred) => {
                self.deferred_pause = true;
                self.enter(self.state).await;
                None
            }
            Request::Resume => {
                self.output.refused("the plan is not paused".into()).await;
                None
            }
            request => Some(request),
        }
    }

    /// Brings everything to rest that the plan has moved.
    async fn rest(&mut self) {
        self.statuses.clear();
        stop_all(&self.moved).await;
    }

    async fn enter(&mut self, state: State) {
        self.state = state;
        self.output.state(state, self.deferred_pause).await;
    }

    async fn finish(mut self, ending: Ending) -> Finished {
        let (exit_status, status, message) = match (ending, self.ending) {
            (Ending::Halted, _) => (ExitStatus::Halted, RunStatus::Abort, String::new()),
            (Ending::Returned(Err(Thrown::Failed(reason))), _) => {
                (ExitStatus::Failed, RunStatus::Fail, reason)
            }
            (Ending::Returned(_), Some(ExitStatus::Aborted)) => {
                (ExitStatus::Aborted, RunStatus::Abort, String::new())
            }
            (Ending::Returned(_), Some(ending)) => (ending, RunStatus::Success, String::new()),
            (Ending::Returned(_), None) => {
                (ExitStatus::Completed, RunStatus::Success, String::new())
            }
        };
        if exit_status == ExitStatus::Completed {
            stop_all(&self.statuses.moving()).await;
            self.statuses.clear();
        } else {
            self.rest().await;
        }
        if let Err(Stumble::Failed(reason)) = self.close_run(status, &message).await {
            tracing::error!(%reason, "the stop document could not be kept");
        }
        let traceback = if message.is_empty() { String::new() } else { self.traceback(&message) };
        self.deferred_pause = false;
        self.enter(State::Idle).await;
        Finished { exit_status, message, traceback, runs: self.runs }
    }

    fn traceback(&self, message: &str) -> String {
        let steps: String = self.trace.iter().map(|step| format!("  {step}\n")).collect();
        format!("Plan '{}', last messages (most recent last):\n{steps}{message}\n", self.plan_name)
    }
}

fn lost() -> Request {
    Request::Abort("nobody controls the plan any more".into())
}

async fn stop_all(devices: &[DeviceRef]) {
    let stops = devices.iter().map(|device| async move {
        match timeout(STOP_TIMEOUT, device.stop()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(device = device.name(), %error, "could not stop");
            }
            Err(_) => {
                tracing::error!(device = device.name(), "did not take the stop command in time");
            }
        }
    });
    join_all(stops).await;
}
