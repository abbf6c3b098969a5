"""What ophyd-service's exerciser scripts ask of direct control.

`beamline` and `few` decide where: the executable on this machine, or a beamline on a cluster
(`on_cluster`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from local_beamline import MINI_BEAMLINE, Beamline, end, wait_for
from parts import Parts
from test_registry import new
from websockets.sync.client import ClientConnection, connect


def execute(beamline: Parts, device: str, method: str, *args: object) -> httpx.Response:
    body = {"device_name": device, "method": method, "args": list(args), "kwargs": {}}
    return beamline.post("control", "/api/v1/device/execute", body)


def value(beamline: Parts, pv: str) -> float:
    return beamline.get("control", f"/api/v1/pv/{pv}/value").json()["value"]


def test_direct_control_reads_and_writes(beamline: Parts) -> None:
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


def test_direct_control_executes_device_methods(beamline: Parts) -> None:
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


def test_direct_control_says_what_it_refuses(beamline: Parts) -> None:
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


def socket_of(beamline: Parts, kind: str) -> str:
    return beamline.url("control").replace("http", "ws") + f"/api/v1/{kind}-socket"


def follow_pv(beamline: Parts, pv: str, limit: float) -> None:
    """What the script does at the pv-socket (contract §3.4)."""
    with connect(socket_of(beamline, "pv")) as socket:
        socket.send(json.dumps({"action": "ping"}))
        receive(socket, 5, type="pong")
        socket.send(json.dumps({"action": "subscribe", "pv_names": [pv]}))
        assert pv in receive(socket, 5, type="subscribed")["pv_names"]  # type: ignore[operator]
        update = receive(socket, limit, event_type="pv_update", pv=pv)
        assert {"value", "timestamp", "connected"} <= update.keys()
        socket.send(json.dumps({"action": "unsubscribe", "pv_names": [pv]}))
        receive(socket, 5, type="unsubscribed")


def follow_device(beamline: Parts, device: str, limit: float) -> None:
    """What the script does at the device-socket (contract §3.4)."""
    with connect(socket_of(beamline, "device")) as socket:
        socket.send(json.dumps({"action": "subscribe", "device": device}))
        receive(socket, 5, type="subscribed", device=device)
        update = receive(socket, limit, event_type="device_update", device=device)
        assert {"signal", "value", "timestamp", "connected"} <= update.keys()
        socket.send(json.dumps({"action": "unsubscribe", "device": device}))
        receive(socket, 5, type="unsubscribed")


def test_the_pv_socket_answers_and_updates(beamline: Parts) -> None:
    follow_pv(beamline, "mini:current", 8)
    with connect(socket_of(beamline, "pv")) as socket:
        order = {"action": "set", "pv": "mini:dot:mtry", "value": 0.5}
        socket.send(json.dumps(order))
        assert receive(socket, 8, type="set_complete")["success"] is True


def test_the_device_socket_answers_and_updates(beamline: Parts) -> None:
    follow_device(beamline, "beam_current", 8)


# Without the gate, and with few devices (contract §3.3). Its registry is a file; ours is the same
# service as ever, and each of its devices has a class: one that is switched off stands in for one
# that has none.

FEW = {
    "beam_current": ("ophyd.signal.EpicsSignal", "mini:current"),
    "motor_spotx": ("ophyd.signal.EpicsSignal", "mini:dot:mtrx"),
    "pinhole": ("localdevs.Det", "mini:ph"),
    "slit_det": ("ophyd.signal.EpicsSignal", "mini:slit:det"),
}


@pytest.fixture
def few(tmp_path: Path) -> Iterator[Parts]:
    """A beamline without devices, and without the gate."""
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    shutil.copy(MINI_BEAMLINE / "beamline.yaml", manifests)
    one = Beamline(tmp_path / "state", manifests=manifests)
    one.variables["DIRECT_CONTROL_COORDINATION_CHECK_ENABLED"] = "false"
    try:
        yield one.start()
    finally:
        end(one)


def test_direct_control_with_few_devices_and_without_the_gate(few: Parts) -> None:
    for name, (device_class, pv) in FEW.items():
        body = new(name, pv, device_class)
        assert few.post("registry", "/api/v1/devices", body).status_code == 201
    exposure = {"pv_name": "mini:dot:exp"}
    assert few.post("registry", "/api/v1/pvs", exposure).status_code == 201
    off = "/api/v1/devices/slit_det/disable"
    assert httpx.patch(few.url("registry") + off, timeout=30).status_code == 200
    without_the_gate(few)


def without_the_gate(one: Parts) -> None:
    assert one.get("control", "/health").status_code == 200
    assert one.get("control", "/api/v1/stats").json()["coordination_enabled"] is False
    wait_for("it is known", lambda: execute(one, "pinhole", "read").status_code == 200)

    def status(pv: str) -> int:
        return one.get("control", f"/api/v1/pv/{pv}/value").status_code

    found = {pv: status(pv) for pv in ("mini:current", "mini:dot:exp", "mini:ph:mtr")}
    # The last is at the IOC, and not in the registry.
    assert found == {"mini:current": 200, "mini:dot:exp": 200, "mini:ph:mtr": 404}
    order = {"pv_name": "mini:dot:mtrx", "value": 3.5, "wait": True}
    assert one.post("control", "/api/v1/pv/set", order).json()["mode"] == "put-completion"
    assert value(one, "mini:dot:mtrx") == pytest.approx(3.5, abs=0.01)
    assert "beam_current" in execute(one, "beam_current", "read").json()["result"]
    assert execute(one, "motor_spotx", "set", 1.75).status_code == 200
    assert execute(one, "motor_spotx", "get").json()["result"] == pytest.approx(1.75, abs=0.01)
    get = one.post("control", "/api/v1/device/pinhole.exp", {"method": "get"})
    assert get.status_code == 200
    off = execute(one, "slit_det", "read")
    assert off.status_code == 422 and "'slit_det' is marked inactive" in off.json()["detail"]
    assert execute(one, "beam_current", "destroy").status_code == 400
    nested = one.post("control", "/api/v1/device/pinhole.no_such_signal", {"method": "read"})
    assert nested.status_code == 404
