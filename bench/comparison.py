"""What one comparison is, and how several are shown."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, TypeVar

Side = TypeVar("Side")


@dataclass
class Comparison(Generic[Side]):
    """The same work on both sides; `work` says how fast one side does it."""

    what: str
    unit: str
    peer: str
    sides: tuple[Side, Side]
    work: Callable[[Side], float]
    more_is_better: bool = True
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def ratio(self) -> float:
        """How many times better ours is: the median over the rounds of the ratio within a round."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return statistics.median(a / b if self.more_is_better else b / a for a, b in pairs)

    def row(self) -> list[str]:
        def shown(values: list[float]) -> str:
            return f"{statistics.median(values):,.6g} ({min(values):,.6g} to {max(values):,.6g})"

        cells = [f"{self.what} [{self.unit}]", shown(self.ours), shown(self.theirs)]
        return [*cells, f"{self.ratio():.3g}", self.peer]

    def as_json(self) -> dict[str, object]:
        return {
            "what": self.what,
            "unit": self.unit,
            "peer": self.peer,
            "more_is_better": self.more_is_better,
            "ours": self.ours,
            "theirs": self.theirs,
            "times_better": self.ratio(),
        }


def in_turns(rounds: int, comparisons: list[Comparison]) -> list[Comparison]:
    """Measures ours and theirs in turns, so that a machine that slows down slows both.

    The first round is not counted.
    """
    for counted in (False, *[True] * rounds):
        for comparison in comparisons:
            ours, theirs = map(comparison.work, comparison.sides)
            if counted:
                comparison.ours.append(ours)
                comparison.theirs.append(theirs)
    return comparisons


def show(comparisons: list[Comparison]) -> str:
    """A table for people: medians, with the least and the most."""
    head = ["what", "ours", "theirs", "times better", "against"]
    rows = [head, *(comparison.row() for comparison in comparisons)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def begin(report: Path) -> tuple[Path, dict[str, object]]:
    """The folder of a report and the machine, which is printed.

    All sides write below the folder: to a disk, not to memory.
    """
    place = report.absolute().parent
    place.mkdir(parents=True, exist_ok=True)
    about = machine(place)
    print(*(f"{name}: {value}" for name, value in about.items()), sep="\n")
    return place, about


def machine(place: Path) -> dict[str, object]:
    """What the figures depend on, and how busy it was; `place` is a folder on the disk in use."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_at_start": os.getloadavg()[0],
        "disk_flush_ms": round(disk_flush(place), 3),
    }


def disk_flush(place: Path, count: int = 200) -> float:
    """Median milliseconds to bring 4 kB to the disk: one durable write."""
    times = []
    with TemporaryDirectory(dir=place) as folder, (Path(folder) / "probe").open("wb") as file:
        for _ in range(count):
            start = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def write(path: Path, about: dict[str, object], comparisons: list[Comparison]) -> None:
    figures = [comparison.as_json() for comparison in comparisons]
    path.write_text(json.dumps({"machine": about, "comparisons": figures}, indent=2) + "\n")
