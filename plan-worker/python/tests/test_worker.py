"""A worker process with the simulated profile of bluesky-queueserver."""

from __future__ import annotations

import json
import signal


def test_a_worker_says_who_it_is_and_what_it_can_run(queue, worker):
    headers = queue.headers[0]
    assert headers["authorization"] == "Bearer once"
    assert len(headers["beamline-worker-instance"]) == 32
    assert queue.heard[0] == {
        "type": "hello",
        "engine": "bluesky",
        "pid": worker.process.pid,
        "version": 6,
        "wants_devices": False,
    }
    ready = next(report for report in queue.heard if report["type"] == "ready")
    assert ready["plans"]["count"]["properties"] == {"is_generator": True}
    assert len(ready["plans"]) == 36
    assert ready["devices"]["det1"]["components"]["Imax"]["is_readable"]
    assert len(ready["devices"]) == 43
    assert ready["running"] is None
    assert ready["ended"] is None
    queue.state("idle")
    assert "Loading file" in queue.console()
    queue.order("close")
    assert worker.end() == 0
    assert queue.heard[-1] == {"type": "closing"}


def test_a_plan_runs_on_the_real_run_engine_and_leaves_its_documents(resting):
    queue, worker = resting
    queue.run("count", ["det1", "det2"], num=3, item_uid="three")
    outcome = queue.outcome("three")
    assert outcome["exit_status"] == "completed", outcome
    queue.until("no runs", lambda report: report == {"type": "runs", "runs": []})
    documents = queue.documents()
    names = [name for name, _ in documents]
    assert names == ["start", "descriptor", "event", "event", "event", "stop"]
    start = documents[0][1]
    assert start["item_uid"] == "three"
    assert start["detectors"] == ["det1", "det2"]
    assert outcome["run_uids"] == [start["uid"]]
    assert outcome["scan_ids"] == [start["scan_id"]]
    file = next(worker.runs.glob(f"*/{start['uid']}.jsonl"))
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    assert kept == [[name, doc] for name, doc in documents]
    # The table of the profile's own callback.
    assert "generator count" in queue.console()
    assert f"Run was closed: '{start['uid']}'" in queue.console()


def test_a_group_gets_only_the_devices_that_it_may_use(resting):
    queue, _ = resting
    everything = {"allowed_plans": [None], "allowed_devices": [None]}
    groups = {"root": everything, "few": {**everything, "forbidden_devices": ["det2"]}}
    queue.order("permit", permissions={"user_groups": groups})
    for name, status in (("det1", "completed"), ("det2", "failed")):
        call = {"item_uid": name, "name": "count", "args": [[name]], "user_group": "few"}
        queue.order("run_plan", plan=call)
        assert queue.outcome(name)["exit_status"] == status


def test_the_metadata_of_the_run_engine_is_told_as_far_as_it_may_be(resting):
    queue, _ = resting
    queue.order("read_metadata", keys=["/metadata_key"])
    told = queue.until("metadata", lambda report: report["type"] == "metadata")
    assert told["metadata"] == {"metadata_key": "metadata_value"}


def test_without_a_run_engine_the_worker_says_so_and_takes_another(resting):
    queue, _ = resting

    def load(uid: str, script: str) -> None:
        work = {"kind": "load_script", "script": script, "update_lists": False, "update_re": True}
        queue.order("run_task", task={"task_uid": uid, "background": False, "work": work})

    load("gone", "RE = 'junk'")
    queue.until("no engine", lambda report: report["type"] == "no_run_engine")
    before = len(queue.heard)
    load("back", "from bluesky import RunEngine; RE = RunEngine()")
    queue.state("idle", before)
    queue.run("count", ["det"], item_uid="again")
    assert queue.outcome("again")["exit_status"] == "completed"


def test_a_plan_pauses_resumes_and_ends_as_it_is_told(resting):
    queue, _ = resting
    for how, status, run in (
        ("stop", "stopped", "success"),
        ("abort", "aborted", "abort"),
        ("halt", "halted", "abort"),
    ):
        begin = len(queue.heard)
        queue.run("count", ["det"], item_uid=how, num=1000, delay=0.01)
        queue.state("running", begin)
        queue.until("an event", lambda report: report.get("name") == "event", begin)
        queue.order("pause", option="deferred")
        queue.until("paused", lambda report: report.get("state") == "paused", begin)
        paused = len(queue.heard)
        queue.order("resume")
        queue.state("running", paused)
        queue.order("pause", option="immediate")
        queue.state("paused", paused)
        queue.order(how)
        outcome = queue.outcome(how)
        assert outcome["exit_status"] == status, outcome
        closed = [one for name, one in queue.documents() if name == "stop"]
        assert closed[-1]["exit_status"] == run


def test_a_plan_that_fails_says_where_and_the_next_one_runs(resting):
    queue, _ = resting
    queue.run("count", ["no_such_det"], item_uid="bad")
    outcome = queue.outcome("bad")
    assert outcome["exit_status"] == "failed"
    assert outcome["message"] == "Plan failed: 'str' object has no attribute 'name'"
    assert "Traceback" in outcome["traceback"]
    queue.run("nope", item_uid="unknown")
    message = queue.outcome("unknown")["message"]
    assert message.startswith("Plan failed: Error occurred while processing plan parameters")
    queue.run("mv", "motor1", 2, item_uid="good")
    assert queue.outcome("good")["exit_status"] == "completed"


def test_an_item_is_begun_once_and_only_by_the_present_lease(resting):
    queue, _ = resting

    def refused(start: int) -> str:
        return queue.until("refused", lambda one: one["type"] == "refused", start)["message"]

    queue.run("null")
    queue.outcome()
    begin = len(queue.heard)
    queue.run("null")
    assert refused(begin) == "item one was begun already"
    begin = len(queue.heard)
    queue.order("run_plan", epoch=2, plan={"item_uid": "two", "name": "null"})
    assert refused(begin) == "the command is of lease epoch 2, but 3 is known"
    begin = len(queue.heard)
    queue.order("pause", option="deferred")
    assert refused(begin) == "no plan is running"
    assert queue.kinds().count("plan_finished") == 1


def test_a_worker_that_is_told_to_end_aborts_its_plan_first(queue, worker):
    queue.run("count", ["det"], num=1000, delay=0.01)
    queue.until("an event", lambda report: report.get("name") == "event")
    queue.order("close")
    queue.until("it stays", lambda report: report["type"] == "close_refused")
    worker.terminate()
    assert worker.end() == 0
    outcome = queue.outcome()
    assert outcome["exit_status"] == "aborted", outcome
    assert queue.documents()[-1][1]["exit_status"] == "abort"
    queue.until("it leaves", lambda report: report["type"] == "closing")
    lasts = ("plan_finished", "runs", "closing")
    assert [kind for kind in queue.kinds() if kind in lasts][-3:] == list(lasts)


def test_a_worker_outlives_its_queue_server_for_as_long_as_it_was_allowed(queue, start):
    worker = start()
    queue.open(orphan_grace_s=60)
    queue.run("count", ["det"], num=20, delay=0.05)
    queue.until("an event", lambda report: report.get("name") == "event")
    first, begin = queue.connection, len(queue.heard)
    first.close()
    ready = queue.until("back", lambda report: report["type"] == "ready", begin)
    assert ready["running"] == "one" or ready["ended"]["item_uid"] == "one"
    # Something may still have come over the first connection.
    kinds = queue.kinds()[begin:]
    assert kinds.index("hello") < kinds.index("ready")
    assert queue.headers[0] == queue.headers[1] | {
        "sec-websocket-key": queue.headers[0]["sec-websocket-key"]
    }
    queue.epoch = 4
    queue.welcome(orphan_grace_s=0)
    assert queue.outcome()["exit_status"] == "completed"
    queue.connection.close()
    assert worker.end() == 1


PROFILE = """
from bluesky import RunEngine
from bluesky.plans import count
from ophyd import EpicsMotor, EpicsSignal, Signal

RE = RunEngine()
kept = EpicsMotor("kept:m", name="kept", labels=["motors"])
other = EpicsMotor("profile:m", name="other")
simulated = Signal(name="simulated", value=1)
shutter = EpicsSignal("shutter:rbv", write_pv="shutter", name="the_shutter")


def where():
    return {one: globals()[one].prefix for one in ("kept", "other", "more") if one in globals()}


def is_own():
    return kept is OWN[0]


OWN = [kept]
alias = kept
"""


def test_devices_of_the_registry_come_before_those_of_the_profile(queue, start, tmp_path):
    def device(name: str, prefix: str, **more: object) -> dict:
        device_class = "ophyd.EpicsMotor" if name == "kept" else "ophyd.epics_motor.EpicsMotor"
        return {"name": name, "device_class": device_class, "args": [prefix], "kwargs": more}

    def call(function: str) -> object:
        everything = {"allowed_functions": [None]}
        work = {
            "kind": "execute_function",
            "name": function,
            "args": [],
            "kwargs": {},
            "user_group": "root",
            "permissions": {"user_groups": {"root": everything}},
        }
        uid = f"task {len(queue.heard)}"
        queue.order("run_task", task={"task_uid": uid, "background": False, "work": work})
        return queue.until(
            uid,
            lambda one: one["type"] == "task_finished" and one["outcome"]["task_uid"] == uid,
        )["outcome"]["return_value"]

    (tmp_path / "startup.py").write_text(PROFILE)
    start(
        BEAMLINE_WORKER_STARTUP_SCRIPT=str(tmp_path / "startup.py"),
        BEAMLINE_WORKER_REGISTRY_DEVICES="ON",
    )
    assert queue.until("hello", lambda one: one["type"] == "hello")["wants_devices"]
    queue.welcome()
    gone = {"name": "gone", "device_class": "no.such.Motor", "args": ["x"], "kwargs": {}}
    plan = {"name": "count", "device_class": "ophyd.Signal"}
    first = [device("kept", "kept:m", labels=["motors"]), device("other", "registry:m"), gone, plan]
    queue.order("devices", devices=first)
    ready = queue.until("ready", lambda one: one["type"] == "ready")
    assert set(ready["devices"]) == {"kept", "alias", "other", "simulated", "shutter"}
    assert "count" in ready["plans"]
    queue.state("idle")
    assert "'gone' of the registry cannot be used: 'no.such.Motor' cannot" in queue.console()
    assert "'count' of the registry cannot be used: the profile has" in queue.console()
    assert "'other' of the registry is not connected yet: TimeoutError" in queue.console()
    assert "profile_devices" not in queue.kinds()
    assert call("where") == {"kept": "kept:m", "other": "registry:m"}
    assert call("is_own")

    begin = len(queue.heard)
    queue.order("devices", devices=[device("other", "moved:m"), device("more", "more:m"), gone])
    queue.run("count", ["gone"], item_uid="broken")
    lists = queue.until("lists", lambda one: one["type"] == "lists", begin)
    assert set(lists["devices"]) == {"alias", "other", "more", "simulated", "shutter"}
    message = queue.outcome("broken")["message"]
    assert "Device 'gone' of the registry cannot be used: 'no.such.Motor'" in message
    assert call("where") == {"other": "moved:m", "more": "more:m"}

    queue.order("read_devices")
    told = queue.until("own devices", lambda one: one["type"] == "own_devices", begin)
    made = {one["name"]: one["args"] for one in told["devices"]}
    assert made == {"kept": ["kept:m"], "other": ["profile:m"], "shutter": ["shutter:rbv"]}
    assert set(told["left_out"]) == {"alias", "simulated"}
    assert told["left_out"]["simulated"] == "it has no PVs"


def test_an_empty_registry_hears_how_the_profile_makes_its_devices(queue, start, tmp_path):
    (tmp_path / "startup.py").write_text(PROFILE)
    start(
        BEAMLINE_WORKER_STARTUP_SCRIPT=str(tmp_path / "startup.py"),
        BEAMLINE_WORKER_REGISTRY_DEVICES="ON",
    )
    queue.welcome()
    queue.order("devices", devices=[])
    told = queue.until("told", lambda one: one["type"] == "profile_devices")["devices"]
    known = {one["name"]: one for one in told}
    assert sorted(known) == ["kept", "other", "shutter"]
    assert known["kept"]["device_class"] == "ophyd.epics_motor.EpicsMotor"
    assert known["kept"]["args"] == ["kept:m"]
    assert known["kept"]["kwargs"] == {"name": "kept", "labels": ["motors"]}
    assert known["kept"]["pvs"]["user_setpoint"] == "kept:m.VAL"
    assert known["shutter"]["kwargs"] == {"name": "the_shutter", "write_pv": "shutter"}
    assert known["shutter"]["pvs"] == {"readback": "shutter:rbv", "setpoint": "shutter"}
    queue.until("why", lambda one: "'simulated' is not for the registry" in one.get("text", ""))


def test_how_far_a_plan_is_and_what_it_waits_for_is_told_until_its_end(resting):
    queue, _ = resting
    queue.run("count", ["det"], item_uid="far", num=7, delay=0.15)
    queue.outcome("far")
    told = [one["progress"] for one in queue.heard if one["type"] == "progress"]
    assert {one["item_uid"] for one in told} == {"far"}
    assert told[-1]["points_done"] == told[-1]["points_expected"] == 7
    # Not with every point.
    assert len(told) < 7
    kinds = queue.kinds()
    assert kinds.index("progress") < kinds.index("plan_finished")


def test_a_profile_that_fails_is_said_with_its_traceback(queue, start, tmp_path):
    (tmp_path / "startup.py").write_text("import sys\nprint('so far')\n1 / 0\n")
    worker = start(BEAMLINE_WORKER_STARTUP_SCRIPT=str(tmp_path / "startup.py"))
    queue.welcome()
    failed = queue.until("failed", lambda report: report["type"] == "open_failed")
    assert "division by zero" in failed["message"]
    assert worker.end() == 1
    assert "so far" in queue.console()
    assert "Traceback" in queue.console()


def test_nothing_is_run_before_the_environment_is_open_and_a_slow_profile_can_be_ended(
    queue, start, tmp_path
):
    (tmp_path / "startup.py").write_text("import time\nprint('slow', flush=True)\ntime.sleep(60)\n")
    worker = start(BEAMLINE_WORKER_STARTUP_SCRIPT=str(tmp_path / "startup.py"))
    queue.welcome()
    queue.until("begun", lambda report: "slow" in report.get("text", ""))
    queue.run("null")
    refused = queue.until("refused", lambda report: report["type"] == "refused")
    assert refused["message"] == "the environment is not open yet"
    worker.terminate()
    assert worker.end() in (0, -signal.SIGTERM)
    assert queue.heard[-1] == {"type": "closing"}


def test_scripts_and_functions_work_in_the_namespace_of_the_profile(resting):
    queue, _ = resting

    def task(uid: str, background: bool = False, **work: object) -> dict:
        queue.order("run_task", task={"task_uid": uid, "background": background, "work": work})
        ended = queue.until(
            f"the end of {uid}",
            lambda one: one["type"] == "task_finished" and one["outcome"]["task_uid"] == uid,
        )
        return ended["outcome"]

    def load(uid: str, script: str) -> dict:
        return task(uid, kind="load_script", script=script, update_lists=True, update_re=False)

    def call(uid: str, name: str, *args: object, background: bool = False) -> dict:
        everything = {"allowed_functions": [None], "forbidden_functions": [":^_"]}
        permissions = {"user_groups": {"root": everything, "primary": everything}}
        return task(
            uid,
            background,
            kind="execute_function",
            name=name,
            args=args,
            kwargs={},
            user_group="primary",
            permissions=permissions,
        )

    script = "def twice(x):\n    return 2 * x\ndef plan_of_script():\n    yield from null()\n"
    assert load("load", script)["success"]
    lists = next(report for report in queue.heard if report["type"] == "lists")
    assert "plan_of_script" in lists["plans"]
    assert call("call", "twice", 21)["return_value"] == 42
    assert call("beside", "twice", [1], background=True)["return_value"] == [1, 1]
    queue.run("plan_of_script", item_uid="of script")
    assert queue.outcome("of script")["exit_status"] == "completed"
    failed = load("bad", "1 / 0")
    text = "Error occurred while executing 'Load script': Failed to execute stript: "
    assert failed["message"] == text + "division by zero"
    assert failed["traceback"].endswith("division by zero")
    text = "Error occurred while executing 'Execute function': "
    missing = call("missing", "no_such")["message"]
    assert missing == text + "Function 'no_such' is not found in the worker namespace"
    hidden = call("hidden", "_sim_plan_inner")["message"]
    assert "is not allowed for users from 'primary' user group" in hidden
    kind = call("set", "set", [1])["message"]
    assert kind.startswith(text)
    long = call("long", "twice", "x" * (13 << 20))["message"]
    assert long.startswith(text + "Task result is too long: ")
