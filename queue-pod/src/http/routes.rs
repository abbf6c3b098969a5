//! The route table (contract queue-server §4.2): each method of the queue protocol with its path and the scope that it takes.

use service::access::Scope::{self, *};

use super::function::Function;
use super::function::Needs::{self, Argument, Nothing, ToBeCalled};

/// How the parameters in the body become those of the method.
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    /// Passed on as they are.
    Direct,
    /// Not looked at: nothing is asked for but what the path says.
    Bare,
    /// Descriptions of plans, which may be asked for in a reduced form.
    Plans,
    /// As arguments of a function of the Python client.
    Call(Function),
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) is_get: bool,
    /// Path without the prefix `/api`.
    pub(super) path: &'static str,
    /// What the caller has to be allowed.
    pub(super) scope: Scope,
    pub(super) method: &'static str,
    /// Whether a body has to be there.
    pub(super) wants_body: bool,
    pub(super) style: Style,
}

const fn get(path: &'static str, scope: Scope, method: &'static str, style: Style) -> Route {
    Route { is_get: true, path, scope, method, wants_body: false, style }
}

const fn get_with_body(
    path: &'static str,
    scope: Scope,
    method: &'static str,
    style: Style,
) -> Route {
    Route { wants_body: true, ..get(path, scope, method, style) }
}

const fn post(
    path: &'static str,
    scope: Scope,
    method: &'static str,
    wants_body: bool,
    style: Style,
) -> Route {
    Route { is_get: false, path, scope, method, wants_body, style }
}

const fn call(name: &'static str, takes: &'static [&'static str]) -> Style {
    Style::Call(Function { name, takes, needs: Nothing })
}

const fn call_with(name: &'static str, needs: Needs, takes: &'static [&'static str]) -> Style {
    Style::Call(Function { name, takes, needs })
}

use Style::{Bare, Direct, Plans};

const LOCK_KEY: &[&str] = &["lock_key"];
const RELOAD: &[&str] = &["reload"];

#[rustfmt::skip]
pub(super) static ROUTES: &[Route] = &[
    get("/", ReadStatus, "status", call("status", RELOAD)),
    get("/ping", ReadStatus, "ping", call("ping", RELOAD)),
    get("/status", ReadStatus, "status", call("status", RELOAD)),
    get("/config/get", ReadConfig, "config_get", call("config_get", &[])),
    get("/queue/get", ReadQueue, "queue_get", call("queue_get", RELOAD)),
    post("/queue/autostart", WriteQueueControl, "queue_autostart", true, call_with("queue_autostart", Argument("enable"), &["enable", "lock_key"])),
    post("/queue/mode/set", WriteQueueControl, "queue_mode_set", true, call("queue_mode_set", &[])),
    post("/queue/clear", WriteQueueEdit, "queue_clear", false, call("queue_clear", LOCK_KEY)),
    post("/queue/start", WriteQueueControl, "queue_start", false, call("queue_start", LOCK_KEY)),
    post("/queue/stop", WriteQueueControl, "queue_stop", false, call("queue_stop", LOCK_KEY)),
    post("/queue/stop/cancel", WriteQueueControl, "queue_stop_cancel", false, call("queue_stop_cancel", LOCK_KEY)),
    post("/queue/item/add", WriteQueueEdit, "queue_item_add", false, call_with("item_add", ToBeCalled("item"), &["item", "pos", "before_uid", "after_uid", "user", "user_group", "lock_key"])),
    post("/queue/item/add/batch", WriteQueueEdit, "queue_item_add_batch", true, call_with("item_add_batch", ToBeCalled("items"), &["items", "pos", "before_uid", "after_uid", "user", "user_group", "lock_key"])),
    post("/queue/item/approve", WriteQueueControl, "queue_item_approve", true, Direct),
    post("/queue/item/execute", WriteExecute, "queue_item_execute", true, call_with("item_execute", ToBeCalled("item"), &["item", "user", "user_group", "lock_key"])),
    post("/queue/item/update", WriteQueueEdit, "queue_item_update", true, call_with("item_update", Argument("item"), &["item", "replace", "user", "user_group", "lock_key"])),
    post("/queue/item/remove", WriteQueueEdit, "queue_item_remove", true, call("item_remove", &["pos", "uid", "lock_key"])),
    post("/queue/item/remove/batch", WriteQueueEdit, "queue_item_remove_batch", true, call_with("item_remove_batch", ToBeCalled("uids"), &["uids", "ignore_missing", "lock_key"])),
    post("/queue/item/move", WriteQueueEdit, "queue_item_move", true, call("item_move", &["pos", "uid", "pos_dest", "before_uid", "after_uid", "lock_key"])),
    post("/queue/item/move/batch", WriteQueueEdit, "queue_item_move_batch", true, call("item_move_batch", &["uids", "pos_dest", "before_uid", "after_uid", "reorder", "lock_key"])),
    get("/queue/item/get", ReadQueue, "queue_item_get", call("item_get", &["pos", "uid"])),
    get("/history/get", ReadHistory, "history_get", call("history_get", RELOAD)),
    post("/history/clear", WriteHistoryEdit, "history_clear", false, call("history_clear", &["size", "item_uid", "lock_key"])),
    post("/environment/open", WriteManagerControl, "environment_open", false, call("environment_open", LOCK_KEY)),
    post("/environment/close", WriteManagerControl, "environment_close", false, call("environment_close", LOCK_KEY)),
    post("/environment/destroy", WriteManagerControl, "environment_destroy", false, call("environment_destroy", LOCK_KEY)),
    post("/environment/update", WriteQueueControl, "environment_update", false, call("environment_update", &["run_in_background", "lock_key"])),
    post("/re/pause", WritePlanControl, "re_pause", false, call("re_pause", &["option", "lock_key"])),
    post("/re/resume", WritePlanControl, "re_resume", false, call("re_resume", LOCK_KEY)),
    post("/re/stop", WritePlanControl, "re_stop", false, call("re_stop", LOCK_KEY)),
    post("/re/abort", WritePlanControl, "re_abort", false, call("re_abort", LOCK_KEY)),
    post("/re/halt", WritePlanControl, "re_halt", false, call("re_halt", LOCK_KEY)),
    post("/re/runs", ReadMonitor, "re_runs", false, call("re_runs", &["option", "reload"])),
    get("/re/runs/active", ReadMonitor, "re_runs", Bare),
    get("/re/runs/open", ReadMonitor, "re_runs", Bare),
    get("/re/runs/closed", ReadMonitor, "re_runs", Bare),
    get("/re/metadata", ReadMonitor, "re_metadata", Direct),
    get("/plans/allowed", ReadResources, "plans_allowed", Plans),
    get("/devices/allowed", ReadResources, "devices_allowed", call("devices_allowed", &["reload", "user_group"])),
    get("/plans/existing", ReadResources, "plans_existing", Plans),
    get("/devices/existing", ReadResources, "devices_existing", call("devices_existing", RELOAD)),
    post("/permissions/reload", WriteConfig, "permissions_reload", false, call("permissions_reload", &["restore_plans_devices", "restore_permissions", "lock_key"])),
    get("/permissions/get", ReadConfig, "permissions_get", Bare),
    post("/permissions/set", WritePermissions, "permissions_set", true, call_with("permissions_set", ToBeCalled("user_group_permissions"), &["user_group_permissions", "lock_key"])),
    post("/function/execute", WriteExecute, "function_execute", true, call_with("function_execute", ToBeCalled("item"), &["item", "run_in_background", "user", "user_group", "lock_key"])),
    post("/script/upload", WriteScripts, "script_upload", true, call_with("script_upload", ToBeCalled("script"), &["script", "update_lists", "update_re", "run_in_background", "lock_key"])),
    get_with_body("/task/status", ReadMonitor, "task_status", call_with("task_status", ToBeCalled("task_uid"), &["task_uid"])),
    get_with_body("/task/result", ReadMonitor, "task_result", call_with("task_result", ToBeCalled("task_uid"), &["task_uid"])),
    post("/kernel/interrupt", WriteQueueControl, "kernel_interrupt", false, call("kernel_interrupt", &["interrupt_task", "interrupt_plan", "lock_key"])),
    post("/lock", WriteLock, "lock", true, call("lock", &["lock_key", "environment", "queue", "note", "user"])),
    post("/unlock", WriteLock, "unlock", true, call("unlock", LOCK_KEY)),
    get_with_body("/lock/info", ReadLock, "lock_info", call("lock_info", &["lock_key", "reload"])),
    post("/manager/stop", WriteManagerStop, "manager_stop", false, Direct),
];

/// Methods that are told who asks: the server says so, not the client.
pub(super) const TELLS_USER: [&str; 7] = [
    "queue_item_add",
    "queue_item_add_batch",
    "queue_item_update",
    "queue_item_approve",
    "queue_item_execute",
    "function_execute",
    "lock",
];

/// Methods that are told the group of who asks.
pub(super) const TELLS_GROUP: [&str; 7] = [
    "queue_item_add",
    "queue_item_add_batch",
    "queue_item_update",
    "queue_item_execute",
    "function_execute",
    "plans_allowed",
    "devices_allowed",
];
