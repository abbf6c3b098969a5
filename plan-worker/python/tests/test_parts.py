"""The parts of the package that need no RunEngine."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from beamline_worker.console import Tee
from beamline_worker.documents import Documents, RunFiles
from beamline_worker.outbox import Outbox, Reports
from beamline_worker.plain import plain
from beamline_worker.protocol.orders import (
    DeviceRecipe,
    Pause,
    PauseOption,
    PlanCall,
    ProtocolError,
    RunPlan,
    decode,
)
from beamline_worker.protocol.reports import (
    Console,
    ExitStatus,
    PlanFinished,
    PlanOutcome,
    Ready,
    ReState,
    TaskFinished,
    TaskOutcome,
    encode,
)
from beamline_worker.registry import RegistryDevices
from beamline_worker.settings import SettingsError, parse
from beamline_worker.standing import Standing
from queue_side import SOURCE

NEEDED = {
    "BEAMLINE_WORKER_CONNECT_TO": "ws://127.0.0.1:1",
    "BEAMLINE_WORKER_TOKEN": "once",
    "BEAMLINE_WORKER_RUNS_DIR": "runs",
}


def test_commands_are_read_and_what_is_none_is_refused():
    command = decode(
        '{"epoch": 4, "type": "run_plan",'
        ' "plan": {"item_uid": "u", "name": "count", "args": [[1]]}}'
    )
    assert command.epoch == 4
    assert command.order == RunPlan(PlanCall("u", "count", [[1]]))
    assert decode('{"epoch":1,"type":"pause","option":"immediate"}').order == Pause(
        PauseOption.IMMEDIATE
    )
    for frame in ("", "[]", "{}", '{"epoch":1,"type":"dance"}', '{"type":"halt"}', b"{}"):
        with pytest.raises(ProtocolError):
            decode(frame)


def test_every_report_is_strict_json():
    values = {"a": np.array([1.5, np.nan]), "b": np.int64(3), "c": (float("inf"), b"x"), 5: object}
    frame = json.loads(encode(Ready({"p": values}, {})), parse_constant=pytest.fail)
    assert frame["plans"]["p"] == {"a": [1.5, None], "b": 3, "c": [None, "x"], "5": str(object)}
    assert json.loads(encode(Console("half \ud800 pair")))["text"] == "half ? pair"
    outcome = PlanOutcome("u", ExitStatus.HALTED, ["r"], [1])
    frame = json.loads(encode(PlanFinished(outcome)))
    assert frame["type"] == "plan_finished"
    assert frame["outcome"]["exit_status"] == "halted"
    assert plain({True, None}) in ([True, None], [None, True])


def test_a_queue_server_hears_first_how_things_stand():
    standing = Standing()
    assert [one.TYPE for one in standing.opening()] == ["hello"]
    standing.note(Ready({}, {}))
    standing.note(ReState("idle"))
    standing.running = "u"
    _, ready, state, _ = standing.opening()
    assert (ready.running, ready.ended, state) == ("u", None, ReState("idle"))
    outcome = PlanOutcome("u", ExitStatus.COMPLETED)
    standing.note(PlanFinished(outcome))
    _, ready, *_ = standing.opening()
    assert (ready.running, ready.ended) == (None, outcome)


def test_runs_that_overlap_are_kept_apart(tmp_path):
    keep = Documents([RunFiles(tmp_path)])
    for run in ("a", "b"):
        keep("start", {"uid": run, "time": 0.0})
        keep("descriptor", {"uid": f"d{run}", "run_start": run})
    for run in ("b", "a"):
        keep("event", {"uid": f"e{run}", "descriptor": f"d{run}"})
        keep("stop", {"uid": f"s{run}", "run_start": run})
    for run in ("a", "b"):
        lines = (tmp_path / "1970-01-01" / f"{run}.jsonl").read_text().splitlines()
        names = [json.loads(line)[0] for line in lines]
        assert names == ["start", "descriptor", "event", "stop"]
    with pytest.raises(KeyError):
        keep("event", {"uid": "late", "descriptor": "da"})


def test_what_is_printed_is_in_the_own_terminal_only_with_echo():
    for echo in (True, False):
        terminal, reports, outbox = io.StringIO(), Reports(), Outbox(lambda: None)
        reports.use(outbox)
        Tee(terminal, reports, echo).write("generator count\n")
        assert terminal.getvalue() == ("generator count\n" if echo else "")
        assert json.loads(outbox.waiting[-1])["text"] == "generator count\n"


def test_settings_come_from_both_and_the_command_line_wins():
    settings = parse(
        ["--epoch", "5", "--startup-dir", "/site"], NEEDED | {"BEAMLINE_WORKER_EPOCH": "4"}
    )
    assert (settings.epoch, settings.profile.startup_dir) == (5, "/site")
    assert "once" not in repr(settings)
    assert parse([], NEEDED | {"BEAMLINE_WORKER_EPOCH": "4"}).epoch == 4


def test_settings_that_contradict_each_other_or_are_missing_are_named():
    with pytest.raises(SettingsError, match="--startup-dir and --startup-module exclude"):
        parse(["--startup-dir", "a", "--startup-module", "b"], NEEDED)
    with pytest.raises(SettingsError, match="BEAMLINE_WORKER_TOKEN is missing"):
        parse([], NEEDED | {"BEAMLINE_WORKER_TOKEN": ""})


class Late:
    """A device whose IOC answers after a while."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.connected = False

    def describe(self) -> None:
        """What marks a device."""

    def wait_for_connection(self, timeout: float) -> None:
        assert timeout > 0.1
        self.connected = True


def test_devices_of_the_registry_are_connected_before_a_plan_can_use_them():
    namespace: dict[str, object] = {}
    recipe = DeviceRecipe("late", f"{Late.__module__}.Late", kwargs={"name": "late"})
    assert RegistryDevices({}, {}).update(namespace, [recipe], frozenset(), None)
    late = namespace["late"]
    assert isinstance(late, Late)
    assert late.connected


def test_of_long_results_only_the_newest_are_told_again():
    standing = Standing()
    standing.note(Ready({}, {}))
    for uid, length in (("first", 12 << 20), ("short", 10), ("third", 24 << 20), ("last", 10)):
        standing.note(TaskFinished(TaskOutcome(uid, success=True, return_value="x" * length)))
    ready = standing.opening()[1]
    assert isinstance(ready, Ready)
    assert [task.success for task in ready.ended_tasks] == [False, True, True, True]
    assert "too long to be kept" in ready.ended_tasks[0].message
    assert len(encode(ready)) < 33 << 20


KEEPS_PYTHON_FOR_ITSELF = """
import ctypes
from beamline_worker import hangs

hangs.HANG = 0.2

def measures_for_ever():
    ctypes.PyDLL(None).usleep(900_000)

hangs.sign_of_life()
measures_for_ever()
"""


def test_the_log_is_told_what_keeps_python_for_itself():
    done = subprocess.run(
        [sys.executable, "-c", KEEPS_PYTHON_FOR_ITSELF],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "in measures_for_ever" in done.stderr
