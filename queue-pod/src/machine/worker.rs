//! News of the worker, and what they mean for the environment and the running plan (contract queue-server §2.12, §6.6).

use std::sync::Arc;

use crds::queue_item::ItemResult;
use plan_worker::protocol::{ExitStatus, PlanOutcome, Report};

use super::state::{Environment, Manager};
use super::{Effect, State, WorkerNews, advance};
use crate::plans::Catalogue;

/// Longest time that a worker may take from its creation until it is ready, in seconds. Profiles of real beamlines import for minutes.
const OPEN_TIMEOUT: f64 = 300.0;
/// Longest time that a worker may take to leave by itself, in seconds.
const CLOSE_TIMEOUT: f64 = 20.0;

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
        WorkerNews::Gone(reason) => gone(state, worker, &reason),
        WorkerNews::Removed => closed(state),
    }
}

fn report_came(state: &mut State, worker: &str, report: Report) {
    match report {
        Report::Hello { .. } | Report::Document { .. } | Report::Closing => {}
        Report::Ready { plans, devices } => ready(state, worker, Catalogue::new(plans, devices)),
        Report::OpenFailed { message } => {
            state.console(format!("Failed to start RE Worker environment. Error: {message}\n"));
            leave(state, worker);
        }
        Report::ReState { state: re_state, deferred_pause_requested } => {
            if !state.environment.is_open() {
                return;
            }
            match re_state.as_str() {
                "paused" => {
                    state.pause_pending = false;
                    if state.running.is_some() {
                        state.manager = Manager::Paused;
                    }
                }
                "running" if state.manager == Manager::Paused => {
                    state.manager = Manager::ExecutingQueue;
                }
                _ => {}
            }
            state.pause_pending |= deferred_pause_requested;
            state.re_state = Some(re_state);
        }
        Report::Runs { runs } => {
            if state.runs != runs {
                state.runs = runs;
                state.revisions.runs = state.mint.uid();
            }
        }
        Report::PlanFinished { outcome } => finished(state, outcome),
        Report::Console { text } => state.console(text),
        Report::Refused { message } => {
            state.console(format!("Request was refused by the worker: {message}\n"));
        }
    }
}

fn ready(state: &mut State, worker: &str, catalogue: Catalogue) {
    if !matches!(state.environment, Environment::Opening { .. }) {
        return;
    }
    state.environment = Environment::Open { worker: worker.to_owned() };
    state.re_state = Some("idle".to_owned());
    state.manager = Manager::Idle;
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
        state.catalogue = Arc::new(catalogue);
        state.effects.push(Effect::SaveCatalogue(state.catalogue.clone()));
        state.reconsider = true;
    }
    state.console("RE Environment is ready\n");
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

/// The connection or the process of the worker ended.
fn gone(state: &mut State, worker: &str, reason: &str) {
    match &state.environment {
        // It was asked to leave, or is being taken away: the rest follows when its resource is gone.
        Environment::Closing { .. } if state.manager == Manager::DestroyingEnvironment => return,
        Environment::Closing { .. } => {}
        _ => state.console(format!("RE Worker environment is lost: {reason}\n")),
    }
    state.effects.push(Effect::RemoveWorker(worker.to_owned()));
    closed(state);
}

/// Takes a worker away that could not be opened.
fn leave(state: &mut State, worker: &str) {
    state.effects.push(Effect::RemoveWorker(worker.to_owned()));
    closed(state);
}

/// There is no environment any more. A plan that was running failed by that.
fn closed(state: &mut State) {
    state.environment = Environment::Closed;
    state.re_state = None;
    state.pause_pending = false;
    let now = state.now;
    match &mut state.running {
        Some(running) => {
            running.ending.get_or_insert_with(|| ItemResult {
                exit_status: "failed".to_owned(),
                time_start: running.time_start,
                time_stop: now,
                msg: DESTROYED.to_owned(),
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
            (worker.clone(), "Failed to start RE Worker environment. Error: timeout\n")
        }
        Environment::Closing { worker, since }
            if state.manager == Manager::ClosingEnvironment
                && state.now - since > CLOSE_TIMEOUT =>
        {
            (worker.clone(), "RE Worker did not leave in time and is taken away\n")
        }
        _ => return,
    };
    state.console(why);
    leave(state, &worker);
}
