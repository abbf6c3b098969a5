"""How things stand: what a queue server has to hear that was not there before."""

from __future__ import annotations

import json
import os
from collections import deque
from dataclasses import dataclass, field, replace

from .protocol.reports import (
    Hello,
    Kernel,
    KernelConnection,
    Lists,
    NoRunEngine,
    PlanFinished,
    PlanOutcome,
    Ready,
    Report,
    ReState,
    RunEntry,
    Runs,
    TaskFinished,
    TaskOutcome,
)

ENGINE = "bluesky"
# Ends of tasks that are told again: more can hardly fall into the time without a connection.
TASKS = 16
# Bytes of their results, as JSON, that are told again: all of them are in one frame.
RESULTS = 32 << 20


@dataclass
class Standing:
    """What the worker has said so far, boiled down."""

    wants_devices: bool = False
    ready: Ready | None = None
    running: str | None = None
    ended: PlanOutcome | None = None
    state: ReState | None = None
    connection: KernelConnection | None = None
    kernel: Kernel | None = None
    runs: list[RunEntry] = field(default_factory=list)
    # With the bytes of each result, so that none is encoded again at the end of every later task.
    ended_tasks: deque[tuple[TaskOutcome, int]] = field(default_factory=lambda: deque(maxlen=TASKS))

    def note(self, report: Report) -> None:
        """Takes note of what is being said."""
        match report:
            case Ready():
                self.ready = report
            case Lists(plans, devices):
                has_engine = self.ready is None or self.ready.run_engine
                self.ready = Ready(plans, devices, run_engine=has_engine)
            case TaskFinished(outcome):
                self.ended_tasks.append((outcome, len(json.dumps(outcome.return_value))))
                self._forget_long_results()
            case KernelConnection():
                self.connection = report
            case Kernel():
                self.kernel = report
            case ReState():
                self.state = report
                self._has_engine(True)
            case NoRunEngine():
                self.state = None
                self._has_engine(False)
            case Runs():
                self.runs = list(report.runs)
            case PlanFinished():
                self.running = None
                self.ended = report.outcome
            case _:
                pass

    def _forget_long_results(self) -> None:
        """Keeps the newest results, as many as can be told again at once."""
        left = RESULTS
        for index in reversed(range(len(self.ended_tasks))):
            outcome, length = self.ended_tasks[index]
            left -= length
            if left < 0:
                lost = TaskOutcome(
                    outcome.task_uid,
                    success=False,
                    message="The result was lost with the connection to the queue server:"
                    " it was too long to be kept",
                )
                self.ended_tasks[index] = (lost, 0)

    def _has_engine(self, it_has: bool) -> None:
        if self.ready is not None:
            self.ready = replace(self.ready, run_engine=it_has)

    def opening(self) -> list[Report]:
        """What a queue server has to hear first, in order."""
        opening: list[Report] = [
            Hello(engine=ENGINE, pid=os.getpid(), wants_devices=self.wants_devices)
        ]
        # The queue server knows what the kernel does before it takes the environment for open.
        opening += [report for report in (self.connection, self.kernel) if report is not None]
        if self.ready is None:
            return opening
        tasks = [outcome for outcome, _ in self.ended_tasks]
        opening.append(
            replace(self.ready, running=self.running, ended=self.ended, ended_tasks=tasks)
        )
        if self.state is not None:
            opening.append(self.state)
        opening.append(Runs(self.runs))
        return opening
