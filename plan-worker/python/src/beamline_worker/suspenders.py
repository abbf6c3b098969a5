"""What makes plans wait: conditions on PVs, as suspenders of the RunEngine."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bluesky.suspenders import SuspenderBase
from ophyd.signal import EpicsSignalRO

from .profile import RunEngine


class SuspenderError(ValueError):
    """What is said of a suspender makes no sense here."""


@dataclass(frozen=True)
class Condition:
    """Plans wait while a PV is below, above, or in a state; the fields of a `Suspender`."""

    pv: str
    below: float | None = None
    above: float | None = None
    resume: float | None = None
    state: str | None = None
    sleep: float = 0.0
    message: str = ""

    def objection(self, value: float | None, *, waits: bool) -> str | None:
        """Why plans have to wait at `value`, if they do; `None` for one that is not known.

        They go on at another value than where they stopped, so it counts whether they wait already.
        """
        why = self._why(value, waits=waits)
        return f"{why}: {self.message}" if why and self.message else why

    def _why(self, value: float | None, *, waits: bool) -> str | None:
        if value is None or math.isnan(value):
            return f"{self.pv} is not known"
        below, above = self.below, self.above
        if waits and self.resume is not None:
            below = None if below is None else self.resume
            above = None if above is None else self.resume
        if below is not None and value < below:
            return f"{self.pv} is {value:g}, below {below:g}"
        if above is not None and value > above:
            return f"{self.pv} is {value:g}, above {above:g}"
        if self.state is not None and (value != 0) == (self.state == "high"):
            return f"{self.pv} is {self.state}"
        return None


def parse(text: str) -> list[Condition]:
    """The conditions of a JSON list, as the operator gives it.

    Raises:
        SuspenderError: it is none.
    """
    try:
        given = json.loads(text)
        conditions = [
            Condition(
                pv=one["pv"],
                below=one.get("below"),
                above=one.get("above"),
                resume=one.get("resume"),
                state=one.get("state"),
                sleep=float(one.get("sleepSeconds", 0)),
                message=one.get("message", ""),
            )
            for one in given
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SuspenderError(f"not a list of suspenders: {text!r}") from error
    for one in conditions:
        if one.pv.startswith("pva://"):
            raise SuspenderError(
                f"suspender of {one.pv}: the bluesky engine has Channel Access only"
            )
    return conditions


class Guard(SuspenderBase):  # type: ignore[misc]
    """One condition. A PV that is not connected is as bad as one with a bad value."""

    def __init__(self, condition: Condition) -> None:
        signal = EpicsSignalRO(condition.pv, name=condition.pv, auto_monitor=True)
        super().__init__(signal, sleep=condition.sleep, tripped_message=condition.message)
        self._condition = condition
        self._last: float | None = None
        self._good_at = 0.0

    def install(self, RE: RunEngine, *, event_type: str | None = None) -> None:
        """Watches the PV from now on."""
        super().install(RE, event_type=event_type)
        self._sig.subscribe(self._turned, event_type=self._sig.SUB_META, run=False)
        if not self._sig.connected:
            self(None)

    def remove(self) -> None:
        """Watches it no more."""
        self._sig.unsubscribe_all()
        super().remove()

    def _turned(self, *, connected: bool = True, **_: object) -> None:
        if not connected:
            self(None)

    def __call__(self, value: object, **kwargs: object) -> None:
        self._last = _number(value)
        had_tripped = self.tripped
        # The loop of the RunEngine may be too busy to make what a plan waits for: then it is made
        # when one begins.
        with contextlib.suppress(RuntimeError):
            super().__call__(value, **kwargs)
        if had_tripped and not self.tripped:
            self._good_at = time.monotonic() + self._condition.sleep

    def _should_suspend(self, value: object) -> bool:
        return self._condition.objection(_number(value), waits=False) is not None

    def _should_resume(self, value: object) -> bool:
        return self._condition.objection(_number(value), waits=True) is None

    def _get_justification(self) -> str:
        return self._condition.objection(self._last, waits=True) or ""

    def begins(self) -> None:
        """A plan begins: it waits for what is bad, and not for what was."""
        self._good_at = 0.0

    def reason(self) -> str | None:
        """Why plans wait now, if they do."""
        if self.tripped:
            return self._condition.objection(self._last, waits=True)
        if time.monotonic() < self._good_at:
            pv, sleep = self._condition.pv, self._condition.sleep
            return f"{pv} is good again since less than {sleep:g} s"
        return None


class Guards:
    """All conditions of an environment."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._conditions = conditions
        self._guards: list[Guard] = []

    def install(self, run_engine: RunEngine) -> None:
        """Makes plans of that RunEngine wait, and of no other."""
        for guard in self._guards:
            guard.remove()
        self._guards = [Guard(condition) for condition in self._conditions]
        for guard in self._guards:
            run_engine.install_suspender(guard)

    def begins(self) -> None:
        """A plan begins."""
        for guard in self._guards:
            guard.begins()

    def reason(self) -> str | None:
        """Why plans wait now, if they do."""
        reasons = [reason for guard in self._guards if (reason := guard.reason())]
        return "; ".join(reasons) or None


def _number(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
