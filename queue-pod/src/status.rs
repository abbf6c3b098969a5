//! The status dictionary (contract queue-server §1.6, §5.2), with its keys in the order that clients print.

use serde_json::{Value, json};

use crate::lock;
use crate::machine::State;

/// `http_server_state`: HTTP is a part of this server, and when one of the two ends the other does.
const HTTP_STATE: &str = "running";

/// The status.
pub fn status(state: &State) -> Value {
    let mut status = facts(state);
    let time = lock::local(state.status_time).strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string();
    status["time"] = json!(time);
    status["status_uid"] = json!(state.revisions.status);
    status
}

/// The status without what changes each time it is made.
pub(crate) fn facts(state: &State) -> Value {
    let open = state.environment.is_open() || state.environment.is_awaited();
    let revisions = &state.revisions;
    let lock = state.lock.as_ref();
    json!({
        "msg": state.setup.banner,
        "time": "",
        "items_in_queue": state.queue.len(),
        "items_in_history": state.history.len(),
        "running_item_uid": state.running_uid(),
        "manager_state": state.manager.word(),
        "queue_stop_pending": state.stop_pending,
        "queue_autostart_enabled": state.settings.autostart,
        "worker_environment_exists": open,
        "worker_environment_state": state.worker_state(),
        "worker_background_tasks": state.tasks.in_background(),
        "re_state": state.re_state,
        "ip_kernel_state": open.then_some(state.kernel.word()),
        "ip_kernel_captured": open.then_some(state.kernel.is_ours()),
        "pause_pending": state.pause_pending,
        "status_uid": "",
        "run_list_uid": revisions.runs,
        "plan_queue_uid": revisions.queue,
        "plan_history_uid": revisions.history,
        "devices_existing_uid": revisions.devices_existing,
        "plans_existing_uid": revisions.plans_existing,
        "devices_allowed_uid": revisions.devices_allowed,
        "plans_allowed_uid": revisions.plans_allowed,
        "plan_queue_mode": {
            "loop": state.settings.mode.loop_,
            "ignore_failures": state.settings.mode.ignore_failures,
        },
        "task_results_uid": revisions.task_results,
        "lock_info_uid": revisions.lock,
        "lock": {
            "environment": lock.is_some_and(|lock| lock.environment),
            "queue": lock.is_some_and(|lock| lock.queue),
        },
        "config_service_sync_error": state.registry_trouble.reason(),
        "http_server_state": HTTP_STATE,
    })
}
