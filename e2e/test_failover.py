"""Two queue servers as processes of their own; the leader is paused or killed while a plan runs."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from local_beamline import Beamline, environment, executable, free_ports, wait_for

# A lease of 15 s has to lapse, and a worker takes 20 s to notice a silent queue server.
TAKE_OVER = 60.0
LONG = 45.0


@dataclass
class Server:
    """One `beamline queue` on the API of a running beamline, for a queue of its own."""

    beamline: Beamline
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)
    url: str = field(init=False)

    def __post_init__(self) -> None:
        http, control, info = free_ports(3)
        self.url = f"http://127.0.0.1:{http}"
        command = [
            executable(),
            "queue",
            f"--api-server={self.beamline.url('api')}",
            "--namespace=default",
            "--queue=shared",
            f"--queue-http=127.0.0.1:{http}",
            f"--zmq-control-addr=tcp://127.0.0.1:{control}",
            f"--zmq-info-addr=tcp://127.0.0.1:{info}",
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment())

    def ready(self) -> str | None:
        answer = httpx.get(self.url + "/ready", timeout=2)
        return answer.json()["status"] if answer.status_code == 200 else None

    def status(self) -> dict[str, object]:
        answer = httpx.get(self.url + "/api/status", timeout=2)
        return answer.json() if answer.status_code == 200 else {}

    def post(self, path: str, body: object) -> dict[str, object]:
        answer = httpx.post(self.url + path, json=body, timeout=15).json()
        assert answer.get("success"), answer
        return answer

    def history(self) -> list[dict[str, object]]:
        answer = httpx.get(self.url + "/api/history/get", timeout=2)
        return answer.json()["items"] if answer.status_code == 200 else []


@pytest.fixture
def servers(own_beamline: Beamline, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    own_beamline.start()
    one = Server(own_beamline, tmp_path / "one.log")
    try:
        wait_for("one leads", lambda: one.ready() == "ready")
        two = Server(own_beamline, tmp_path / "two.log")
        try:
            wait_for("two stands by", lambda: two.ready() == "standby")
            yield one, two
        finally:
            two.process.send_signal(signal.SIGCONT)
            two.process.kill()
            two.process.wait(10)
    finally:
        one.process.send_signal(signal.SIGCONT)
        one.process.kill()
        one.process.wait(10)


def start_plan(server: Server, seconds: float) -> str:
    server.post("/api/environment/open", {})
    wait_for("the environment is open", lambda: server.status().get("re_state") == "idle")
    item = {"item_type": "plan", "name": "sleep", "args": [seconds]}
    uid = server.post("/api/queue/item/add", {"item": item})["item"]["item_uid"]  # type: ignore[index]
    server.post("/api/queue/start", {})
    wait_for("the plan runs", lambda: server.status().get("re_state") == "running")
    return uid


def ends(server: Server) -> list[tuple[object, object]]:
    return [(item["item_uid"], item["result"]["exit_status"]) for item in server.history()]  # type: ignore[index]


def workers(beamline: Beamline) -> str:
    words = "jsonpath={range .items[*]}{.metadata.uid} {.status.pid};{end}"
    return beamline.kubectl("get", "planworkers", "-o", words)


def item_versions(beamline: Beamline) -> str:
    words = "jsonpath={range .items[*]}{.metadata.name}={.metadata.resourceVersion};{end}"
    return beamline.kubectl("get", "queueitems", "-o", words)


def test_a_leader_paused_past_its_lease_does_nothing_when_it_goes_on(
    servers: tuple[Server, Server], own_beamline: Beamline
) -> None:
    one, two = servers
    uid = start_plan(one, LONG)
    worker = workers(own_beamline)
    one.process.send_signal(signal.SIGSTOP)
    wait_for("two leads", lambda: two.ready() == "ready", TAKE_OVER)
    wait_for("the worker is back", lambda: two.status().get("re_state") == "running", TAKE_OVER)
    before = item_versions(own_beamline)
    one.process.send_signal(signal.SIGCONT)
    wait_for("one stands by", lambda: one.ready() == "standby")
    refused = httpx.get(one.url + "/api/status", timeout=5)
    assert refused.status_code == 503
    assert "standby" in refused.json()["detail"]
    assert item_versions(own_beamline) == before
    assert workers(own_beamline) == worker
    wait_for("the plan is done", lambda: len(two.history()) == 1, LONG + TAKE_OVER)
    assert ends(two) == [(uid, "completed")]
    assert two.status()["items_in_queue"] == 0


def test_a_killed_leader_is_followed_by_the_standby(
    servers: tuple[Server, Server], own_beamline: Beamline
) -> None:
    one, two = servers
    uid = start_plan(one, LONG)
    worker = workers(own_beamline)
    one.process.kill()
    wait_for("two leads", lambda: two.ready() == "ready", TAKE_OVER)
    wait_for("the worker is back", lambda: two.status().get("re_state") == "running", TAKE_OVER)
    assert workers(own_beamline) == worker
    two.post("/api/re/pause", {"option": "immediate"})
    wait_for("it is paused", lambda: two.status().get("re_state") == "paused")
    two.post("/api/re/stop", {})
    wait_for("the plan is done", lambda: len(two.history()) == 1)
    assert ends(two) == [(uid, "stopped")]
