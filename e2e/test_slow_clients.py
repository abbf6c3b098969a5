"""A client that does not read is named to whoever looks, until it reads again or is gone."""

from __future__ import annotations

import json
import re
import socket
from contextlib import suppress

import httpx
from local_beamline import ROOT, Beamline, wait_for
from websockets.sync.client import ClientConnection, connect

# Five times a second some 100 kB of text.
ARRAY = "13SIM1:image1:ArrayData"
NAME = "a program that sleeps"


def slow_client(beamline: Beamline) -> ClientConnection:
    """Follows the array and takes two frames, besides what its kernel takes."""
    url = httpx.URL(beamline.url("control"))
    tcp = socket.socket()
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
    tcp.connect((url.host, url.port))
    path = f"ws://{url.host}:{url.port}/api/v1/pv-socket"
    client = connect(path, sock=tcp, max_queue=1, max_size=None, user_agent_header=NAME)
    client.send(json.dumps({"action": "subscribe", "pv": ARRAY}))
    return client


def test_a_client_that_falls_behind_is_named_until_it_keeps_up_or_is_gone(
    own_beamline: Beamline,
) -> None:
    beamline = own_beamline.start()
    beamline.kubectl("apply", "-f", str(ROOT / "examples" / "sim-devices" / "detectors.yaml"))
    known = f"/api/v1/pv/{ARRAY}/value?format=binary"
    wait_for("the PV is known", lambda: beamline.get("control", known).status_code == 200)

    def stats() -> dict[str, list[dict[str, object]]]:
        return beamline.get("control", "/api/v1/stats").json()

    def behind() -> float:
        text = beamline.get("control", "/metrics").text
        found = re.findall(r"^control_clients_behind (\S+)$", text, re.M)
        return float(found[0]) if found else 0.0

    def said(what: str) -> int:
        return sum(what in line and NAME in line for line in beamline.output().splitlines())

    assert stats()["slowest_clients"] == []
    client = slow_client(beamline)

    def fallen_behind() -> dict[str, object] | None:
        return next((one for one in stats()["slowest_clients"] if one["behind"]), None)

    slowest = wait_for("the client has fallen behind", fallen_behind)
    assert isinstance(slowest, dict)
    assert (slowest["agent"], slowest["kind"], slowest["api"]) == (NAME, "pv", "direct-control")
    assert slowest["route"] == "/api/v1/pv-socket"
    host, port = client.local_address
    assert slowest["from"] == f"{host}:{port}"
    assert (slowest["pvs"], slowest["pv_names"]) == (1, [ARRAY])
    assert slowest["overwritten"] > 0 or slowest["seconds_without_progress"] > 0
    assert behind() == 1
    wait_for("its updates are overwritten", lambda: stats()["most_overwritten_pvs"])
    worst = stats()["most_overwritten_pvs"][0]
    assert (worst["pv"], worst["subscribers"]) == (ARRAY, 1)
    assert ARRAY in [one["pv"] for one in stats()["busiest_pvs"]]
    assert said("a client falls behind") == 1

    def keeps_up() -> bool:
        try:
            while True:
                client.recv(timeout=0.01)
        except TimeoutError:
            return behind() == 0

    wait_for("it keeps up again", keeps_up)
    assert said("a client keeps up again") == 1

    wait_for("it has fallen behind again", lambda: behind() == 1)
    with suppress(OSError):
        client.socket.shutdown(socket.SHUT_RDWR)
    client.close()
    wait_for("it is gone", lambda: behind() == 0)
    assert stats()["slowest_clients"] == []
    assert said("a client that had fallen behind is gone") == 1
