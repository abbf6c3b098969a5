"""A worker in an IPython kernel: the queue beside somebody who works at a console."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

import pytest
from bluesky_queueserver_api import BPlan
from bluesky_queueserver_api.zmq import REManagerAPI
from jupyter_client import BlockingKernelClient
from local_beamline import ROOT, Beamline, end, wait_for
from test_bluesky_worker import choose, close_environment, console, open_environment

Status = dict[str, object]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beamline]:
    """A beamline whose environment is open, in a kernel."""
    folder = tmp_path_factory.mktemp("kernel")
    one = Beamline(folder / "state", options=[f"--worker-python={sys.executable}"])
    one.variables = one.channel_access() | {
        "PYTHONPATH": str(ROOT / "plan-worker" / "python" / "src"),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(folder / "jupyter"),
    }
    try:
        one.start()
        choose(one, profile={"ipythonKernel": {}})
        open_environment(one)
        yield one
    finally:
        end(one)


@pytest.fixture
def manager(kernel: Beamline) -> Iterator[REManagerAPI]:
    """The client of the RE manager."""
    control, info = (
        f"tcp://127.0.0.1:{kernel.ports[name]}" for name in ("zmq_control", "zmq_info")
    )
    api = REManagerAPI(zmq_control_addr=control, zmq_info_addr=info, request_fail_exceptions=False)
    yield api
    api.close()


@pytest.fixture
def user(manager: REManagerAPI) -> Iterator[BlockingKernelClient]:
    """A console, attached by what `config_get` says, as `qserver-console` is."""
    client = BlockingKernelClient()
    client.load_connection_info(manager.config_get()["config"]["ip_connect_info"])
    client.start_channels()
    client.wait_for_ready(60)
    yield client
    client.stop_channels()


def until(manager: REManagerAPI, what: str, holds: Callable[[Status], object]) -> None:
    wait_for(what, lambda: holds(manager.status(reload=True)))


def is_free(status: Status) -> bool:
    return (status["ip_kernel_state"], status["ip_kernel_captured"]) == ("idle", False)


def last(manager: REManagerAPI) -> dict[str, object]:
    return manager.history_get()["items"][-1]["result"]


def test_plans_and_users_take_turns(
    kernel: Beamline, manager: REManagerAPI, user: BlockingKernelClient
) -> None:
    until(manager, "free", is_free)
    user.execute("import time; print('is', 'working'); time.sleep(1000)")
    until(manager, "busy", lambda status: status["ip_kernel_state"] == "busy")
    wait_for("the console shows it", lambda: "is working" in console(kernel))
    assert manager.status(reload=True)["ip_kernel_captured"] is False
    manager.item_add(BPlan("count", ["det1"], num=2))
    busy = "IPython kernel (RE Worker) is busy."
    assert manager.queue_start() == {"success": False, "msg": busy}
    assert manager.environment_close()["msg"] == "Worker IPython kernel is busy"
    assert manager.kernel_interrupt()["success"]
    until(manager, "free again", is_free)
    assert manager.queue_start()["success"]
    manager.wait_for_idle(timeout=60)
    assert is_free(manager.status(reload=True))
    assert last(manager)["exit_status"] == "completed"
    done = user.execute_interactive("assert RE.state == 'idle'", timeout=60)
    assert done["content"]["status"] == "ok"


def test_a_plan_that_is_interrupted_and_ended_at_the_console_stops_the_queue(
    manager: REManagerAPI, user: BlockingKernelClient
) -> None:
    for _ in range(2):
        manager.item_add(BPlan("count", ["det"], num=1000, delay=0.05))
    assert manager.queue_start()["success"]
    until(manager, "running", lambda status: status["re_state"] == "running")
    status = manager.status(reload=True)
    assert (status["ip_kernel_state"], status["ip_kernel_captured"]) == ("busy", True)
    assert status["worker_environment_state"] == "executing_plan"
    refused = manager.kernel_interrupt(interrupt_task=True)
    assert refused["msg"].endswith("Not allowed to interrupt running plan")
    assert manager.kernel_interrupt(interrupt_plan=True)["success"]
    until(manager, "paused", lambda status: status["manager_state"] == "paused")
    assert is_free(manager.status(reload=True))
    user.execute("RE.abort()")
    manager.wait_for_idle(timeout=60)
    assert last(manager)["exit_status"] == "aborted"
    assert last(manager)["msg"] == "The plan is completed outside RE Manager"
    assert len(manager.queue_get()["items"]) == 2
    manager.queue_clear()


def test_the_key_is_told_to_who_asks_and_is_nowhere_else(
    kernel: Beamline, manager: REManagerAPI
) -> None:
    key = manager.config_get()["config"]["ip_connect_info"]["key"]
    assert len(key) > 30
    for kind in ("queues", "planworkers", "queueitems"):
        assert key not in kernel.kubectl("get", kind, "-o", "yaml")
    assert key not in console(kernel)
    assert key not in kernel.log.read_text()


def test_a_kernel_that_dies_is_noticed_and_the_next_one_opens(
    kernel: Beamline, manager: REManagerAPI
) -> None:
    pid = int(kernel.kubectl("get", "planworkers", "-o", "jsonpath={.items[0].status.pid}"))
    os.kill(pid, 9)
    until(manager, "gone", lambda status: not status["worker_environment_exists"])
    until(manager, "idle", lambda status: status["manager_state"] == "idle")
    status = manager.status(reload=True)
    assert (status["ip_kernel_state"], status["ip_kernel_captured"]) == (None, None)
    assert manager.config_get()["config"] == {"ip_connect_info": {}}
    why = "Failed to interrupt IPython kernel: Worker environment does not exist"
    assert manager.kernel_interrupt()["msg"] == why
    open_environment(kernel)
    assert manager.config_get()["config"]["ip_connect_info"]["ip"] == "127.0.0.1"
    close_environment(kernel)
