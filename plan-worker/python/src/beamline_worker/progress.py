"""How far the running plan is, and what it waits for."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from .protocol.reports import Movement, PlanProgress

LOG = logging.getLogger(__name__)

# Movements that are told: more than anybody looks at.
MOST = 32
PRIMARY = "primary"


class Progress:
    """Gathers how far the plan is; whoever wants to know asks for it, at a pace of their own.

    Called with every document of a plan, and by the RunEngine with the statuses that it waits for.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._item: str | None = None
        self._forget()

    def _forget(self) -> None:
        self._begin_run(None)
        self._movements: dict[int, Movement] = {}

    def _begin_run(self, expected: int | None) -> None:
        self._expected = expected
        self._done = 0
        self._primary: str | None = None
        # Seconds that points took, and how many did; none while the plan was paused.
        self._took = 0.0
        self._points = 0
        self._since = self._clock()

    def begins(self, item_uid: str) -> None:
        """A plan begins."""
        with self._lock:
            self._item = item_uid
            self._forget()

    def ends(self) -> None:
        """There is no plan any more."""
        with self._lock:
            self._item = None
            self._forget()

    def pauses(self) -> None:
        """The plan does not go on for a while, and that counts for no pace."""
        with self._lock:
            self._since = math.nan

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        """Takes note of a document. Of runs that overlap, the newest counts."""
        with self._lock:
            if name == "start":
                self._begin_run(_number(doc.get("num_points")))
            elif name == "descriptor" and doc.get("name") == PRIMARY:
                self._primary = str(doc["uid"])
            elif name == "event" and doc["descriptor"] == self._primary:
                self._reaches(int(doc["seq_num"]))
            elif name == "event_page" and doc["descriptor"] == self._primary and doc["seq_num"]:
                self._reaches(max(map(int, doc["seq_num"])))

    def _reaches(self, point: int) -> None:
        now = self._clock()
        # After a pause some points are taken again.
        new = point - self._done
        if new > 0 and not math.isnan(self._since):
            self._took += now - self._since
            self._points += new
        self._done = max(self._done, point)
        self._since = now

    def waits_for(self, statuses: Collection[Any] | None) -> None:
        """The RunEngine waits for these, or waits no more."""
        with self._lock:
            self._movements = {}
        for status in statuses or ():
            if not hasattr(status, "watch"):
                continue
            # It may be anybody's, and showing how far it is must not end a plan.
            try:
                status.watch(self._watcher(id(status)))
            except Exception:
                LOG.exception("cannot watch %r", status)

    def _watcher(self, key: int) -> Callable[..., None]:
        with self._lock:
            if len(self._movements) < MOST:
                self._movements[key] = Movement("")

        def moved(*_: object, **said: object) -> None:
            movement = _movement(said)
            with self._lock:
                # It may be told of a movement that nobody waits for any more.
                if key in self._movements:
                    self._movements[key] = movement

        return moved

    def now(self) -> PlanProgress | None:
        """How far the plan is, if there is one."""
        with self._lock:
            if self._item is None:
                return None
            moving = [one for one in self._movements.values() if one.name]
            return PlanProgress(self._item, self._done, self._expected, self._left(), moving)

    def _left(self) -> float | None:
        """Seconds to the end, if every point takes as long as those so far."""
        if self._expected is None or self._points == 0 or math.isnan(self._since):
            return None
        ahead = (self._expected - self._done) * self._took / self._points
        return round(max(0.0, ahead - (self._clock() - self._since)), 1)


def _movement(said: dict[str, object]) -> Movement:
    """What a status says. Its own `fraction` is not used: in ophyd it is what is left."""
    initial, current, target = (_real(said.get(key)) for key in ("initial", "current", "target"))
    fraction = None
    if initial is not None and current is not None and target is not None and initial != target:
        fraction = round(min(max((current - initial) / (target - initial), 0.0), 1.0), 4)
    name, unit = (str(said.get(key) or "") for key in ("name", "unit"))
    return Movement(name, unit, initial, current, target, fraction)


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and value > 0 else None


def _real(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
