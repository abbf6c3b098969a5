"""A server under load, as `wrk` measures it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from process import cpu_seconds

SECONDS = 3


@dataclass
class Load:
    """What `wrk` got from one address."""

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


@dataclass
class Server:
    """A process that is measured."""

    process: subprocess.Popen[bytes]
    url: str

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid)

    def load(self, path: str, connections: int) -> Load:
        before = self.cpu_seconds()
        done = wrk("-t1", f"-c{connections}", self.url + path)
        if "Non-2xx" in done:
            raise RuntimeError(f"{path}: {done}")
        cpu = self.cpu_seconds() - before
        requests = max(int(number(r"(\d+) requests in", done)), 1)
        return Load(
            per_s=float(number(r"Requests/sec:\s*([\d.]+)", done)),
            p50_ms=milliseconds(number(r"\n\s+50%\s+(\S+)", done)),
            p99_ms=milliseconds(number(r"\n\s+99%\s+(\S+)", done)),
            cpu_us=cpu / requests * 1e6,
        )


def wrk(*words: str) -> str:
    """What it prints after some seconds."""
    return subprocess.run(
        ["wrk", f"-d{SECONDS}s", "--latency", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout


def number(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, text
    return found[1]


def milliseconds(text: str) -> float:
    units = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    found = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
    assert found is not None, text
    return float(found[1]) * units[found[2]]
