//! The end of the server, and what its own tests ask (contract queue-server §1.5).

use super::{Handled, Params, kernel};
use crate::machine::{Effect, Manager, Outcome, State};
use crate::methods::success;
use crate::python;

/// `manager_stop`: by default only while nothing is going on.
pub(super) fn stop(state: &mut State, params: &Params) -> Handled {
    let option = params.get("option").filter(|option| !option.is_null());
    let is_safe = match option.map(|option| (option, option.as_str())) {
        None | Some((_, Some("safe_on"))) => true,
        Some((_, Some("safe_off"))) => false,
        Some((other, _)) => {
            return Err(format!(
                "Option '{}' is not allowed. Allowed options: ('safe_off', 'safe_on')",
                python::str(other)
            )
            .into());
        }
    };
    if is_safe && state.manager != Manager::Idle {
        return Err(format!(
            "Closing RE Manager with option 'safe_on' is allowed only in 'idle' state. Current state: '{}'",
            state.manager.word()
        )
        .into());
    }
    if !state.setup.can_be_stopped {
        return Err("The queue server is part of a whole beamline; stop that".into());
    }
    state.effects.push(Effect::Stop);
    Ok(Outcome::Reply(success([])))
}

/// `manager_test`: the only test is one of kernels.
pub(super) fn test(state: &mut State, params: &Params) -> Handled {
    match params.get("test_name") {
        Some(name) if name == "reserve_kernel" => kernel::test(state),
        other => {
            let name = other.map_or_else(|| "None".to_owned(), python::repr);
            Err(format!("Unknown test: {name}. Known tests: ['reserve_kernel']").into())
        }
    }
}
