//! The route table (contract queue-server §4.2): each method of the queue protocol with its path and the scope that it takes.

use service::access::Scope::{self, *};

/// How the parameters in the body become those of the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Passed on as they are.
    Direct,
    /// Passed on as keyword arguments of a function of the Python client, which refuses others than these by its own name.
    Keywords(&'static str, &'static [&'static str]),
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

const fn post(
    path: &'static str,
    scope: Scope,
    method: &'static str,
    wants_body: bool,
    style: Style,
) -> Route {
    Route { is_get: false, path, scope, method, wants_body, style }
}

const fn keys(name: &'static str, allowed: &'static [&'static str]) -> Style {
    Style::Keywords(name, allowed)
}

use Style::Direct;

const LOCK_KEY: &[&str] = &["lock_key"];

#[rustfmt::skip]
pub(super) static ROUTES: &[Route] = &[
    get("/", ReadStatus, "status", keys("status", &["reload"])),
    get("/ping", ReadStatus, "ping", keys("ping", &["reload"])),
    get("/status", ReadStatus, "status", keys("status", &["reload"])),
    get("/config/get", ReadConfig, "config_get", keys("config_get", &[])),
    get("/queue/get", ReadQueue, "queue_get", keys("queue_get", &["reload"])),
    post("/queue/autostart", WriteQueueControl, "queue_autostart", true, keys("queue_autostart", &["enable", "lock_key"])),
    post("/queue/mode/set", WriteQueueControl, "queue_mode_set", true, keys("queue_mode_set", &["mode", "loop", "ignore_failures", "lock_key"])),
    post("/queue/clear", WriteQueueEdit, "queue_clear", false, keys("queue_clear", LOCK_KEY)),
    post("/queue/start", WriteQueueControl, "queue_start", false, keys("queue_start", LOCK_KEY)),
    post("/queue/stop", WriteQueueControl, "queue_stop", false, keys("queue_stop", LOCK_KEY)),
    post("/queue/stop/cancel", WriteQueueControl, "queue_stop_cancel", false, keys("queue_stop_cancel", LOCK_KEY)),
    post("/queue/item/add", WriteQueueEdit, "queue_item_add", false, Direct),
    post("/queue/item/add/batch", WriteQueueEdit, "queue_item_add_batch", true, Direct),
    post("/queue/item/approve", WriteQueueControl, "queue_item_approve", true, Direct),
    post("/queue/item/execute", WriteExecute, "queue_item_execute", true, Direct),
    post("/queue/item/update", WriteQueueEdit, "queue_item_update", true, Direct),
    post("/queue/item/remove", WriteQueueEdit, "queue_item_remove", true, Direct),
    post("/queue/item/remove/batch", WriteQueueEdit, "queue_item_remove_batch", true, Direct),
    post("/queue/item/move", WriteQueueEdit, "queue_item_move", true, Direct),
    post("/queue/item/move/batch", WriteQueueEdit, "queue_item_move_batch", true, Direct),
    get("/queue/item/get", ReadQueue, "queue_item_get", Direct),
    get("/history/get", ReadHistory, "history_get", keys("history_get", &["reload"])),
    post("/history/clear", WriteHistoryEdit, "history_clear", false, Direct),
    post("/environment/open", WriteManagerControl, "environment_open", false, keys("environment_open", LOCK_KEY)),
    post("/environment/close", WriteManagerControl, "environment_close", false, keys("environment_close", LOCK_KEY)),
    post("/environment/destroy", WriteManagerControl, "environment_destroy", false, keys("environment_destroy", LOCK_KEY)),
    post("/environment/update", WriteQueueControl, "environment_update", false, Direct),
    post("/re/pause", WritePlanControl, "re_pause", false, keys("re_pause", &["option", "lock_key"])),
    post("/re/resume", WritePlanControl, "re_resume", false, keys("re_resume", LOCK_KEY)),
    post("/re/stop", WritePlanControl, "re_stop", false, keys("re_stop", LOCK_KEY)),
    post("/re/abort", WritePlanControl, "re_abort", false, keys("re_abort", LOCK_KEY)),
    post("/re/halt", WritePlanControl, "re_halt", false, keys("re_halt", LOCK_KEY)),
    post("/re/runs", ReadMonitor, "re_runs", false, keys("re_runs", &["option", "reload"])),
    get("/re/runs/active", ReadMonitor, "re_runs", keys("re_runs", &[])),
    get("/re/runs/open", ReadMonitor, "re_runs", keys("re_runs", &[])),
    get("/re/runs/closed", ReadMonitor, "re_runs", keys("re_runs", &[])),
    get("/re/metadata", ReadMonitor, "re_metadata", Direct),
    get("/plans/allowed", ReadResources, "plans_allowed", Direct),
    get("/devices/allowed", ReadResources, "devices_allowed", Direct),
    get("/plans/existing", ReadResources, "plans_existing", Direct),
    get("/devices/existing", ReadResources, "devices_existing", Direct),
    post("/permissions/reload", WriteConfig, "permissions_reload", false, Direct),
    get("/permissions/get", ReadConfig, "permissions_get", keys("permissions_get", &[])),
    post("/permissions/set", WritePermissions, "permissions_set", true, Direct),
    post("/function/execute", WriteExecute, "function_execute", true, Direct),
    post("/script/upload", WriteScripts, "script_upload", true, Direct),
    get("/task/status", ReadMonitor, "task_status", Direct),
    get("/task/result", ReadMonitor, "task_result", Direct),
    post("/kernel/interrupt", WriteQueueControl, "kernel_interrupt", false, Direct),
    post("/lock", WriteLock, "lock", true, Direct),
    post("/unlock", WriteLock, "unlock", true, Direct),
    get("/lock/info", ReadLock, "lock_info", Direct),
    post("/manager/stop", WriteManagerStop, "manager_stop", false, Direct),
];

/// Methods that are told who asks: the server says so, not the client.
pub(super) const TELLS_USER: [&str; 6] = [
    "queue_item_add",
    "queue_item_add_batch",
    "queue_item_update",
    "queue_item_approve",
    "queue_item_execute",
    "function_execute",
];
