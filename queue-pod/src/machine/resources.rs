//! The resources as the truth: rebuilding the state from them, and taking up what others create, edit or delete.

use std::collections::VecDeque;
use std::sync::Arc;

use crds::plan_worker::Engine;
use crds::queue::QueueSpec;
use crds::queue_item::{Approval, ItemResult, ItemState, ItemType, QueueItemStatus};
use crds::{Queue as QueueResource, QueueItem};
use kube::ResourceExt;
use serde_json::{Value, from_value};

use super::hold::Hold;
use super::pending::{begin, queue_changed, rebalance};
use super::state::{Chore, Environment, Execution, Manager, Running};
use super::{Awaited, Change, State, Write, finish};
use crate::approval;
use crate::item::{Item, successor_uid};
use crate::manifest;
use crate::plans;
use crate::queue::{Entry, Object, Place};
use crate::rank;
use crate::requests;

/// Everything that is stored.
#[derive(Debug)]
pub struct Snapshot {
    /// All items of the queue.
    pub items: Vec<QueueItem>,
    /// The queue itself.
    pub queue: QueueResource,
    /// The worker of an earlier leader that may come back. Counts at the first time only.
    pub awaited: Option<Awaited>,
    /// `item_uid`s of this queue for which devices are locked.
    pub locked: Vec<String>,
}

/// User and group of an item that was created by other means and names none.
const UNNAMED_USER: &str = "kubectl";
const DEFAULT_GROUP: &str = "primary";

/// Rebuilds the state from the resources. What is known of the running item stays.
pub(super) fn load(state: &mut State, snapshot: Snapshot) {
    state.stale = false;
    state.chores.clear();
    state.waiting.clear();
    let Snapshot { items, queue, awaited, locked } = snapshot;
    let status = queue.status.unwrap_or_default();
    state.generation = queue.metadata.generation.unwrap_or_default();
    configure(state, &queue.spec);
    if state.lock != status.lock {
        state.lock = status.lock;
    }
    state.open_batches = status.open_batches;
    state.execution = Execution { executing: status.executing, stop_pending: status.stop_pending };
    let first_time = state.manager == Manager::Initializing;
    if first_time {
        inherit(state, awaited);
    }

    let mut records = Vec::new();
    let mut entries = Vec::new();
    let mut orphans = Vec::new();
    let mut discarded = Vec::new();
    let mut candidates = Vec::new();
    // Whoever waits for a batch that is open now was told that it failed; after a restart nobody was told anything.
    let incomplete = match first_time {
        true => incomplete_batches(&state.open_batches, &items),
        false => state.open_batches.clone(),
    };
    for resource in items {
        let stage = resource.status.as_ref().map(|status| status.state).unwrap_or_default();
        let batch = resource.spec.batch.as_ref().map(|batch| batch.uid.as_str());
        if stage.is_final() {
            records.extend(manifest::record(&resource).map(Arc::new));
        } else if stage == ItemState::Running {
            orphans.push(resource);
        } else if manifest::is_immediate(&resource)
            || batch.is_some_and(|uid| incomplete.iter().any(|open| open == uid))
        {
            discarded.push(manifest::object(&resource));
        } else {
            match manifest::entry(&resource) {
                Some(entry) => entries.push(Arc::new(entry)),
                None => candidates.push(resource),
            }
        }
    }
    records.sort_by_key(|record| record.number);
    state.next_number = records.last().map_or(1, |record| record.number + 1);
    state.history = Arc::new(VecDeque::from(records));
    state.queue = entries.into_iter().collect();
    queue_changed(state);
    state.revisions.history = state.mint.uid();

    forget_ended(state, &orphans);
    for resource in orphans {
        meet_running(state, resource);
    }
    if !discarded.is_empty() {
        state.chores.push_back(Chore::Discard(discarded));
    }
    if first_time && !state.open_batches.is_empty() {
        state.chores.push_back(Chore::CloseBatches);
    }
    for uid in locked {
        if state.running_uid() != Some(&uid) && !Hold::find(state, &uid) {
            state.chores.push_back(Chore::Unlock(uid));
        }
    }
    candidates.sort_by_key(|item| (manifest::created(item), item.name_any()));
    state.waiting = candidates;
    state.reconsider = true;
    if first_time {
        state.manager = match (&state.running, state.environment.is_awaited()) {
            (Some(_), _) => Manager::ExecutingQueue,
            (None, true) if state.execution.executing => Manager::StartingQueue,
            _ => Manager::Idle,
        };
        fill_revisions(state);
    }
    state.stop_pending = state.execution.stop_pending && state.manager != Manager::Idle;
    if let Some(request) = state.retry.take() {
        requests::handle(state, request);
    }
}

/// Takes over the environment of an earlier leader, in case that its worker comes back.
fn inherit(state: &mut State, awaited: Option<Awaited>) {
    let Some(Awaited { worker, grace_s }) = awaited else { return };
    // Seconds of minutes: far below the limit up to which a float counts exactly.
    #[allow(clippy::cast_precision_loss, reason = "a grace is at most an hour")]
    let grace = grace_s as f64;
    state.environment = Environment::Awaited { worker, since: state.now, grace, inherited: true };
}

/// Batches that were being created and are not whole.
fn incomplete_batches(open: &[String], items: &[QueueItem]) -> Vec<String> {
    let whole = |uid: &&String| {
        let mut parts = items.iter().filter_map(|item| item.spec.batch.as_ref());
        let size = parts.clone().find(|batch| batch.uid == **uid).map_or(0, |batch| batch.size);
        let present = parts.by_ref().filter(|batch| batch.uid == **uid).count();
        i32::try_from(present).is_ok_and(|present| present >= size)
    };
    open.iter().filter(|uid| !whole(uid)).cloned().collect()
}

/// A running item whose resource says otherwise was stored as finished by a write whose answer was lost.
fn forget_ended(state: &mut State, orphans: &[QueueItem]) {
    let Some(running) = &state.running else { return };
    let uid = &running.entry.object.uid;
    let still_there = orphans.iter().any(|item| item.metadata.uid.as_ref() == Some(uid));
    let ended = state.history.iter().any(|record| record.object.uid == *uid);
    if !still_there && ended && running.ending.is_some() {
        let ended_well =
            running.ending.as_ref().is_some_and(|result| result.exit_status == "completed");
        finish::finished(state, ended_well && !state.stop_pending);
    }
}

/// Meets a resource that says it is running: the one that is, or a leftover of an earlier life.
fn meet_running(state: &mut State, resource: QueueItem) {
    let object = manifest::object(&resource);
    if let Some(running) = &mut state.running
        && running.entry.object.uid == object.uid
    {
        let entry = Entry { object, ..(*running.entry).clone() };
        running.entry = Arc::new(entry);
        return;
    }
    let uid = resource.spec.item_uid.clone().unwrap_or_else(|| object.uid.clone());
    let copy = state.queue.find(&successor_uid(&uid));
    if copy.is_none() && state.environment.is_awaited() && state.running.is_none() {
        return state.running = Some(still_running(state, &resource));
    }
    let carried = copy.and_then(|copy| copy.item.0.get("result").cloned());
    let result = carried.and_then(|value| from_value(value).ok()).unwrap_or_else(|| ItemResult {
        exit_status: "unknown".to_owned(),
        time_start: resource.status.as_ref().and_then(|s| s.time_start).unwrap_or(state.now),
        time_stop: state.now,
        msg: finish::LOST.to_owned(),
        ..ItemResult::default()
    });
    let (resource, result) = (Box::new(resource), Box::new(result));
    state.chores.push_back(Chore::FinishOrphan { resource, result });
}

/// The running item of an earlier leader, whose worker may come back.
fn still_running(state: &State, resource: &QueueItem) -> Running {
    let QueueItemStatus { time_start, immediate, .. } = resource.status.clone().unwrap_or_default();
    let object = manifest::object(resource);
    let place = Place {
        priority: resource.spec.priority,
        rank: resource.spec.rank.clone().unwrap_or_default(),
    };
    let mut entry = manifest::unplaced(resource, &place);
    entry.item = manifest::item(&resource.spec, &object.uid);
    let time_start = time_start.unwrap_or(state.now);
    Running { entry: Arc::new(entry), time_start, immediate, ending: None }
}

fn fill_revisions(state: &mut State) {
    let lock = state.lock.as_ref().map(|lock| lock.uid.clone());
    let mut mint = state.mint.clone();
    let revisions = &mut state.revisions;
    for revision in [
        &mut revisions.runs,
        &mut revisions.devices_existing,
        &mut revisions.plans_existing,
        &mut revisions.devices_allowed,
        &mut revisions.plans_allowed,
        &mut revisions.task_results,
        &mut revisions.lock,
    ] {
        *revision = mint.uid();
    }
    if let Some(uid) = lock {
        revisions.lock = uid;
    }
    state.mint = mint;
}

/// The `Queue` was changed, by whomever. Own writes come back late: what is older than they are is none of the present.
pub(super) fn configured(state: &mut State, spec: &QueueSpec, generation: Option<i64>) {
    let generation = generation.unwrap_or(state.generation);
    if generation >= state.generation {
        state.generation = generation;
        configure(state, spec);
    }
}

/// Takes the settings from the `Queue`.
fn configure(state: &mut State, spec: &QueueSpec) {
    state.settings.mode = spec.mode;
    state.settings.autostart = spec.autostart;
    state.settings.approval = spec.approval == Approval::Required;
    state.settings.on_abort = spec.on_abort;
    state.settings.lock_scope = spec.lock_scope;
    state.kernel.is_wanted =
        spec.engine == Engine::Bluesky && spec.profile.ipython_kernel.is_some();
    state.settings.history_limit = usize::try_from(spec.history_limit.0).unwrap_or(1).max(1);
    state.set_permissions(&spec.permissions);
}

/// A resource was created or changed.
pub(super) fn applied(state: &mut State, resource: QueueItem) {
    let object = manifest::object(&resource);
    if let Some(known) = state.queue.find_object(&object.uid) {
        if newer(&known.object, &object) {
            let uid = known.item.uid().to_owned();
            edited(state, &uid, resource);
        }
        return;
    }
    if let Some(running) = &mut state.running
        && running.entry.object.uid == object.uid
    {
        if newer(&running.entry.object, &object) {
            running.entry = Arc::new(Entry { object, ..(*running.entry).clone() });
        }
        return;
    }
    let batch = resource.spec.batch.as_ref();
    if batch.is_some_and(|batch| state.open_batches.contains(&batch.uid)) {
        return state.chores.push_back(Chore::Discard(vec![object]));
    }
    let status = resource.status.as_ref();
    let stage = status.map(|status| status.state).unwrap_or_default();
    let reworked = stage == ItemState::Rejected
        && status.and_then(|s| s.observed_generation) < resource.metadata.generation;
    if (stage == ItemState::Queued || reworked) && !manifest::is_immediate(&resource) {
        state.waiting.retain(|item| item.metadata.uid != resource.metadata.uid);
        if !state.history.iter().any(|record| record.object.uid == object.uid) {
            state.waiting.push(resource);
            state.reconsider = true;
        }
    }
}

/// Whether `seen` is another, later version than `known`. Own writes come back by the watch, late and out of phase.
fn newer(known: &Object, seen: &Object) -> bool {
    match (known.version.parse::<u64>(), seen.version.parse::<u64>()) {
        (Ok(known), Ok(seen)) => seen > known,
        _ => known.version != seen.version,
    }
}

/// A waiting item was changed by other means: it keeps its place, or goes where its new rank says.
fn edited(state: &mut State, uid: &str, resource: QueueItem) {
    let stage = resource.status.as_ref().map(|status| status.state).unwrap_or_default();
    let Some(old) = state.queue.remove(uid) else { return };
    match manifest::entry(&resource) {
        Some(entry) if stage == ItemState::Queued => {
            let same = Entry { object: entry.object.clone(), ..(*old).clone() } == entry;
            state.queue.insert(Arc::new(entry));
            if !same {
                queue_changed(state);
            }
        }
        _ => {
            queue_changed(state);
            if stage == ItemState::Queued {
                state.waiting.push(resource);
                state.reconsider = true;
            }
        }
    }
}

/// A resource was deleted.
pub(super) fn deleted(state: &mut State, resource: &QueueItem) {
    let object = manifest::object(resource);
    state.waiting.retain(|item| item.metadata.uid.as_deref() != Some(object.uid.as_str()));
    if let Some(entry) = state.queue.find_object(&object.uid) {
        let uid = entry.item.uid().to_owned();
        state.queue.remove(&uid);
        queue_changed(state);
    } else if state.history.iter().any(|record| record.object.uid == object.uid) {
        let kept = state.history.iter().filter(|record| record.object.uid != object.uid);
        state.history = Arc::new(kept.cloned().collect());
        state.revisions.history = state.mint.uid();
    }
}

/// Looks through the items that wait to be taken up: those whose batch is whole, once the plans are known.
pub(super) fn reconsider(state: &mut State) {
    if state.catalogue.plans.is_empty() {
        return;
    }
    let waiting = std::mem::take(&mut state.waiting);
    let present = |uid: &str, waiting: &[QueueItem]| {
        waiting.iter().filter(|item| item.spec.batch.as_ref().is_some_and(|b| b.uid == uid)).count()
    };
    let (ready, held): (Vec<_>, Vec<_>) =
        waiting.iter().cloned().partition(|item| match &item.spec.batch {
            Some(batch) => {
                let queued = state
                    .queue
                    .iter()
                    .filter(|e| e.batch.as_ref().is_some_and(|b| b.uid == batch.uid));
                let count = queued.count() + present(&batch.uid, &waiting);
                i32::try_from(count).is_ok_and(|count| count >= batch.size)
            }
            None => true,
        });
    state.waiting = held;
    state.chores.extend(ready.into_iter().map(|item| Chore::TakeUp(Box::new(item))));
}

/// Gives an item that was created by other means its place at the back, or rejects it.
pub(super) fn take_up(state: &mut State, resource: QueueItem) {
    let object = manifest::object(&resource);
    if state.queue.find_object(&object.uid).is_some() {
        return;
    }
    let mut item = manifest::item(&resource.spec, &object.uid);
    for (key, value) in [("user", UNNAMED_USER), ("user_group", DEFAULT_GROUP)] {
        if item.text(key).is_empty() {
            item = item.with(key, value);
        }
    }
    if state.settings.approval && !item.is_instruction() && !approval::is_required(&item) {
        item = approval::required(item);
    }
    if let Err(reason) = acceptable(state, &resource, &item) {
        let status = QueueItemStatus {
            state: ItemState::Rejected,
            conditions: finish::conditions(ItemState::Rejected, &reason, state.now),
            ..QueueItemStatus::default()
        };
        let write = Write::Status(object, Box::new(status));
        return begin(state, vec![vec![write]], Change::Nothing);
    }
    let priority = resource.spec.priority;
    let place = match resource.spec.rank.clone().filter(|rank| rank::is_valid(rank)) {
        Some(rank) => Place { priority, rank },
        None => match state.queue.places(state.queue.end_of(priority), 1, priority) {
            Ok(mut places) => places.remove(0),
            Err(crowded) => {
                state.chores.push_front(Chore::TakeUp(Box::new(resource)));
                return rebalance(state, &crowded, None);
            }
        },
    };
    let mut entry = manifest::unplaced(&resource, &place);
    entry.item = item;
    let status = QueueItemStatus {
        conditions: finish::conditions(ItemState::Queued, "", state.now),
        ..QueueItemStatus::default()
    };
    // The spec under the version that was judged; the status then has no more to be compared with.
    let store = requests::store(state, &entry);
    let accept = Write::Status(Object { version: String::new(), ..object }, Box::new(status));
    begin(state, vec![vec![store], vec![accept]], Change::TakeUp(entry));
}

fn acceptable(state: &State, resource: &QueueItem, item: &Item) -> Result<(), String> {
    let uid = item.uid();
    if state.queue.index_of(uid).is_some() || state.running_uid() == Some(uid) {
        return Err(format!("An item with UID '{uid}' is already in the queue"));
    }
    let group = item.user_group();
    let Some(allowed) = state.allowed.group(group) else {
        return Err(format!("Unknown user group: '{group}'"));
    };
    match resource.spec.item_type {
        ItemType::Plan => plans::validate(item, allowed),
        ItemType::Instruction if item.name() == "queue_stop" => Ok(()),
        ItemType::Instruction => {
            let shown = crate::python::repr(&Value::Object(item.0.clone()));
            Err(format!("Unrecognized instruction: {shown}"))
        }
        ItemType::Function => Err("Functions can not be queued".to_owned()),
    }
}
