"""PVs that a p4p server serves over PVAccess, through direct control and its sockets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from local_beamline import Beamline, free_ports, wait_for
from PIL import Image
from test_cameras import opened
from websockets.sync.client import connect

LIMIT = 30.0

DECLARED = """
apiVersion: beamline.dev/v1alpha1
kind: ProcessVariable
metadata: {{name: {name}}}
spec: {{pvName: "{pv}", protocol: pva, accessMode: read-write}}
---
"""

PVS = {name: f"pva:{name}" for name in ["temperature", "count", "mode", "image", "frame"]} | {
    "camera": "pva:camera:Image"
}


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


@pytest.fixture
def pva_beamline(own_beamline: Beamline, pva_port: int) -> Beamline:
    """A beamline that knows the PVs of the server."""
    own_beamline.variables |= {
        "EPICS_PVA_NAME_SERVERS": f"127.0.0.1:{pva_port}",
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        "DIRECT_CONTROL_GLOBAL_READ_ONLY": "false",
    }
    beamline = own_beamline.start()
    declared = beamline.state.parent / "declared.yaml"
    declared.write_text("".join(DECLARED.format(name=name, pv=pv) for name, pv in PVS.items()))
    beamline.kubectl("apply", "-f", str(declared))
    temperature = "/api/v1/pv/pva:temperature/value"
    wait_for("the PV is known", lambda: beamline.get("control", temperature).status_code == 200)
    return beamline


def test_the_doctor_asks_the_places_of_pvaccess(pva_beamline: Beamline, pva_port: int) -> None:
    diagnosis = json.loads(pva_beamline.run("doctor", "pva:temperature", "-o", "json"))
    (place,) = diagnosis["probes"]
    server = f"127.0.0.1:{pva_port}"
    assert diagnosis["reachable"] and place["outcome"] == "serves", diagnosis
    assert (place["kind"], place["place"], place["server"]) == ("name_server", server, server)
    told = pva_beamline.call("doctor", "pva://no:such:pv").stdout
    assert f"name server {server}, by TCP: a PVAccess server is there" in told, told


def test_declared_pvs_are_read_written_and_followed(pva_beamline: Beamline) -> None:
    beamline = pva_beamline
    with httpx.Client(base_url=beamline.url("control") + "/api/v1", timeout=LIMIT) as client:

        def value(pv: str) -> object:
            answer = client.get(f"/pv/{pv}/value")
            return answer.json()["value"] if answer.status_code == 200 else None

        assert value("pva:temperature") == 21.5
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


@pytest.mark.parametrize("array", ["pva:camera:Image", "pva://pva:camera:Image"])
def test_a_camera_is_shown_from_what_its_arrays_say_of_themselves(
    pva_beamline: Beamline, array: str
) -> None:
    first = {"imageArray_PV": array, "encoding": "png", "logNormalization": False}
    with opened(pva_beamline, "camera-socket", first) as socket:

        def shown(size: dict[str, object]) -> Image.Image:
            """The first picture of that size: of arrays that came before some may follow."""
            told: object = None
            while True:
                message = socket.recv(LIMIT)
                if isinstance(message, bytes) and told == size:
                    return Image.open(BytesIO(message))
                told = told if isinstance(message, bytes) else json.loads(message)

        def show(number: int) -> None:
            asked = {"pv_name": "pva:frame", "value": number, "wait": True}
            answer = pva_beamline.post("control", "/api/v1/pv/set", asked)
            assert answer.status_code == 200, answer.text

        grey = shown({"x": 8, "y": 6, "colorMode": "Mono", "dataType": "UInt8"})
        assert (grey.mode, grey.size, grey.getpixel((7, 5))) == ("L", (8, 6), 255)
        show(1)
        wide = shown({"x": 20, "y": 10, "colorMode": "Mono", "dataType": "UInt16"})
        assert (wide.mode, wide.size) == ("L", (20, 10))
        assert [wide.getpixel((x, 3)) for x in (0, 19)] == [0, 255]
        # Beyond what fits into signed 16 bit.
        assert wide.getpixel((12, 3)) == 36000 * 255 // 57000
        show(2)
        coloured = shown({"x": 7, "y": 5, "colorMode": "RGB1", "dataType": "UInt8"})
        assert (coloured.mode, coloured.size) == ("RGB", (7, 5))
        assert coloured.getpixel((3, 2)) == (255, 0, 0)
        show(3)
        real = shown({"x": 9, "y": 4, "colorMode": "Mono", "dataType": "Float32"})
        assert (real.size, real.getpixel((8, 0))) == ((9, 4), 255)
        show(0)
        assert shown({"x": 8, "y": 6, "colorMode": "Mono", "dataType": "UInt8"}).size == (8, 6)
