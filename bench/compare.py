"""The same work on our pods and on the Python services, side by side: see docs/speed.md."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

# The beamline that the end-to-end tests run is the one that is measured.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

from comparison import Comparison, begin, in_turns, show, write
from engines import bare_run_engine
from local_beamline import Beamline, end
from pv_services import CONNECTIONS, PvService, python_pv_service
from queue_client import QueueServer

POINTS = 1_000


def main() -> int:
    arguments = parse()
    place, about = begin(arguments.json)
    skipped: list[str] = []
    done: list[Comparison] = []
    with TemporaryDirectory(prefix="bench-", dir=place) as name, ExitStack() as stack:
        folder = Path(name)
        beamline = Beamline(folder / "state")
        stack.callback(end, beamline)
        beamline.start()
        ours = QueueServer(f"tcp://127.0.0.1:{beamline.ports['zmq_control']}")
        ours.open_environment()
        done += engines(ours, arguments.rounds)
        done += pvs(beamline, folder, arguments, skipped)
    print(f"\nmedian (least to most) of {arguments.rounds} rounds")
    print(show(done))
    for reason in skipped:
        print(f"SKIPPED: {reason}")
    write(arguments.json, about, done)
    print(f"written: {arguments.json}")
    # A machine of the project has to have what is compared against.
    return 1 if skipped and os.environ.get("CI") == "true" else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count")
    parser.add_argument("--json", type=Path, default=Path("target/bench.json"))
    parser.add_argument(
        "--direct-control",
        type=Path,
        help="executable `bluesky-direct-control` of an installed ophyd-service",
    )
    return parser.parse_args()


def engines(ours: QueueServer, rounds: int) -> list[Comparison]:
    """Ours with all that is around it in production, against a RunEngine with nothing around it."""
    with bare_run_engine() as theirs:
        points = Comparison(
            f"count of {POINTS} points",
            "points/s",
            "bluesky RunEngine, bare",
            (ours, theirs),
            lambda side: side.points_per_second(POINTS),
        )
        return in_turns(rounds, [points])


def pvs(
    beamline: Beamline, folder: Path, arguments: argparse.Namespace, skipped: list[str]
) -> list[Comparison]:
    """HTTP reads and puts by several clients; both sides talk to the same simulated IOC."""
    if shutil.which("wrk") is None:
        skipped.append("PVs: the load comes from wrk (apt-get install wrk)")
        return []
    ours = PvService("ours", beamline.url("control"))
    if not ours.is_up():
        raise RuntimeError(f"{ours.url} does not answer: {beamline.output()}")
    with python_pv_service(beamline, folder, arguments.direct_control) as theirs:
        comparisons = [
            Comparison(
                f"PV {source}, {CONNECTIONS} clients",
                "reads/s",
                theirs.name,
                (ours, theirs),
                lambda side, monitored=monitored: side.reads_per_second(monitored),
            )
            for source, monitored in (("from the IOC", False), ("from the monitor", True))
        ]
        sets = Comparison(
            f"PV set with completion, {CONNECTIONS} clients",
            "sets/s",
            theirs.name,
            (ours, theirs),
            lambda side: side.sets_per_second(),
        )
        comparisons.append(sets)
        return in_turns(arguments.rounds, comparisons)


if __name__ == "__main__":
    sys.exit(main())
