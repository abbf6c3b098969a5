//! Requests that change something: each one checked and turned into writes and an answer, as plain functions over the state.

mod approve;
mod control;
mod devices;
mod execute;
mod items;
mod kernel;
mod locking;
mod manager;
mod places;
mod settings;
mod tasks;
mod worker;

use plan_worker::protocol::Order;
use serde_json::{Map, Value};

use crate::item::Item;
use crate::lock;
use crate::machine::{Effect, Outcome, Request, State, Write, carry_out, rebalance};
use crate::manifest;
use crate::methods::{Act, Guard, Kind, Method, Refusal};
use crate::python;
use crate::queue::{Crowded, Entry, Place};

pub(crate) use settings::permissions;

/// Parameters of a request.
type Params = Map<String, Value>;

/// What a handler comes to.
type Handled = Result<Outcome, Stop>;

/// Why a handler stopped.
pub(crate) enum Stop {
    /// The request is refused.
    Refused(Refusal),
    /// Ranks have to be spread first; then the request is tried again.
    Crowded(Crowded),
    /// The IPython kernel has to be reserved first; then the request is tried again.
    Reserve,
}

impl<T: Into<String>> From<T> for Stop {
    fn from(text: T) -> Self {
        Self::Refused(text.into().into())
    }
}

impl From<Crowded> for Stop {
    fn from(crowded: Crowded) -> Self {
        Self::Crowded(crowded)
    }
}

/// Said to who wants something of a kernel.
const NO_KERNEL: &str = "RE Manager is not in IPython mode: IPython kernel is not used";
/// Said when the resources could not be read or written a moment ago.
const UNAVAILABLE: &str = "The Kubernetes API does not answer. Nothing was changed.";

/// Takes a request: answers it, or asks for the writes after which it is answered.
pub(crate) fn handle(state: &mut State, request: Request) {
    let handled = match state.is_stale() {
        true => Err(UNAVAILABLE.into()),
        false => dispatch(state, request.method, &request.params),
    };
    match handled {
        Ok(outcome) => carry_out(state, request, Ok(outcome)),
        Err(Stop::Refused(refusal)) => carry_out(state, request, Err(refusal)),
        Err(Stop::Crowded(crowded)) => rebalance(state, &crowded, Some(request)),
        Err(Stop::Reserve) => {
            state.effects.push(Effect::Order(Order::ReserveKernel));
            state.kernel.reserving.push_back(request);
        }
    }
}

fn dispatch(state: &mut State, method: &'static Method, params: &Params) -> Handled {
    let Kind::Act(act) = method.kind else {
        return Err("not a request that changes something".into());
    };
    method.check_params(params)?;
    check_lock(state, method.guard, params.get("lock_key"))?;
    match act {
        Act::Add => items::add(state, params),
        Act::AddBatch => items::add_batch(state, params),
        Act::Update => items::update(state, params),
        Act::Remove => places::remove(state, params),
        Act::RemoveBatch => places::remove_batch(state, params),
        Act::Move => places::move_one(state, params),
        Act::MoveBatch => places::move_batch(state, params),
        Act::Clear => places::clear(state),
        Act::Approve => approve::approve(state, params),
        Act::Execute => execute::execute(state, params),
        Act::SetMode => settings::set_mode(state, params),
        Act::Autostart => settings::autostart(state, params),
        Act::SetPermissions => settings::set_permissions(state, params),
        Act::ReloadPermissions => settings::reload_permissions(state, params),
        Act::ClearHistory => settings::clear_history(state, params),
        Act::Start => control::start(state),
        Act::Stop => control::stop(state),
        Act::CancelStop => control::cancel_stop(state),
        Act::Pause => control::pause(state, params),
        Act::Resume | Act::StopPlan | Act::AbortPlan | Act::HaltPlan => control::go_on(state, act),
        Act::Open => worker::open(state),
        Act::Close => worker::close(state),
        Act::Destroy => worker::destroy(state),
        Act::UpdateEnvironment => tasks::update(state, params),
        Act::LoadScript => tasks::load_script(state, params),
        Act::ExecuteFunction => tasks::execute_function(state, params),
        Act::Lock => locking::lock(state, params),
        Act::Unlock => locking::unlock(state, params),
        Act::ReadMetadata => worker::read_metadata(state),
        Act::CompareDevices => devices::compare(state),
        Act::SyncDevices => devices::sync(state, params),
        Act::InterruptKernel => kernel::interrupt(state, params),
        Act::StopManager => manager::stop(state, params),
        Act::Test => manager::test(state, params),
    }
}

/// Whether the key opens what the method needs (contract queue-server §1.4).
fn check_lock(state: &State, guard: Guard, key: Option<&Value>) -> Result<(), String> {
    let locked = state.lock.as_ref().filter(|lock| match guard {
        Guard::Free => false,
        Guard::Environment => lock.environment,
        Guard::Queue => lock.queue,
    });
    if guard == Guard::Free {
        return Ok(());
    }
    let fits = match key {
        None | Some(Value::Null) => locked.is_none(),
        Some(Value::String(key)) if !key.is_empty() => {
            locked.is_none_or(|locked| locked.key_hash == lock::hash(key))
        }
        Some(other) => {
            let shown = python::repr(other);
            return Err(format!("Lock key must be a non-empty string or None: lock_key = {shown}"));
        }
    };
    match locked {
        Some(locked) if !fits => {
            let has_emergency = state.setup.emergency_key_hash.is_some();
            Err(format!("Invalid lock key: \n{}", lock::describe(locked, has_emergency)))
        }
        _ => Ok(()),
    }
}

/// The write that stores an entry as it is now.
pub(crate) fn store(state: &State, entry: &Entry) -> Write {
    let place = Place { priority: entry.priority, rank: entry.rank.clone() };
    let spec = manifest::spec(&entry.item, &place, entry.batch.clone(), &state.setup.queue);
    Write::Spec(entry.object.clone(), Box::new(spec))
}

/// The item on the wire.
fn shown(item: &Item) -> Value {
    Value::Object(item.0.clone())
}
