"""What ophyd-service's exerciser scripts ask of direct control, against the running executable."""

from __future__ import annotations

import json

import httpx
import pytest
from local_beamline import Beamline, wait_for
from websockets.sync.client import ClientConnection, connect


def execute(beamline: Beamline, device: str, method: str, *args: object) -> httpx.Response:
    body = {"device_name": device, "method": method, "args": list(args), "kwargs": {}}
    return beamline.post("control", "/api/v1/device/execute", body)


def value(beamline: Beamline, pv: str) -> float:
    return beamline.get("control", f"/api/v1/pv/{pv}/value").json()["value"]


def test_direct_control_reads_and_writes(beamline: Beamline) -> None:
    for path in ("/health", "/api/v1/stats", "/api/v1/pvs/connected"):
        assert beamline.get("control", path).status_code == 200
    for pv in ("mini:current", "mini:dot:mtrx", "mini:dot:det", "mini:dot:img_sum"):
        answer = beamline.get("control", f"/api/v1/pv/{pv}/value")
        assert answer.status_code == 200 and {"value", "shape"} <= answer.json().keys()
    assert beamline.get("control", "/api/v1/pvs/mini:current/value").status_code == 200

    saved = value(beamline, "mini:dot:mtrx")
    for wanted in (2.5, saved):
        body = {"pv_name": "mini:dot:mtrx", "value": wanted}
        assert beamline.post("control", "/api/v1/pv/set", body).is_success
        wait_for("it is there", lambda w=wanted: abs(value(beamline, "mini:dot:mtrx") - w) < 0.01)


def test_direct_control_executes_device_methods(beamline: Beamline) -> None:
    read = execute(beamline, "beam_current", "read").json()["result"]
    assert "value" in read["beam_current"]
    saved = execute(beamline, "motor_spotx", "get").json()["result"]
    for wanted in (1.25, saved):
        assert execute(beamline, "motor_spotx", "set", wanted).status_code == 200
        assert execute(beamline, "motor_spotx", "get").json()["result"] == pytest.approx(wanted)
    assert isinstance(execute(beamline, "pinhole", "read").json()["result"], dict)
    get = beamline.post("control", "/api/v1/device/pinhole.exp", {"method": "get"})
    assert get.status_code == 200
    assert beamline.get("control", "/api/v1/device/pinhole.det/value").status_code == 200


def test_direct_control_says_what_it_refuses(beamline: Beamline) -> None:
    assert beamline.post("control", "/api/v1/device/beam_current/stop").status_code == 400
    assert execute(beamline, "beam_current", "destroy").status_code == 400
    nested = beamline.post("control", "/api/v1/device/pinhole.no_such_signal", {"method": "read"})
    assert nested.status_code == 404
    assert beamline.get("control", "/api/v1/pv/does:not:exist/value").status_code == 404
    unknown = {"pv_name": "does:not:exist", "value": 1}
    assert beamline.post("control", "/api/v1/pv/set", unknown).status_code == 404


def receive(socket: ClientConnection, limit: float, **wanted: object) -> dict[str, object]:
    """The next frame with these members; others are dropped."""
    while True:
        frame = json.loads(socket.recv(timeout=limit))
        if all(frame.get(key) == value for key, value in wanted.items()):
            return frame


def test_the_pv_socket_answers_and_updates(beamline: Beamline) -> None:
    address = beamline.url("control").replace("http", "ws") + "/api/v1/pv-socket"
    with connect(address) as socket:
        socket.send(json.dumps({"action": "ping"}))
        receive(socket, 5, type="pong")
        socket.send(json.dumps({"action": "subscribe", "pv_names": ["mini:current"]}))
        assert "mini:current" in receive(socket, 5, type="subscribed")["pv_names"]  # type: ignore[operator]
        update = receive(socket, 8, event_type="pv_update", pv="mini:current")
        assert {"value", "timestamp", "connected"} <= update.keys()
        order = {"action": "set", "pv": "mini:dot:mtry", "value": 0.5}
        socket.send(json.dumps(order))
        assert receive(socket, 8, type="set_complete")["success"] is True
        socket.send(json.dumps({"action": "unsubscribe", "pv_names": ["mini:current"]}))
        receive(socket, 5, type="unsubscribed")


def test_the_device_socket_answers_and_updates(beamline: Beamline) -> None:
    address = beamline.url("control").replace("http", "ws") + "/api/v1/device-socket"
    with connect(address) as socket:
        socket.send(json.dumps({"action": "subscribe", "device": "beam_current"}))
        receive(socket, 5, type="subscribed", device="beam_current")
        update = receive(socket, 8, event_type="device_update", device="beam_current")
        assert {"signal", "value", "timestamp", "connected"} <= update.keys()
        socket.send(json.dumps({"action": "unsubscribe", "device": "beam_current"}))
        receive(socket, 5, type="unsubscribed")
