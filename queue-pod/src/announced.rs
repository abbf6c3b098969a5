//! What the console says of requests, through whichever front they come: a line when one comes in, and another one when it is answered.
//!
//! People who watch the console know these lines from the RE manager (contract queue-server §3). What is asked again and again, such as
//! the status, is not announced.

use serde_json::Value;

use crate::console::Level;
use crate::methods::{Act, Kind, Read, Reply};
use crate::python::{repr, repr_str, str};

/// What is said of a request that came in.
pub(crate) fn request(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Read(read) => reading(read),
        Kind::Act(act) => acting(act),
        Kind::Kill => None,
    }
}

fn reading(read: Read) -> Option<&'static str> {
    Some(match read {
        Read::Queue => "Returning current queue and running plan ...",
        Read::Item => "Getting an item from the queue ...",
        Read::History => "Returning plan history ...",
        Read::PlansAllowed => "Returning the list of allowed plans ...",
        Read::DevicesAllowed => "Returning the list of allowed devices ...",
        Read::PlansExisting => "Returning the list of existing plans ...",
        Read::DevicesExisting => "Returning the list of existing devices ...",
        Read::Permissions => "Request to get information on current user group permission ...",
        Read::Runs => "Returning the list of runs for the running plan ...",
        Read::Status | Read::Config | Read::Lock | Read::TaskStatus | Read::TaskResult => {
            return None;
        }
    })
}

fn acting(act: Act) -> Option<&'static str> {
    Some(match act {
        Act::Add => "Adding new item to the queue ...",
        Act::AddBatch => "Adding a batch of items to the queue ...",
        Act::Update => "Updating an item in the queue ...",
        Act::Remove => "Removing item from the queue ...",
        Act::RemoveBatch => "Removing a batch of items from the queue ...",
        Act::Move => "Moving a queue item ...",
        Act::MoveBatch => "Moving a batch of queue items ...",
        Act::Approve => "Approving an item in the queue ...",
        Act::Execute => "Starting immediate executing a queue item ...",
        Act::Clear => "Clearing the queue ...",
        Act::SetMode => "Setting queue mode ...",
        Act::Autostart => "Enabling/disabling autostart mode ...",
        Act::SetPermissions => "Request to set user group permission ...",
        Act::ReloadPermissions => "Reloading lists of allowed plans and devices ...",
        Act::Start => "Starting queue processing ...",
        Act::Stop => "Activating 'stop queue' sequence ...",
        Act::CancelStop => "Deactivating 'stop queue' sequence ...",
        Act::Open => "Opening the new RE environment ...",
        Act::Close => "Closing existing RE environment ...",
        Act::Destroy => "Destroying current RE environment ...",
        Act::UpdateEnvironment => "Updating RE environment ...",
        Act::LoadScript => "Uploading script to RE environment ...",
        Act::ExecuteFunction => "Starting execution of a function ...",
        Act::Pause => "Pausing the queue (currently running plan) ...",
        Act::Resume => "Resuming paused plan ...",
        Act::StopPlan => "Stopping paused plan ...",
        Act::AbortPlan => "Aborting paused plan ...",
        Act::HaltPlan => "Halting paused plan ...",
        Act::ClearHistory => "Clearing the plan execution history ...",
        Act::Lock => "Processing request to lock RE Manager ...",
        Act::Unlock => "Processing request to unlock RE Manager ...",
        Act::InterruptKernel => "Processing request to interrupt IPython kernel ...",
        Act::StopManager => "Stopping RE Manager ...",
        Act::SyncDevices => "Updating the registry from the devices of the profile ...",
        Act::ReadMetadata | Act::CompareDevices | Act::Test => return None,
    })
}

/// What is said when a request that changes something is answered. One that was refused says why.
pub(crate) fn outcome(
    method: &str,
    act: Act,
    user: Option<&Value>,
    reply: &Reply,
) -> Option<(Level, String)> {
    let is_done = reply.get("success") == Some(&Value::Bool(true));
    let what = match act {
        Act::Add => "Item added",
        Act::AddBatch => "Batch of items added",
        Act::Update => "Item updated",
        Act::Approve => "Item approved",
        Act::Execute => "Item execution started",
        Act::Lock if is_done => return Some((Level::Info, locked(user, reply))),
        Act::Unlock if is_done => {
            return Some((Level::Info, "RE Manager is successfully unlocked.".to_owned()));
        }
        _ if is_done => return None,
        _ => {
            let why = reply.get("msg").and_then(Value::as_str).unwrap_or_default();
            let why: String = why.chars().take_while(|c| !c.is_control()).collect();
            return Some((Level::Warning, format!("Request '{method}' was refused: {why}")));
        }
    };
    let level = if is_done { Level::Info } else { Level::Warning };
    Some((level, format!("{what}: {}", of_item(is_done, reply))))
}

/// What became of an item: `success=True item_type='plan' name='count' item_uid='…' qsize=1.`
fn of_item(is_done: bool, reply: &Reply) -> String {
    let shown = |key: &str| reply.get(key).map_or_else(|| "None".to_owned(), repr);
    let item = reply.get("item");
    let of_item = |key: &str| {
        let value = item.and_then(|item| item.get(key))?;
        Some(format!(" {key}={}", repr_str(&str(value))))
    };
    let known: String = ["item_type", "name", "item_uid"].into_iter().filter_map(of_item).collect();
    format!("success={}{known} qsize={}.", repr(&Value::Bool(is_done)), shown("qsize"))
}

fn locked(user: Option<&Value>, reply: &Reply) -> String {
    let of_lock = |key: &str| {
        let value = reply.get("lock_info").and_then(|info| info.get(key));
        value.map_or_else(|| "None".to_owned(), repr)
    };
    let (environment, queue) = (of_lock("environment"), of_lock("queue"));
    let user = user.map_or_else(|| "None".to_owned(), repr);
    let note = of_lock("note");
    format!(
        "RE Manager was locked by the user {user}: environment={environment} queue={queue}. Note: {note}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{failure, success};
    use serde_json::json;

    #[test]
    fn an_item_that_is_added_is_named_as_the_re_manager_does_it() {
        let item = json!({"item_type": "plan", "name": "count", "item_uid": "1-2"});
        let reply = success([("qsize", json!(1)), ("item", item)]);
        let (level, line) = outcome("queue_item_add", Act::Add, None, &reply).unwrap();
        assert_eq!(level, Level::Info);
        assert_eq!(
            line,
            "Item added: success=True item_type='plan' name='count' item_uid='1-2' qsize=1."
        );
    }

    #[test]
    fn a_name_of_an_item_stays_on_its_line() {
        let item = json!({"item_type": "plan", "name": "a\n\u{1b}[A"});
        let reply = success([("qsize", json!(1)), ("item", item)]);
        let (_, line) = outcome("queue_item_add", Act::Add, None, &reply).unwrap();
        assert!(!line.contains(['\n', '\u{1b}']), "{line}");
    }

    #[test]
    fn a_refusal_says_why_in_one_line() {
        let reply = failure("Error: Invalid lock key: \nlocked by tester");
        let (level, line) = outcome("queue_clear", Act::Clear, None, &reply).unwrap();
        assert_eq!(level, Level::Warning);
        assert_eq!(line, "Request 'queue_clear' was refused: Error: Invalid lock key: ");
        let item = outcome("queue_item_add", Act::Add, None, &reply).unwrap();
        assert_eq!(item, (Level::Warning, "Item added: success=False qsize=None.".to_owned()));
    }

    #[test]
    fn what_is_polled_is_not_announced() {
        assert_eq!(request(Kind::Read(Read::Status)), None);
        assert!(request(Kind::Read(Read::Queue)).is_some());
        assert_eq!(outcome("queue_start", Act::Start, None, &success([])), None);
    }

    #[test]
    fn who_locks_is_told_without_the_key() {
        let info = json!({"environment": true, "queue": false, "note": null});
        let (_, line) =
            outcome("lock", Act::Lock, Some(&json!("tester")), &success([("lock_info", info)]))
                .unwrap();
        assert_eq!(
            line,
            "RE Manager was locked by the user 'tester': environment=True queue=False. Note: None"
        );
    }
}
