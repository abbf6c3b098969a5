//! Opening, closing and destroying the worker environment (contract queue-server §2.12).

use plan_worker::protocol::Order;

use super::{Handled, Stop};
use crate::machine::{Effect, Environment, Manager, Outcome, State};
use crate::methods::{Refusal, success};

fn plain(text: impl Into<String>) -> Stop {
    Stop::Refused(Refusal::plain(text))
}

/// `environment_open`: success means that a worker was asked for.
pub(super) fn open(state: &mut State) -> Handled {
    if state.environment.is_open() || state.environment.is_awaited() {
        return Err(plain("RE Worker environment already exists."));
    }
    match state.manager {
        Manager::Idle => {}
        Manager::CreatingEnvironment => {
            return Err(plain(
                "Manager is already in the process of creating the RE Worker environment.",
            ));
        }
        other => {
            let word = other.word();
            return Err(plain(format!("Manager state is not idle. Current state: {word}")));
        }
    }
    let uid = state.mint.uid();
    let worker = format!("worker-{}", &uid[..8]);
    state.manager = Manager::CreatingEnvironment;
    state.environment =
        Environment::Opening { worker: worker.clone(), since: state.now, connected: false };
    state.effects.push(Effect::OpenWorker(worker));
    Ok(Outcome::Reply(success([])))
}

/// `environment_close`: the worker is asked to leave.
pub(super) fn close(state: &mut State) -> Handled {
    if state.manager == Manager::ClosingEnvironment {
        return Err(plain(
            "Manager is already in the process of closing the RE Worker environment.",
        ));
    }
    let Environment::Open { worker, .. } = &state.environment else {
        return Err(plain("RE Worker environment does not exist."));
    };
    match state.manager {
        Manager::Idle => {}
        Manager::ExecutingQueue | Manager::StartingQueue => {
            return Err(plain("Queue execution is in progress."));
        }
        Manager::ExecutingTask => {
            return Err(plain("Foreground task execution is in progress."));
        }
        other => {
            let word = other.word();
            return Err(plain(format!("Manager state is not idle. Current state: {word}")));
        }
    }
    if state.kernel.is_busy() {
        return Err(plain("Worker IPython kernel is busy"));
    }
    let worker = worker.clone();
    state.environment = Environment::Closing { worker, since: state.now };
    state.manager = Manager::ClosingEnvironment;
    state.effects.push(Effect::Order(Order::Close));
    Ok(Outcome::Reply(success([])))
}

/// `environment_destroy`: the worker is taken away, whatever it does.
pub(super) fn destroy(state: &mut State) -> Handled {
    let Some(worker) = state.environment.worker().map(str::to_owned) else {
        return Err(plain("RE environment does not exist"));
    };
    state.environment = Environment::Closing { worker: worker.clone(), since: state.now };
    state.manager = Manager::DestroyingEnvironment;
    state.effects.push(Effect::RemoveWorker(worker));
    Ok(Outcome::Reply(success([])))
}

/// `re_metadata`: what the worker says.
pub(super) fn read_metadata(state: &State) -> Handled {
    if !state.environment.is_open() {
        return Err(plain("Environment does not exist. Cannot retrieve RE metadata."));
    }
    Ok(Outcome::Ask(Order::ReadMetadata { keys: state.setup.metadata_keys.clone() }))
}
