//! What follows by itself. Looks only at the state, so that a step which was lost to an error is simply found again.

use std::collections::HashSet;
use std::sync::Arc;

use crds::queue_item::{ItemState, QueueItemStatus};
use plan_worker::protocol::Order;
use serde_json::json;

use super::hold::Hold;
use super::pending::{Writes, begin, rebalance};
use super::state::{Chore, Environment, Execution, Manager, Running};
use super::{Change, Effect, State, Write, finish, progress, resources};
use crate::approval;
use crate::claims::claim;
use crate::console::Level;
use crate::item::{Item, successor_uid};
use crate::queue::Entry;
use crate::requests;

/// Most records that one write of the history trim deletes.
const TRIM: usize = 64;

/// Does what is due until a write is under way or nothing is left to do.
pub(super) fn advance(state: &mut State) {
    while state.pending.is_none() && !state.stale && step(state) {}
}

/// One thing that is due; whether there was one.
fn step(state: &mut State) -> bool {
    if let Some(chore) = state.chores.pop_front() {
        match chore {
            Chore::FinishOrphan { resource, result } => {
                finish::orphan(state, &resource, *result);
            }
            Chore::Discard(objects) => {
                let deletes = objects.into_iter().map(Write::Delete).collect();
                begin(state, vec![deletes], Change::Nothing);
            }
            Chore::CloseBatches => {
                let none = json!({ "openBatches": [] });
                begin(state, vec![vec![Write::QueueStatus(none)]], Change::CloseBatches);
            }
            Chore::TakeUp(item) => resources::take_up(state, *item),
            Chore::Unlock(uid) => begin(state, vec![vec![Write::Unlock(uid)]], Change::Nothing),
        }
        return true;
    }
    if state.adopts_permissions && adopt_permissions(state) {
        return true;
    }
    if Hold::take(state) {
        return true;
    }
    if std::mem::take(&mut state.reconsider) {
        resources::reconsider(state);
        return true;
    }
    if state.running.as_ref().is_some_and(|running| running.ending.is_some()) {
        finish::store(state);
        return true;
    }
    if progress::show(state) {
        return true;
    }
    if state.autostart_ends {
        return disable_autostart(state);
    }
    if state.history.len() > state.settings.history_limit {
        trim(state);
        return true;
    }
    let executing = matches!(state.manager, Manager::StartingQueue | Manager::ExecutingQueue)
        && !state.kernel.is_releasing;
    // A worker that may come back is waited for: whether it does decides how the queue goes on.
    if executing && state.running.is_none() && !state.environment.is_awaited() {
        next(state);
        return true;
    }
    if state.manager == Manager::Idle && state.execution != Execution::default() {
        let none = json!({ "executing": false, "stopPending": false });
        let change = Change::Execution(Execution::default());
        begin(state, vec![vec![Write::QueueStatus(none)]], change);
        return true;
    }
    let starts_itself = state.settings.autostart
        && state.manager == Manager::Idle
        && state.environment.is_open()
        && state.re_state.as_deref() == Some("idle")
        && !state.kernel.is_taken()
        && state.queue.get(0).is_some_and(|first| !approval::is_awaited(&first.item));
    if starts_itself {
        state.manager = Manager::StartingQueue;
    }
    starts_itself
}

/// Takes the next item of the queue, or stops (contract queue-server §2.5).
fn next(state: &mut State) {
    if state.stop_pending {
        state.say(Level::Info, "Queue is stopped.");
        return stop(state, true);
    }
    let Some(first) = state.queue.get(0).cloned() else {
        state.say(Level::Info, "Queue is empty.");
        return stop(state, false);
    };
    if state.pause_pending {
        let line = "Queue is stopped due to unresolved outstanding RE pause request.";
        state.say(Level::Info, line);
        return stop(state, false);
    }
    if !state.environment.is_open() {
        return stop(state, true);
    }
    if approval::is_awaited(&first.item) {
        state.say(Level::Info, approval::waits(&first.item));
        return stop(state, false);
    }
    if first.item.is_instruction() { stop_here(state, &first) } else { start(state, &first) }
}

fn start(state: &mut State, entry: &Arc<Entry>) {
    let running =
        Running { entry: entry.clone(), time_start: state.now, immediate: false, ending: None };
    let status = Box::new(running_status(state, &running));
    let mut writes = preparing(state, &entry.item);
    writes.push(vec![Write::Status(entry.object.clone(), status)]);
    begin(state, writes, Change::Start(running));
}

/// What comes before anything else of the start of an item: its worker knows the devices of the registry, and the item has its own.
pub(crate) fn preparing(state: &State, item: &Item) -> Writes {
    let worker = state.environment.worker().filter(|_| state.wants_devices);
    let supply = worker.map(|worker| vec![Write::Supply(worker.to_owned())]);
    let of_plan = || claim(item, state.catalogue.plans.get(item.name()));
    let lock = Hold::claim(state).or_else(of_plan).map(|claim| vec![Write::Lock(claim)]);
    supply.into_iter().chain(lock).collect()
}

/// The status of an item that is being executed.
pub(crate) fn running_status(state: &State, running: &Running) -> QueueItemStatus {
    QueueItemStatus {
        state: ItemState::Running,
        conditions: finish::conditions(ItemState::Running, "", running.time_start),
        time_start: Some(running.time_start),
        immediate: running.immediate,
        progress: progress::of(state),
        ..QueueItemStatus::default()
    }
}

fn stop_here(state: &mut State, entry: &Arc<Entry>) {
    let uid = entry.item.uid().to_owned();
    if !state.settings.mode.loop_ {
        let write = Write::Delete(entry.object.clone());
        return begin(state, vec![vec![write]], Change::StopHere(uid, None));
    }
    match state.queue.places(state.queue.len(), 1, entry.priority) {
        Err(crowded) => rebalance(state, &crowded, None),
        Ok(mut places) => {
            let place = places.remove(0);
            let item = entry.item.clone().with("item_uid", successor_uid(&uid));
            let copy =
                Entry { item, priority: place.priority, rank: place.rank, ..(**entry).clone() };
            let write = requests::store(state, &copy);
            begin(state, vec![vec![write]], Change::StopHere(uid, Some(copy)));
        }
    }
}

/// The manager is idle again, as soon as users have their kernel back; a pending stop is fulfilled by that.
pub(super) fn stop(state: &mut State, autostart_ends: bool) {
    state.stop_pending = false;
    state.pause_pending = false;
    state.autostart_ends |= autostart_ends && state.settings.autostart;
    if state.environment.is_open() && state.kernel.is_captured() {
        state.kernel.is_releasing = true;
        state.effects.push(Effect::Order(Order::ReleaseKernel));
    } else {
        rest(state);
    }
}

/// The manager is idle again.
pub(super) fn rest(state: &mut State) {
    state.manager = Manager::Idle;
    if let Environment::Closed = state.environment {
        state.re_state = None;
    }
}

/// Stores that autostart ended; whether a write is needed for it.
fn disable_autostart(state: &mut State) -> bool {
    if !state.settings.autostart {
        state.autostart_ends = false;
        return true;
    }
    let settings = super::Settings { autostart: false, ..state.settings.clone() };
    let write = Write::QueueSpec(json!({ "autostart": false }));
    begin(state, vec![vec![write]], Change::Settings(settings));
    true
}

/// Stores the permissions that are in the files; whether a write is needed for it.
fn adopt_permissions(state: &mut State) -> bool {
    match state.files.permissions.clone() {
        Some(Ok(wanted)) if wanted != state.settings.permissions.0 => {
            let (write, change) = requests::permissions(state, wanted);
            begin(state, vec![vec![write]], change);
            true
        }
        found => {
            if let Some(Err(why)) = found {
                state.say(Level::Error, why);
            }
            state.adopts_permissions = false;
            false
        }
    }
}

fn trim(state: &mut State) {
    let excess = (state.history.len() - state.settings.history_limit).min(TRIM);
    let oldest: Vec<_> = state.history.iter().take(excess).cloned().collect();
    let numbers: HashSet<_> = oldest.iter().map(|record| record.number).collect();
    let deletes = oldest.iter().map(|record| Write::Delete(record.object.clone())).collect();
    begin(state, vec![deletes], Change::Forget(numbers));
}
