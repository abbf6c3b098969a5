//! Moving and removing items (contract queue-server §2.3).

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Handled, Params, shown, store};
use crate::machine::{Change, Outcome, State, Write};
use crate::methods::success;
use crate::python;
use crate::queue::target::{self, Position, uid_param};
use crate::queue::{Entry, Queue};

/// `queue_item_remove`.
pub(super) fn remove(state: &State, params: &Params) -> Handled {
    let position = Position::param(params, "pos");
    let uid = uid_param(params, "uid");
    let index = target::existing(
        &state.queue,
        state.running_uid(),
        position.as_ref(),
        uid.as_deref(),
        true,
    )?;
    let entry = state.queue.get(index).ok_or("Queue is empty")?;
    let left = state.queue.len() - 1;
    let reply = success([("item", shown(&entry.item)), ("qsize", json!(left))]);
    let uid = entry.item.uid().to_owned();
    let write = Write::Delete(entry.object.clone());
    Ok(Outcome::Write(vec![vec![write]], Change::Remove(vec![uid]), reply))
}

/// `queue_item_remove_batch`.
pub(super) fn remove_batch(state: &State, params: &Params) -> Handled {
    let uids = uids(params)?;
    if params.get("ignore_missing") == Some(&Value::Bool(false)) {
        check_present(&state.queue, &uids)?;
    }
    let mut seen = HashSet::new();
    let removed: Vec<_> = uids
        .iter()
        .filter(|uid| seen.insert(uid.as_str()))
        .filter_map(|uid| state.queue.find(uid).cloned())
        .collect();
    let reply = success([
        ("items", removed.iter().map(|entry| shown(&entry.item)).collect()),
        ("qsize", json!(state.queue.len() - removed.len())),
    ]);
    Ok(removal(&removed, reply))
}

/// `queue_clear`.
pub(super) fn clear(state: &mut State) -> Handled {
    let all: Vec<_> = state.queue.iter().cloned().collect();
    if all.is_empty() {
        // Clients expect a new uid even when nothing was there.
        state.revisions.queue = state.mint.uid();
    }
    Ok(removal(&all, success([])))
}

fn removal(entries: &[Arc<Entry>], reply: crate::methods::Reply) -> Outcome {
    if entries.is_empty() {
        return Outcome::Reply(reply);
    }
    let deletes = entries.iter().map(|entry| Write::Delete(entry.object.clone())).collect();
    let uids = entries.iter().map(|entry| entry.item.uid().to_owned()).collect();
    Outcome::Write(vec![deletes], Change::Remove(uids), reply)
}

/// `queue_item_move`.
pub(super) fn move_one(state: &State, params: &Params) -> Handled {
    let target = target::movement(&state.queue, state.running_uid(), params)?;
    let entry = state.queue.get(target.source).ok_or("Queue is empty")?;
    let reply = success([("item", shown(&entry.item)), ("qsize", json!(state.queue.len()))]);
    let Some(index) = target.destination else { return Ok(Outcome::Reply(reply)) };
    let uid = entry.item.uid().to_owned();
    let place =
        state.queue.without(std::slice::from_ref(&uid)).places(index, 1, entry.priority)?.remove(0);
    let entry = Entry { priority: place.priority, rank: place.rank, ..(**entry).clone() };
    let write = store(state, &entry);
    Ok(Outcome::Write(vec![vec![write]], Change::Replace(vec![(uid, entry)]), reply))
}

/// `queue_item_move_batch`.
pub(super) fn move_batch(state: &State, params: &Params) -> Handled {
    let mut uids = uids(params)?;
    let position = Position::param(params, "pos_dest");
    let (before, after) = (uid_param(params, "before_uid"), uid_param(params, "after_uid"));
    let given = [position.is_some(), before.is_some(), after.is_some()];
    match given.iter().filter(|&&given| given).count() {
        0 => {
            return Err("Destination for the batch is not specified: use parameters \
                        'pos_dest', 'before_uid' or 'after_uid'"
                .into());
        }
        1 => {}
        _ => {
            return Err("The function was called with more than one mutually exclusive \
                        parameter ('pos_dest', 'before_uid', 'after_uid')"
                .into());
        }
    }
    check_present(&state.queue, &uids)?;
    for (key, uid) in [("before_uid", &before), ("after_uid", &after)] {
        if let Some(uid) = uid.as_ref().filter(|uid| uids.contains(uid)) {
            return Err(format!("Parameter '{key}': item with UID '{uid}' is in the batch").into());
        }
    }
    if params.get("reorder") == Some(&Value::Bool(true)) {
        uids.sort_by_key(|uid| state.queue.index_of(uid));
    }
    let entries: Vec<_> = uids.iter().filter_map(|uid| state.queue.find(uid).cloned()).collect();
    let reply = success([
        ("qsize", json!(state.queue.len())),
        ("items", entries.iter().map(|entry| shown(&entry.item)).collect()),
    ]);
    if entries.is_empty() {
        return Ok(Outcome::Reply(reply));
    }
    let rest = state.queue.without(&uids);
    let index = match (&position, before.as_deref().or(after.as_deref())) {
        (_, Some(uid)) => {
            let running = state.running_uid();
            let index = target::existing(&rest, running, None, Some(uid), false)
                .map_err(|why| format!("Destination plan (UID '{uid}') was not found: {why}."))?;
            if before.is_some() { index } else { index + 1 }
        }
        (Some(Position::Front), _) => 0,
        (Some(Position::Back) | None, _) => rest.len(),
        (Some(position), _) => target::existing(&state.queue, None, Some(position), None, false)
            .map_err(|why| format!("Destination plan was not found: {why}."))?
            .min(rest.len()),
    };
    let places = rest.places(index, entries.len(), entries[0].priority)?;
    let (mut writes, mut replaced) = (Vec::new(), Vec::new());
    for (old, place) in entries.iter().zip(places) {
        let entry = Entry { priority: place.priority, rank: place.rank, ..(**old).clone() };
        writes.push(store(state, &entry));
        replaced.push((old.item.uid().to_owned(), entry));
    }
    let unchanged = {
        let moved: Queue = rest
            .iter()
            .cloned()
            .chain(replaced.iter().map(|(_, entry)| Arc::new(entry.clone())))
            .collect();
        moved.iter().zip(state.queue.iter()).all(|(a, b)| a.item.uid() == b.item.uid())
    };
    if unchanged {
        return Ok(Outcome::Reply(reply));
    }
    Ok(Outcome::Write(vec![writes], Change::Replace(replaced), reply))
}

fn uids(params: &Params) -> Result<Vec<String>, String> {
    match params.get("uids") {
        None | Some(Value::Null) => Err("Request does not contain the list of UIDs".to_owned()),
        Some(Value::Array(list)) => Ok(list.iter().map(python::str).collect()),
        Some(other) => {
            let kind = python::type_of(other);
            Err(format!("Parameter 'uids' must be a list: type(uids) = {kind}"))
        }
    }
}

fn check_present(queue: &Queue, uids: &[String]) -> Result<(), String> {
    let distinct: HashSet<_> = uids.iter().collect();
    if distinct.len() < uids.len() {
        let repeated = uids.len() - distinct.len();
        return Err(format!("The list of contains repeated UIDs ({repeated} UIDs)"));
    }
    let missing: Vec<_> =
        uids.iter().map(String::as_str).filter(|uid| queue.index_of(uid).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = python::repr_strs(missing);
    Err(format!("The queue does not contain items with the following UIDs: {missing}"))
}
