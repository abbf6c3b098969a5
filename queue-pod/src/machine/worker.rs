//! News of the worker, and what they mean for the environment and the running plan (contract queue-server §2.12, §6.6).

use std::sync::Arc;

use crds::queue_item::ItemResult;
use plan_worker::protocol::{ExitStatus, PlanOutcome, Report, TaskOutcome};
use serde_json::{Map, Value};

use super::hold::Hold;
use super::pending::order;
use super::state::{Environment, Manager, RegistryTrouble};
use super::{Comparison, Effect, Request, State, WorkerNews, advance, finish, progress};
use crate::console::{Level, Print};
use crate::files::Update;
use crate::inventory::{ProfileDevices, Strategy};
use crate::methods::{Act, Kind, Refusal, success};
use crate::plans::Catalogue;
use crate::requests;

/// Longest time that a worker may take from its creation until it is ready, in seconds. Profiles of real beamlines import for minutes.
const OPEN_TIMEOUT: f64 = 300.0;
/// Longest time that a worker may take to leave by itself, in seconds.
const CLOSE_TIMEOUT: f64 = 20.0;

/// How long a worker that nobody leads any more takes to abort its plan and to bring everything to rest, in seconds.
const CLEAN_UP_TIMEOUT: f64 = 30.0;

/// What a `QueueItem` can hold of a result; the schema of the resource has the same limits.
const LONGEST_MESSAGE: usize = 65_536;
const LONGEST_TRACEBACK: usize = 262_144;
const MOST_RUNS: usize = 10_000;

/// `msg` of a plan whose worker is gone.
const DESTROYED: &str = "RE Worker environment was destroyed";

/// Takes news of the worker of that name; news of an earlier one are ignored.
pub(super) fn heard(state: &mut State, worker: &str, news: WorkerNews) {
    if state.environment.worker() != Some(worker) {
        return;
    }
    match news {
        WorkerNews::Connected => {
            if let Environment::Opening { connected, .. } = &mut state.environment {
                *connected = true;
            }
        }
        WorkerNews::Report(report) => report_came(state, worker, report),
        WorkerNews::Lost(reason) => lost(state, worker, &reason),
        WorkerNews::Gone(reason) => gone(state, worker, &reason),
        WorkerNews::Removed => {
            if let Some(line) = taken_away(state) {
                state.say(Level::Info, line);
            }
            let (ending, message) = last_words(state);
            closed(state, ending, message);
        }
        WorkerNews::Devices(outcome) => state.registry_trouble.devices = outcome.err(),
    }
}

/// What the console says of an environment whose worker is gone as it was told to.
fn taken_away(state: &State) -> Option<&'static str> {
    match (&state.environment, state.manager) {
        (_, Manager::DestroyingEnvironment) => Some("RE Worker environment is destroyed"),
        (Environment::Closing { .. }, _) => Some("RE Worker environment is closed"),
        _ => None,
    }
}

fn report_came(state: &mut State, worker: &str, report: Report) {
    match report {
        Report::Document { .. } | Report::Closing => {}
        Report::Hello { wants_devices, .. } => {
            state.wants_devices = wants_devices;
            if wants_devices {
                state.effects.push(Effect::Supply(worker.to_owned()));
            }
        }
        Report::ProfileDevices { devices } => {
            if state.wants_devices {
                state.effects.push(Effect::FillRegistry(devices));
            }
        }
        Report::Progress { progress } => progress::told(state, progress),
        Report::Ready { plans, devices, run_engine, running, ended, ended_tasks } => {
            let doing = Doing { run_engine, running, ended, ended_tasks };
            ready(state, worker, Catalogue::new(plans, devices), doing);
        }
        Report::OpenFailed { message } => {
            let line = format!("Failed to start RE Worker environment. Error: {message}");
            state.say(Level::Error, line);
            leave(state, worker);
        }
        Report::ReState { state: re_state, deferred_pause_requested } => {
            if !state.environment.is_open() {
                return;
            }
            match re_state.as_str() {
                "paused" => state.pause_pending = false,
                // A user who goes on with it in the kernel is not the queue.
                "running" if state.manager == Manager::Paused && state.kernel.is_ours() => {
                    state.manager = Manager::ExecutingQueue;
                }
                _ => {}
            }
            state.pause_pending |= deferred_pause_requested;
            state.re_state = Some(re_state);
            pause_reached(state);
        }
        Report::NoRunEngine => state.re_state = None,
        Report::Runs { runs } => {
            if state.runs != runs {
                state.runs = runs;
                state.revisions.runs = state.mint.uid();
            }
        }
        Report::PlanFinished { outcome } => finished(state, outcome),
        Report::Lists { plans, devices } => {
            know(state, Catalogue::new(plans, devices), Update::Always);
        }
        Report::Metadata { metadata, error } => metadata_came(state, metadata, error),
        Report::OwnDevices { devices: known, left_out, error } => {
            let beside_registry = state.wants_devices;
            devices_came(state, ProfileDevices { known, left_out, beside_registry }, error);
        }
        Report::TaskFinished { outcome } => task_finished(state, outcome),
        Report::KernelConnection(connection) => state.kernel.listens(connection),
        Report::Kernel { phase, captured } => {
            state.kernel.told(phase, captured);
            left_to_users(state);
        }
        Report::KernelReserved { error } => kernel_reserved(state, error),
        Report::CloseRefused { message } => close_refused(state, worker, &message),
        Report::Console { text } => state.effects.push(Effect::Print(Print::Text(text))),
        Report::Refused { message } => {
            let line = format!("Request was refused by the worker: {message}");
            state.say(Level::Error, line);
        }
    }
}

/// The manager is paused once the plan is, and users have the kernel.
fn pause_reached(state: &mut State) {
    let is_paused = state.re_state.as_deref() == Some("paused")
        && state.running.as_ref().is_some_and(|running| running.ending.is_none());
    if is_paused && state.environment.is_open() && !state.kernel.is_captured() {
        state.manager = Manager::Paused;
    }
}

/// What waited for the kernel to be left to its users.
fn left_to_users(state: &mut State) {
    if state.kernel.is_captured() {
        return;
    }
    if std::mem::take(&mut state.kernel.is_releasing) {
        advance::rest(state);
    }
    pause_reached(state);
}

/// The worker answers whether it keeps the kernel; the request that asked for it goes on.
fn kernel_reserved(state: &mut State, error: Option<String>) {
    let Some(request) = state.kernel.reserving.pop_front() else { return };
    state.kernel.verdict = Some(error.map_or(Ok(()), Err));
    requests::handle(state, request);
    state.kernel.verdict = None;
}

/// The worker stays: somebody was faster in its kernel.
fn close_refused(state: &mut State, worker: &str, why: &str) {
    state.say(Level::Error, format!("Failed to close RE Worker environment: {why}"));
    if let (Environment::Closing { .. }, Manager::ClosingEnvironment) =
        (&state.environment, state.manager)
    {
        let grace = state.setup.orphan_grace;
        state.environment = Environment::Open { worker: worker.to_owned(), grace };
        state.manager = Manager::Idle;
    }
}

/// What a worker does, in its own words.
struct Doing {
    /// Whether it has a Run Engine.
    run_engine: bool,
    /// The item whose plan is being run.
    running: Option<String>,
    /// How the plan before ended.
    ended: Option<PlanOutcome>,
    /// How the last tasks ended.
    ended_tasks: Vec<TaskOutcome>,
}

fn ready(state: &mut State, worker: &str, catalogue: Catalogue, doing: Doing) {
    let grace = match &state.environment {
        Environment::Opening { .. } => state.setup.orphan_grace,
        // It may have come back before anybody noticed that it was away.
        Environment::Awaited { grace, .. } | Environment::Open { grace, .. } => *grace,
        _ => return,
    };
    let comes_back = !matches!(state.environment, Environment::Opening { .. });
    state.environment = Environment::Open { worker: worker.to_owned(), grace };
    state.re_state = doing.run_engine.then(|| "idle".to_owned());
    know(state, catalogue, Update::EnvironmentOpen);
    state.permit();
    if comes_back {
        state.say(Level::Info, "RE Worker environment is back");
        take_over(state, worker, doing);
    } else if !Hold::begin(state, worker) {
        takes_plans(state);
    }
}

fn takes_plans(state: &mut State) {
    state.manager = Manager::Idle;
    state.say(Level::Info, "RE Environment is ready");
}

/// The devices of the environment are locked.
pub(super) fn holds_devices(state: &mut State) {
    Hold::is_taken(state);
    if state.manager == Manager::CreatingEnvironment {
        takes_plans(state);
    }
}

/// The devices of the environment cannot be locked: there is none then.
pub(super) fn holds_no_devices(state: &mut State, why: String) {
    let worker = state.environment.worker().filter(|_| state.hold.is_wanted());
    let Some(worker) = worker.map(str::to_owned) else { return };
    state.say(Level::Error, format!("Failed to start RE Worker environment. Error: {why}"));
    leave(state, &worker);
    // It is the reason why there is no environment.
    state.registry_trouble.start = Some(why);
}

/// Goes on with what a worker does that came back.
fn take_over(state: &mut State, worker: &str, doing: Doing) {
    state.pause_pending = false;
    for outcome in doing.ended_tasks {
        task_finished(state, outcome);
    }
    let expected = state.running.as_ref().filter(|running| running.ending.is_none());
    let expected = expected.map(|running| running.entry.item.clone());
    match (expected, doing.running, doing.ended) {
        (Some(item), Some(uid), _) if item.uid() == uid => {}
        (None, None, _) => {}
        (Some(item), None, Some(outcome)) if item.uid() == outcome.item_uid => {
            finished(state, outcome);
        }
        // It never got the order, and refuses those of earlier leaders from now on.
        (Some(item), None, _) => {
            let order = order(state, &item);
            state.effects.push(Effect::Order(order));
        }
        (_, Some(uid), _) => {
            let line = format!("RE Worker runs item '{uid}', which nobody knows of");
            state.say(Level::Warning, line);
            state.effects.push(Effect::RemoveWorker(worker.to_owned()));
            closed(state, "unknown", finish::LOST);
        }
    }
}

/// Takes note of the plans and devices of the worker.
fn know(state: &mut State, catalogue: Catalogue, occasion: Update) {
    let old = state.catalogue.clone();
    if old.plans != catalogue.plans {
        state.revisions.plans_existing = state.mint.uid();
        state.revisions.plans_allowed = state.mint.uid();
    }
    if old.devices != catalogue.devices {
        state.revisions.devices_existing = state.mint.uid();
        state.revisions.devices_allowed = state.mint.uid();
    }
    if *old != catalogue {
        state.learn(catalogue);
        state.effects.push(Effect::SaveCatalogue(state.catalogue.clone(), occasion));
        state.reconsider = true;
    }
}

fn finished(state: &mut State, outcome: PlanOutcome) {
    let now = state.now;
    let Some(running) = &mut state.running else { return };
    if running.entry.item.uid() != outcome.item_uid || running.ending.is_some() {
        return;
    }
    let exit_status = match outcome.exit_status {
        ExitStatus::Completed => "completed",
        ExitStatus::Failed => "failed",
        ExitStatus::Stopped => "stopped",
        ExitStatus::Aborted => "aborted",
        ExitStatus::Halted => "halted",
        ExitStatus::Unknown => "unknown",
    };
    running.ending = Some(ItemResult {
        exit_status: exit_status.to_owned(),
        run_uids: first(outcome.run_uids),
        scan_ids: first(outcome.scan_ids),
        time_start: running.time_start,
        time_stop: now,
        msg: outcome.message.chars().take(LONGEST_MESSAGE).collect(),
        traceback: last_chars(&outcome.traceback),
    });
    if state.manager == Manager::Paused {
        state.manager = Manager::ExecutingQueue;
    }
}

/// A task ended. One that nobody knows of was another leader's.
fn task_finished(state: &mut State, outcome: TaskOutcome) {
    let Some(task) = Arc::make_mut(&mut state.tasks).finish(outcome, state.now) else { return };
    state.revisions.task_results = state.mint.uid();
    if !task.background && state.manager == Manager::ExecutingTask {
        advance::stop(state, false);
    }
}

/// The worker says what the metadata of its Run Engine is.
fn metadata_came(state: &mut State, metadata: Map<String, Value>, error: Option<String>) {
    let Some(request) = answered(state, Act::ReadMetadata) else { return };
    let reply = match error {
        None => success([("re_metadata", Value::Object(metadata))]),
        Some(why) => request.method.refuse(Refusal::plain(why)),
    };
    state.effects.push(Effect::Answer(request.ticket, reply));
}

/// The worker says how its profile makes devices: what was asked of the registry can be found out now.
fn devices_came(state: &mut State, profile: ProfileDevices, error: Option<String>) {
    let asked = answered(state, Act::CompareDevices).or_else(|| answered(state, Act::SyncDevices));
    let Some(Request { ticket, method, params, .. }) = asked else { return };
    let strategy = match method.kind {
        Kind::Act(Act::SyncDevices) => Strategy::of(&params).map(Some),
        _ => Ok(None),
    };
    let effect = match error.map_or(strategy, Err) {
        Ok(strategy) => Effect::Compare(ticket, Comparison { method, profile, strategy }),
        Err(why) => Effect::Answer(ticket, method.refuse(Refusal::plain(why))),
    };
    state.effects.push(effect);
}

/// The first request of that kind that the worker was asked for, which it answers now.
fn answered(state: &mut State, act: Act) -> Option<Request> {
    let is_it = |request: &Request| request.method.kind == Kind::Act(act);
    let place = state.asked.iter().position(is_it)?;
    state.asked.remove(place)
}

/// The worker answers no more.
fn answer_asked(state: &mut State) {
    for request in std::mem::take(&mut state.asked) {
        let why = match request.method.kind {
            Kind::Act(Act::ReadMetadata) => {
                "Environment does not exist. Cannot retrieve RE metadata."
            }
            _ => "RE Worker environment is not open any more",
        };
        let reply = request.method.refuse(Refusal::plain(why));
        state.effects.push(Effect::Answer(request.ticket, reply));
    }
    for request in std::mem::take(&mut state.kernel.reserving) {
        let why = "Failed to capture IPython kernel: RE Worker environment does not exist.";
        let reply = request.method.refuse(Refusal::plain(why));
        state.effects.push(Effect::Answer(request.ticket, reply));
    }
}

/// As much of a list as a resource may hold.
fn first<T>(mut list: Vec<T>) -> Vec<T> {
    list.truncate(MOST_RUNS);
    list
}

/// The end of a traceback: where it went wrong is what counts.
fn last_chars(text: &str) -> String {
    let skipped = text.chars().count().saturating_sub(LONGEST_TRACEBACK);
    text.chars().skip(skipped).collect()
}

/// The connection to the worker broke: it has some time to come back.
fn lost(state: &mut State, worker: &str, reason: &str) {
    match &state.environment {
        Environment::Open { grace, .. } if *grace > 0.0 => {
            let grace = *grace;
            state.say(Level::Warning, format!("RE Worker is out of reach: {reason}"));
            let (worker, since) = (worker.to_owned(), state.now);
            state.environment = Environment::Awaited { worker, since, grace, inherited: false };
            answer_asked(state);
            state.re_state = None;
        }
        // It had not yet said how things stand.
        Environment::Awaited { .. } => {}
        _ => gone(state, worker, reason),
    }
}

/// The process of the worker ended, or it is good for nothing.
fn gone(state: &mut State, worker: &str, reason: &str) {
    let (ending, message) = last_words(state);
    match &state.environment {
        // It was asked to leave, or is being taken away: the rest follows when its resource is gone.
        Environment::Closing { .. } if state.manager == Manager::DestroyingEnvironment => return,
        Environment::Closing { .. } => {
            return state.effects.push(Effect::RemoveWorker(worker.to_owned()));
        }
        Environment::Opening { .. } => {
            let line = format!("Failed to start RE Worker environment. Error: {reason}");
            state.say(Level::Error, line);
        }
        _ => state.say(Level::Error, format!("RE Worker environment is lost: {reason}")),
    }
    state.effects.push(Effect::RemoveWorker(worker.to_owned()));
    // Of an end that nobody has seen, it is no reason.
    let message = match message {
        DESTROYED => format!("{message}: {reason}"),
        _ => message.to_owned(),
    };
    closed(state, ending, &message);
}

/// How the plan ended of a worker that is gone. What it did under an earlier leader, and how that ended, nobody has seen.
fn last_words(state: &State) -> (&'static str, &'static str) {
    match &state.environment {
        Environment::Awaited { inherited: true, .. } => ("unknown", finish::LOST),
        _ => ("failed", DESTROYED),
    }
}

/// Takes a worker away that could not be opened.
fn leave(state: &mut State, worker: &str) {
    state.effects.push(Effect::RemoveWorker(worker.to_owned()));
    closed(state, "failed", DESTROYED);
}

/// There is no environment any more. A plan that was running ended so by that.
fn closed(state: &mut State, exit_status: &str, message: &str) {
    state.environment = Environment::Closed;
    Hold::end(state);
    state.wants_devices = false;
    state.registry_trouble = RegistryTrouble::default();
    answer_asked(state);
    state.kernel.forget();
    Arc::make_mut(&mut state.tasks).forget_running();
    state.re_state = None;
    state.pause_pending = false;
    let now = state.now;
    match &mut state.running {
        Some(running) => {
            running.ending.get_or_insert_with(|| ItemResult {
                exit_status: exit_status.to_owned(),
                time_start: running.time_start,
                time_stop: now,
                msg: message.to_owned(),
                ..ItemResult::default()
            });
            state.manager = Manager::ExecutingQueue;
        }
        None => advance::stop(state, false),
    }
}

/// Ends what takes too long.
pub(super) fn check_deadlines(state: &mut State) {
    let (worker, why) = match &state.environment {
        Environment::Opening { worker, since, .. } if state.now - since > OPEN_TIMEOUT => {
            (worker.clone(), "Failed to start RE Worker environment. Error: timeout")
        }
        Environment::Closing { worker, since }
            if state.manager == Manager::ClosingEnvironment
                && state.now - since > CLOSE_TIMEOUT =>
        {
            (worker.clone(), "RE Worker did not leave in time and is taken away")
        }
        Environment::Awaited { worker, since, grace, .. }
            if state.now - since > grace + CLEAN_UP_TIMEOUT =>
        {
            let worker = worker.clone();
            state.say(Level::Error, "RE Worker did not come back in time");
            state.effects.push(Effect::RemoveWorker(worker));
            return closed(state, "unknown", finish::LOST);
        }
        _ => return,
    };
    state.say(Level::Error, why);
    leave(state, &worker);
}
