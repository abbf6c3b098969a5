//! Mode, autostart, permissions and history.

use std::collections::HashSet;

use crds::queue::QueueMode;
use serde_json::{Map, Value, json};

use super::{Handled, Params, Stop};
use crate::files::Reload;
use crate::machine::{Change, Outcome, Settings, State, Write};
use crate::methods::{Refusal, success};
use crate::plans::Permissions;
use crate::plans::permissions::document;
use crate::python;

/// `queue_mode_set`.
pub(super) fn set_mode(state: &State, params: &Params) -> Handled {
    let Some(mode) = params.get("mode") else {
        let request = python::repr_map(params);
        return Err(format!("Parameter 'mode' is not found in request {request}").into());
    };
    let mut wanted = state.settings.mode;
    match mode {
        Value::String(text) if text == "default" => wanted = QueueMode::default(),
        Value::Object(given) => {
            for (key, value) in given {
                let place = match key.as_str() {
                    "loop" => &mut wanted.loop_,
                    "ignore_failures" => &mut wanted.ignore_failures,
                    _ => {
                        return Err(format!(
                            "Unsupported plan queue mode parameter '{key}': \
                             supported parameters ['loop', 'ignore_failures']"
                        )
                        .into());
                    }
                };
                *place = value.as_bool().ok_or_else(|| {
                    let kind = python::type_of(value);
                    format!(
                        "Unsupported type '{kind}' of the parameter '{key}': \
                         expected type '<class 'bool'>'"
                    )
                })?;
            }
        }
        other => {
            let (kind, text) = (python::type_of(other), python::str(other));
            return Err(format!(
                "Queue mode is passed using object of unsupported type '{kind}': ({text}). \
                 Supported types: ('dict', 'str'), supported string value: 'default'"
            )
            .into());
        }
    }
    if wanted == state.settings.mode {
        return Ok(Outcome::Reply(success([])));
    }
    let settings = Settings { mode: wanted, ..state.settings.clone() };
    let write = Write::QueueSpec(json!({ "mode": wanted }));
    Ok(Outcome::Write(vec![vec![write]], Change::Settings(settings), success([])))
}

/// `queue_autostart`.
pub(super) fn autostart(state: &State, params: &Params) -> Handled {
    let enable = match params.get("enable") {
        Some(Value::Bool(enable)) => *enable,
        None => {
            return Err(
                "Required 'enable' parameter is missing in 'queue_autostart' API call.".into()
            );
        }
        Some(other) => {
            let kind = python::type_of(other);
            return Err(format!(
                "Required 'enable' parameter must be boolean: type(enable)={kind}."
            )
            .into());
        }
    };
    if enable == state.settings.autostart {
        return Ok(Outcome::Reply(success([])));
    }
    let settings = Settings { autostart: enable, ..state.settings.clone() };
    let write = Write::QueueSpec(json!({ "autostart": enable }));
    Ok(Outcome::Write(vec![vec![write]], Change::Settings(settings), success([])))
}

/// `permissions_set`: the permissions are part of the `Queue`, and stay.
pub(super) fn set_permissions(state: &State, params: &Params) -> Handled {
    // Upstream raises a KeyError, whose text is the repr of its message.
    let wanted = params
        .get("user_group_permissions")
        .ok_or("\"Parameter 'user_group_permissions' is missing\"")?;
    if *wanted == state.settings.permissions.effective() {
        return Ok(Outcome::Reply(success([])));
    }
    document::check(wanted)?;
    let Value::Object(wanted) = wanted else { return Err("not a dictionary".into()) };
    let (write, change) = permissions(state, wanted.clone());
    Ok(Outcome::Write(vec![vec![write]], change, success([])))
}

/// What stores these permissions, and what it changes.
pub(crate) fn permissions(state: &State, wanted: Map<String, Value>) -> (Write, Change) {
    let patch = replacement(&state.settings.permissions.0, &wanted);
    let settings = Settings { permissions: Permissions(wanted), ..state.settings.clone() };
    (Write::QueueSpec(json!({ "permissions": patch })), Change::Settings(settings))
}

/// The merge patch that turns one document into another: what is there no more becomes `null`.
fn replacement(old: &Map<String, Value>, new: &Map<String, Value>) -> Value {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let mut patch: Map<_, _> = gone.map(|key| (key.clone(), Value::Null)).collect();
    for (key, value) in new {
        let value = match (old.get(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => replacement(old, new),
            _ => value.clone(),
        };
        patch.insert(key.clone(), value);
    }
    Value::Object(patch)
}

/// `permissions_reload`: from the files, as far as there are any. What the queue has is in force anyway; clients see new lists all the
/// same.
pub(super) fn reload_permissions(state: &mut State, params: &Params) -> Handled {
    let asked = |key| params.get(key).and_then(Value::as_bool);
    let mut stored = None;
    if asked("restore_permissions").unwrap_or(true) {
        if state.setup.reload == Reload::Never {
            return Err(format!(
                "Restoring user group permissions from disk is not allowed: RE Manager was started \
                 with option user_group_permissions_reload='{}'",
                state.setup.reload.word()
            )
            .into());
        }
        if let Some(wanted) = state.files.permissions.clone().transpose()? {
            stored = (wanted != state.settings.permissions.0).then_some(wanted);
        }
    }
    if asked("restore_plans_devices") == Some(true) {
        if let Some(catalogue) = state.files.catalogue.clone() {
            state.learn(catalogue);
        }
        state.revisions.plans_existing = state.mint.uid();
        state.revisions.devices_existing = state.mint.uid();
    }
    match stored {
        None => {
            state.reload_permissions();
            Ok(Outcome::Reply(success([])))
        }
        Some(wanted) => {
            let (write, change) = permissions(state, wanted);
            Ok(Outcome::Write(vec![vec![write]], change, success([])))
        }
    }
}

/// `history_clear`: all, all but the newest, or everything up to an item.
pub(super) fn clear_history(state: &mut State, params: &Params) -> Handled {
    let given = |key| params.get(key).filter(|value: &&Value| !value.is_null());
    let all = state.history.len();
    let count = match (given("size"), given("item_uid")) {
        (Some(_), Some(_)) => {
            return Err("Parameters 'size' and 'item_uid' are mutually exclusive.".into());
        }
        (Some(size), None) => match size.as_i64() {
            Some(size) => all.saturating_sub(usize::try_from(size).unwrap_or(0)),
            None => {
                let shown = python::repr(size);
                let text = format!("The 'size' parameter must be an integer: size={shown}");
                return Err(Stop::Refused(Refusal::from(text)));
            }
        },
        (None, Some(Value::String(uid))) => state
            .history
            .iter()
            .position(|record| record.item.uid() == uid)
            .map_or(0, |index| index + 1),
        (None, Some(other)) => {
            let shown = python::repr(other);
            let text = format!("The 'item_uid' parameter must be a string: item_uid={shown}");
            return Err(text.into());
        }
        (None, None) => {
            if all == 0 {
                state.revisions.history = state.mint.uid();
            }
            all
        }
    };
    if count == 0 {
        return Ok(Outcome::Reply(success([])));
    }
    let forgotten: Vec<_> = state.history.iter().take(count).collect();
    let deletes = forgotten.iter().map(|record| Write::Delete(record.object.clone())).collect();
    let numbers: HashSet<_> = forgotten.iter().map(|record| record.number).collect();
    Ok(Outcome::Write(vec![deletes], Change::Forget(numbers), success([])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_removes_what_is_there_no_more() {
        let map = |value: Value| value.as_object().cloned().unwrap();
        let old = map(json!({"user_groups": {"root": {"allowed_plans": [null]}, "a": {}}}));
        let new = map(json!({"user_groups": {"root": {"allowed_devices": ["d"]}, "b": {}}}));
        let mut patched = Value::Object(old.clone());
        json_patch::merge(&mut patched, &replacement(&old, &new));
        assert_eq!(patched, Value::Object(new));
    }
}
