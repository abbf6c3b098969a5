"""What clients and PVs cost beside the values that are sent: see docs/speed.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

import httpx
import websockets
from comparison import machine
from process import memory_mib
from sockets import PREFIX, Side, ours
from soft_ioc import soft_ioc

PVS = 10_000
DEAD = 1_000
# Each client may follow 1,000 PVs.
AT_ONCE = 1_000
IDLE = 500
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


async def subscribed(client: websockets.ClientConnection, names: list[str]) -> float:
    """Follows all of them; seconds until the last has its first value."""
    since = time.monotonic()
    await client.send(json.dumps({"action": "subscribe", "pv_names": names}))
    waiting, last = set(names), since
    async with asyncio.timeout(PATIENCE):
        async for message in client:
            frame = json.loads(message)
            if frame.get("event_type") == "pv_update" and frame["pv"] in waiting:
                waiting.discard(frame["pv"])
                last = time.monotonic()
            if frame.get("type") == "subscribed" or not waiting:
                break
    return last - since


async def connect_all(side: Side) -> dict[str, float]:
    """Seconds until 10,000 PVs are there, while others are asked for that no IOC has."""
    names = [f"{PREFIX}:n{number}" for number in range(PVS + DEAD)]
    parts = [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]
    clients = [await websockets.connect(side.url, max_size=None) for _ in parts]
    # The names beyond those of the IOC are the last part.
    *live, dead = clients
    since = time.monotonic()
    asked = asyncio.create_task(subscribed(dead, parts[-1]))
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*map(subscribed, live, parts))
    seconds = time.monotonic() - since
    asked.cancel()
    figures = {"seconds": seconds, "memory_mib": memory_mib(side.process.pid)}
    await asyncio.gather(*(client.close() for client in clients))
    return figures


async def idle(side: Side) -> dict[str, float]:
    """Memory that each of many clients takes who follows one PV and is sent nothing."""
    before = memory_mib(side.process.pid)
    clients = [await websockets.connect(side.url) for _ in range(IDLE)]
    await asyncio.gather(*(subscribed(client, [f"{PREFIX}:n0"]) for client in clients))
    after = memory_mib(side.process.pid)
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
    place = arguments.json.absolute().parent
    place.mkdir(parents=True, exist_ok=True)
    about = machine(place)
    print(*(f"{name}: {value}" for name, value in about.items()), sep="\n")
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
                keep(f"{PVS} PVs and {DEAD} dead ones", asyncio.run(connect_all(side)))
                keep(f"{IDLE} idle clients", asyncio.run(idle(side)))
                if number == 0:
                    keep(f"{arguments.cycles} cycles", asyncio.run(soak(side, arguments.cycles)))
    each = statistics.median(one["kib_each"] for one in report[f"{IDLE} idle clients"])
    print(f"an idle client: {each:.1f} KiB")
    arguments.json.write_text(json.dumps({"machine": about, "figures": report}, indent=2) + "\n")
    print(f"written: {arguments.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
