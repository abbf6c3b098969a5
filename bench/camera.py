"""A camera of 1024 x 1024 grey pixels, shown to 1 and to 20 clients: see docs/speed.md."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

from comparison import begin
from local_beamline import Beamline, end, environment, free_ports, wait_for
from picture_clients import PictureClient, look
from process import cpu_seconds, running
from soft_ioc import soft_ioc

PREFIX = "BENCH"
ARRAY = f"{PREFIX}:image1:ArrayData"
SIDE = 1024
# More than any side delivers to 20 clients; what cannot be shown is left out.
FRAMES_PER_SECOND = 60
CLIENTS = (1, 20)
WARM_UP = 1.0
START_LIMIT = 90.0
PEERS = Path(__file__).parent / "peers"
MANIFEST = f"""
apiVersion: beamline.dev/v1alpha1
kind: ProcessVariable
metadata: {{name: bench-image}}
spec: {{pvName: "{ARRAY}"}}
"""


@dataclass
class Side:
    """One service, and what was measured of it."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    first: dict[str, object]
    rounds: dict[int, list[dict[str, float]]] = field(default_factory=dict)

    def is_up(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended before it showed the camera")
        try:
            client = PictureClient(self.url, self.first)
        except OSError:
            return False
        try:
            look([client], 1.0)
        except ConnectionError:
            return False
        finally:
            client.socket.close()
        return client.pictures > 0

    def measure(self, clients: int, seconds: float) -> dict[str, float]:
        """Pictures a second that all clients got together, and what each cost the service."""
        viewers = [PictureClient(self.url, self.first) for _ in range(clients)]
        try:
            look(viewers, WARM_UP)
            before = [viewer.pictures for viewer in viewers]
            bytes_before = sum(viewer.received for viewer in viewers)
            cpu, start = cpu_seconds(self.process.pid), time.monotonic()
            look(viewers, seconds)
            cpu, took = cpu_seconds(self.process.pid) - cpu, time.monotonic() - start
        finally:
            for viewer in viewers:
                viewer.socket.close()
        got = [viewer.pictures - b for viewer, b in zip(viewers, before, strict=True)]
        received = sum(viewer.received for viewer in viewers) - bytes_before
        return {
            "pictures_per_second": sum(got) / took,
            "least_of_a_client": min(got) / took,
            "cpu_ms_per_picture": 1e3 * cpu / max(1, sum(got)),
            "cpu_cores": cpu / took,
            "kb_per_picture": received / 1024 / max(1, sum(got)),
            "load": os.getloadavg()[0],
        }


def camera_ioc(folder: Path) -> AbstractContextManager[dict[str, str]]:
    """The camera, and the environment that finds it."""
    room = {"EPICS_CA_MAX_ARRAY_BYTES": str(2 * SIDE * SIDE)}
    arguments: list[object] = [PREFIX, SIDE, FRAMES_PER_SECOND]
    return soft_ioc("camera_ioc.py", arguments, folder / "camera-ioc.log", room)


@contextmanager
def ours(folder: Path, found: dict[str, str]) -> Iterator[list[Side]]:
    """Our service as upstream has it, and with the quality that we would choose."""
    manifests = folder / "manifests"
    manifests.mkdir()
    (manifests / "camera.yaml").write_text(MANIFEST)
    beamline = Beamline(
        folder / "state", manifests, ["--no-sim-ioc"], variables=environment() | found
    )
    try:
        beamline.start()
        assert beamline.process is not None
        url = beamline.url("control").replace("http", "ws") + "/api/v1/camera-socket"
        first: dict[str, object] = {"imageArray_PV": ARRAY}
        yield [
            Side("ours", url, beamline.process, first),
            Side("ours, quality 85", url, beamline.process, first | {"quality": 85}),
        ]
    finally:
        end(beamline)


@contextmanager
def theirs(folder: Path, found: dict[str, str], executable: Path | None) -> Iterator[Side]:
    """ophyd-websocket if its executable is given, else what stands in for it."""
    (port,) = free_ports(1)
    if executable is None:
        command = [sys.executable, str(PEERS / "camera_service.py"), str(port), str(SIDE)]
        name = "FastAPI + pyepics + Pillow, bare"
    else:
        command = [str(executable)]
        name = "ophyd-websocket"
    variables = found | {"OAS_HOST": "127.0.0.1", "OAS_PORT": str(port)}
    with running(command, folder / "peer.log", variables) as process:
        url = f"ws://127.0.0.1:{port}/api/v1/camera-socket"
        yield Side(name, url, process, {"imageArray_PV": ARRAY})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count")
    parser.add_argument("--seconds", type=float, default=4, help="of one measurement")
    parser.add_argument("--json", type=Path, default=Path("target/bench-camera.json"))
    parser.add_argument(
        "--ophyd-websocket", type=Path, help="executable of an installed ophyd-websocket"
    )
    arguments = parser.parse_args()
    place, about = begin(arguments.json)
    with TemporaryDirectory(prefix="bench-", dir=place) as name, ExitStack() as stack:
        folder = Path(name)
        found = stack.enter_context(camera_ioc(folder))
        sides = stack.enter_context(ours(folder, found))
        sides.append(stack.enter_context(theirs(folder, found, arguments.ophyd_websocket)))
        for side in sides:
            wait_for(f"{side.name} shows the camera", side.is_up, START_LIMIT)
        # In turns, so that a machine that slows down slows all.
        for _ in range(arguments.rounds):
            for clients in CLIENTS:
                for side in sides:
                    figures = side.measure(clients, arguments.seconds)
                    side.rounds.setdefault(clients, []).append(figures)
    show(sides)
    report = {side.name: side.rounds for side in sides}
    arguments.json.write_text(json.dumps({"machine": about, "sides": report}, indent=2) + "\n")
    print(f"written: {arguments.json}")
    return 0


def show(sides: list[Side]) -> None:
    peer = sides[-1]
    for clients in CLIENTS:
        print(f"\n{SIDE} x {SIDE} x 8 bit, {FRAMES_PER_SECOND} frames/s, {clients} client(s)")
        for side in sides:

            def median(what: str, side: Side = side, clients: int = clients) -> float:
                return statistics.median(figures[what] for figures in side.rounds[clients])

            ratios = {
                what: statistics.median(
                    one[what] / other[what] if more else other[what] / one[what]
                    for one, other in zip(side.rounds[clients], peer.rounds[clients], strict=True)
                )
                for what, more in (("pictures_per_second", True), ("cpu_ms_per_picture", False))
            }
            print(
                f"{side.name:34} {median('pictures_per_second'):7.1f} pictures/s in all"
                f" ({ratios['pictures_per_second']:.1f} x),"
                f" least {median('least_of_a_client'):.1f},"
                f" {median('cpu_ms_per_picture'):6.2f} ms CPU each"
                f" ({ratios['cpu_ms_per_picture']:.1f} x less), {median('cpu_cores'):.2f} cores,"
                f" {median('kb_per_picture'):.0f} kB, load {median('load'):.1f}"
            )


if __name__ == "__main__":
    sys.exit(main())
