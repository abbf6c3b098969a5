"""Plans on the real RunEngine: the bluesky engine, with the simulated profile."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_beamline import MINI_BEAMLINE, ROOT, Beamline, end, wait_for

SESSION = """
import sys, time
from bluesky_queueserver_api import BFunc, BPlan
from bluesky_queueserver_api.zmq import REManagerAPI

RM = REManagerAPI(zmq_control_addr=sys.argv[1], zmq_info_addr=sys.argv[2])


def until(what, holds):
    deadline = time.monotonic() + 60
    while not holds(RM.status(reload=True)):
        assert time.monotonic() < deadline, (what, RM.status(reload=True))
        time.sleep(0.05)


plans, devices = RM.plans_allowed()["plans_allowed"], RM.devices_allowed()["devices_allowed"]
assert {"count", "marked_up_count", "sim_multirun_plan_nested"} <= set(plans), sorted(plans)
assert {"det1", "sim_bundle_A", "pseudo3x3"} <= set(devices), sorted(devices)

RM.item_add(BPlan("count", ["det1", "det2"], num=3))
RM.queue_start()
RM.wait_for_idle(timeout=60)
item = RM.history_get()["items"][-1]
assert item["result"]["exit_status"] == "completed", item
assert len(item["result"]["run_uids"]) == 1, item

RM.item_add(BPlan("count", ["det"], num=1000, delay=0.05))
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

called = RM.function_execute(BFunc("function_sleep", 0.1))
RM.wait_for_completed_task(called["task_uid"], timeout=60)
result = RM.task_result(called["task_uid"])["result"]
assert result["return_value"] == {"success": True, "time": 0.1}, result
uploaded = RM.script_upload("def plan_of_script():\\n    yield from count([det])")
RM.wait_for_completed_task(uploaded["task_uid"], timeout=60)
RM.item_add(BPlan("plan_of_script"))
RM.queue_start()
RM.wait_for_idle(timeout=60)
assert RM.history_get()["items"][-1]["result"]["exit_status"] == "completed"

RM.item_add(BPlan("count", ["no_such_det"]))
RM.queue_start()
RM.wait_for_idle(timeout=60)
last = RM.history_get()["items"][-1]["result"]
assert last["exit_status"] == "failed", last
assert last["msg"] == "Plan failed: 'str' object has no attribute 'name'", last
assert "Traceback" in last["traceback"], last
RM.queue_clear()
RM.close()
"""


# Without any device of the beamline.
PROFILE = """
from bluesky import RunEngine
from bluesky.plans import count, scan
from ophyd import EpicsMotor
from ophyd.sim import det as simulated

RE = RunEngine()
extra = EpicsMotor("sim:extra", name="extra")
"""


def choose(beamline: Beamline, **spec: object) -> None:
    patch = json.dumps({"spec": {"engine": "bluesky"} | spec})
    beamline.kubectl("patch", "queue", "main", "--type=merge", f"--patch={patch}")


def open_environment(beamline: Beamline) -> None:
    answer = beamline.post("queue", "/api/environment/open").json()
    assert answer["success"], answer
    wait_for("open", lambda: beamline.status()["worker_environment_exists"], 180)


def close_environment(beamline: Beamline) -> None:
    beamline.post("queue", "/api/environment/close")
    wait_for("closed", lambda: beamline.status()["worker_environment_state"] == "closed")


@pytest.fixture(scope="module")
def bluesky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beamline]:
    """A beamline whose queue runs its plans on bluesky; no environment is open."""
    folders = [ROOT / "plan-worker" / "python" / "src", MINI_BEAMLINE]
    one = Beamline(
        tmp_path_factory.mktemp("bluesky") / "state",
        options=[f"--worker-python={sys.executable}"],
    )
    one.variables = one.channel_access() | {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    try:
        one.start()
        choose(one)
        yield one
    finally:
        end(one)


def console(beamline: Beamline) -> str:
    answer = beamline.get("queue", "/api/console_output?nlines=1000").json()
    return answer["text"]


def test_a_session_with_pauses_failures_and_an_abort(bluesky: Beamline) -> None:
    open_environment(bluesky)
    ports = bluesky.ports
    addresses = [f"tcp://127.0.0.1:{ports[name]}" for name in ("zmq_control", "zmq_info")]
    bluesky.python(SESSION, *addresses)
    # What the profile prints, and its own table of a run.
    assert "generator count" in console(bluesky)
    first = bluesky.get("queue", "/api/history/get").json()["items"][0]
    (run,) = first["result"]["run_uids"]
    (file,) = (bluesky.state / "runs").glob(f"*/{run}.jsonl")
    documents = [json.loads(line) for line in file.read_text().splitlines()]
    assert [name for name, _ in documents].count("event") == 3
    start = documents[0][1]
    assert start["item_uid"] == first["item_uid"]
    assert start["queue"] == "main"
    assert start["user_group"] == first["user_group"]
    close_environment(bluesky)


def test_a_worker_that_is_killed_takes_only_its_plan_with_it(bluesky: Beamline) -> None:
    open_environment(bluesky)
    item = {"item_type": "plan", "name": "count", "args": [["det"]], "kwargs": {"num": 1000}}
    item["kwargs"]["delay"] = 0.05
    added = bluesky.post("queue", "/api/queue/item/add", {"item": item}).json()
    assert added["success"], added
    bluesky.post("queue", "/api/queue/start")
    wait_for("running", lambda: bluesky.status()["re_state"] == "running")
    pid = int(bluesky.kubectl("get", "planworkers", "-o", "jsonpath={.items[0].status.pid}"))
    wait_for("progress", lambda: "/1000" in shown(bluesky, added["item"]))
    os.kill(pid, signal.SIGKILL)
    wait_for("gone", lambda: not bluesky.status()["worker_environment_exists"])
    wait_for("idle", lambda: bluesky.status()["manager_state"] == "idle")
    last = bluesky.get("queue", "/api/history/get").json()["items"][-1]
    assert last["item_uid"] == added["item"]["item_uid"]
    assert last["result"]["exit_status"] == "failed", last
    assert "the worker process ended (signal SIGKILL" in last["result"]["msg"], last
    (front,) = bluesky.get("queue", "/api/queue/get").json()["items"]
    assert (front["name"], front["kwargs"]) == ("count", item["kwargs"])
    bluesky.post("queue", "/api/queue/clear")
    open_environment(bluesky)
    close_environment(bluesky)


def shown(beamline: Beamline, item: dict[str, str]) -> str:
    """The line of an item in the wide table."""
    lines = beamline.kubectl("get", "queueitems", "-o", "wide").splitlines()
    return next(line for line in lines if item["item_uid"] in line)


def test_devices_of_the_registry_are_in_the_plans_and_are_what_the_registry_says(
    bluesky: Beamline, tmp_path: Path
) -> None:
    script = tmp_path / "startup.py"
    script.write_text(PROFILE)
    choose(bluesky, profile={"startupScript": str(script), "registryDevices": True})
    open_environment(bluesky)
    devices = bluesky.get("queue", "/api/devices/allowed").json()["devices_allowed"]
    assert {"pinhole", "motor_ph", "simulated"} <= set(devices), sorted(devices)
    assert devices["pinhole"]["module"] == "localdevs"

    def source(item: dict[str, object]) -> str:
        """Runs a plan; the PV that the detector was read from."""
        answer = bluesky.post("queue", "/api/queue/item/add", {"item": item}).json()
        assert answer["success"], answer
        uid = answer["item"]["item_uid"]
        bluesky.post("queue", "/api/queue/start")

        def ended() -> dict[str, object] | None:
            items = bluesky.get("queue", "/api/history/get").json()["items"]
            return next((one["result"] for one in items if one["item_uid"] == uid), None)

        result = wait_for("the plan ended", ended)
        assert result["exit_status"] == "completed", result
        (file,) = (bluesky.state / "runs").glob(f"*/{result['run_uids'][0]}.jsonl")
        documents = [json.loads(line) for line in file.read_text().splitlines()]
        descriptor = next(doc for name, doc in documents if name == "descriptor")
        return str(descriptor["data_keys"]["pinhole_det"]["source"])

    scan = {"item_type": "plan", "name": "scan", "args": [["pinhole"], "motor_ph", -1, 1]}
    assert source(scan | {"kwargs": {"num": 3}}) == "PV:mini:ph:det"
    count = {"item_type": "plan", "name": "count", "args": [["pinhole"]]}

    diff = bluesky.get("queue", "/api/devices/diff_against_profile").json()["diff"]
    assert diff == {"added": ["extra"], "removed": [], "modified": [], "disabled": []}
    sync = {"strategy": "additions_only"}
    answer = bluesky.post("queue", "/api/devices/sync_from_profile", sync).json()
    assert answer["applied"] == {"upserted": ["extra"], "deleted": []}, answer
    assert answer["diff_after"]["added"] == []
    extra = bluesky.get("registry", "/api/v1/devices/extra/instantiation").json()
    assert (extra["device_class"], extra["args"]) == ("ophyd.epics_motor.EpicsMotor", ["sim:extra"])
    bluesky.kubectl("delete", "device", "extra")

    def move(prefix: str) -> None:
        patch = json.dumps({"spec": {"prefix": prefix}})
        bluesky.kubectl("patch", "device", "pinhole", "--type=merge", f"--patch={patch}")

    move("mini:edge")
    try:
        assert source(count) == "PV:mini:edge:det"
    finally:
        move("mini:ph")
    close_environment(bluesky)
    choose(bluesky, profile=None)


@pytest.mark.parametrize("engine", ["bluesky", "native"])
def test_a_plan_waits_until_a_condition_is_met(bluesky: Beamline, engine: str) -> None:
    pv = "mini:dot:shutter_open"
    closed = {"pv": pv, "state": "low", "message": "the shutter is closed"}
    choose(bluesky, engine=engine, suspenders=[closed])
    open_environment(bluesky)
    item = {"item_type": "plan", "name": "count", "args": [["det"]], "kwargs": {"num": 100}}
    item["kwargs"]["delay"] = 0.05

    def shutter(value: int) -> None:
        answer = bluesky.post("control", "/api/v1/pv/set", {"pv_name": pv, "value": value})
        assert answer.json()["success"], answer.text

    added = bluesky.post("queue", "/api/queue/item/add", {"item": item}).json()
    assert added["success"], added
    try:
        bluesky.post("queue", "/api/queue/start")
        wait_for("running", lambda: bluesky.status()["re_state"] == "running")
        shutter(0)
        wait_for("it waits", lambda: " waits" in shown(bluesky, added["item"]), 30)
        waiting = "{.items[*].status.progress.waiting}"
        said = bluesky.kubectl("get", "queueitems", "-o", f"jsonpath={waiting}")
        assert said == f"{pv} is low: the shutter is closed"
    finally:
        shutter(1)
    wait_for("it ended", lambda: bluesky.status()["manager_state"] == "idle", 60)
    last = bluesky.get("queue", "/api/history/get").json()["items"][-1]
    assert last["result"]["exit_status"] == "completed", last
    close_environment(bluesky)
    choose(bluesky, suspenders=None)


def test_an_environment_that_does_not_open_says_why(bluesky: Beamline, tmp_path: Path) -> None:
    script = tmp_path / "startup.py"
    script.write_text("raise RuntimeError('the ring is down')\n")
    choose(bluesky, profile={"startupScript": str(script)})
    bluesky.post("queue", "/api/environment/open")
    wait_for("said", lambda: "the ring is down" in console(bluesky), 120)
    wait_for("idle", lambda: bluesky.status()["manager_state"] == "idle")
    assert not bluesky.status()["worker_environment_exists"]
    assert "Failed to start RE Worker environment. Error: " in console(bluesky)
    choose(bluesky, profile=None)


def test_a_missing_package_is_named(own_beamline: Beamline) -> None:
    own_beamline.options.append(f"--worker-python={sys.executable}")
    own_beamline.start()
    choose(own_beamline)
    own_beamline.post("queue", "/api/environment/open")
    said = "Failed to start RE Worker environment. Error: the worker process ended (exit code 1: "
    wait_for("said", lambda: said in console(own_beamline))
    assert "No module named beamline_worker" in console(own_beamline)
