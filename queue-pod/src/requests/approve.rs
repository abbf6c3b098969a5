//! `queue_item_approve`: somebody has looked at an item that needs it.

use serde_json::json;

use super::{Handled, Params, shown, store};
use crate::approval;
use crate::machine::{Change, Outcome, State};
use crate::methods::success;
use crate::python;
use crate::queue::Entry;
use crate::queue::target::uid_param;

/// `queue_item_approve`. An item that is approved already stays as it is.
pub(super) fn approve(state: &mut State, params: &Params) -> Handled {
    let uid = uid_param(params, "uid").ok_or("Item UID is not specified")?;
    let user = params.get("user").ok_or("Incorrect request format: user name is not specified")?;
    let entry = state
        .queue
        .find(&uid)
        .ok_or_else(|| format!("Item with UID '{uid}' is not in the queue"))?;
    if !approval::is_required(&entry.item) {
        return Err(format!("Item with UID '{uid}' needs no approval").into());
    }
    let awaited = approval::is_awaited(&entry.item);
    let item = match awaited {
        true => approval::granted(entry.item.clone(), &python::str(user)),
        false => entry.item.clone(),
    };
    let reply = success([("item", shown(&item)), ("qsize", json!(state.queue.len()))]);
    if !awaited {
        return Ok(Outcome::Reply(reply));
    }
    let entry = Entry { item, ..(**entry).clone() };
    let write = store(state, &entry);
    Ok(Outcome::Write(vec![vec![write]], Change::Replace(vec![(uid, entry)]), reply))
}
