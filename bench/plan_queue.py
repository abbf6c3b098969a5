"""Our queue server alone beside bluesky-queueserver with its Redis: see docs/speed.md."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

# The executable and the environment are those of the end-to-end tests.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

from comparison import Comparison, begin, in_turns, show, write
from queue_servers import Started, classic, ours, profile_ms

FEW = 1_000
MANY = 10_000
PLANS = 20
POINTS = 1_000
CLIENTS = (1, 16)
CLASSIC = "bluesky-queueserver, Redis"
HTTP = "bluesky-httpserver"
Sides = tuple[Started, Started]


def main() -> int:
    arguments = parse()
    missing = [name for name in ("redis-server", "wrk") if shutil.which(name) is None]
    if missing:
        print(f"SKIPPED: queue servers: {' and '.join(missing)} are not installed")
        return 1 if os.environ.get("CI") == "true" else 0
    place, about = begin(arguments.json)
    with TemporaryDirectory(prefix="bench-", dir=place) as name, ExitStack() as stack:
        folder = Path(name)
        theirs = stack.enter_context(classic(folder, arguments.examples))
        native, bluesky = (
            stack.enter_context(ours(folder, engine, arguments.examples))
            for engine in ("native", "bluesky")
        )
        done = environments(native, bluesky, theirs, arguments.rounds)
        done += requests((native, theirs), arguments.rounds)
        done += plans(native, bluesky, theirs, arguments.rounds)
        done += lengths((native, theirs), arguments.rounds)
    print(f"\nmedian (least to most) of {arguments.rounds} rounds")
    print(show(done))
    write(arguments.json, about, done)
    print(f"written: {arguments.json}")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count")
    parser.add_argument("--json", type=Path, default=Path("target/bench-queue.json"))
    parser.add_argument(
        "--examples", type=Path, required=True, help="folder of the examples of queue-pod"
    )
    return parser.parse_args()


def environments(
    native: Started, bluesky: Started, theirs: Started, rounds: int
) -> list[Comparison]:
    """Opening one; the bluesky worker also beside what it takes to read its profile."""
    read = Comparison(
        "open an environment, bluesky worker",
        "ms",
        "its profile imported and described",
        (bluesky.open_ms, profile_ms),
        lambda read: read(),
        more_is_better=False,
    )
    opened = [
        timed(f"open an environment, {engine}", (side, theirs), Started.open_ms)
        for engine, side in (("native engine", native), ("bluesky worker", bluesky))
    ]
    return in_turns(rounds, [*opened, read])


def requests(sides: Sides, rounds: int) -> list[Comparison]:
    """What does not depend on the queue, over 0MQ and over HTTP."""
    comparisons = []
    for clients in CLIENTS:
        several = "one client" if clients == 1 else f"{clients} clients"
        comparisons += [
            Comparison(
                f"status over 0MQ, {several}",
                "answers/s",
                CLASSIC,
                sides,
                lambda side, clients=clients: side.answers_per_second(clients),
            ),
            Comparison(
                f"status over HTTP, {several}",
                "answers/s",
                HTTP,
                sides,
                lambda side, clients=clients: side.http_per_second(clients),
            ),
        ]
    return in_turns(rounds, comparisons)


def plans(native: Started, bluesky: Started, theirs: Started, rounds: int) -> list[Comparison]:
    """Plans of one point, one after the other: nearly all of it is what the server adds."""
    comparisons = []
    for engine, side in (("native engine", native), ("bluesky worker", bluesky)):
        sides = (side, theirs)
        comparisons += [
            timed(
                f"one of {PLANS} short plans, {engine}",
                sides,
                lambda side: side.server.plan_ms(PLANS),
            ),
            Comparison(
                f"count of {POINTS} points, {engine}",
                "points/s",
                CLASSIC,
                sides,
                lambda side: side.server.points_per_second(POINTS),
            ),
        ]
    return in_turns(rounds, comparisons)


def lengths(sides: Sides, rounds: int) -> list[Comparison]:
    """What may depend on how long the queue is; the adding leaves it as the others take it."""
    few = [
        timed(f"a batch of {FEW} items", sides, lambda side: side.server.batch_ms(FEW)),
        Comparison(
            "queue_item_add, one client",
            "items/s",
            CLASSIC,
            sides,
            lambda side: side.server.adds_per_second(FEW),
        ),
        *at_length(FEW, sides),
        Comparison(
            f"queue_item_add, {CLIENTS[-1]} clients",
            "items/s",
            CLASSIC,
            sides,
            lambda side: side.adds_per_second(CLIENTS[-1]),
        ),
    ]
    many = [
        timed(
            f"{MANY} items in batches of {FEW}", sides, lambda side: side.server.fill_ms(MANY, FEW)
        ),
        *at_length(MANY, sides),
        timed(f"from the start to the first answer, {MANY} items", sides, Started.restart_ms),
        Comparison(
            f"memory with {MANY} items, without an environment",
            "MiB",
            CLASSIC,
            sides,
            Started.memory_mib,
            more_is_better=False,
        ),
    ]
    done = in_turns(rounds, few)
    for side in sides:
        side.close_environment()
    return done + in_turns(rounds, many)


def at_length(items: int, sides: Sides) -> list[Comparison]:
    return [
        timed(f"queue_get of {items} items, by a client that costs little", sides, Started.get_ms),
        timed(
            f"queue_get of {items} items, after a change",
            sides,
            lambda side: side.server.get_ms(),
        ),
        timed(
            f"queue_item_move of the last of {items}",
            sides,
            lambda side: side.server.move_ms(),
        ),
        timed(f"queue_item_add to {items} items", sides, lambda side: side.server.add_ms()),
    ]


def timed(what: str, sides: Sides, work: Callable[[Started], float]) -> Comparison[Started]:
    return Comparison(what, "ms", CLASSIC, sides, work, more_is_better=False)


if __name__ == "__main__":
    sys.exit(main())
