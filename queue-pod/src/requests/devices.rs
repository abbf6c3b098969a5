//! The devices of the profile against those of the registry (contract queue-server §5.3): the worker is asked how its profile makes
//! them, and the rest follows when it answers.

use plan_worker::protocol::Order;

use super::{Handled, Params, Stop};
use crate::inventory::Strategy;
use crate::machine::{Outcome, State};
use crate::methods::Refusal;

/// `config_service_diff`.
pub(super) fn compare(state: &State) -> Handled {
    ask(state, "diff")
}

/// `config_service_sync`.
pub(super) fn sync(state: &State, params: &Params) -> Handled {
    Strategy::of(params).map_err(|why| Stop::Refused(Refusal::plain(why)))?;
    ask(state, "sync")
}

fn ask(state: &State, what: &str) -> Handled {
    if !state.environment.is_open() {
        return Err(Stop::Refused(Refusal::plain(format!(
            "RE Worker environment is not open; open it before requesting a device {what}"
        ))));
    }
    Ok(Outcome::Ask(Order::ReadDevices))
}
