//! `queue_item_execute`: one item at once, past the queue.

use std::sync::Arc;

use serde_json::json;

use super::{Handled, Params, Stop, control, items, kernel, shown};
use crate::approval;
use crate::machine::{Change, Outcome, Running, State, Write, preparing, running_status};
use crate::manifest;
use crate::methods::{Refusal, success};
use crate::queue::{Entry, Place};

/// `queue_item_execute`.
///
/// Two writes: the item, marked so that it is never queued, and that it runs; before them its devices are locked. Only then is the
/// worker told.
pub(super) fn execute(state: &mut State, params: &Params) -> Handled {
    let given =
        params.get("item").ok_or("Incorrect request format: request contains no item info")?;
    let refused = |why: String, item| Stop::Refused(Refusal::from(why).with("item", item));
    let item = items::submitted(given, &items::TYPES).map_err(|why| refused(why, given.clone()))?;
    let submitter = items::submitter(state, params).map_err(|why| refused(why, given.clone()))?;
    let uid = state.mint.uid();
    let item = items::prepared(state, item, &submitter, Some(uid))
        .map_err(|why| refused(why, given.clone()))?
        .filtered();
    if approval::is_required(&item) {
        let why = "An item that needs an approval has to go through the queue.";
        return Err(refused(why.to_owned(), shown(&item)));
    }
    if let Err(why) = control::ready_to_start(state) {
        return Err(refused(why, shown(&item)));
    }
    kernel::reserve(state).map_err(|why| why.stop(|why| refused(why, shown(&item))))?;
    let reply = success([("qsize", json!(state.queue.len())), ("item", shown(&item))]);
    if item.is_instruction() {
        return Ok(Outcome::Reply(reply));
    }
    let place = Place { priority: 0, rank: "i".to_owned() };
    let mut resource = manifest::resource(&item, &place, None, &state.setup.queue);
    let label = (manifest::IMMEDIATE_LABEL.to_owned(), "true".to_owned());
    resource.metadata.labels = Some([label].into());
    let mut entry = Entry { item, rank: place.rank, ..Entry::default() };
    entry.object.name = manifest::object_name(entry.item.uid());
    let running =
        Running { entry: Arc::new(entry), time_start: state.now, immediate: true, ending: None };
    let status = Box::new(running_status(state, &running));
    let object = running.entry.object.clone();
    let mut writes = preparing(state, &running.entry.item);
    writes.push(vec![Write::Create(Box::new(resource))]);
    writes.push(vec![Write::Status(object, status)]);
    Ok(Outcome::Write(writes, Change::Start(running), reply))
}
