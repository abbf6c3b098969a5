"""Where documents go: a file for each run, and 0MQ."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import zmq
from beamline_documents.zmq_proxy import frame

from .plain import strict_json

# Takes a document as it is, and as JSON.
Sink = Callable[[str, dict[str, Any], str], None]


class Documents:
    """Hands every document of a plan to all sinks; it becomes JSON once, whoever wants it so."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        """Hands one on; a sink that fails ends the plan."""
        # bluesky's names are members of an enumeration.
        name, text = str(name), strict_json(doc)
        for sink in self._sinks:
            sink(name, doc, text)


class RunFiles:
    """Keeps `<folder>/<date in UTC>/<run uid>.jsonl`, one `[name, document]` a line.

    With its stop document a file is complete and safe on disk. Runs may overlap.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._open: dict[str, TextIO] = {}
        # The run of what names a descriptor or a resource only.
        self._runs: dict[str, str] = {}

    def __call__(self, name: str, doc: dict[str, Any], text: str) -> None:
        """Keeps one document; fails with `OSError`, and so does the plan then."""
        if name == "start":
            self._open[doc["uid"]] = self._create(doc)
        run = self._run_of(name, doc)
        file = self._open[run]
        file.write(f'["{name}",{text}]\n')
        file.flush()
        if name == "stop":
            os.fsync(file.fileno())
            self._forget(run)

    def _run_of(self, name: str, doc: dict[str, Any]) -> str:
        if name == "start":
            return str(doc["uid"])
        for key in ("run_start", "descriptor", "resource", "stream_resource"):
            if key in doc:
                known = str(doc[key])
                run = self._runs.get(known, known)
                break
        else:
            raise ValueError(f"a document of kind {name!r} belongs to no run")
        if "uid" in doc:
            self._runs[str(doc["uid"])] = run
        return run

    def _create(self, start: dict[str, Any]) -> TextIO:
        day = datetime.fromtimestamp(float(start["time"]), UTC).strftime("%Y-%m-%d")
        folder = self._folder / day
        folder.mkdir(exist_ok=True)
        file = (folder / f"{start['uid']}.jsonl").open("x", encoding="utf-8")
        for one in (folder, self._folder):
            _sync(one)
        return file

    def _forget(self, run: str) -> None:
        self._open.pop(run).close()
        self._runs = {uid: of for uid, of in self._runs.items() if of != run}


def _sync(folder: Path) -> None:
    """A new file is only safe once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Publisher:
    """Publishes documents as bluesky's own publisher writes them.

    That one connects to a proxy; this one binds, so that a `RemoteDispatcher` connects without.
    """

    def __init__(self, address: str) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(address)

    def __call__(self, name: str, doc: dict[str, Any], _text: str) -> None:
        """Publishes one document to whoever listens now; a slow subscriber loses it."""
        self._socket.send(frame(name, doc))
