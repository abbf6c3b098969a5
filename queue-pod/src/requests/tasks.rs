//! Scripts and functions for the worker, and a new look at its plans and devices (contract queue-server §2.11).

use std::sync::Arc;

use plan_worker::protocol::{Order, TaskCall, TaskWork};
use serde_json::{Map, Value, json};

use super::items::{submitted, submitter};
use super::{Handled, Params, Stop, kernel};
use crate::item::Item;
use crate::machine::{Effect, Manager, Outcome, State};
use crate::methods::{Refusal, success};
use crate::python;
use crate::tasks::Task;

/// `environment_update`: looks for plans and devices again.
pub(super) fn update(state: &mut State, params: &Params) -> Handled {
    let work = TaskWork::LoadScript { script: String::new(), update_lists: true, update_re: true };
    ready(state, params, Stop::from, plain)?;
    let uid = start(state, params, work);
    Ok(Outcome::Reply(success([("task_uid", json!(uid))])))
}

/// `script_upload`.
pub(super) fn load_script(state: &mut State, params: &Params) -> Handled {
    let script = match params.get("script") {
        Some(Value::String(script)) => script.clone(),
        Some(_) => return Err("Type of the 'script' parameter in API call is incorrect.".into()),
        None => return Err("Required 'script' parameter is is missing in API call.".into()),
    };
    let work = TaskWork::LoadScript {
        script,
        update_lists: flag(params, "update_lists", true),
        update_re: flag(params, "update_re", false),
    };
    ready(state, params, Stop::from, plain)?;
    let uid = start(state, params, work);
    Ok(Outcome::Reply(success([("task_uid", json!(uid))])))
}

/// `function_execute`.
pub(super) fn execute_function(state: &mut State, params: &Params) -> Handled {
    let given =
        params.get("item").ok_or("Incorrect request format: request contains no item info")?;
    let refused = |why: String| Stop::Refused(Refusal::from(why).with("item", given.clone()));
    let item = submitted(given, &["function"]).map_err(refused)?;
    let submitter = submitter(state, params).map_err(refused)?;
    let item = submitter.sign(item);
    let (args, kwargs) = checked(state, &item, item.user_group()).map_err(refused)?;
    ready(state, params, refused, refused)?;
    let work = TaskWork::ExecuteFunction {
        name: item.name().to_owned(),
        args: args.clone(),
        kwargs: kwargs.clone(),
        user_group: item.user_group().to_owned(),
        permissions: state.settings.permissions.effective(),
    };
    let uid = start(state, params, work);
    let shown = json!({
        "name": item.name(),
        "args": args,
        "kwargs": kwargs,
        "user": item.0.get("user"),
        "user_group": item.0.get("user_group"),
        "item_uid": uid,
    });
    Ok(Outcome::Reply(success([("item", shown), ("task_uid", json!(uid))])))
}

/// Whether the call may be made by the group, and its arguments.
fn checked(
    state: &State,
    item: &Item,
    group: &str,
) -> Result<(Vec<Value>, Map<String, Value>), String> {
    if !item.0.contains_key("name") {
        return Err(format!("Function name is not specified: {}", python::repr_map(&item.0)));
    }
    let args = match item.0.get("args") {
        None => Vec::new(),
        Some(Value::Array(args)) => args.clone(),
        Some(other) => {
            let kind = python::type_of(other);
            return Err(format!("Parameter 'args' is not a tuple or a list: {kind}"));
        }
    };
    let kwargs = match item.0.get("kwargs") {
        None => Map::new(),
        Some(Value::Object(kwargs)) => kwargs.clone(),
        Some(other) => {
            let kind = python::type_of(other);
            return Err(format!("Parameter 'kwargs' is not a dictionary: {kind}"));
        }
    };
    let name = item.name();
    if !state.settings.permissions.allow_function(name, group)? {
        return Err(format!("Function '{name}' is not allowed for users from '{group}' group."));
    }
    Ok((args, kwargs))
}

fn flag(params: &Params, key: &str, default: bool) -> bool {
    params.get(key).and_then(Value::as_bool).unwrap_or(default)
}

fn plain(text: String) -> Stop {
    Stop::Refused(Refusal::plain(text))
}

/// Whether a task can be started now. Two words of refusal: of the kernel, and of everything else.
fn ready(
    state: &mut State,
    params: &Params,
    of_kernel: impl Fn(String) -> Stop,
    refused: impl Fn(String) -> Stop,
) -> Result<(), Stop> {
    let background = flag(params, "run_in_background", false);
    if !state.environment.is_open() {
        return Err(refused("RE Worker environment is not open".to_owned()));
    }
    if background {
        return Ok(());
    }
    if state.manager != Manager::Idle {
        return Err(refused(format!(
            "Failed to start the task: RE Manager must be in idle state. Current state: '{}'",
            state.manager.word()
        )));
    }
    if state.kernel.is_taken() {
        return Err(of_kernel(format!("Failed to start the task: {}", kernel::BUSY)));
    }
    kernel::reserve(state).map_err(|why| why.stop(of_kernel))
}

/// Gives a task to the worker; its uid.
fn start(state: &mut State, params: &Params, work: TaskWork) -> String {
    let background = flag(params, "run_in_background", false);
    let task_uid = state.mint.uid();
    let task = Task { time_start: state.now, background };
    Arc::make_mut(&mut state.tasks).begin(&task_uid, task);
    if !background {
        state.manager = Manager::ExecutingTask;
    }
    let task = TaskCall { task_uid: task_uid.clone(), background, work };
    state.effects.push(Effect::Order(Order::RunTask { task }));
    task_uid
}
