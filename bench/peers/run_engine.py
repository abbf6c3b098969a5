"""bluesky's RunEngine alone.

For each number of points on stdin it runs `count` and prints the points per second.
"""

from __future__ import annotations

import sys
import time

from bluesky import RunEngine
from bluesky.plans import count
from ophyd.sim import det


def main() -> None:
    engine = RunEngine({})
    documents = []
    engine.subscribe(lambda name, document: documents.append((name, document)))
    for line in sys.stdin:
        points = int(line)
        documents.clear()
        start = time.perf_counter()
        engine(count([det], num=points))
        elapsed = time.perf_counter() - start
        events = sum(name == "event" for name, _ in documents)
        if events != points:
            sys.exit(f"{events} events of {points}")
        print(points / elapsed, flush=True)


if __name__ == "__main__":
    main()
