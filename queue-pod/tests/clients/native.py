"""A session on the native engine: open, scan, pause and resume, a failure, close."""

import sys
import time

from bluesky_queueserver_api import BPlan
from bluesky_queueserver_api.zmq import REManagerAPI

control, info = sys.argv[1:]
RM = REManagerAPI(zmq_control_addr=control, zmq_info_addr=info)


def until(what, holds):
    deadline = time.monotonic() + 60
    while not holds(RM.status(reload=True)):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


RM.environment_open()
RM.wait_for_idle(timeout=60)
assert RM.status(reload=True)["worker_environment_exists"]
assert {"count", "scan", "mv"} <= set(RM.plans_allowed()["plans_allowed"])
assert {"det", "motor"} <= set(RM.devices_allowed()["devices_allowed"])
try:
    RM.send_request(method="config_service_diff")
except RM.RequestFailedError as ex:
    assert "The native engine has no profile" in str(ex), ex
else:
    raise AssertionError("a profile was compared that is not there")

RM.item_add(BPlan("scan", ["det"], "motor", -1, 1, 5, md={"sample": "x"}))
RM.item_add(BPlan("count", ["det1", "det2"], num=2))
RM.queue_start()
RM.wait_for_idle(timeout=60)
history = RM.history_get()["items"]
assert [item["result"]["exit_status"] for item in history] == ["completed"] * 2, history
assert all(len(item["result"]["run_uids"]) == 1 for item in history), history

RM.item_add(BPlan("count", ["det"], num=50, delay=0.1))
RM.queue_start()
until("running", lambda status: status["re_state"] == "running")
RM.re_pause("deferred")
until("paused", lambda status: status["manager_state"] == "paused")
assert RM.re_runs("open")["run_list"][0]["is_open"]
RM.re_resume()
until("running again", lambda status: status["re_state"] == "running")
RM.re_pause("immediate")
until("paused again", lambda status: status["manager_state"] == "paused")
RM.re_abort()
RM.wait_for_idle(timeout=60)
assert RM.history_get()["items"][-1]["result"]["exit_status"] == "aborted"
assert RM.queue_get()["items"][0]["result"]["exit_status"] == "aborted"
RM.queue_clear()

RM.item_add(BPlan("count", ["no_such_det"]))
RM.queue_start()
RM.wait_for_idle(timeout=60)
last = RM.history_get()["items"][-1]["result"]
assert last["exit_status"] == "failed" and last["msg"].startswith("Plan failed: "), last
RM.environment_close()
until("closed", lambda status: status["worker_environment_state"] == "closed")
RM.close()
