"""What one client asks of a queue server, whichever it is, and how long the answers take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bluesky_queueserver import ZMQCommSendThreads
from local_beamline import wait_for

START_LIMIT = 60.0
# Longest time for plans to run, and between two looks at a state that is timed.
RUN_LIMIT = 300.0
LOOK = 0.002


@dataclass
class QueueServer:
    """One queue server, asked by bluesky-queueserver's own 0MQ client."""

    address: str
    patience_ms: int = 20_000

    def __post_init__(self) -> None:
        self._client = ZMQCommSendThreads(
            zmq_server_address=self.address, timeout_recv=self.patience_ms
        )

    def close(self) -> None:
        self._client.close()

    def ask(self, method: str, **params: object) -> dict[str, object]:
        answer = self._client.send_message(method=method, params=params, raise_exceptions=True)
        if answer.get("success") is False:
            raise RuntimeError(f"{method} at {self.address}: {answer.get('msg')}")
        return answer

    def add(self, **kwargs: object) -> None:
        self.ask("queue_item_add", item=plan(**kwargs), user="bench", user_group="primary")

    def add_batch(self, count: int) -> None:
        items = [plan(num=1)] * count
        self.ask("queue_item_add_batch", items=items, user="bench", user_group="primary")

    def status(self) -> dict[str, object]:
        return self.ask("status")

    def is_idle(self) -> bool:
        return self.status()["manager_state"] == "idle"

    def wait_until_idle(self) -> None:
        wait_for(f"idle queue server at {self.address}", self.is_idle, START_LIMIT)

    def open_environment(self) -> None:
        """Opens the environment and waits for it; the lists of plans are known afterwards."""
        self.ask("environment_open")
        self._watch(lambda status: status["worker_environment_exists"])
        self._watch(lambda status: status["manager_state"] == "idle")

    def close_environment(self) -> None:
        """Closes it and waits until it is."""
        self.ask("environment_close")
        self._watch(lambda status: not status["worker_environment_exists"])
        self.wait_until_idle()

    def adds_per_second(self, count: int) -> float:
        """Adds items one after the other to an empty queue."""
        self.ask("queue_clear")
        start = time.perf_counter()
        for _ in range(count):
            self.add(num=1)
        return count / (time.perf_counter() - start)

    def batch_ms(self, count: int) -> float:
        """Adds a batch to an empty queue."""
        self.ask("queue_clear")
        return milliseconds(lambda: self.add_batch(count))

    def fill_ms(self, count: int, batch: int) -> float:
        """Fills an empty queue by batches."""
        self.ask("queue_clear")
        return milliseconds(lambda: self.add_batch(batch), count // batch) * (count // batch)

    def get_ms(self) -> float:
        """The whole queue as this client reads it, after each of some changes."""
        took = 0.0
        for _ in range(5):
            self.ask("queue_item_move", pos="back", pos_dest="front")
            took += milliseconds(lambda: self.ask("queue_get"))
        return took / 5

    def move_ms(self) -> float:
        """The last item becomes the first."""
        return milliseconds(lambda: self.ask("queue_item_move", pos="back", pos_dest="front"), 100)

    def add_ms(self) -> float:
        """One more item at the end; the queue is as long as it was afterwards."""
        added = milliseconds(lambda: self.add(num=1), 50)
        for _ in range(50):
            self.ask("queue_item_remove", pos="back")
        return added

    def plan_ms(self, count: int) -> float:
        """Runs short plans from the queue, one after the other; the time of one."""
        self.ask("queue_clear")
        for _ in range(count):
            self.add(num=1)
        start = time.perf_counter()
        self.ask("queue_start")
        self._watch(
            lambda status: status["items_in_queue"] == 0 and status["manager_state"] == "idle"
        )
        return (time.perf_counter() - start) / count * 1e3

    def points_per_second(self, points: int) -> float:
        """Points of one `count`, between the two times that the history has for it."""
        self.ask("queue_clear")
        self.ask("history_clear")
        self.add(num=points)
        self.ask("queue_start")
        wait_for("the plan", lambda: self.status()["items_in_history"] == 1, RUN_LIMIT)
        self.wait_until_idle()
        (item,) = self.ask("history_get")["items"]
        result = item["result"]
        if result["exit_status"] != "completed":
            raise RuntimeError(f"the plan at {self.address} ended: {result}")
        return points / (result["time_stop"] - result["time_start"])

    def _watch(self, condition: Callable[[dict[str, object]], object]) -> None:
        """Waits until the status is as wanted, and looks often: the wait is measured."""
        deadline = time.monotonic() + RUN_LIMIT
        while not condition(status := self.status()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.address} stays as it is: {status}")
            time.sleep(LOOK)


def plan(**kwargs: object) -> dict[str, object]:
    return {"item_type": "plan", "name": "count", "args": [["det"]], "kwargs": kwargs}


def milliseconds(work: Callable[[], object], repeats: int = 1) -> float:
    """Of one call."""
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats * 1e3
