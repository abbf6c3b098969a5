"""Two queue servers: ours inside of a beamline, and bluesky-queueserver with its Redis."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import bluesky_queueserver
from bluesky_queueserver import ZMQCommSendThreads
from local_beamline import free_ports, wait_for
from process import running

START_LIMIT = 60.0
PROFILE = Path(__file__).parent / "peers" / "profile"


@dataclass
class QueueServer:
    """One queue server, asked by bluesky-queueserver's own 0MQ client."""

    address: str

    def __post_init__(self) -> None:
        self._client = ZMQCommSendThreads(zmq_server_address=self.address, timeout_recv=20_000)

    def ask(self, method: str, **params: object) -> dict[str, object]:
        answer = self._client.send_message(method=method, params=params, raise_exceptions=True)
        if answer.get("success") is False:
            raise RuntimeError(f"{method} at {self.address}: {answer.get('msg')}")
        return answer

    def add(self, **kwargs: object) -> None:
        item = {"item_type": "plan", "name": "count", "args": [["det"]], "kwargs": kwargs}
        self.ask("queue_item_add", item=item, user="bench", user_group="primary")

    def _status(self) -> dict[str, object]:
        return self.ask("status")

    def open_environment(self) -> None:
        """Opens the environment and waits for it; the lists of plans are known afterwards."""
        self.ask("environment_open")
        wait_for(
            f"environment of {self.address}",
            lambda: self._status()["worker_environment_exists"],
            START_LIMIT,
        )
        self.wait_until_idle()

    def is_idle(self) -> bool:
        return self._status()["manager_state"] == "idle"

    def wait_until_idle(self) -> None:
        wait_for(f"idle queue server at {self.address}", self.is_idle, START_LIMIT)

    def adds_per_second(self, count: int) -> float:
        """Adds items one after the other to an empty queue."""
        self.ask("queue_clear")
        start = time.perf_counter()
        for _ in range(count):
            self.add(num=1)
        return count / (time.perf_counter() - start)

    def get_ms(self, repeats: int = 10) -> float:
        """Milliseconds to get the whole queue."""
        start = time.perf_counter()
        for _ in range(repeats):
            self.ask("queue_get")
        return (time.perf_counter() - start) / repeats * 1e3

    def plans_per_minute(self, count: int) -> float:
        """Runs short plans from the queue, one after the other."""
        self.ask("queue_clear")
        for _ in range(count):
            self.add(num=1)
        start = time.perf_counter()
        self.ask("queue_start")
        wait_for("the queue to run empty", lambda: self._status()["items_in_queue"] == 0, 300.0)
        self.wait_until_idle()
        return count / (time.perf_counter() - start) * 60

    def points_per_second(self, points: int) -> float:
        """Points of one `count`, between the two times that the history has for it."""
        self.ask("queue_clear")
        self.ask("history_clear")
        self.add(num=points)
        self.ask("queue_start")
        wait_for("the plan", lambda: self._status()["items_in_history"] == 1, 300.0)
        self.wait_until_idle()
        (item,) = self.ask("history_get")["items"]
        result = item["result"]
        if result["exit_status"] != "completed":
            raise RuntimeError(f"the plan at {self.address} ended: {result}")
        return points / (result["time_stop"] - result["time_start"])


@contextmanager
def bluesky_queueserver_running(folder: Path) -> Iterator[QueueServer]:
    """`start-re-manager` and a Redis of its own, both as they come."""
    redis_port, control_port, info_port = free_ports(3)
    address = f"tcp://127.0.0.1:{control_port}"
    profile = folder / "profile"
    shutil.copytree(PROFILE, profile)
    permissions = Path(bluesky_queueserver.__file__).parent / "profile_collection_sim"
    shutil.copy(permissions / "user_group_permissions.yaml", profile)
    redis = f"redis-server --port {redis_port} --bind 127.0.0.1".split()
    manager = [
        str(Path(sys.executable).with_name("start-re-manager")),
        f"--redis-addr=127.0.0.1:{redis_port}",
        f"--zmq-control-addr={address}",
        f"--zmq-info-addr=tcp://127.0.0.1:{info_port}",
        f"--startup-dir={profile}",
        "--console-output=OFF",
    ]
    with ExitStack() as stack:
        stack.enter_context(running([*redis, "--dir", str(folder)], folder / "redis.log"))
        stack.enter_context(running(manager, folder / "re-manager.log"))
        server = QueueServer(address)
        wait_for("start-re-manager", server.is_idle, START_LIMIT)
        server.open_environment()
        yield server
