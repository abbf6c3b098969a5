"""What clients and PVs cost beside the values that are sent: see docs/speed.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

import httpx
import websockets
from comparison import begin
from local_beamline import wait_for
from process import memory_mib
from sockets import PREFIX, PVS_IN_A_FILE, Side, ours
from soft_ioc import soft_ioc

PVS = 10_000
DEAD = 1_000
# Each client may follow 1,000 PVs.
AT_ONCE = 1_000
IDLE = 450
CYCLES = 10_000
# Cycles that are under way at a time.
SIDE_BY_SIDE = 20
# What is told of a PV that does not answer comes after 5 s.
PATIENCE = 60.0
# Records of the IOC do not change by themselves: the cost of values is measured elsewhere.
SCAN = "Passive"
GAUGES = ("control_sockets", "channels_pvs", "channels_pvs_connected")


def gauges(side: Side) -> dict[str, float]:
    """Sums over the labels of each gauge, and threads of the process."""
    address = side.url.replace("ws://", "http://").partition("/api/")[0]
    text = httpx.get(f"{address}/metrics", timeout=30).text
    found = {}
    for name in GAUGES:
        values = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M)
        found[name] = sum(map(float, values))
    status = Path(f"/proc/{side.process.pid}/status").read_text()
    return found | {"threads": float(re.findall(r"^Threads:\s*(\d+)", status, re.M)[0])}


def is_known(side: Side) -> bool:
    """Whether the registry has all PVs: the last of each file of manifests."""
    address = side.url.replace("ws://", "http://").partition("/api/")[0]
    last = range(PVS_IN_A_FILE - 1, PVS + DEAD, PVS_IN_A_FILE)
    asked = {"connection_timeout": 0.1, "timeout": 0.1}
    answers = (
        httpx.get(f"{address}/api/v1/pv/{PREFIX}:n{number}/value", params=asked) for number in last
    )
    return not any("registry" in answer.text for answer in answers)


async def subscribed(client: websockets.ClientConnection, names: list[str]) -> float:
    """Follows all of them; seconds until the last has its first value."""
    since = time.monotonic()
    await client.send(json.dumps({"action": "subscribe", "pv_names": names}))
    waiting, last = set(names), since
    failed: list[str] = []
    async with asyncio.timeout(PATIENCE):
        async for message in client:
            frame = json.loads(message)
            if frame.get("event_type") == "pv_update" and frame["pv"] in waiting:
                waiting.discard(frame["pv"])
                last = time.monotonic()
            if frame.get("type") == "error" and frame.get("pv") in waiting:
                waiting.discard(frame["pv"])
                failed.append(frame["error"])
            if frame.get("type") == "subscribed" or not waiting:
                break
    if failed:
        raise RuntimeError(f"{len(failed)} PVs: {failed[0]}")
    return last - since


async def connect_all(side: Side) -> dict[str, float]:
    """Seconds until 10,000 PVs are there, while others are asked for that no IOC has."""
    names = [f"{PREFIX}:n{number}" for number in range(PVS + DEAD)]
    parts = [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]
    clients = [await websockets.connect(side.url, max_size=None) for _ in parts]
    # The names beyond those of the IOC are the last part.
    *live, dead = clients
    since = time.monotonic()
    await dead.send(json.dumps({"action": "subscribe", "pv_names": parts[-1]}))
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*map(subscribed, live, parts))
    seconds = time.monotonic() - since
    figures = {"seconds": seconds, "memory_mib": memory_mib(side.process.pid)}
    await asyncio.gather(*(client.close() for client in clients))
    return figures


async def idle(side: Side) -> dict[str, float]:
    """Memory that each of many clients takes who follows one PV and is sent nothing."""
    clients: list[websockets.ClientConnection] = []
    memory = []
    # What is made once, for the first clients, is not counted.
    for _ in range(2):
        for _ in range(IDLE):
            clients.append(await websockets.connect(side.url))
            # One after the other: what a command takes while it runs is not counted either.
            await subscribed(clients[-1], [f"{PREFIX}:n0"])
        memory.append(memory_mib(side.process.pid))
    before, after = memory
    await asyncio.gather(*(client.close() for client in clients))
    return {"kib_each": 1024 * (after - before) / IDLE, "memory_mib": after}


async def cycle(side: Side, number: int) -> None:
    async with websockets.connect(side.url) as client:
        await subscribed(client, [f"{PREFIX}:n{number % 100}"])


async def soak(side: Side, cycles: int) -> dict[str, float]:
    """What is left of clients that connect, follow a PV, and leave."""
    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(number: int) -> None:
        async with room:
            await cycle(side, number)

    # What is made once, for the first clients, is not counted.
    await asyncio.gather(*(one(number) for number in range(cycles // 10)))
    before = gauges(side) | {"memory_mib": memory_mib(side.process.pid)}
    since = time.monotonic()
    await asyncio.gather(*(one(number) for number in range(cycles)))
    seconds = time.monotonic() - since
    async with asyncio.timeout(PATIENCE):
        while gauges(side)["control_sockets"] > before["control_sockets"]:
            await asyncio.sleep(0.1)
    after = gauges(side) | {"memory_mib": memory_mib(side.process.pid)}
    grown = {f"{name}_grown": after[name] - before[name] for name in after}
    return {"cycles_per_s": cycles / seconds, "memory_mib": after["memory_mib"]} | grown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cycles", type=int, default=CYCLES)
    parser.add_argument("--json", type=Path, default=Path("target/bench-clients.json"))
    arguments = parser.parse_args()
    place, about = begin(arguments.json)
    report: dict[str, list[dict[str, float]]] = {}

    def keep(what: str, figures: dict[str, float]) -> None:
        report.setdefault(what, []).append(figures)
        print(f"{what}:", *(f"{name} {value:.2f}" for name, value in figures.items()), flush=True)

    for number in range(arguments.rounds):
        with TemporaryDirectory(prefix="bench-", dir=place) as name:
            folder = Path(name)
            with (
                soft_ioc("pv_ioc.py", [PREFIX, PVS, SCAN], folder / "pv-ioc.log") as found,
                ours(folder, found, PVS + DEAD) as side,
            ):
                wait_for("the registry has all PVs", partial(is_known, side), PATIENCE)
                keep(f"{IDLE} idle clients", asyncio.run(idle(side)))
                keep(f"{PVS} PVs and {DEAD} dead ones", asyncio.run(connect_all(side)))
                if number == 0:
                    keep(f"{arguments.cycles} cycles", asyncio.run(soak(side, arguments.cycles)))
    each = statistics.median(one["kib_each"] for one in report[f"{IDLE} idle clients"])
    print(f"an idle client: {each:.1f} KiB")
    arguments.json.write_text(json.dumps({"machine": about, "figures": report}, indent=2) + "\n")
    print(f"written: {arguments.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
