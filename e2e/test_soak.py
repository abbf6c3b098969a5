"""Clients that come, follow something and leave: nothing of them may stay."""

from __future__ import annotations

import json
import re
from pathlib import Path

from local_beamline import ROOT, Beamline, wait_for
from websockets.sync.client import connect

LIMIT = 30.0
CYCLES = 100
# What is made once, for the first clients, does not count.
FIRST = 10
# Threads that wait for work and connections that wait for requests come and go by themselves, a
# few; what stays of each client would be a hundred.
BREATHING = {"fd": 10.0, "task": 10.0}
GAUGES = ("control_sockets", "control_camera_clients", "channels_pvs", "channels_pvs_connected")

ARRAY = "13SIM1:image1:ArrayData"
# Service, path, first message, and what an answer to it has in it.
DIALECTS = [
    ("control", "pv-socket", {"action": "subscribe", "pv": "mini:current"}, '"value"'),
    ("control", "device-socket", {"action": "subscribe", "device": "motor_ph"}, '"value"'),
    ("control", "control-socket", {"action": "subscribe", "pv": "mini:current"}, '"value"'),
    ("control", "camera-socket", {"imageArray_PV": ARRAY}, '"x":256'),
    ("oas", "pv-socket", {"action": "subscribe", "pv": "mini:current"}, '"value"'),
    ("oas", "device-socket", {"action": "subscribe", "device": "motor_ph"}, '"value"'),
    ("oas", "camera-socket", {"imageArray_PV": ARRAY}, '"x": 256'),
]


def left(beamline: Beamline) -> dict[str, float]:
    """What clients may leave behind in the process that serves them."""
    assert beamline.process is not None
    text = beamline.get("control", "/metrics").text
    found = {
        name: sum(map(float, re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M)))
        for name in GAUGES
    }
    process = Path(f"/proc/{beamline.process.pid}")
    counts = {what: float(len(list((process / what).iterdir()))) for what in ("fd", "task")}
    following = beamline.get("control", "/health").json()["active_subscriptions"]
    return found | counts | {"subscriptions": float(following)}


def cycle(beamline: Beamline) -> None:
    """One client of each socket of each dialect: comes, follows, is told something, and leaves."""
    for service, path, message, answer in DIALECTS:
        url = beamline.url(service).replace("http", "ws")
        with connect(f"{url}/api/v1/{path}", max_size=None) as socket:
            socket.send(json.dumps(message))
            told = ""
            while answer not in told:
                told = str(socket.recv(LIMIT))


def test_clients_leave_no_socket_channel_subscription_or_thread_behind(
    own_beamline: Beamline,
) -> None:
    own_beamline.variables |= {
        # Nothing is connected but for clients.
        "DIRECT_CONTROL_CONNECTION_RATE": "0",
        "DIRECT_CONTROL_PV_MONITOR_IDLE_TTL": "0.1",
        "DIRECT_CONTROL_PV_MONITOR_SWEEP_INTERVAL": "0.1",
        # Sockets that stay would soon leave no room.
        "DIRECT_CONTROL_WS_MAX_CONNECTIONS": "10",
    }
    beamline = own_beamline.start()
    beamline.kubectl("apply", "-f", str(ROOT / "examples" / "sim-devices" / "detectors.yaml"))
    known = f"/api/v1/pv/{ARRAY}/value?format=binary"
    wait_for("the camera is known", lambda: beamline.get("control", known).status_code == 200)
    for _ in range(FIRST):
        cycle(beamline)

    def at_rest() -> dict[str, float] | None:
        now = left(beamline)
        # Channels are kept for a while, in case somebody comes back.
        served = ("control_sockets", "control_camera_clients", "subscriptions")
        return None if any(now[name] for name in served) else now

    before = wait_for("the first clients have left nothing", at_rest)
    assert isinstance(before, dict)
    for _ in range(CYCLES):
        cycle(beamline)

    def nothing_more() -> bool:
        now = left(beamline)
        return all(now[what] <= count + BREATHING.get(what, 0) for what, count in before.items())

    try:
        wait_for(f"no more is left than {before}", nothing_more)
    except AssertionError as error:
        raise AssertionError(f"{error}; left now: {left(beamline)}") from error
