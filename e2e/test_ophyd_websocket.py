"""Clients of ophyd-websocket against the running executable: routes, sockets, what finch sends."""

from __future__ import annotations

import json
from contextlib import ExitStack

import httpx
import pytest
from local_beamline import Beamline, wait_for
from websockets.sync.client import ClientConnection, connect


class Socket:
    """A socket of JSON frames."""

    def __init__(self, address: str) -> None:
        self.stack = ExitStack()
        self.connection: ClientConnection = self.stack.enter_context(
            connect(address, open_timeout=10)
        )

    def close(self) -> None:
        self.stack.close()

    def send(self, **command: object) -> None:
        self.connection.send(json.dumps(command))

    def until(self, wanted, limit: float = 30.0) -> dict:
        """The first frame that is as wanted; strict JSON, as a browser reads it."""

        def not_json(word: str) -> None:
            raise ValueError(f"{word} is not JSON")

        while True:
            frame = json.loads(self.connection.recv(timeout=limit), parse_constant=not_json)
            if wanted(frame):
                return frame


def open_socket(beamline: Beamline, path: str) -> Socket:
    address = beamline.url("oas").replace("http", "ws")
    return Socket(f"{address}{path}")


def is_value(frame: dict) -> bool:
    return "value" in frame and "sub_type" not in frame


def test_the_routes_answer(beamline: Beamline) -> None:
    with httpx.Client(base_url=beamline.url("oas"), timeout=20) as client:
        root = client.get("/").json()
        assert root["message"] == "Ophyd WebSocket Server"
        for url in root["endpoints"]["rest_api"].values():
            assert client.get(url).status_code == 200, url
        devices = client.get("/api/v1/devices").json()
        assert "motor_ph" in devices["devices"]
        assert devices["count"] == len(devices["devices"])
        motor = client.get("/api/v1/devices/motor_ph").json()
        assert motor["connected"] is True
        assert "motor_ph" in motor["values"]
        assert client.get("/api/v1/queue-server/status").json()["manager_state"] == "idle"
        assert client.post("/api/v1/pvs/mini:current").status_code in (201, 409)
        assert isinstance(
            client.get("/api/v1/pvs/mini:current").json()["mini:current"]["value"], float
        )
        put = {"pv": "mini:dot:mtrx", "set_value": 1.25}
        answer = client.put("/api/v1/pvs", json=put)
        assert answer.json() == {"200": "Instruction accepted, set value of mini:dot:mtrx to 1.25."}
        set_it = {"device": "motor_spotx", "set_value": 2.5, "timeout": 20}
        answer = client.put("/api/v1/devices", json=set_it)
        assert answer.status_code == 200, answer.text


def test_a_page_of_pvs_is_shown_and_set(beamline: Beamline) -> None:
    names = ["mini:current", "mini:dot:mtrx", "mini:ph:exp"]
    page = open_socket(beamline, "/api/v1/pv-socket")
    for name in names:
        page.send(action="subscribe", pv=name)
    known: dict[str, dict] = {}

    def complete(frame: dict) -> bool:
        known.setdefault(frame.get("pv"), {}).update(frame)
        return all({"value", "units"} <= known.get(name, {}).keys() for name in names)

    page.until(complete)
    assert all(known[name]["connected"] is True for name in names)
    page.send(action="set", pv="mini:dot:mtrx", value=3.5)
    page.until(lambda frame: frame.get("pv") == "mini:dot:mtrx" and frame.get("value") == 3.5)
    page.send(action="set", pv="mini:dot:mtrx", value="4.5")
    page.until(lambda frame: frame.get("pv") == "mini:dot:mtrx" and frame.get("value") == 4.5)
    page.send(action="set", pv="mini:nobody", value=1)
    error = page.until(lambda frame: "error" in frame)
    assert error == {
        "error": "PV mini:nobody is not subscribed. Subscribe to PV before setting value."
    }
    page.close()


def test_a_motor_is_moved_and_turned_round(beamline: Beamline) -> None:
    page = open_socket(beamline, "/api/v1/device-socket")
    page.send(action="subscribeSafely", devices=["motor_ph", "ghost"])
    summary = page.until(lambda frame: frame.get("action") == "subscribe")
    assert summary["subscribed"] == ["motor_ph"]
    assert summary["failed"] == [{"device": "ghost", "error": "not found in device registry"}]
    page.until(is_value)
    page.send(action="set", device="motor_ph", value=1.5)
    done = page.until(lambda frame: "message" in frame or "error" in frame)
    assert done == {"message": "Successfully set motor_ph to 1.5"}
    page.close()


@pytest.mark.parametrize("path", ["/api/v1/pv-socket", "/api/v1/device-socket", "/ophydSocket"])
def test_what_is_no_command_is_answered(beamline: Beamline, path: str) -> None:
    socket = open_socket(beamline, path)
    socket.connection.send("not json")
    assert socket.until(lambda _: True) == {"error": "Invalid JSON format"}
    socket.send(action="explode")
    assert "actions must be" in socket.until(lambda _: True)["error"]
    socket.close()


def test_nothing_is_put_while_a_plan_runs_and_the_console_tells_of_it(
    own_beamline: Beamline,
) -> None:
    own_beamline.start()
    console = open_socket(own_beamline, "/api/v1/qs-console-socket")
    wait_for("the console", lambda: "listening to the console" in own_beamline.output())
    queue = httpx.Client(base_url=own_beamline.url("queue"), timeout=60)
    oas = httpx.Client(base_url=own_beamline.url("oas"), timeout=20)

    def state() -> str:
        return queue.get("/api/status").json()["manager_state"]

    assert queue.post("/api/environment/open").json()["success"]
    ready = "worker_environment_exists"
    wait_for("the environment", lambda: queue.get("/api/status").json()[ready], 60)
    told = console.until(lambda frame: "RE Environment is ready" in frame["msg"])
    assert isinstance(told["time"], float)
    wait_for("an idle manager", lambda: state() == "idle")
    plan = {"name": "sleep", "args": [60], "item_type": "plan"}
    answer = queue.post("/api/queue/item/execute", json={"item": plan}).json()
    assert answer["success"], answer
    put = {"device": "motor_spotx", "set_value": 1}

    def blocked() -> bool:
        return oas.put("/api/v1/devices", json=put).status_code == 423

    wait_for("a refusal", blocked)
    detail = oas.put("/api/v1/devices", json=put).json()["detail"]
    assert detail["error"].startswith("Device operation blocked - Queue server")
    assert queue.post("/api/re/pause", json={"option": "immediate"}).json()["success"]
    wait_for("a paused plan", lambda: state() == "paused")
    assert blocked()
    queue.post("/api/re/abort")
    wait_for("an idle manager", lambda: state() == "idle")
    wait_for("a write", lambda: oas.put("/api/v1/devices", json=put).status_code == 200)
    console.close()
