"""Locks by many clients at a time, beside ophyd-service's configuration service.

Each client locks a device and releases it, for ever: one of its own, or the same as all others.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from load import Server, wrk

SCRIPT = Path(__file__).with_suffix(".lua")
CLIENTS = (1, 16, 64)
CONTENDERS = 16


@dataclass
class Locks:
    """Locks that were taken and released; the times are those of one request."""

    per_s: float
    refused_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    # Of the Kubernetes API, which stores them.
    api_cpu_us: float


@dataclass
class LockLoad:
    """What each side got in each round."""

    what: str
    ours: list[Locks] = field(default_factory=list)
    python: list[Locks] = field(default_factory=list)

    def line(self) -> str:
        line = middle(self.ours)
        if self.python:
            pairs = list(zip(self.ours, self.python, strict=True))
            rate = statistics.median(a.per_s / b.per_s for a, b in pairs)
            cpu = statistics.median(b.cpu_us / a.cpu_us for a, b in pairs)
            line += f"; Python {middle(self.python)}"
            line += f": ours {rate:.2f} times the rate, its processor time {cpu:.1f} times ours"
        return line


def middle(loads: list[Locks]) -> str:
    load = sorted(loads, key=lambda load: load.per_s)[len(loads) // 2]
    return (
        f"{load.per_s:.0f} locks/s, {load.refused_per_s:.0f} refused/s, {load.cpu_us:.0f} us"
        f" (API {load.api_cpu_us:.0f} us), p50 {load.p50_ms:.1f} ms, p99 {load.p99_ms:.1f} ms"
    )


def compare_locks(ours: Server, api: Server, python: Server | None, rounds: int) -> list[LockLoad]:
    kinds = [(f"locks, {clients} clients", clients, "own") for clients in CLIENTS]
    kinds.append((f"locks, {CONTENDERS} clients of one device", CONTENDERS, "contended"))
    return [
        one_kind(LockLoad(what), (ours, api, python), clients, devices, rounds)
        for what, clients, devices in kinds
    ]


def one_kind(
    load: LockLoad,
    sides: tuple[Server, Server, Server | None],
    clients: int,
    devices: str,
    rounds: int,
) -> LockLoad:
    ours, api, python = sides
    for _ in range(rounds):
        load.ours.append(measure(ours, api, clients, devices))
        if python is not None:
            load.python.append(measure(python, None, clients, devices))
    return load


def measure(server: Server, api: Server | None, clients: int, devices: str) -> Locks:
    before = server.cpu_seconds(), api.cpu_seconds() if api else 0.0
    done = wrk(f"-t{clients}", f"-c{clients}", f"-s{SCRIPT}", server.url, "--", devices)
    cpu = server.cpu_seconds() - before[0]
    of_api = (api.cpu_seconds() if api else 0.0) - before[1]
    figures = json.loads(done.splitlines()[-1])
    if figures["failed"] or not figures["locks"]:
        raise RuntimeError(f"{server.url}: {done}")
    release_all(server, clients)
    return Locks(
        per_s=figures["locks"] / figures["seconds"],
        refused_per_s=figures["refused"] / figures["seconds"],
        p50_ms=figures["p50_ms"],
        p99_ms=figures["p99_ms"],
        cpu_us=cpu / figures["locks"] * 1e6,
        api_cpu_us=of_api / figures["locks"] * 1e6,
    )


def release_all(server: Server, clients: int) -> None:
    """What was held when the time was over."""
    names = [f"device_{number:05}" for number in range(clients)]
    body = {"device_names": names, "reason": "measured"}
    path = f"{server.url}/api/v1/devices/force-unlock"
    httpx.post(path, json=body, timeout=60).raise_for_status()
