"""A worker in an IPython kernel, and a user who connects as `jupyter console --existing` does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from beamline_worker import connection_file, startup
from beamline_worker.settings import KernelSettings, ProfileSettings
from jupyter_client import BlockingKernelClient
from queue_side import PATIENCE, QueueSide, Worker

ON = {"BEAMLINE_WORKER_IPYTHON_KERNEL": "ON", "BEAMLINE_WORKER_IPYTHON_MATPLOTLIB": "agg"}
SLEEP = "import time; print('sleeps'); time.sleep(1000)"


class User:
    """Somebody at a console."""

    def __init__(self, queue: QueueSide) -> None:
        said = queue.until("where", lambda report: report["type"] == "kernel_connection")
        self.info = {key: value for key, value in said.items() if key != "type"}
        self.client = BlockingKernelClient()
        self.client.load_connection_info(self.info)
        self.client.start_channels()
        self.client.wait_for_ready(PATIENCE)

    def executes(self, code: str) -> tuple[str, str]:
        """How the cell ends and what it prints."""
        printed = []

        def heard(message: dict) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self.client.execute_interactive(
            code, timeout=PATIENCE, output_hook=heard, allow_stdin=False
        )
        return reply["content"]["status"], "".join(printed)

    def leaves(self) -> None:
        self.client.stop_channels()


@pytest.fixture(scope="module")
def open_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[QueueSide, User]]:
    folder = tmp_path_factory.mktemp("kernel")
    home = {"IPYTHONDIR": str(folder / "ipython"), "JUPYTER_RUNTIME_DIR": str(folder / "jupyter")}
    with QueueSide() as queue, Worker(queue, folder, **ON, **home):
        queue.open()
        user = User(queue)
        yield queue, user
        user.leaves()


@pytest.fixture
def kernel(open_kernel: tuple[QueueSide, User]) -> tuple[QueueSide, User]:
    """A kernel that nobody uses; nothing was heard yet."""
    queue, user = open_kernel
    # What the test before did is over when the kernel has answered once more.
    user.executes("pass")
    queue.forget()
    return queue, user


def reserved(queue: QueueSide, start: int = 0) -> str | None:
    queue.order("reserve_kernel")
    kind: Callable[[dict], bool] = lambda report: report["type"] == "kernel_reserved"  # noqa: E731
    return queue.until("an answer", kind, start)["error"]


def phase(queue: QueueSide, phase: str, captured: bool, start: int = 0) -> None:
    wanted = {"type": "kernel", "phase": phase, "captured": captured}
    queue.until(f"{wanted}", lambda report: report == wanted, start)


def sleeps(queue: QueueSide, user: User) -> None:
    """The user executes a cell that does not end by itself."""
    begin = len(queue.heard)
    user.client.execute(SLEEP)
    phase(queue, "busy", captured=False, start=begin)
    queue.until("it sleeps", lambda report: "sleeps" in report.get("text", ""), begin)


def interrupt(queue: QueueSide, task: bool = False, plan: bool = False) -> None:
    queue.order("interrupt_kernel", interrupt_task=task, interrupt_plan=plan)


def test_users_work_in_the_namespace_of_the_profile_and_the_console_shows_it(open_kernel):
    queue, user = open_kernel
    assert user.info["transport"] == "tcp"
    assert user.info["ip"] == "127.0.0.1"
    kinds = queue.kinds()
    assert kinds.index("kernel_connection") < kinds.index("kernel") < kinds.index("ready")
    assert user.executes("print('state', RE.state)") == ("ok", "state idle\n")
    user.executes("6 * 7")
    user.executes("1 / 0")
    queue.until("a value", lambda report: ">> 42" in report.get("text", ""))
    queue.until("an error", lambda report: "ZeroDivisionError" in report.get("text", ""))
    assert "state idle" in queue.console()
    assert user.info["key"] not in queue.console()
    # One line, and not what ipykernel says to those who start it by hand.
    assert queue.console().count("jupyter console --existing ") == 1
    assert "To exit" not in queue.console()


def test_the_kernel_is_kept_for_plans_and_then_left_to_its_users(kernel):
    queue, user = kernel
    assert reserved(queue) is None
    phase(queue, "busy", captured=True)
    queue.run("count", ["det"], item_uid="kept", num=2)
    assert queue.outcome("kept")["exit_status"] == "completed"
    end = len(queue.heard)
    queue.order("release_kernel")
    phase(queue, "idle", captured=False, start=end)
    assert user.executes("print(RE.md['scan_id'] > 0)") == ("ok", "True\n")


def test_a_reservation_that_nobody_uses_ends_by_itself(kernel):
    queue, user = kernel
    assert reserved(queue) is None
    assert user.executes("pass")[0] == "ok"
    phase(queue, "idle", captured=False)


def test_nothing_starts_while_a_user_works(kernel):
    queue, user = kernel
    sleeps(queue, user)
    assert reserved(queue) == "Timeout occurred while trying to reserve IPython kernel"
    queue.run("count", ["det"], item_uid="late")
    outcome = queue.outcome("late")
    assert outcome["exit_status"] == "failed"
    assert outcome["message"].startswith("Plan failed: Failed to capture IPython kernel: Timeout")
    queue.order("close")
    refused = queue.until("it stays", lambda report: report["type"] == "close_refused")
    assert refused["message"] == "IPython kernel is busy and can not be stopped."
    begin = len(queue.heard)
    interrupt(queue)
    phase(queue, "idle", captured=False, start=begin)
    queue.until("why", lambda report: "KeyboardInterrupt" in report.get("text", ""), begin)
    assert reserved(queue, begin) is None


@pytest.mark.parametrize(("cell", "status"), [("RE.stop()", "unknown"), ("RE.abort()", "aborted")])
def test_a_paused_plan_that_a_user_ends_is_said_to_have_ended(kernel, cell, status):
    queue, user = kernel
    queue.run("count", ["det"], item_uid=cell, num=1000, delay=0.01)
    queue.until("an event", lambda report: report.get("name") == "event")
    queue.order("pause", option="immediate")
    queue.state("paused")
    paused = len(queue.heard)
    phase(queue, "idle", captured=False)
    user.executes(cell)
    outcome = queue.outcome(cell)
    assert outcome["exit_status"] == status
    assert outcome["message"] == "The plan is completed outside RE Manager"
    assert queue.documents()[-1][0] == "stop"
    told = {"type": "kernel", "phase": "busy", "captured": True}
    assert told not in queue.heard[paused:]


def test_tasks_and_plans_are_interrupted_only_when_that_is_said(kernel):
    queue, _ = kernel
    work = {"kind": "load_script", "script": SLEEP, "update_lists": False, "update_re": False}
    queue.order("run_task", task={"task_uid": "long", "background": False, "work": work})
    queue.until("it sleeps", lambda report: "sleeps" in report.get("text", ""))
    phase(queue, "busy", captured=True)
    interrupt(queue, plan=True)
    refused = queue.until("refused", lambda report: report["type"] == "refused")
    assert refused["message"] == "Not allowed to interrupt running task"
    interrupt(queue, task=True)
    ended = queue.until("its end", lambda report: report["type"] == "task_finished")["outcome"]
    assert not ended["success"]
    assert "KeyboardInterrupt" in ended["traceback"]
    begin = len(queue.heard)
    queue.run("count", ["det"], item_uid="paused", num=1000, delay=0.01)
    queue.until("an event", lambda report: report.get("name") == "event", begin)
    interrupt(queue, task=True)
    queue.until(
        "refused", lambda one: one.get("message") == "Not allowed to interrupt running plan"
    )
    interrupt(queue, plan=True)
    queue.state("paused", begin)
    queue.order("abort")
    assert queue.outcome("paused")["exit_status"] == "aborted"


def test_a_plan_of_a_user_can_be_paused(kernel):
    queue, user = kernel
    # It ends as a failure, behind which the kernel would drop the next cell.
    user.client.execute("RE(count([det], num=1000, delay=0.01))", stop_on_error=False)
    queue.state("running")
    queue.order("pause", option="immediate")
    queue.state("paused")
    assert user.executes("RE.abort(); print(RE.state)")[1].endswith("idle\n")
    assert "plan_finished" not in queue.kinds()


def test_a_plan_is_not_lost_behind_a_cell_that_fails(kernel):
    queue, user = kernel
    # The kernel drops what waits behind such a cell.
    user.client.execute("import time; time.sleep(0.5); 1 / 0")
    phase(queue, "busy", captured=False)
    queue.run("count", ["det"], item_uid="behind")
    assert queue.outcome("behind")["exit_status"] == "completed"


PROFILE = """
from IPython.core.magic import register_line_magic

@register_line_magic
def twice(line):
    return 2 * int(line)

def count_nothing():
    yield from []
"""


def test_magics_work_in_a_profile_and_its_connection_file_stays(queue, start, tmp_path):
    folder = tmp_path / "profile_own" / "startup"
    folder.mkdir(parents=True)
    (folder / "00.py").write_text(PROFILE)
    (folder / "01.ipy").write_text("value = %twice 21\n")
    variables = ON | {
        "BEAMLINE_WORKER_STARTUP_DIR": str(folder),
        "BEAMLINE_WORKER_IPYTHON_CONNECTION_DIR": str(tmp_path / "connections"),
        "BEAMLINE_WORKER_IPYTHON_CONNECTION_FILE": "own.json",
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    worker = start(**variables)
    queue.welcome()
    ready = queue.until("ready", lambda report: report["type"] == "ready")
    assert "count_nothing" in ready["plans"]
    user = User(queue)
    assert user.executes("print(value)") == ("ok", "42\n")
    file = tmp_path / "connections" / "own.json"
    assert file.stat().st_mode & 0o077 == 0
    # A user may do that; the worker says that it leaves.
    user.client.shutdown()
    queue.until("it leaves", lambda report: report["type"] == "closing")
    user.leaves()
    assert worker.end() == 0
    assert json.loads(file.read_text())["key"] == user.info["key"]


def test_a_profile_that_fails_in_the_kernel_is_said_with_its_traceback(queue, start, tmp_path):
    (tmp_path / "startup.py").write_text("1 / 0\n")
    worker = start(**ON, BEAMLINE_WORKER_STARTUP_SCRIPT=str(tmp_path / "startup.py"))
    queue.welcome()
    failed = queue.until("failed", lambda report: report["type"] == "open_failed")
    assert "division by zero" in failed["message"]
    assert worker.end() == 1
    assert "Traceback" in queue.console()


def test_a_kernel_that_cannot_be_started_is_a_reason(queue, start):
    worker = start(**ON | {"BEAMLINE_WORKER_IPYTHON_KERNEL_IP": "192.0.2.77"})
    queue.welcome()
    failed = queue.until("failed", lambda report: report["type"] == "open_failed")
    assert failed["message"].startswith("the IPython kernel cannot be started: ")
    assert worker.end() == 1


def test_a_connection_file_is_used_again_while_it_says_what_the_settings_say(tmp_path: Path):
    file = tmp_path / "kernel.json"
    connection = {"ip": "127.0.0.1", "shell_port": 5, "hb_port": 6, "key": "k"}
    settings = KernelSettings(shell_port=5)
    for said, is_kept in (
        (connection, True),
        (connection | {"shell_port": 7}, False),
        (connection | {"ip": "10.0.0.1"}, False),
        (connection | {"key": ""}, False),
        ([], False),
    ):
        file.write_text(json.dumps(said))
        connection_file.drop_outdated(file, settings, "127.0.0.1")
        assert file.exists() == is_kept, said
    connection_file.drop_outdated(file, settings, "127.0.0.1")


def test_the_folder_of_an_ipython_profile_is_known_by_its_name(tmp_path: Path):
    own = tmp_path / "profile_own" / "startup"
    own.mkdir(parents=True)

    def found(**settings: str) -> tuple[str, str] | None:
        return startup.ipython_profile(ProfileSettings(**settings))

    assert found(startup_dir=str(own)) == (str(tmp_path), "own")
    assert found(startup_profile="own", ipython_dir=str(tmp_path)) == (str(tmp_path), "own")
    assert found(startup_dir=str(tmp_path)) is None
    assert found() is None
    assert found(startup_profile="gone", ipython_dir=str(tmp_path)) is None
