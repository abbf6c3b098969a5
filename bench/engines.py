"""bluesky's RunEngine in a process of its own, with nothing around it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_beamline import environment

PEER = Path(__file__).parent / "peers" / "run_engine.py"


@dataclass
class BareRunEngine:
    """Runs what it is told on its standard input."""

    process: subprocess.Popen[str]

    def points_per_second(self, points: int) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(points, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


@contextmanager
def bare_run_engine() -> Iterator[BareRunEngine]:
    """A RunEngine inside the block."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, str(PEER)], stdin=pipe, stdout=pipe, text=True, env=environment()
    ) as process:
        try:
            yield BareRunEngine(process)
        finally:
            process.kill()
