"""What documents are delivered to, and what can come between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .runs import Document


class Unreachable(Exception):
    """The target does not take documents now; later it may."""


class BeginAnew(Exception):
    """The target has to be given the run from its start document on."""


class RunRefused(Exception):
    """The target will never take this run."""


@dataclass(frozen=True)
class Refusal:
    """A document that the target will never take."""

    # Place among those that were sent together.
    index: int
    reason: str


class Target(Protocol):
    """Takes documents. What it has taken once may come again."""

    name: str

    def send(self, run: str, documents: Sequence[Document]) -> Sequence[Refusal]:
        """Delivers documents of one run, in their order; returns when the target has them.

        Raises:
            Unreachable: when it may have some of them, or none.
            BeginAnew: when it needs the run from its beginning.
            RunRefused: when it takes nothing of this run.
        """
        ...

    def close(self) -> None:
        """Ends the connection."""
        ...
