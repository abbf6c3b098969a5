//! The route table (contract queue-server §4.2).

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
    pub(super) method: &'static str,
    /// Whether a body has to be there.
    pub(super) wants_body: bool,
    pub(super) style: Style,
}

const fn get(path: &'static str, method: &'static str, style: Style) -> Route {
    Route { is_get: true, path, method, wants_body: false, style }
}

const fn post(path: &'static str, method: &'static str, wants_body: bool, style: Style) -> Route {
    Route { is_get: false, path, method, wants_body, style }
}

const fn keys(name: &'static str, allowed: &'static [&'static str]) -> Style {
    Style::Keywords(name, allowed)
}

use Style::Direct;

const LOCK_KEY: &[&str] = &["lock_key"];

#[rustfmt::skip]
pub(super) static ROUTES: &[Route] = &[
    get("/", "status", keys("status", &["reload"])),
    get("/ping", "ping", keys("ping", &["reload"])),
    get("/status", "status", keys("status", &["reload"])),
    get("/config/get", "config_get", keys("config_get", &[])),
    get("/queue/get", "queue_get", keys("queue_get", &["reload"])),
    post("/queue/autostart", "queue_autostart", true, keys("queue_autostart", &["enable", "lock_key"])),
    post("/queue/mode/set", "queue_mode_set", true, keys("queue_mode_set", &["mode", "loop", "ignore_failures", "lock_key"])),
    post("/queue/clear", "queue_clear", false, keys("queue_clear", LOCK_KEY)),
    post("/queue/start", "queue_start", false, keys("queue_start", LOCK_KEY)),
    post("/queue/stop", "queue_stop", false, keys("queue_stop", LOCK_KEY)),
    post("/queue/stop/cancel", "queue_stop_cancel", false, keys("queue_stop_cancel", LOCK_KEY)),
    post("/queue/item/add", "queue_item_add", false, Direct),
    post("/queue/item/add/batch", "queue_item_add_batch", true, Direct),
    post("/queue/item/execute", "queue_item_execute", true, Direct),
    post("/queue/item/update", "queue_item_update", true, Direct),
    post("/queue/item/remove", "queue_item_remove", true, Direct),
    post("/queue/item/remove/batch", "queue_item_remove_batch", true, Direct),
    post("/queue/item/move", "queue_item_move", true, Direct),
    post("/queue/item/move/batch", "queue_item_move_batch", true, Direct),
    get("/queue/item/get", "queue_item_get", Direct),
    get("/history/get", "history_get", keys("history_get", &["reload"])),
    post("/history/clear", "history_clear", false, Direct),
    post("/environment/open", "environment_open", false, keys("environment_open", LOCK_KEY)),
    post("/environment/close", "environment_close", false, keys("environment_close", LOCK_KEY)),
    post("/environment/destroy", "environment_destroy", false, keys("environment_destroy", LOCK_KEY)),
    post("/environment/update", "environment_update", false, Direct),
    post("/re/pause", "re_pause", false, keys("re_pause", &["option", "lock_key"])),
    post("/re/resume", "re_resume", false, keys("re_resume", LOCK_KEY)),
    post("/re/stop", "re_stop", false, keys("re_stop", LOCK_KEY)),
    post("/re/abort", "re_abort", false, keys("re_abort", LOCK_KEY)),
    post("/re/halt", "re_halt", false, keys("re_halt", LOCK_KEY)),
    post("/re/runs", "re_runs", false, keys("re_runs", &["option", "reload"])),
    get("/re/runs/active", "re_runs", keys("re_runs", &[])),
    get("/re/runs/open", "re_runs", keys("re_runs", &[])),
    get("/re/runs/closed", "re_runs", keys("re_runs", &[])),
    get("/re/metadata", "re_metadata", Direct),
    get("/plans/allowed", "plans_allowed", Direct),
    get("/devices/allowed", "devices_allowed", Direct),
    get("/plans/existing", "plans_existing", Direct),
    get("/devices/existing", "devices_existing", Direct),
    post("/permissions/reload", "permissions_reload", false, Direct),
    get("/permissions/get", "permissions_get", keys("permissions_get", &[])),
    post("/permissions/set", "permissions_set", true, Direct),
    post("/function/execute", "function_execute", true, Direct),
    post("/script/upload", "script_upload", true, Direct),
    get("/task/status", "task_status", Direct),
    get("/task/result", "task_result", Direct),
    post("/kernel/interrupt", "kernel_interrupt", false, Direct),
    post("/lock", "lock", true, Direct),
    post("/unlock", "unlock", true, Direct),
    get("/lock/info", "lock_info", Direct),
    post("/manager/stop", "manager_stop", false, Direct),
];

/// Methods that are told who asks: the server says so, not the client.
pub(super) const TELLS_USER: [&str; 5] = [
    "queue_item_add",
    "queue_item_add_batch",
    "queue_item_update",
    "queue_item_execute",
    "function_execute",
];
