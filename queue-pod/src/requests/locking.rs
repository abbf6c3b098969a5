//! `lock` and `unlock` (contract queue-server §2.7).

use crds::queue::QueueLock;
use serde_json::{Value, json};

use super::{Handled, Params, Stop};
use crate::lock;
use crate::machine::{Change, Outcome, State, Write};
use crate::methods::{Refusal, success};
use crate::python;

/// `lock`.
pub(super) fn lock(state: &mut State, params: &Params) -> Handled {
    let user = match params.get("user") {
        None => return Err("User name is not specified: 'user' is a required parameter".into()),
        Some(Value::String(user)) if !user.is_empty() => user.clone(),
        Some(other) => {
            let shown = python::repr(other);
            return Err(format!("User name must be a non-empty string: user = {shown}").into());
        }
    };
    let key = match params.get("lock_key") {
        None => {
            return Err("Lock key is not specified: 'lock_key' is a required parameter".into());
        }
        Some(Value::String(key)) if !key.is_empty() => lock::hash(key),
        Some(other) => {
            let shown = python::repr(other);
            return Err(format!("Lock key must be a non-empty string: lock_key = {shown}").into());
        }
    };
    let note = match params.get("note") {
        None | Some(Value::Null) => None,
        Some(Value::String(note)) => Some(note.clone()),
        Some(_) => return Err("Note must be a string or None: note = {note!r}".into()),
    };
    let wants = |part| params.get(part).and_then(Value::as_bool).unwrap_or(false);
    let (environment, queue) = (wants("environment"), wants("queue"));
    let has_emergency = state.setup.emergency_key_hash.is_some();
    if let Some(old) = state.lock.as_ref().filter(|old| old.key_hash != key) {
        let described = lock::describe(old, has_emergency);
        return Err(format!("RE Manager was locked with a different key: \n{described}").into());
    }
    if !environment && !queue {
        return Err("Invalid option: environment and/or queue must be selected: \
                    environment=False queue=False"
            .into());
    }
    let uid = state.mint.uid();
    let new = QueueLock {
        environment,
        queue,
        key_hash: key,
        note,
        user,
        time: state.now,
        uid: uid.clone(),
    };
    Ok(change(Some(new), uid, has_emergency))
}

/// `unlock`.
pub(super) fn unlock(state: &mut State, params: &Params) -> Handled {
    let uid = state.mint.uid();
    let emergency = state.setup.emergency_key_hash.as_ref();
    let Some(key) = params.get("lock_key") else {
        return Err(known(state, "Request contains no lock key: 'lock_key' parameter is required"));
    };
    let hash = key.as_str().filter(|key| !key.is_empty()).map(lock::hash);
    let Some(hash) = hash else {
        let shown = python::repr(key);
        return Err(known(
            state,
            format!("Lock key must be a non-empty string: lock_key = {shown}"),
        ));
    };
    match &state.lock {
        Some(old) if old.key_hash != hash && emergency != Some(&hash) => {
            let described = lock::describe(old, emergency.is_some());
            Err(known(state, format!("Invalid lock key: \n{described}")))
        }
        Some(_) => Ok(change(None, uid, emergency.is_some())),
        None => {
            let info = lock::info(None, emergency.is_some());
            let uid = json!(state.revisions.lock);
            Ok(Outcome::Reply(success([("lock_info", info), ("lock_info_uid", uid)])))
        }
    }
}

/// A refusal that shows the lock as it is.
fn known(state: &State, text: impl Into<String>) -> Stop {
    let has_emergency = state.setup.emergency_key_hash.is_some();
    let refusal = Refusal::from(text)
        .with("lock_info", lock::info(state.lock.as_ref(), has_emergency))
        .with("lock_info_uid", state.revisions.lock.clone());
    Stop::Refused(refusal)
}

fn change(new: Option<QueueLock>, uid: String, has_emergency: bool) -> Outcome {
    let info = lock::info(new.as_ref(), has_emergency);
    let write = Write::QueueStatus(json!({ "lock": new }));
    let reply = success([("lock_info", info), ("lock_info_uid", json!(uid))]);
    Outcome::Write(vec![vec![write]], Change::Lock(new, uid), reply)
}
