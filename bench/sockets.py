"""Numbers that change ten times a second, sent to many clients: see docs/speed.md."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

from comparison import begin
from local_beamline import Beamline, end, environment, free_ports, wait_for
from process import cpu_seconds, memory_mib, running
from soft_ioc import soft_ioc

PREFIX = "BENCH"
PERIOD = ".1 second"
PVS_IN_A_FILE = 1_000
RATE = 10
# PVs and clients. The Python service is asked for what it can do.
LOADS = ((1_000, 1), (1_000, 10), (1_000, 50), (1_000, 200))
LOADS_OF_PYTHON = ((100, 1), (100, 10))
SECONDS = 5
CLIENT_LIMIT = 180.0
START_LIMIT = 90.0


@dataclass
class Side:
    """A service, and what was measured of it."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    # The word for several PVs in a command to subscribe.
    plural: str
    rounds: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def measure(self, watch: Path, pvs: int, clients: int) -> dict[str, float]:
        names = [f"{PREFIX}:n{number}" for number in range(pvs)]
        command = json.dumps({"action": "subscribe", self.plural: names})
        cpu = cpu_seconds(self.process.pid)
        done = subprocess.run(
            [str(watch), self.url, str(clients), str(SECONDS), command],
            capture_output=True,
            text=True,
            timeout=CLIENT_LIMIT,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}, {pvs} PVs, {clients} clients: {done.stderr}")
        figures: dict[str, float] = json.loads(done.stdout)
        offered = pvs * RATE * clients * SECONDS
        # What connecting and warming up costs is in the processor time, and in the updates not.
        figures["delivered"] = figures["updates"] / offered
        figures["cpu_s"] = cpu_seconds(self.process.pid) - cpu
        figures["memory_mib"] = memory_mib(self.process.pid)
        figures["load"] = os.getloadavg()[0]
        return figures


@contextmanager
def ours(folder: Path, found: dict[str, str], count: int) -> Iterator[Side]:
    manifests = folder / "manifests"
    manifests.mkdir()
    pvs = [
        {
            "apiVersion": "beamline.dev/v1alpha1",
            "kind": "ProcessVariable",
            "metadata": {"name": f"n{number}"},
            "spec": {"pvName": f"{PREFIX}:n{number}"},
        }
        for number in range(count)
    ]
    # JSON is YAML, and a file of it may hold some thousand objects.
    for start in range(0, count, PVS_IN_A_FILE):
        part = pvs[start : start + PVS_IN_A_FILE]
        (manifests / f"pvs{start}.yaml").write_text("\n---\n".join(json.dumps(pv) for pv in part))
    room = {"DIRECT_CONTROL_WS_MAX_CONNECTIONS": "1000"}
    variables = environment() | found | room
    beamline = Beamline(folder / "state", manifests, ["--no-sim-ioc"], variables=variables)
    try:
        beamline.start()
        assert beamline.process is not None
        url = beamline.url("control").replace("http", "ws") + "/api/v1/pv-socket"
        yield Side("ours", url, beamline.process, "pv_names")
    finally:
        end(beamline)


@contextmanager
def ophyd_websocket(folder: Path, found: dict[str, str], executable: Path) -> Iterator[Side]:
    (port,) = free_ports(1)
    variables = found | {"OAS_HOST": "127.0.0.1", "OAS_PORT": str(port)}
    log = folder / "ophyd-websocket.log"
    with running([str(executable)], log, variables) as process:
        is_up = lambda: "Application startup complete" in log.read_text()  # noqa: E731
        wait_for("ophyd-websocket", is_up, START_LIMIT)
        url = f"ws://127.0.0.1:{port}/api/v1/pv-socket"
        yield Side("ophyd-websocket", url, process, "pvs")


def show(side: Side, pvs: int, clients: int) -> None:
    rounds = side.rounds[f"{pvs} PVs, {clients} clients"]

    def middle(figure: str) -> float:
        return statistics.median(one[figure] for one in rounds)

    updates = middle("updates")
    print(
        f"{side.name}: {pvs} PVs, {clients} clients: {updates / SECONDS:.0f} updates/s"
        f" ({100 * middle('delivered'):.0f} %), age p50 {middle('p50_ms'):.1f} p99"
        f" {middle('p99_ms'):.1f} ms, {1e6 * middle('cpu_s') / max(updates, 1):.1f} us of processor"
        f" time each, {middle('memory_mib'):.0f} MiB, all subscribed in {middle('ready_s'):.2f} s",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", type=Path, required=True, help="folder of the built examples")
    parser.add_argument("--ophyd-websocket", type=Path, help="executable of the Python service")
    parser.add_argument("--json", type=Path, default=Path("target/bench-sockets.json"))
    arguments = parser.parse_args()
    place, about = begin(arguments.json)
    count = max(pvs for pvs, _ in LOADS)
    with TemporaryDirectory(prefix="bench-", dir=place) as name, ExitStack() as stack:
        folder = Path(name)
        found = stack.enter_context(
            soft_ioc("pv_ioc.py", [PREFIX, count, PERIOD], folder / "pv-ioc.log")
        )
        mine = stack.enter_context(ours(folder, found, count))
        sides = {mine.name: (mine, LOADS_OF_PYTHON + LOADS)}
        if arguments.ophyd_websocket is not None:
            peer = ophyd_websocket(folder, found, arguments.ophyd_websocket)
            theirs = stack.enter_context(peer)
            sides[theirs.name] = (theirs, LOADS_OF_PYTHON)
        for side, loads in sides.values():
            for pvs, clients in loads:
                side.rounds[f"{pvs} PVs, {clients} clients"] = [
                    side.measure(arguments.examples / "watch_pvs", pvs, clients)
                    for _ in range(arguments.rounds)
                ]
                show(side, pvs, clients)
    report = {name: side.rounds for name, (side, _) in sides.items()}
    arguments.json.write_text(json.dumps({"machine": about, "sides": report}, indent=2) + "\n")
    print(f"written: {arguments.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
