"""Times of the same thing, and how they spread."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass
class Spread:
    """Times, in the unit that their name says."""

    times: list[float]

    @property
    def p99(self) -> float:
        """With less than a hundred times this is the longest of them."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]

    def as_json(self) -> dict[str, object]:
        return {"median": statistics.median(self.times), "p99": self.p99, "times": self.times}

    def __str__(self) -> str:
        median, least = statistics.median(self.times), min(self.times)
        return f"median {median:.4g}, p99 {self.p99:.4g}, least {least:.4g}, of {len(self.times)}"
