//! Mode, autostart and history.

use std::collections::HashSet;

use crds::queue::QueueMode;
use serde_json::{Value, json};

use super::{Handled, Params, Stop};
use crate::machine::{Change, Outcome, Settings, State, Write};
use crate::methods::{Refusal, success};
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
