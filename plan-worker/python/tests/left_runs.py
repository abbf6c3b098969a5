"""Runs as a worker leaves them on disk."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from beamline_worker.documents import Documents, RunFiles
from event_model import compose_run

Document = tuple[str, dict[str, Any]]


class LeftRun:
    """One run, written document by document."""

    def __init__(self, folder: Path) -> None:
        self._keep = Documents([RunFiles(folder)])
        self._run = compose_run(time=time.time(), metadata={"plan_name": "count"})
        self.uid: str = self._run.start_doc["uid"]
        self.documents: list[Document] = []
        self._say("start", self._run.start_doc)
        keys = {"det": {"source": "sim", "dtype": "number", "shape": []}}
        self._stream = self._run.compose_descriptor(name="primary", data_keys=keys)
        self._say("descriptor", self._stream.descriptor_doc)

    def measure(self, value: float) -> None:
        """Adds an event."""
        now = {"det": time.time()}
        self._say("event", self._stream.compose_event(data={"det": value}, timestamps=now))

    def end(self) -> None:
        """Ends it."""
        self._say("stop", self._run.compose_stop())

    def _say(self, name: str, doc: dict[str, Any]) -> None:
        self.documents.append((name, dict(doc)))
        self._keep(name, dict(doc))


def left_run(folder: Path, values: int = 3) -> LeftRun:
    """A run that is over."""
    run = LeftRun(folder)
    for value in range(values):
        run.measure(float(value))
    run.end()
    return run
