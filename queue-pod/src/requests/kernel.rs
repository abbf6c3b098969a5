//! What is asked of the IPython kernel (contract queue-server §2.14).

use plan_worker::protocol::Order;

use super::{Handled, NO_KERNEL, Params, Stop};
use crate::machine::{Effect, Environment, Manager, Outcome, State};
use crate::methods::{Refusal, success};
use crate::python;

/// Said to who wants to start something while a user works.
pub(super) const BUSY: &str = "IPython kernel (RE Worker) is busy.";

/// Goes on once the kernel is kept for us; a request that has to wait for that is handled again.
///
/// # Errors
/// [`Stop::Reserve`] the first time; then why the kernel cannot be had.
pub(super) fn reserve(state: &mut State) -> Result<(), Reserve> {
    match state.kernel.verdict.take() {
        _ if !state.kernel.is_used() => Ok(()),
        None => Err(Reserve::Ask),
        Some(Ok(())) => Ok(()),
        Some(Err(why)) => Err(Reserve::Refused(format!("Failed to capture IPython kernel: {why}"))),
    }
}

/// Why a request that needs the kernel does not go on.
pub(super) enum Reserve {
    /// The worker has to be asked first.
    Ask,
    /// The kernel cannot be had.
    Refused(String),
}

impl Reserve {
    /// What the request comes to, with what is said to who is refused.
    pub(super) fn stop(self, refused: impl FnOnce(String) -> Stop) -> Stop {
        match self {
            Self::Ask => Stop::Reserve,
            Self::Refused(why) => refused(why),
        }
    }
}

/// Whether the worker is in IPython mode, or the next one will be.
fn is_mode(state: &State) -> bool {
    match state.environment {
        Environment::Open { .. } | Environment::Awaited { .. } => state.kernel.is_used(),
        _ => state.kernel.is_wanted,
    }
}

/// `kernel_interrupt`: Ctrl-C for what the kernel does, which may be a plan or a task only when that is said.
pub(super) fn interrupt(state: &mut State, params: &Params) -> Handled {
    let flag = |key: &str| params.get(key).is_some_and(python::is_true);
    let (interrupt_task, interrupt_plan) = (flag("interrupt_task"), flag("interrupt_plan"));
    let refused = |why: &str| {
        Err(Stop::Refused(Refusal::plain(format!("Failed to interrupt IPython kernel: {why}"))))
    };
    if !is_mode(state) {
        return refused(NO_KERNEL);
    }
    if !state.environment.is_open() {
        return refused("Worker environment does not exist");
    }
    match state.manager {
        Manager::StartingQueue | Manager::ExecutingQueue if !interrupt_plan => {
            return refused("Not allowed to interrupt running plan");
        }
        Manager::ExecutingTask if !interrupt_task => {
            return refused("Not allowed to interrupt running task");
        }
        _ => {}
    }
    let order = Order::InterruptKernel { interrupt_task, interrupt_plan };
    state.effects.push(Effect::Order(order));
    Ok(Outcome::Reply(success([])))
}

/// `manager_test` with `reserve_kernel`: keeps the kernel for a moment.
pub(super) fn test(state: &mut State) -> Handled {
    if !is_mode(state) {
        return Err("IPython kernel mode is not enabled".into());
    }
    if !state.environment.is_open() {
        return Err("Worker environment does not exist".into());
    }
    reserve(state).map_err(|why| why.stop(Stop::from))?;
    Ok(Outcome::Reply(success([])))
}
