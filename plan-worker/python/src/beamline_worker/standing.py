"""How things stand: what a queue server has to hear that was not there before."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from .protocol import (
    Hello,
    PlanFinished,
    PlanOutcome,
    Ready,
    Report,
    ReState,
    RunEntry,
    Runs,
)

ENGINE = "bluesky"


@dataclass
class Standing:
    """What the worker has said so far, boiled down."""

    ready: Ready | None = None
    running: str | None = None
    ended: PlanOutcome | None = None
    state: ReState | None = None
    runs: list[RunEntry] = field(default_factory=list)

    def note(self, report: Report) -> None:
        """Takes note of what is being said."""
        match report:
            case Ready():
                self.ready = report
            case ReState():
                self.state = report
            case Runs():
                self.runs = list(report.runs)
            case PlanFinished():
                self.running = None
                self.ended = report.outcome
            case _:
                pass

    def opening(self) -> list[Report]:
        """What a queue server has to hear first, in order."""
        opening: list[Report] = [Hello(engine=ENGINE, pid=os.getpid())]
        if self.ready is None:
            return opening
        opening.append(replace(self.ready, running=self.running, ended=self.ended))
        if self.state is not None:
            opening.append(self.state)
        opening.append(Runs(self.runs))
        return opening
