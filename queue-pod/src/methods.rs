//! The methods of the queue protocol: names, parameters in their canonical order, and how each one fails (contract queue-server §1.4).

use serde_json::{Map, Value, json};

use crate::python;

/// Part of the lock that guards a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Never asks for a key.
    Free,
    /// The environment lock.
    Environment,
    /// The queue lock.
    Queue,
}

/// Methods that only look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// `ping` and `status`.
    Status,
    /// `config_get`.
    Config,
    /// `queue_get`.
    Queue,
    /// `queue_item_get`.
    Item,
    /// `history_get`.
    History,
    /// `plans_allowed`.
    PlansAllowed,
    /// `devices_allowed`.
    DevicesAllowed,
    /// `plans_existing`.
    PlansExisting,
    /// `devices_existing`.
    DevicesExisting,
    /// `permissions_get`.
    Permissions,
    /// `re_runs`.
    Runs,
    /// `lock_info`.
    Lock,
    /// `task_status`.
    TaskStatus,
    /// `task_result`.
    TaskResult,
}

/// Methods that change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// `queue_item_add`.
    Add,
    /// `queue_item_add_batch`.
    AddBatch,
    /// `queue_item_update`.
    Update,
    /// `queue_item_remove`.
    Remove,
    /// `queue_item_remove_batch`.
    RemoveBatch,
    /// `queue_item_move`.
    Move,
    /// `queue_item_move_batch`.
    MoveBatch,
    /// `queue_item_approve`.
    Approve,
    /// `queue_item_execute`.
    Execute,
    /// `queue_clear`.
    Clear,
    /// `queue_mode_set`.
    SetMode,
    /// `queue_autostart`.
    Autostart,
    /// `permissions_set`.
    SetPermissions,
    /// `permissions_reload`.
    ReloadPermissions,
    /// `queue_start`.
    Start,
    /// `queue_stop`.
    Stop,
    /// `queue_stop_cancel`.
    CancelStop,
    /// `environment_open`.
    Open,
    /// `environment_close`.
    Close,
    /// `environment_destroy`.
    Destroy,
    /// `environment_update`.
    UpdateEnvironment,
    /// `script_upload`.
    LoadScript,
    /// `function_execute`.
    ExecuteFunction,
    /// `re_pause`.
    Pause,
    /// `re_resume`.
    Resume,
    /// `re_stop`.
    StopPlan,
    /// `re_abort`.
    AbortPlan,
    /// `re_halt`.
    HaltPlan,
    /// `history_clear`.
    ClearHistory,
    /// `lock`.
    Lock,
    /// `unlock`.
    Unlock,
    /// `kernel_interrupt`.
    InterruptKernel,
    /// `re_metadata`.
    ReadMetadata,
    /// `config_service_diff`.
    CompareDevices,
    /// `config_service_sync`.
    SyncDevices,
    /// `manager_stop`.
    StopManager,
    /// `manager_test`.
    Test,
}

/// What a method is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Answered from the last state.
    Read(Read),
    /// Goes through the state machine.
    Act(Act),
    /// Lets go of everything and begins anew; nothing is answered.
    Kill,
}

/// The value of a reply key when there is nothing to say.
#[derive(Clone, Copy, Debug)]
enum Blank {
    Null,
    Text,
    List,
    Map,
    Zero,
}

/// One method of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Name on the wire.
    pub name: &'static str,
    /// Parameters in canonical order; others are refused.
    pub params: &'static [&'static str],
    /// Text before an error.
    pub prefix: &'static str,
    /// Lock that guards it.
    pub guard: Guard,
    /// What it is.
    pub kind: Kind,
    blanks: &'static [(&'static str, Blank)],
}

/// A request that was not carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Why.
    pub text: String,
    /// Whether the method's prefix goes before the text.
    pub prefixed: bool,
    /// Keys of the reply that are not blank.
    pub fields: Vec<(&'static str, Value)>,
}

impl Refusal {
    /// A refusal whose text stands for itself.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), prefixed: false, fields: Vec::new() }
    }

    /// The same with a value under `key` of the reply.
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((key, value.into()));
        self
    }
}

impl<T: Into<String>> From<T> for Refusal {
    fn from(text: T) -> Self {
        Self { text: text.into(), prefixed: true, fields: Vec::new() }
    }
}

/// A reply: an object whose keys keep their order.
pub type Reply = Map<String, Value>;

/// `{"success": true, "msg": ""}` and the given keys.
pub fn success<const N: usize>(fields: [(&str, Value); N]) -> Reply {
    let head = [("success", json!(true)), ("msg", json!(""))];
    head.into_iter().chain(fields).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// `{"success": false, "msg": …}`.
pub fn failure(text: impl Into<String>) -> Reply {
    let text: String = text.into();
    [("success", json!(false)), ("msg", json!(text))]
        .map(|(k, v)| (k.to_owned(), v))
        .into_iter()
        .collect()
}

impl Method {
    /// The method of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.name == name)
    }

    /// The reply to a request that was refused.
    pub fn refuse(&self, refusal: Refusal) -> Reply {
        let prefix = if refusal.prefixed { self.prefix } else { "" };
        let mut reply = failure(format!("{prefix}{}", refusal.text));
        for (key, blank) in self.blanks {
            let value = match blank {
                Blank::Null => Value::Null,
                Blank::Text => json!(""),
                Blank::List => json!([]),
                Blank::Map => json!({}),
                Blank::Zero => json!(0),
            };
            reply.insert((*key).to_owned(), value);
        }
        for (key, value) in refusal.fields {
            reply.insert(key.to_owned(), value);
        }
        reply
    }

    /// Refuses parameters that the method does not have.
    ///
    /// # Errors
    /// The text of contract queue-server §1.1.
    pub fn check_params(&self, params: &Map<String, Value>) -> Result<(), String> {
        let strange: Vec<_> =
            params.keys().map(String::as_str).filter(|key| !self.params.contains(key)).collect();
        let names = match strange[..] {
            [] => return Ok(()),
            [name] => python::repr_str(name),
            _ => python::repr_strs(strange),
        };
        let supported = python::repr_strs(self.params.iter().copied());
        Err(format!(
            "API request contains unsupported parameters: {names}. Supported parameters: {supported}"
        ))
    }
}

const fn method(
    name: &'static str,
    kind: Kind,
    guard: Guard,
    prefix: &'static str,
    params: &'static [&'static str],
    blanks: &'static [(&'static str, Blank)],
) -> Method {
    Method { name, params, prefix, guard, kind, blanks }
}

const ERROR: &str = "Error: ";
const ADD: &str = "Failed to add an item: ";

use Blank::{List, Null, Text, Zero};
use Guard::{Environment as E, Free, Queue as Q};
use Kind::{Act as A, Read as R};

/// The fifty methods of the protocol, the two that ophyd-service adds (contract queue-server §5.3), and `queue_item_approve`.
#[rustfmt::skip]
static METHODS: [Method; 53] = [
    method("ping", R(Read::Status), Free, "", &[], &[]),
    method("status", R(Read::Status), Free, "", &[], &[]),
    method("config_get", R(Read::Config), Free, "", &[], &[("config", Blank::Map)]),
    method("queue_get", R(Read::Queue), Free, ERROR, &[], &[("items", List), ("running_item", Blank::Map), ("plan_queue_uid", Text)]),
    method("plans_allowed", R(Read::PlansAllowed), Free, "", &["user_group"], &[("plans_allowed", Blank::Map), ("plans_allowed_uid", Null)]),
    method("devices_allowed", R(Read::DevicesAllowed), Free, "", &["user_group"], &[("devices_allowed", Blank::Map), ("devices_allowed_uid", Null)]),
    method("plans_existing", R(Read::PlansExisting), Free, "", &[], &[("plans_existing", Blank::Map), ("plans_existing_uid", Null)]),
    method("devices_existing", R(Read::DevicesExisting), Free, "", &[], &[("devices_existing", Blank::Map), ("devices_existing_uid", Null)]),
    method("permissions_reload", A(Act::ReloadPermissions), Q, ERROR, &["restore_plans_devices", "restore_permissions", "lock_key"], &[]),
    method("permissions_get", R(Read::Permissions), Free, ERROR, &[], &[("user_group_permissions", Blank::Map)]),
    method("permissions_set", A(Act::SetPermissions), Q, ERROR, &["user_group_permissions", "lock_key"], &[]),
    method("history_get", R(Read::History), Free, ERROR, &[], &[("items", List), ("plan_history_uid", Text)]),
    method("history_clear", A(Act::ClearHistory), Q, ERROR, &["lock_key", "size", "item_uid"], &[]),
    method("environment_open", A(Act::Open), E, ERROR, &["lock_key"], &[]),
    method("environment_close", A(Act::Close), E, ERROR, &["lock_key"], &[]),
    method("environment_destroy", A(Act::Destroy), E, ERROR, &["lock_key"], &[]),
    method("environment_update", A(Act::UpdateEnvironment), E, ERROR, &["run_in_background", "lock_key"], &[("task_uid", Null)]),
    method("script_upload", A(Act::LoadScript), E, ERROR, &["script", "update_lists", "update_re", "run_in_background", "lock_key"], &[("task_uid", Null)]),
    method("function_execute", A(Act::ExecuteFunction), E, ERROR, &["item", "user_group", "user", "run_in_background", "lock_key"], &[("item", Null), ("task_uid", Null)]),
    method("task_status", R(Read::TaskStatus), Free, ERROR, &["task_uid"], &[("task_uid", Null), ("status", Null)]),
    method("task_result", R(Read::TaskResult), Free, ERROR, &["task_uid"], &[("task_uid", Null), ("status", Null), ("result", Blank::Map)]),
    method("queue_mode_set", A(Act::SetMode), Q, "Failed to set queue mode: ", &["mode", "lock_key"], &[]),
    method("queue_item_add", A(Act::Add), Q, ADD, &["user_group", "user", "item", "pos", "before_uid", "after_uid", "lock_key"], &[("qsize", Null), ("item", Null)]),
    method("queue_item_add_batch", A(Act::AddBatch), Q, ADD, &["user_group", "user", "items", "pos", "before_uid", "after_uid", "lock_key"], &[("qsize", Null), ("items", List), ("results", List)]),
    method("queue_item_update", A(Act::Update), Q, ADD, &["user_group", "user", "item", "replace", "lock_key"], &[("qsize", Zero), ("item", Null)]),
    method("queue_item_get", R(Read::Item), Free, "Failed to get an item: ", &["pos", "uid"], &[("item", Blank::Map)]),
    method("queue_item_remove", A(Act::Remove), Q, "Failed to remove an item: ", &["pos", "uid", "lock_key"], &[("item", Blank::Map), ("qsize", Null)]),
    method("queue_item_remove_batch", A(Act::RemoveBatch), Q, "Failed to remove a batch of items: ", &["uids", "ignore_missing", "lock_key"], &[("items", List), ("qsize", Null)]),
    method("queue_item_move", A(Act::Move), Q, "Failed to move the item: ", &["pos", "uid", "pos_dest", "before_uid", "after_uid", "lock_key"], &[("item", Blank::Map), ("qsize", Null)]),
    method("queue_item_move_batch", A(Act::MoveBatch), Q, "Failed to move the batch of items: ", &["uids", "pos_dest", "before_uid", "after_uid", "reorder", "lock_key"], &[("qsize", Null), ("items", List)]),
    method("queue_item_approve", A(Act::Approve), Q, "Failed to approve the item: ", &["uid", "user", "lock_key"], &[("item", Blank::Map), ("qsize", Null)]),
    method("queue_item_execute", A(Act::Execute), E, "Failed to start execution of the item: ", &["item", "user_group", "user", "lock_key"], &[("qsize", Null), ("item", Null)]),
    method("queue_clear", A(Act::Clear), Q, ERROR, &["lock_key"], &[]),
    method("queue_start", A(Act::Start), E, ERROR, &["lock_key"], &[]),
    method("queue_stop", A(Act::Stop), E, ERROR, &["lock_key"], &[]),
    method("queue_stop_cancel", A(Act::CancelStop), E, ERROR, &["lock_key"], &[]),
    method("queue_autostart", A(Act::Autostart), E, ERROR, &["enable", "lock_key"], &[]),
    method("kernel_interrupt", A(Act::InterruptKernel), E, ERROR, &["lock_key", "interrupt_task", "interrupt_plan"], &[]),
    method("re_pause", A(Act::Pause), E, ERROR, &["option", "lock_key"], &[]),
    method("re_resume", A(Act::Resume), E, ERROR, &["lock_key"], &[]),
    method("re_stop", A(Act::StopPlan), E, ERROR, &["lock_key"], &[]),
    method("re_abort", A(Act::AbortPlan), E, ERROR, &["lock_key"], &[]),
    method("re_halt", A(Act::HaltPlan), E, ERROR, &["lock_key"], &[]),
    method("re_runs", R(Read::Runs), Free, ERROR, &["option"], &[("run_list", List), ("run_list_uid", Text)]),
    method("re_metadata", A(Act::ReadMetadata), Free, ERROR, &[], &[("re_metadata", Blank::Map)]),
    method("config_service_diff", A(Act::CompareDevices), Free, ERROR, &[], &[("diff", Null)]),
    method("config_service_sync", A(Act::SyncDevices), Free, ERROR, &["strategy", "devices"], &[("applied", Null), ("diff_after", Null)]),
    method("lock", A(Act::Lock), Free, ERROR, &["lock_key", "note", "environment", "queue", "user"], &[("lock_info", Blank::Map), ("lock_info_uid", Null)]),
    method("lock_info", R(Read::Lock), Free, ERROR, &["lock_key"], &[("lock_info", Blank::Map), ("lock_info_uid", Null)]),
    method("unlock", A(Act::Unlock), Free, ERROR, &["lock_key"], &[("lock_info", Blank::Map), ("lock_info_uid", Null)]),
    method("manager_stop", A(Act::StopManager), Free, ERROR, &["option"], &[]),
    method("manager_kill", Kind::Kill, Free, ERROR, &[], &[]),
    method("manager_test", A(Act::Test), Free, ERROR, &["test_name"], &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsupported_parameters_are_listed_as_in_the_contract() {
        let params = |value: Value| value.as_object().cloned().unwrap();
        assert_eq!(
            Method::named("queue_get").unwrap().check_params(&params(json!({"x": 1}))).unwrap_err(),
            "API request contains unsupported parameters: 'x'. Supported parameters: []"
        );
        assert_eq!(
            Method::named("queue_item_add")
                .unwrap()
                .check_params(&params(json!({"zz": 1, "yy": 2})))
                .unwrap_err(),
            "API request contains unsupported parameters: ['zz', 'yy']. Supported parameters: ['user_group', 'user', 'item', 'pos', 'before_uid', 'after_uid', 'lock_key']"
        );
    }

    #[test]
    fn a_refused_request_has_the_keys_of_its_method() {
        let reply = Method::named("queue_item_add").unwrap().refuse("no".into());
        assert_eq!(
            Value::Object(reply).to_string(),
            r#"{"success":false,"msg":"Failed to add an item: no","qsize":null,"item":null}"#
        );
    }
}
