//! The end of an item: history, and back into the queue when it failed or the queue runs in a loop (contract queue-server §2.5).
//!
//! The copy that goes back is created before the item is marked as finished, under a name that follows from the old uid. After a crash
//! between the two writes the copy is found again, together with the result that it carries.

use crds::QueueItem;
use crds::conditions::{self, Verdict, types};
use crds::queue::OnAbort;
use crds::queue_item::{ItemResult, ItemState, QueueItemStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::pending::{Writes, begin, rebalance};
use super::state::{Chore, Environment, Manager};
use super::{Change, State, Write, progress};
use crate::approval;
use crate::item::Item;
use crate::manifest::{self, Record, wire_result};
use crate::queue::{Crowded, Entry, Object};

/// `msg` of an item whose end nobody saw.
pub(super) const LOST: &str = "Plan exit status was lost due to restart of the RE Manager process";

/// Longest message of a condition; the whole text is in the result.
const LONGEST_CONDITION: usize = 1_024;

/// Where the copy of a finished item goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    No,
    Front,
    /// To the front, and not on before it is approved.
    Held,
    Back,
}

/// Stores how the running item ended.
pub(super) fn store(state: &mut State) {
    let Some(running) = state.running.clone() else { return };
    let Some(result) = running.ending else { return };
    let (again, go_on) = fate(state, &result, running.immediate);
    let go_on = go_on && !running.immediate;
    let entry = running.entry;
    let (writes, copy) = match requeue(state, &entry.item, &result, again, entry.priority) {
        Ok(found) => found,
        Err(crowded) => return rebalance(state, &crowded, None),
    };
    let ended = Ended {
        item: entry.item.clone(),
        object: entry.object.clone(),
        result,
        go_on,
        was_running: true,
    };
    mark(state, writes, copy, ended, running.immediate);
}

/// What became of an item.
struct Ended {
    item: Item,
    object: Object,
    result: ItemResult,
    go_on: bool,
    was_running: bool,
}

/// Writes an item into the history, behind the writes that queue its copy.
fn mark(state: &mut State, mut writes: Writes, copy: Option<Entry>, ended: Ended, immediate: bool) {
    let Ended { item, object, result, go_on, was_running } = ended;
    let number = state.next_number;
    state.next_number += 1;
    let progress = was_running.then(|| progress::of(state)).flatten();
    let status =
        QueueItemStatus { progress, ..final_status(&result, number, immediate, state.now) };
    writes.push(vec![Write::Status(object.clone(), Box::new(status))]);
    let record = Record { item, result, number, object };
    begin(state, writes, Change::Finish { record, copy, go_on, was_running });
}

/// The copy of an item that is queued again, unless an interrupted attempt has created it already.
fn requeue(
    state: &State,
    item: &Item,
    result: &ItemResult,
    again: Again,
    priority: i32,
) -> Result<(Writes, Option<Entry>), Crowded> {
    let index = match again {
        Again::Front | Again::Held => 0,
        Again::Back => state.queue.len(),
        Again::No => return Ok((Vec::new(), None)),
    };
    let copy = match again {
        Again::Front => item.again().with("result", wire_result(result)),
        Again::Held => approval::required(item.again().with("result", wire_result(result))),
        _ => item.again(),
    };
    if state.queue.find(copy.uid()).is_some() {
        return Ok((Vec::new(), None));
    }
    let place = state.queue.places(index, 1, priority)?.remove(0);
    let resource = manifest::resource(&copy, &place, None, &state.setup.queue);
    let entry =
        Entry { item: copy, priority: place.priority, rank: place.rank, ..Entry::default() };
    Ok((vec![vec![Write::Create(Box::new(resource))]], Some(entry)))
}

/// Where the item goes and whether the queue goes on.
fn fate(state: &State, result: &ItemResult, immediate: bool) -> (Again, bool) {
    let back = if state.settings.mode.loop_ { Again::Back } else { Again::No };
    let (again, go_on) = match result.exit_status.as_str() {
        "completed" => (back, true),
        // Somebody else went on with it, or nobody knows: the queue is not to go on by itself.
        "unknown" => (back, false),
        "failed" if state.settings.mode.ignore_failures => (back, true),
        "stopped" => (back, false),
        "aborted" | "halted" => match state.settings.on_abort {
            OnAbort::Requeue => (Again::Front, false),
            OnAbort::Hold => (Again::Held, false),
            OnAbort::Drop => (Again::No, false),
        },
        _ => (Again::Front, false),
    };
    (if immediate { Again::No } else { again }, go_on)
}

/// Stores the end of an item that was running when the server went away.
pub(super) fn orphan(state: &mut State, resource: &QueueItem, result: ItemResult) {
    let object = manifest::object(resource);
    let immediate = resource.status.as_ref().is_some_and(|status| status.immediate);
    let item = manifest::item(&resource.spec, &object.uid);
    let again = fate(state, &result, immediate).0;
    match requeue(state, &item, &result, again, resource.spec.priority) {
        Ok((writes, copy)) => {
            let ended = Ended { item, object, result, go_on: false, was_running: false };
            mark(state, writes, copy, ended, immediate);
        }
        Err(crowded) => {
            let (resource, result) = (Box::new(resource.clone()), Box::new(result));
            state.chores.push_front(Chore::FinishOrphan { resource, result });
            rebalance(state, &crowded, None);
        }
    }
}

/// The running item is stored as finished: the worker is free again.
pub(super) fn finished(state: &mut State, go_on: bool) {
    let running = state.running.take();
    let immediate = running.as_ref().is_some_and(|running| running.immediate);
    let ending = running.and_then(|running| running.ending);
    // Ended by a user of the kernel, and not as a failure: that stops the queue, but it may start itself again.
    let was_taken_over =
        ending.is_some_and(|ending| ending.exit_status == "unknown") && state.environment.is_open();
    progress::begin(state);
    if !state.runs.is_empty() {
        state.runs.clear();
        state.revisions.runs = state.mint.uid();
    }
    if state.manager == Manager::DestroyingEnvironment {
        return;
    }
    if go_on {
        state.manager = Manager::ExecutingQueue;
    } else {
        super::advance::stop(state, !immediate && !was_taken_over);
    }
    if state.environment == Environment::Closed {
        state.re_state = None;
    }
}

fn final_status(result: &ItemResult, number: i64, immediate: bool, now: f64) -> QueueItemStatus {
    let state = match result.exit_status.as_str() {
        "completed" => ItemState::Completed,
        "stopped" => ItemState::Stopped,
        "aborted" => ItemState::Aborted,
        "halted" => ItemState::Halted,
        "unknown" => ItemState::Unknown,
        _ => ItemState::Failed,
    };
    QueueItemStatus {
        state,
        conditions: conditions(state, &result.msg, now),
        time_start: Some(result.time_start),
        immediate,
        history_number: Some(number),
        result: Some(result.clone()),
        ..QueueItemStatus::default()
    }
}

/// The conditions of an item in that state.
pub(super) fn conditions(state: ItemState, message: &str, now: f64) -> Vec<Condition> {
    let reason = match state {
        ItemState::Queued => "Queued",
        ItemState::Running => "Running",
        ItemState::Completed => "Completed",
        ItemState::Failed => "Failed",
        ItemState::Stopped => "Stopped",
        ItemState::Aborted => "Aborted",
        ItemState::Halted => "Halted",
        ItemState::Unknown => "Unknown",
        ItemState::Rejected => "Rejected",
    };
    let accepted = state != ItemState::Rejected;
    let time = Timestamp::from_millisecond(millis(now)).unwrap_or(Timestamp::UNIX_EPOCH);
    let message: String = message.chars().take(LONGEST_CONDITION).collect();
    let message = message.as_str();
    let mut list = Vec::new();
    let mut set = |type_, status, reason, message: &str| {
        let verdict = Verdict { type_, status: Some(status), reason, message: message.to_owned() };
        conditions::set(&mut list, &verdict, None, &Time(time));
    };
    if accepted {
        set(types::ACCEPTED, true, conditions::reasons::ACCEPTED, "");
    } else {
        set(types::ACCEPTED, false, reason, message);
        // Only an edit helps: who waits for it as kstatus does need not wait any longer.
        set(types::STALLED, true, reason, message);
    }
    if state == ItemState::Running || (state.is_final() && accepted) {
        set(types::RUNNING, state == ItemState::Running, reason, "");
        set(types::FINISHED, state.is_final(), reason, message);
    }
    list
}

fn millis(seconds: f64) -> i64 {
    // Unix times in seconds are far inside the range of both types.
    #[allow(clippy::cast_possible_truncation, reason = "Unix milliseconds fit")]
    let millis = (seconds * 1000.0) as i64;
    millis
}
