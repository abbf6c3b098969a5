"""The cameras of the simulated beamline, as a WebSocket client of Python sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from local_beamline import ROOT, Beamline, wait_for
from websockets.sync.client import ClientConnection, connect

LIMIT = 30.0


@contextmanager
def opened(beamline: Beamline, path: str, first: dict[str, object]) -> Iterator[ClientConnection]:
    with connect(beamline.url("control").replace("http", "ws") + f"/api/v1/{path}") as socket:
        socket.send(json.dumps(first))
        yield socket


def size_of(jpeg: str | bytes) -> tuple[int, int, int]:
    """Width, height and number of colours, from the frame header of a baseline JPEG."""
    assert isinstance(jpeg, bytes) and jpeg.startswith(b"\xff\xd8\xff\xe0")
    position = 2
    while jpeg[position + 1] != 0xC0:
        position += 2 + int.from_bytes(jpeg[position + 2 : position + 4])
    height, width = (int.from_bytes(jpeg[position + at :][:2]) for at in (5, 7))
    return width, height, jpeg[position + 9]


def test_the_camera_of_the_examples_is_live(own_beamline: Beamline) -> None:
    beamline = own_beamline.start()
    beamline.kubectl("apply", "-f", str(ROOT / "examples" / "sim-devices" / "detectors.yaml"))

    def is_shown() -> bool:
        with opened(beamline, "camera-socket", {}) as socket:
            return "error" not in json.loads(socket.recv(LIMIT))

    wait_for("the camera is known", is_shown)
    with opened(beamline, "camera-socket", {}) as one, opened(beamline, "camera-socket", {}) as two:
        for socket in (one, two):
            told = json.loads(socket.recv(LIMIT))
            assert told == {"x": 256, "y": 192, "colorMode": "Mono", "dataType": "UInt8"}
        frames = {socket.recv(LIMIT) for _ in range(3) for socket in (one, two)}
        assert {size_of(frame) for frame in frames} == {(256, 192, 1)}
        assert len(frames) >= 3
        one.send('{"toggleLogNormalization": false}')
        while isinstance(message := one.recv(LIMIT), bytes):
            pass
        assert message == '{"logNormalization":false}'
        assert size_of(one.recv(LIMIT)) == (256, 192, 1)


def test_an_array_without_a_camera_is_shown_by_its_rows_and_columns(beamline: Beamline) -> None:
    with opened(beamline, "camera-socket", {"imageArray_PV": "mini:dot:det"}) as socket:
        told = json.loads(socket.recv(LIMIT))
        assert (told["x"], told["y"]) == (640, 480)
        assert size_of(socket.recv(LIMIT)) == (640, 480, 1)


def test_a_camera_that_nobody_registered_is_refused(beamline: Beamline) -> None:
    with opened(beamline, "tiff-socket", {}) as socket:
        error = json.loads(socket.recv(LIMIT))
        assert error["error"] == "PV '13PIL1:image1:ArrayData' not found in the registry"
        assert not list(socket)
        assert socket.close_code == 1000
