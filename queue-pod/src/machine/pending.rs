//! A write under way: what it will change once it is durable, and who waits for it.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crds::queue::QueueLock;
use crds::queue_item::ItemResult;
use plan_worker::protocol::{Order, PlanCall};
use serde_json::Value;

use super::state::{Chore, Execution, Manager, RegistryTrouble, Running, Settings};
use super::{Effect, Request, State, Stored, Write, WriteError, progress};
use crate::console::Level;
use crate::item::Item;
use crate::manifest::Record;
use crate::methods::{Refusal, Reply};
use crate::plans::{self, merged_meta};
use crate::python::repr_str;
use crate::queue::{Crowded, Entry};
use crate::requests;

/// Stages of writes: one after the other, the writes of a stage side by side.
pub type Writes = Vec<Vec<Write>>;

/// What a request comes to.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one exists at a time and is moved once")]
pub enum Outcome {
    /// The answer; nothing has to be stored.
    Reply(Reply),
    /// The worker is asked; its report is the answer.
    Ask(Order),
    /// Writes, what they change once they are durable, and the answer then.
    Write(Writes, Change, Reply),
}

/// What becomes true once a write is durable.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one exists at a time and is moved once")]
pub enum Change {
    /// These entries are in the queue; the writes that created them begin at that index.
    Insert(Vec<Entry>, usize),
    /// The items with these uids are out of the queue.
    Remove(Vec<String>),
    /// The items with these uids are replaced by these entries, one write each.
    Replace(Vec<(String, Entry)>),
    /// An item is being executed. The write that made it so is the last one.
    Start(Running),
    /// The running item is history; a copy of it is in the queue again. The write that made it so is the last one, the first created
    /// the copy.
    Finish {
        /// The record of it.
        record: Record,
        /// The copy that is queued again.
        copy: Option<Entry>,
        /// Whether the queue goes on.
        go_on: bool,
        /// Whether it was the running item rather than a leftover.
        was_running: bool,
    },
    /// The queue stopped at an instruction: removed, or in loop mode replaced by its copy at the back.
    StopHere(String, Option<Entry>),
    /// The running item shows how far it is; the write that made it so is the last one.
    Progress,
    /// The settings are these.
    Settings(Settings),
    /// This was asked of the queue.
    Execution(Execution),
    /// The lock is this, known under that uid.
    Lock(Option<QueueLock>, String),
    /// The history begins behind this many records; or is without the numbered ones.
    Forget(HashSet<i64>),
    /// An item by other means has its place; the write that gave it one is the last one.
    TakeUp(Entry),
    /// The environment holds its devices, and takes plans.
    Hold,
    /// Nothing that is kept in memory.
    Nothing,
    /// No batch is half created.
    CloseBatches,
}

/// A write under way.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) change: Change,
    /// The request behind it and its answer.
    pub(super) answer: Option<(Request, Reply)>,
}

/// Asks for a write nobody waits for.
pub(super) fn begin(state: &mut State, writes: Writes, change: Change) {
    state.effects.push(Effect::Write(writes));
    state.pending = Some(Pending { change, answer: None });
}

/// Carries out what a request came to.
pub(crate) fn carry_out(state: &mut State, request: Request, outcome: Result<Outcome, Refusal>) {
    match outcome {
        Err(refusal) => {
            state.effects.push(Effect::Answer(request.ticket, request.method.refuse(refusal)));
        }
        Ok(Outcome::Reply(reply)) => state.effects.push(Effect::Answer(request.ticket, reply)),
        Ok(Outcome::Ask(order)) => {
            state.effects.push(Effect::Order(order));
            state.asked.push_back(request);
        }
        Ok(Outcome::Write(writes, change, reply)) => {
            state.effects.push(Effect::Write(writes));
            state.pending = Some(Pending { change, answer: Some((request, reply)) });
        }
    }
}

/// Spreads the ranks around a crowded place, then tries the request again.
pub(crate) fn rebalance(state: &mut State, crowded: &Crowded, request: Option<Request>) {
    let mut writes = Vec::new();
    let mut replaced = Vec::new();
    for (entry, rank) in state.queue.rebalanced(crowded) {
        let entry = Entry { rank, ..(*entry).clone() };
        writes.push(requests::store(state, &entry));
        replaced.push((entry.item.uid().to_owned(), entry));
    }
    state.retry = request;
    begin(state, vec![writes], Change::Replace(replaced));
}

/// Takes the outcome of the write under way.
pub(super) fn written(state: &mut State, outcome: Result<Vec<Stored>, WriteError>) {
    let Some(pending) = state.pending.take() else { return };
    match outcome {
        Ok(stored) => {
            apply(state, pending.change, &stored);
            if let Some((request, reply)) = pending.answer {
                state.effects.push(Effect::Answer(request.ticket, reply));
            }
            if let Some(request) = state.retry.take() {
                requests::handle(state, request);
            }
        }
        Err(error) if error.not_now => {
            state.registry_trouble.start = Some(error.text.clone());
            match pending.answer {
                Some((request, _)) => {
                    let reply = request.method.refuse(error.text.into());
                    state.effects.push(Effect::Answer(request.ticket, reply));
                }
                None if matches!(pending.change, Change::Hold) => {
                    super::worker::holds_no_devices(state, error.text);
                }
                None => {
                    state.say(Level::Warning, error.text);
                    super::advance::stop(state, true);
                }
            }
        }
        Err(error) => {
            state.stale = true;
            state.effects.push(Effect::Reload);
            match pending.answer {
                Some((request, _)) if error.conflict && !request.again => {
                    state.retry = Some(Request { again: true, ..request });
                }
                Some((request, _)) => {
                    let reply = request.method.refuse(error.text.into());
                    state.effects.push(Effect::Answer(request.ticket, reply));
                }
                None => {
                    let line = format!("Failed to store the state: {}", error.text);
                    state.say(Level::Error, line);
                }
            }
        }
    }
}

fn apply(state: &mut State, change: Change, stored: &[Stored]) {
    match change {
        Change::Insert(entries, first) => {
            for (entry, stored) in entries.into_iter().zip(stored.iter().skip(first)) {
                insert(state, entry, Some(stored));
            }
        }
        Change::Remove(uids) => {
            for uid in &uids {
                state.queue.remove(uid);
            }
            queue_changed(state);
        }
        Change::Replace(entries) => {
            for ((uid, entry), stored) in entries.into_iter().zip(stored) {
                state.queue.remove(&uid);
                insert(state, entry, Some(stored));
            }
        }
        Change::Start(running) => start(state, running, stored.last()),
        Change::Finish { mut record, copy, go_on, was_running } => {
            let uid = record.item.uid().to_owned();
            if let Some(copy) = copy {
                insert(state, copy, stored.first());
            }
            if let Some(stored) = stored.last() {
                record.object = stored.object.clone();
            }
            Arc::make_mut(&mut state.history).push_back(Arc::new(record));
            state.revisions.history = state.mint.uid();
            queue_changed(state);
            if was_running {
                state.chores.push_back(Chore::Unlock(uid));
                super::finish::finished(state, go_on);
            }
        }
        Change::StopHere(uid, copy) => {
            state.queue.remove(&uid);
            if let Some(copy) = copy {
                insert(state, copy, stored.first());
            }
            queue_changed(state);
            state.say(Level::Info, "Queue is stopped.");
            super::advance::stop(state, true);
        }
        Change::Progress => progress::shown(state, stored.last()),
        Change::Settings(settings) => {
            if let Some(generation) = stored.last().and_then(|stored| stored.object.generation) {
                state.generation = generation;
            }
            let are_others = settings.permissions != state.settings.permissions;
            state.settings = settings;
            if are_others {
                state.reload_permissions();
            }
        }
        Change::Execution(execution) => {
            state.execution = execution;
            state.stop_pending = execution.stop_pending;
            if execution.executing && state.manager == Manager::Idle {
                state.manager = Manager::StartingQueue;
            }
        }
        Change::Lock(lock, uid) => {
            state.lock = lock;
            state.revisions.lock = uid;
        }
        Change::Forget(numbers) => {
            let kept: VecDeque<_> =
                state.history.iter().filter(|r| !numbers.contains(&r.number)).cloned().collect();
            state.history = Arc::new(kept);
            state.revisions.history = state.mint.uid();
        }
        Change::TakeUp(entry) => {
            insert(state, entry, stored.last());
            state.reconsider = true;
        }
        Change::Hold => super::worker::holds_devices(state),
        Change::Nothing => {}
        Change::CloseBatches => state.open_batches.clear(),
    }
}

fn insert(state: &mut State, mut entry: Entry, stored: Option<&Stored>) {
    if let Some(stored) = stored {
        entry.object = stored.object.clone();
        entry.created = stored.created;
    }
    state.queue.insert(Arc::new(entry));
    queue_changed(state);
}

/// The order to run an item. Start documents say which item it was, of which queue and user; of these
/// only the uid is ours alone.
pub(super) fn order(state: &State, item: &Item) -> Order {
    let list = |key| item.0.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let kwargs = item.0.get("kwargs").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut meta = merged_meta(item.0.get("meta"));
    meta.insert("item_uid".to_owned(), item.uid().into());
    let origin = [
        ("queue", &*state.setup.queue),
        ("user", item.text("user")),
        ("user_group", item.user_group()),
    ];
    for (key, value) in origin {
        meta.entry(key).or_insert_with(|| value.into());
    }
    Order::RunPlan {
        plan: PlanCall {
            item_uid: item.uid().to_owned(),
            name: item.name().to_owned(),
            args: list("args"),
            kwargs,
            meta,
            user_group: item.user_group().to_owned(),
        },
    }
}

fn start(state: &mut State, mut running: Running, stored: Option<&Stored>) {
    if let Some(stored) = stored {
        let mut entry = (*running.entry).clone();
        entry.object = stored.object.clone();
        running.entry = Arc::new(entry);
    }
    progress::begin(state);
    // Its worker has heard of the devices, and it has its own.
    state.registry_trouble = RegistryTrouble::default();
    let item = running.entry.item.clone();
    state.queue.remove(item.uid());
    state.manager = Manager::ExecutingQueue;
    match forbidden(state, &item) {
        None => {
            let (name, uid) = (repr_str(item.name()), item.uid());
            state.say(Level::Info, format!("Starting the plan: name={name} item_uid='{uid}'"));
            let order = order(state, &item);
            state.effects.push(Effect::Order(order));
        }
        // The permissions are others than when it was queued.
        Some(why) => running.ending = Some(why),
    }
    state.running = Some(running);
    queue_changed(state);
}

/// How an item ends that its group may not run any more.
fn forbidden(state: &State, item: &Item) -> Option<ItemResult> {
    let group = state.allowed.group(item.user_group());
    let why = match group.map(|group| plans::validate(item, group)) {
        Some(Ok(())) => return None,
        Some(Err(why)) => why,
        None => format!("Unknown user group: '{}'", item.user_group()),
    };
    let msg = format!(
        "Plan failed: Error occurred while processing plan parameters or starting the plan: {why}"
    );
    Some(ItemResult {
        exit_status: "failed".to_owned(),
        time_start: state.now,
        time_stop: state.now,
        traceback: format!("{msg}\n"),
        msg,
        ..ItemResult::default()
    })
}

pub(super) fn queue_changed(state: &mut State) {
    state.revisions.queue = state.mint.uid();
}
