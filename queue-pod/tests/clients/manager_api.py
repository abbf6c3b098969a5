"""Drives a whole session with bluesky-queueserver-api.

Status, queue, run, pause, history, console, status stream.
"""

import sys
import time

from bluesky_queueserver_api import BPlan

transport, control, info, url, *key = sys.argv[1:]
if transport == "zmq":
    from bluesky_queueserver_api.zmq import REManagerAPI

    RM = REManagerAPI(zmq_control_addr=control, zmq_info_addr=info)
else:
    from bluesky_queueserver_api.http import REManagerAPI

    RM = REManagerAPI(http_server_uri=url)
    if key:
        RM.set_authorization_key(api_key=key[0])

STATUS_KEYS = [
    "msg", "time", "items_in_queue", "items_in_history", "running_item_uid", "manager_state",
    "queue_stop_pending", "queue_autostart_enabled", "worker_environment_exists",
    "worker_environment_state", "worker_background_tasks", "re_state", "ip_kernel_state",
    "ip_kernel_captured", "pause_pending", "status_uid", "run_list_uid", "plan_queue_uid",
    "plan_history_uid", "devices_existing_uid", "plans_existing_uid", "devices_allowed_uid",
    "plans_allowed_uid", "plan_queue_mode", "task_results_uid", "lock_info_uid", "lock",
    "config_service_sync_error", "http_server_state",
]  # fmt: skip

status = RM.status()
assert list(status) == STATUS_KEYS, list(status)
assert status["msg"].startswith("RE Manager v"), status["msg"]
RM.console_monitor.enable()
RM.system_info_monitor.enable()
RM.history_clear()
RM.queue_clear()

first = RM.item_add(BPlan("quick", num=2))
assert list(first) == ["success", "msg", "qsize", "item"], first
assert list(first["item"])[-3:] == ["user", "user_group", "item_uid"], first
second = RM.item_add(BPlan("other"), pos="front")
assert [item["name"] for item in RM.queue_get()["items"]] == ["other", "quick"]
RM.item_move(pos="front", pos_dest="back")
assert [item["name"] for item in RM.queue_get()["items"]] == ["quick", "other"]
batch = RM.item_add_batch([BPlan("quick"), BPlan("other")])
assert all(result["success"] for result in batch["results"]), batch
RM.item_remove_batch(uids=[item["item_uid"] for item in batch["items"]])

try:
    RM.item_add(BPlan("nope"))
except RM.RequestFailedError as ex:
    assert "Plan 'nope' is not in the list of allowed plans." in str(ex), ex
else:
    raise AssertionError("an unknown plan was taken")

RM.queue_start()
RM.wait_for_idle(timeout=30)
history = RM.history_get()["items"]
assert [item["name"] for item in history] == ["quick", "other"], history
assert history[0]["result"]["exit_status"] == "completed", history[0]

RM.item_add(BPlan("wait"))
RM.queue_start()
deadline = time.monotonic() + 30
while RM.status(reload=True)["re_state"] != "running" and time.monotonic() < deadline:
    time.sleep(0.05)
RM.re_pause("deferred")
RM.wait_for_idle_or_paused(timeout=30)
assert len(RM.re_runs("open")["run_list"]) == 1
RM.re_stop()
RM.wait_for_idle(timeout=30)
assert RM.history_get()["items"][-1]["result"]["exit_status"] == "stopped"
assert "quick" in RM.plans_allowed()["plans_allowed"]
assert "det" in RM.devices_allowed()["devices_allowed"]

RM.item_execute(BPlan("quick"))
RM.wait_for_idle(timeout=30)
assert len(RM.history_get()["items"]) == 4

RM.item_add(BPlan("quick"))
printed = ""
deadline = time.monotonic() + 30
while "Item added" not in printed and time.monotonic() < deadline:
    printed += RM.console_monitor.next_msg(timeout=30)["msg"]
assert "Item added: success=True" in printed, printed
message = RM.system_info_monitor.next_msg(timeout=30)
assert "manager_state" in message["msg"]["status"], message
RM.queue_clear()
RM.close()
