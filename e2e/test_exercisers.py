"""The request lists of ophyd-service's own exerciser scripts, against the running executable."""

from __future__ import annotations

import json

import httpx
import pytest
from local_beamline import Beamline, wait_for
from websockets.sync.client import ClientConnection, connect

PV = "exer:test:pv"
MOTOR = {
    "metadata": {
        "name": "exer_test_motor",
        "device_label": "signal",
        "ophyd_class": "EpicsSignal",
        "pvs": {"readback": "exer:test:motor"},
    },
    "instantiation_spec": {
        "name": "exer_test_motor",
        "device_class": "ophyd.signal.EpicsSignal",
        "args": ["exer:test:motor"],
        "kwargs": {"name": "exer_test_motor"},
    },
}


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/ready",
        "/api/v1/devices",
        "/api/v1/devices/beam_current/pvs",
        "/api/v1/devices/beam_current/instantiation",
        "/api/v1/devices/spot/components",
        "/api/v1/devices/beam_current/status",
        "/api/v1/devices/spot.roi/component",
        "/api/v1/devices-info",
        "/api/v1/devices/classes",
        "/api/v1/devices/types",
        "/api/v1/devices/instantiation",
        "/api/v1/pvs/detailed",
        "/api/v1/pvs/mini:current",
        "/api/v1/pvs/labels",
        "/api/v1/pvs/status?pv_name=mini:current",
        "/api/v1/pvs/lookup?pv_name=mini:current",
        "/api/v1/pvs/standalone",
        "/api/v1/devices/changes",
        "/api/v1/devices/history",
        "/api/v1/registry/export",
    ],
)
def test_the_registry_answers(beamline: Beamline, path: str) -> None:
    assert beamline.get("registry", path).status_code == 200


def test_the_registry_knows_the_classes(beamline: Beamline) -> None:
    def ophyd_class(name: str) -> str:
        return beamline.get("registry", f"/api/v1/devices/{name}").json()["ophyd_class"]

    assert ophyd_class("beam_current") == "EpicsSignal"
    assert ophyd_class("spot") == "Spot"
    assert beamline.get("registry", "/api/v1/pvs").json()["count"] == 23


def test_standalone_pvs_and_devices_come_and_go(beamline: Beamline) -> None:
    base = beamline.url("registry") + "/api/v1"
    pv = {"pv_name": PV, "description": "scratch PV"}
    assert httpx.post(f"{base}/pvs", json=pv).is_success
    changed = {"description": "updated"}
    assert httpx.put(f"{base}/pvs/standalone/{PV}", json=changed).is_success
    assert httpx.delete(f"{base}/pvs/standalone/{PV}").is_success
    assert httpx.get(f"{base}/pvs/standalone/{PV}").status_code == 404

    device = f"{base}/devices/exer_test_motor"
    assert httpx.post(f"{base}/devices", json=MOTOR).is_success
    assert httpx.get(device).status_code == 200
    assert httpx.patch(f"{device}/disable").is_success
    assert httpx.patch(f"{device}/enable").is_success
    assert httpx.put(device, json=MOTOR["instantiation_spec"]).is_success
    assert httpx.delete(device).is_success


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
