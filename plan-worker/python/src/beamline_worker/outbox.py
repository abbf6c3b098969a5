"""The way of reports to the queue server, from any thread, over whichever connection there is."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from .protocol.reports import Report, encode
from .standing import Standing

LOG = logging.getLogger(__name__)

# Frames and bytes that may wait to be sent.
FRAMES = 1024
BYTES = 32 << 20
# Bytes of the largest report, but for those that somebody waits for, which have limits of their
# own. Larger documents stay on disk and on 0MQ.
LARGEST = 8 << 20
WHATEVER_THE_SIZE = ("ready", "profile_devices", "own_devices", "lists", "task_finished")


class Outbox:
    """What waits to be sent over one connection; `wake` tells its writer, from any thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self.waiting: deque[str] = deque()
        self.size = 0

    def is_full(self) -> bool:
        """Whether who says something should wait."""
        return len(self.waiting) >= FRAMES or self.size >= BYTES

    def put(self, frame: str) -> None:
        """Adds a frame; the caller holds the lock of the reports."""
        self.waiting.append(frame)
        self.size += len(frame)


class Reports:
    """Sends reports in order. Without a connection only what the next queue server has to know is
    kept."""

    def __init__(self, *, wants_devices: bool = False) -> None:
        self._changed = threading.Condition()
        self._standing = Standing(wants_devices=wants_devices)
        self._outbox: Outbox | None = None
        self._never_waits: int | None = None

    def send(self, report: Report) -> None:
        """Sends a report after all earlier ones.

        Waits while too much is under way, but not for a peer that is gone.
        """
        frame = encode(report)
        if len(frame) > LARGEST and report.TYPE not in WHATEVER_THE_SIZE:
            LOG.warning("a report of %d bytes is too large for the queue server", len(frame))
            return
        with self._changed:
            self._standing.note(report)
            outbox = self._outbox
            if threading.get_ident() != self._never_waits:
                while outbox is not None and outbox is self._outbox and outbox.is_full():
                    self._changed.wait()
            if outbox is not None and outbox is self._outbox:
                outbox.put(frame)
                outbox.wake()

    def begins(self, item_uid: str) -> None:
        """The plan of that item begins."""
        with self._changed:
            self._standing.running = item_uid

    def never_wait_here(self) -> None:
        """The thread that calls this is the one that sends: it must not wait for itself."""
        self._never_waits = threading.get_ident()

    def use(self, outbox: Outbox) -> None:
        """Says over a fresh connection how things stand, and everything from now on."""
        with self._changed:
            for report in self._standing.opening():
                outbox.put(encode(report))
            self._outbox = outbox
            outbox.wake()
            self._changed.notify_all()

    def abandon(self, outbox: Outbox) -> None:
        """Nothing more goes over that connection."""
        with self._changed:
            if self._outbox is outbox:
                self._outbox = None
                self._changed.notify_all()

    def take(self, outbox: Outbox) -> str | None:
        """The next frame of `outbox`, if one waits."""
        with self._changed:
            if not outbox.waiting:
                return None
            frame = outbox.waiting.popleft()
            outbox.size -= len(frame)
            self._changed.notify_all()
            return frame
