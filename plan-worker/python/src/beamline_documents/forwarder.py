"""Follows the runs for one target and delivers what is new."""

from __future__ import annotations

import logging
import threading
import time

from . import measures
from .bookmarks import Bookmarks, State
from .runs import MOST_DOCUMENTS, Piece, Run, Runs
from .target import BeginAnew, Refusal, RunRefused, Target, Unreachable

LOG = logging.getLogger(__name__)

# Seconds between two looks at what is new.
PACE = 0.2
# Seconds between two looks at every day; in between only the newest two are looked at.
ROUND = 60.0
# Seconds after which a folder that changes has another time of change.
TICK = 2.0
# Seconds until a target that is down is tried again: the first time, and at most.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0


class Forwarder:
    """Delivers to one target, in its own thread; what another target does is nothing to it."""

    def __init__(self, target: Target, runs: Runs, bookmarks: Bookmarks) -> None:
        self._target = target
        self._runs = runs
        self._bookmarks = bookmarks
        # What is not delivered as a whole, in the order in which it began.
        self._open: dict[Run, float] = {}
        self._next_round = 0.0
        # When the folder of a day had changed last, after which it was read.
        self._seen: dict[str, float] = {}
        self._is_up = True
        name = target.name
        self._published = measures.DOCUMENTS.labels(name)
        self._refused = measures.REFUSED.labels(name)
        self._failures = measures.FAILURES.labels(name)
        self._up = measures.UP.labels(name)
        self._behind = measures.BEHIND.labels(name)

    def follow(self, stop: threading.Event) -> None:
        """Delivers until `stop`, and then what is left, unless the target is down."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            if self.try_step() is not None:
                pause = FIRST_PAUSE
                stop.wait(PACE)
            else:
                stop.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        self.finish(patience=0.0)

    def finish(self, patience: float) -> bool:
        """Delivers what is left, waiting `patience` seconds for a target that is down; whether that
        is everything."""
        end = time.monotonic() + patience
        self._next_round = 0.0
        while (moved := self.try_step()) != 0:
            if moved is None:
                if time.monotonic() > end:
                    break
                time.sleep(PACE)
        behind = self.behind()
        if behind:
            LOG.warning(
                "%s: %d bytes of documents are left; the next publisher delivers them",
                self._target.name,
                behind,
            )
        return not behind

    def close(self) -> None:
        """Ends the connection and leaves the bookmarks to the next one."""
        self._target.close()
        self._bookmarks.close()

    def behind(self) -> int:
        """Length of what is left, as far as it was seen."""
        offsets = {run: self._bookmarks.offset(run.key) for run in self._open}
        return sum(
            max(self._runs.size(run) - offset, 0)
            for run, offset in offsets.items()
            if offset is not None
        )

    def try_step(self) -> int | None:
        """Delivers a piece of each run; how many had any, `None` when the target is down."""
        try:
            moved = self._step()
        except Unreachable as error:
            self._is_down(str(error))
            return None
        except Exception as error:
            # It must go on, whatever it is: the next try may do.
            LOG.exception("%s: cannot deliver", self._target.name)
            self._is_down(str(error))
            return None
        finally:
            self._behind.set(self.behind())
        if not self._is_up:
            LOG.info("%s: takes documents again", self._target.name)
        self._is_up = True
        self._up.set(1)
        return moved

    def _is_down(self, why: str) -> None:
        self._failures.inc()
        self._up.set(0)
        if self._is_up:
            LOG.warning("%s: takes no documents, they wait on disk: %s", self._target.name, why)
        self._is_up = False

    def _step(self) -> int:
        self._look()
        moved = 0
        for run in list(self._open):
            offset = self._bookmarks.offset(run.key)
            if offset is None:
                del self._open[run]
            elif self._runs.size(run) > offset:
                moved += self._deliver(run, offset)
        return moved

    def _look(self) -> None:
        """Finds runs that are new."""
        days = [day for day in self._runs.days() if day >= self._bookmarks.since]
        if time.monotonic() < self._next_round:
            days = [day for day in days[-2:] if self._has_changed(day)]
        else:
            self._next_round = time.monotonic() + ROUND
        new = [
            run
            for day in days
            for run in self._runs.of(day)
            if run not in self._open and self._bookmarks.offset(run.key) is not None
        ]
        if new:
            self._open.update({run: self._runs.began(run) for run in new})
            self._open = dict(sorted(self._open.items(), key=lambda one: one[1]))

    def _has_changed(self, day: str) -> bool:
        """Whether its folder may have runs that were not seen; saves reading a long one."""
        changed = self._runs.changed(day)
        if self._seen.get(day) == changed:
            return False
        # Another run may begin in the same tick of the file system's clock.
        if time.time() - changed > TICK:
            self._seen[day] = changed
        return True

    def _deliver(self, run: Run, offset: int) -> bool:
        piece = self._runs.read(run, offset, MOST_DOCUMENTS)
        if piece.end == offset:
            return False
        for place in piece.damaged:
            self._refused.inc()
            LOG.error("run %s: at byte %d there is no document", run.key, place)
        try:
            refusals = self._target.send(run.uid, piece.documents) if piece.documents else ()
        except BeginAnew:
            self._bookmarks.note(run.key, 0)
            return True
        except RunRefused as error:
            self._refused.inc(len(piece.documents))
            self._bookmarks.note(run.key, offset, State.REFUSED)
            LOG.error("%s: refuses run %s: %s", self._target.name, run.uid, error)
            return True
        for refusal in refusals:
            self._complain(run, piece, refusal)
        self._published.inc(len(piece.documents) - len(refusals))
        self._bookmarks.note(run.key, piece.end, State.SENT if piece.ended else State.UNDER_WAY)
        return True

    def _complain(self, run: Run, piece: Piece, refusal: Refusal) -> None:
        self._refused.inc()
        name, doc = piece.documents[refusal.index]
        LOG.error(
            "%s: refuses %s %s of run %s: %s",
            self._target.name,
            name,
            doc.get("uid", ""),
            run.uid,
            refusal.reason,
        )
