"""Whose turn it is in the main thread: plans and tasks in order, and little things between."""

from __future__ import annotations

import queue
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from .outbox import Reports
from .protocol.reports import KernelReserved

Job = Callable[[], None]

NO_KERNEL = "RE Manager is not in IPython mode: IPython kernel is not used"


class Turns(Protocol):
    """The main thread, as others give it work. From any thread, but for `serve`."""

    @property
    def is_busy(self) -> bool:
        """Whether the main thread works for somebody else than the queue server."""

    def add(self, job: Job, not_now: Callable[[str], None]) -> None:
        """Has a plan or a task done soon; `not_now` hears why when it cannot be."""

    def tidy(self, job: Job) -> None:
        """Has something done that takes no time, when nothing else is done."""

    def interruptible(self) -> AbstractContextManager[None]:
        """What is done within may be ended by `interrupt`."""

    def reserve(self) -> None:
        """Keeps the main thread for what comes next, and says whether it could."""

    def release(self) -> None:
        """Nothing comes next."""

    def interrupt(self) -> None:
        """Ctrl-C."""

    def nudge(self) -> None:
        """Looks whether work was forgotten; to be called now and then."""

    def serve(self) -> None:
        """Does what is asked for until `leave`, or a user ends it; the main thread calls it."""

    def finish(self) -> None:
        """Does what is still asked for until `leave`, after `serve`."""

    def leave(self) -> None:
        """Ends `serve` once nothing is being done."""


class MainThread(Turns):
    """The main thread of a worker that is nobody else's."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    @property
    def is_busy(self) -> bool:
        """It is not."""
        return False

    def add(self, job: Job, not_now: Callable[[str], None]) -> None:
        """Has it done after what was asked for before."""
        self._jobs.put(job)

    def tidy(self, job: Job) -> None:
        """As `add`."""
        self._jobs.put(job)

    def interruptible(self) -> AbstractContextManager[None]:
        """Nothing can be ended."""
        return nullcontext()

    def reserve(self) -> None:
        """There is no kernel."""
        self._reports.send(KernelReserved(NO_KERNEL))

    def release(self) -> None:
        """Nobody else waits."""

    def interrupt(self) -> None:
        """Nothing can be ended."""

    def nudge(self) -> None:
        """Nothing is forgotten."""

    def serve(self) -> None:
        """Does one job after the other."""
        while (job := self._jobs.get()) is not None:
            job()

    def finish(self) -> None:
        """Nothing is left."""

    def leave(self) -> None:
        """Is the last job."""
        self._jobs.put(None)
