//! Starting and stopping the queue, and control of the running plan (contract queue-server §2.6, §6.6).

use plan_worker::protocol::{Order, PauseOption};
use serde_json::{Value, json};

use super::{Handled, Params, Stop, kernel};
use crate::approval;
use crate::machine::{Change, Effect, Execution, Manager, Outcome, State, Write};
use crate::methods::{Act, Refusal, success};
use crate::python;

fn done() -> Handled {
    Ok(Outcome::Reply(success([])))
}

fn plain(text: impl Into<String>) -> Stop {
    Stop::Refused(Refusal::plain(text))
}

/// Whether an item could be started now.
pub(super) fn ready_to_start(state: &State) -> Result<(), String> {
    if !state.environment.is_open() {
        return Err("RE Worker environment does not exist.".to_owned());
    }
    if state.re_state.is_none() {
        return Err("Run Engine is not found in the RE Worker environment.".to_owned());
    }
    if state.manager != Manager::Idle {
        return Err("RE Manager is busy.".to_owned());
    }
    if state.kernel.is_taken() {
        return Err(kernel::BUSY.to_owned());
    }
    Ok(())
}

/// Stores what was asked of the queue before it is answered, so that the next leader goes on with it.
fn ask(state: &State, execution: Execution) -> Handled {
    if execution == state.execution {
        return Ok(Outcome::Write(Vec::new(), Change::Execution(execution), success([])));
    }
    let Execution { executing, stop_pending } = execution;
    let write = Write::QueueStatus(json!({ "executing": executing, "stopPending": stop_pending }));
    Ok(Outcome::Write(vec![vec![write]], Change::Execution(execution), success([])))
}

/// `queue_start`.
pub(super) fn start(state: &mut State) -> Handled {
    ready_to_start(state).map_err(plain)?;
    if let Some(first) = state.queue.get(0).filter(|first| approval::is_awaited(&first.item)) {
        return Err(plain(approval::waits(&first.item)));
    }
    kernel::reserve(state).map_err(|why| why.stop(plain))?;
    ask(state, Execution { executing: true, stop_pending: false })
}

/// `queue_stop`.
pub(super) fn stop(state: &State) -> Handled {
    if !matches!(state.manager, Manager::ExecutingQueue | Manager::StartingQueue) {
        let word = state.manager.word().to_uppercase();
        return Err(plain(format!(
            "Failed to pause the queue. Queue is not running. Manager state: MState.{word}"
        )));
    }
    ask(state, Execution { stop_pending: true, ..state.execution })
}

/// `queue_stop_cancel`.
pub(super) fn cancel_stop(state: &State) -> Handled {
    ask(state, Execution { stop_pending: false, ..state.execution })
}

/// `re_pause`.
pub(super) fn pause(state: &mut State, params: &Params) -> Handled {
    let option = match params.get("option") {
        None => PauseOption::Deferred,
        Some(Value::String(text)) if text == "deferred" => PauseOption::Deferred,
        Some(Value::String(text)) if text == "immediate" => PauseOption::Immediate,
        Some(other) => {
            return Err(plain(format!(
                "Option '{}' is not supported. Available options: ('deferred', 'immediate')",
                python::str(other)
            )));
        }
    };
    if !state.environment.is_open() {
        return Err(plain("Environment does not exist. Can not pause Run Engine."));
    }
    let no_engine = "Run Engine is not found in the RE Worker environment.";
    let re_state = state.re_state.as_deref().ok_or_else(|| plain(no_engine))?;
    if re_state != "running" {
        return Err(plain(format!(
            "Run engine can be paused only in 'running' state. Current state: '{re_state}'"
        )));
    }
    state.pause_pending = true;
    state.effects.push(Effect::Order(Order::Pause { option }));
    done()
}

/// `re_resume`, `re_stop`, `re_abort`, `re_halt`.
pub(super) fn go_on(state: &mut State, act: Act) -> Handled {
    if state.manager != Manager::Paused {
        let word = state.manager.word();
        return Err(plain(format!("RE Manager is not paused: current state is '{word}'")));
    }
    if state.kernel.is_taken() {
        return Err(kernel::BUSY.into());
    }
    kernel::reserve(state).map_err(|why| why.stop(plain))?;
    let order = match act {
        Act::StopPlan => Order::Stop,
        Act::AbortPlan => Order::Abort,
        Act::HaltPlan => Order::Halt,
        _ => Order::Resume,
    };
    state.manager = Manager::ExecutingQueue;
    state.effects.push(Effect::Order(order));
    done()
}
