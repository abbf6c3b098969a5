//! Adding and updating items (contract queue-server §1.5).

use crds::queue_item::Batch;
use serde_json::{Value, json};

use super::{Handled, Params, Stop, shown, store};
use crate::approval;
use crate::item::Item;
use crate::machine::{Change, Outcome, State, Write};
use crate::manifest;
use crate::methods::{Refusal, failure, success};
use crate::plans;
use crate::python;
use crate::queue::{Entry, Place, target};

/// The item types that can be queued.
pub(super) const TYPES: [&str; 2] = ["plan", "instruction"];

/// Who asks.
pub(super) struct Submitter {
    user: Value,
    group: String,
}

impl Submitter {
    /// The item as one of this user and group.
    pub(super) fn sign(&self, item: Item) -> Item {
        item.with("user", self.user.clone()).with("user_group", self.group.clone())
    }
}

/// The user and the group of the request.
pub(super) fn submitter(state: &State, params: &Params) -> Result<Submitter, String> {
    let group =
        params.get("user_group").ok_or("Incorrect request format: user group is not specified")?;
    let user = params.get("user").ok_or("Incorrect request format: user name is not specified")?;
    match group.as_str().filter(|group| state.allowed.group(group).is_some()) {
        Some(group) => Ok(Submitter { user: user.clone(), group: group.to_owned() }),
        None => Err(format!("Unknown user group: '{}'", python::str(group))),
    }
}

/// The item in the request, checked to be of one of the `types` only.
pub(super) fn submitted(item: &Value, types: &[&str]) -> Result<Item, String> {
    let Value::Object(map) = item else {
        let kind = python::type_of(item);
        return Err(format!(
            "Incorrect request format: incorrect type ('{kind}') of item parameter: \
             item parameter must have type 'dict'"
        ));
    };
    match map.get("item_type") {
        None | Some(Value::Null) => {
            Err("Incorrect request format: 'item_type' key is not found".to_owned())
        }
        Some(Value::String(kind)) if types.contains(&kind.as_str()) => Ok(Item(map.clone())),
        Some(other) => Err(format!(
            "Incorrect request format: unsupported 'item_type' value: '{}', \
             supported item types {}",
            python::str(other),
            python::repr_tuple(types)
        )),
    }
}

/// The item as it will be queued, under the given uid.
pub(super) fn prepared(
    state: &State,
    item: Item,
    submitter: &Submitter,
    uid: Option<String>,
) -> Result<Item, String> {
    if item.is_instruction() {
        if item.name() != "queue_stop" {
            return Err(format!("Unrecognized instruction: {}", python::repr_map(&item.0)));
        }
    } else {
        let group = state.allowed.group(&submitter.group);
        let unknown = || format!("Unknown user group: '{}'", submitter.group);
        plans::validate(&item, group.ok_or_else(unknown)?)?;
    }
    for (key, fits) in
        [("args", Value::is_array as fn(&Value) -> bool), ("kwargs", Value::is_object)]
    {
        if item.0.get(key).is_some_and(|value| !fits(value)) {
            let kind = python::type_of(&item.0[key]);
            return Err(format!("Incorrect request format: '{key}' has incorrect type {kind}"));
        }
    }
    if item.0.get("properties").is_some_and(|value| !value.is_object()) {
        return Err("Incorrect request format: 'properties' must be a dictionary".to_owned());
    }
    let item = approval::submitted(submitter.sign(item), state.settings.approval)?;
    match uid {
        Some(uid) => Ok(item.with("item_uid", uid)),
        None if item.0.contains_key("item_uid") => Ok(item),
        None => Err("Item description contains no UID and UID generation is skipped".to_owned()),
    }
}

/// `queue_item_add`.
pub(super) fn add(state: &mut State, params: &Params) -> Handled {
    let given =
        params.get("item").ok_or("Incorrect request format: request contains no item info")?;
    if !(given.is_object() || given.is_array() || given.is_string()) {
        // The Python server trips over such an item before it looks at it.
        let kind = python::type_of(given);
        let kind = kind.trim_start_matches("<class '").trim_end_matches("'>");
        let text = format!("argument of type '{kind}' is not iterable");
        return Ok(Outcome::Reply(failure(text)));
    }
    let item = submitted(given, &TYPES).map_err(|why| echo(why, given))?;
    let submitter = submitter(state, params).map_err(|why| echo(why, given))?;
    let uid = state.mint.uid();
    let item = prepared(state, item, &submitter, Some(uid)).map_err(|why| echo(why, given))?;
    let index = target::insertion(&state.queue, state.running_uid(), params)
        .map_err(|why| echo(why, &shown(&item)))?
        .unwrap_or_else(|| state.queue.end_of(0));
    let item = item.filtered();
    let place = state.queue.places(index, 1, 0)?.remove(0);
    let (write, entry) = creation(state, &item, place, None);
    let reply = success([("qsize", json!(state.queue.len() + 1)), ("item", shown(&item))]);
    Ok(Outcome::Write(vec![vec![write]], Change::Insert(vec![entry], 0), reply))
}

fn echo(why: String, item: &Value) -> Stop {
    Stop::Refused(Refusal::from(why).with("item", item.clone()))
}

fn creation(state: &State, item: &Item, place: Place, batch: Option<Batch>) -> (Write, Entry) {
    let resource = manifest::resource(item, &place, batch.clone(), &state.setup.queue);
    let Place { priority, rank } = place;
    let entry = Entry { item: item.clone(), priority, rank, batch, ..Entry::default() };
    (Write::Create(Box::new(resource)), entry)
}

/// `queue_item_add_batch`: all or none.
///
/// The uid of the batch is stored before its first item and forgotten after its last, so that half a batch is recognised and removed
/// after a crash.
pub(super) fn add_batch(state: &mut State, params: &Params) -> Handled {
    let size = json!(state.queue.len());
    let refused = |why: String| Stop::Refused(Refusal::from(why).with("qsize", size.clone()));
    let given = params.get("items").ok_or_else(|| {
        refused("Invalid request format: the list of items is not found".to_owned())
    })?;
    let submitter = submitter(state, params).map_err(&refused)?;
    let Value::Array(given) = given else {
        return Err(refused(format!("'{}' object is not iterable", python::type_of(given))));
    };
    let mut items = Vec::with_capacity(given.len());
    let mut results = Vec::with_capacity(given.len());
    for item in given {
        let uid = state.mint.uid();
        match submitted(item, &TYPES).and_then(|item| prepared(state, item, &submitter, Some(uid)))
        {
            Ok(item) => {
                items.push(item.filtered());
                results.push(json!({"success": true, "msg": ""}));
            }
            Err(why) => {
                let why = format!("Failed to add a plan: {why}");
                results.push(json!({"success": false, "msg": why}));
            }
        }
    }
    let index = match target::insertion(&state.queue, state.running_uid(), params) {
        Ok(index) => index.unwrap_or_else(|| state.queue.end_of(0)),
        Err(why) if items.len() == given.len() && !items.is_empty() => {
            let why = format!("Failed to add item to queue: {why}");
            results.fill(json!({"success": false, "msg": why}));
            items.clear();
            0
        }
        Err(_) => 0,
    };
    if items.len() < given.len() {
        let (failed, all) =
            (results.iter().filter(|r| r["success"] == json!(false)).count(), given.len());
        let text = format!(
            "Failed to add all items: validation of {failed} out of {all} submitted items failed"
        );
        let refusal = Refusal::plain(text)
            .with("qsize", size)
            .with("items", given.clone())
            .with("results", results);
        return Err(Stop::Refused(refusal));
    }
    let reply = success([
        ("qsize", json!(state.queue.len() + items.len())),
        ("items", items.iter().map(shown).collect()),
        ("results", Value::Array(results)),
    ]);
    if items.is_empty() {
        return Ok(Outcome::Reply(reply));
    }
    let places = state.queue.places(index, items.len(), 0)?;
    let batch_uid = state.mint.uid();
    let count = i32::try_from(items.len()).map_err(|_| "The batch is too long".to_owned())?;
    let (mut creates, mut entries) = (Vec::new(), Vec::new());
    for ((item, place), index) in items.iter().zip(places).zip(0..) {
        let batch = Batch { uid: batch_uid.clone(), size: count, index };
        let (write, entry) = creation(state, item, place, Some(batch));
        creates.push(write);
        entries.push(entry);
    }
    let others = &state.open_batches;
    let with_this: Vec<_> = others.iter().chain([&batch_uid]).collect();
    let open = Write::QueueStatus(json!({ "openBatches": with_this }));
    let close = Write::QueueStatus(json!({ "openBatches": others }));
    Ok(Outcome::Write(vec![vec![open], creates, vec![close]], Change::Insert(entries, 1), reply))
}

/// `queue_item_update`.
pub(super) fn update(state: &mut State, params: &Params) -> Handled {
    let given =
        params.get("item").ok_or("Incorrect request format: request contains no item info")?;
    let item = submitted(given, &TYPES).map_err(|why| echo(why, given))?;
    let submitter = submitter(state, params).map_err(|why| echo(why, given))?;
    let replace = matches!(params.get("replace"), Some(Value::Bool(true)));
    let old_uid = item.uid().to_owned();
    let uid = replace.then(|| state.mint.uid());
    let item = prepared(state, item, &submitter, uid).map_err(|why| echo(why, given))?.filtered();
    if state.running_uid() == Some(old_uid.as_str()) {
        let why = format!("Failed to replace item: Item with UID '{old_uid}' is currently running");
        return Err(echo(why, &shown(&item)));
    }
    let Some(old) = state.queue.find(&old_uid) else {
        let why = format!("Failed to replace item: Item with UID '{old_uid}' is not in the queue");
        return Err(echo(why, &shown(&item)));
    };
    let item = approval::edited(item, &old.item);
    let reply = success([("qsize", json!(state.queue.len())), ("item", shown(&item))]);
    if old.item == item {
        return Ok(Outcome::Reply(reply));
    }
    let entry = Entry { item, ..(**old).clone() };
    let write = store(state, &entry);
    Ok(Outcome::Write(vec![vec![write]], Change::Replace(vec![(old_uid, entry)]), reply))
}
