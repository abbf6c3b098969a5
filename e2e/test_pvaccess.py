"""PVs that a p4p server serves over PVAccess, through direct control and its sockets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from local_beamline import Beamline, free_ports, wait_for
from websockets.sync.client import connect

LIMIT = 30.0

DECLARED = """
apiVersion: beamline.dev/v1alpha1
kind: ProcessVariable
metadata: {{name: {name}}}
spec: {{pvName: "pva:{name}", protocol: pva, accessMode: read-write}}
---
"""


@pytest.fixture
def pva_port() -> Iterator[int]:
    port, udp = free_ports(2)
    script = Path(__file__).with_name("pva_ioc.py")
    with subprocess.Popen(
        [sys.executable, str(script), str(port), str(udp)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as ioc:
        assert ioc.stdout is not None
        assert ioc.stdout.readline() == b"READY\n"
        yield port
        ioc.kill()


def test_declared_pvs_are_read_written_and_followed(own_beamline: Beamline, pva_port: int) -> None:
    own_beamline.variables |= {
        "EPICS_PVA_NAME_SERVERS": f"127.0.0.1:{pva_port}",
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        "DIRECT_CONTROL_GLOBAL_READ_ONLY": "false",
    }
    beamline = own_beamline.start()
    names = ["temperature", "count", "mode", "image"]
    declared = beamline.state.parent / "declared.yaml"
    declared.write_text("".join(DECLARED.format(name=name) for name in names))
    beamline.kubectl("apply", "-f", str(declared))
    with httpx.Client(base_url=beamline.url("control") + "/api/v1", timeout=LIMIT) as client:

        def value(pv: str) -> object:
            answer = client.get(f"/pv/{pv}/value")
            return answer.json()["value"] if answer.status_code == 200 else None

        wait_for("the PV is known", lambda: value("pva:temperature") == 21.5)
        assert value("pva:count") == 2**40
        assert value("pva:mode") == 1

        with connect(beamline.url("control").replace("http", "ws") + "/api/v1/pv-socket") as socket:
            socket.send(json.dumps({"action": "subscribe", "pv": "pva:temperature"}))
            told = client.post("/pv/set", json={"pv_name": "pva:temperature", "value": 22.25})
            assert told.status_code == 200, told.text
            heard = ""
            while '"value":22.25' not in heard.replace(" ", ""):
                heard = str(socket.recv(LIMIT))
        told = client.post("/pv/set", json={"pv_name": "pva:mode", "value": "Auto", "wait": True})
        assert told.status_code == 200, told.text
        assert value("pva:mode") == 2
        told = client.post("/pv/set", json={"pv_name": "pva:image", "value": 1})
        assert told.status_code >= 400 and "an image cannot be written" in told.text

        diagnosis = client.get("/diagnostics/pv/pva:temperature").json()
        assert diagnosis["reachable"], diagnosis
    wait_for(
        "the condition Connected",
        lambda: (
            '"True"'
            in beamline.kubectl(
                "get",
                "processvariable",
                "temperature",
                "-o",
                'jsonpath={.status.conditions[?(@.type=="Connected")]}',
            )
        ),
    )
