"""The other end of a worker: a small queue server on a real socket, and the worker as a process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosedOK
from websockets.sync.server import Server, ServerConnection, serve

# Importing bluesky takes a minute on a machine that is busy with other things.
PATIENCE = 180.0
SOURCE = Path(__file__).resolve().parent.parent / "src"

Report = dict[str, Any]


class QueueSide:
    """Takes workers in, one at a time, and keeps everything that they say."""

    def __init__(self) -> None:
        self.heard: list[Report] = []
        self.headers: list[dict[str, str]] = []
        self.connection: ServerConnection | None = None
        self.epoch = 3
        self._server: Server = serve(self._converse, "127.0.0.1", 0)
        self.port = self._server.socket.getsockname()[1]

    def __enter__(self) -> QueueSide:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    def _converse(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        assert request.path == "/worker/v1"
        self.headers.append({name.lower(): value for name, value in request.headers.raw_items()})
        self.connection = connection
        for frame in connection:
            assert isinstance(frame, str)
            self.heard.append(json.loads(frame, parse_constant=_refuse))

    def order(self, kind: str, epoch: int | None = None, **rest: object) -> None:
        assert self.connection is not None
        command = {"epoch": self.epoch if epoch is None else epoch, "type": kind, **rest}
        self.connection.send(json.dumps(command))

    def open(self, orphan_grace_s: float = 0) -> None:
        """Says welcome and waits until the environment is open."""
        self.welcome(orphan_grace_s)
        self.state("idle")

    def welcome(self, orphan_grace_s: float = 0) -> None:
        # A worker whose environment could not be opened may have left by now.
        with contextlib.suppress(ConnectionClosedOK):
            self.order("welcome", queue="main", orphan_grace_s=orphan_grace_s)

    def run(self, name: str, *args: object, item_uid: str = "one", **kwargs: object) -> None:
        plan = {"item_uid": item_uid, "name": name, "args": args, "kwargs": kwargs}
        self.order("run_plan", plan=plan | {"meta": {"item_uid": item_uid}})

    def until(self, what: str, wanted: Callable[[Report], object], start: int = 0) -> Report:
        """The first report from the `start`th on that is wanted."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for report in self.heard[start:]:
                if wanted(report):
                    return report
            assert time.monotonic() < deadline, f"{what}; heard: {self.kinds()[-20:]}"
            time.sleep(0.01)

    def state(self, state: str, start: int = 0) -> Report:
        return self.until(
            state, lambda report: report["type"] == "re_state" and report["state"] == state, start
        )

    def outcome(self, item_uid: str = "one") -> Report:
        def ended(report: Report) -> bool:
            kind = report["type"]
            return kind == "plan_finished" and report["outcome"]["item_uid"] == item_uid

        return self.until(f"the end of {item_uid}", ended)["outcome"]

    def forget(self) -> None:
        """Begins anew once everything about the plans before was heard."""
        plans = self.kinds().count("plan_finished")
        deadline = time.monotonic() + PATIENCE
        while self.heard.count({"type": "runs", "runs": []}) < plans:
            assert time.monotonic() < deadline, "the plan before left runs behind"
            time.sleep(0.01)
        self.heard.clear()

    def kinds(self) -> list[str]:
        return [report["type"] for report in self.heard]

    def console(self) -> str:
        return "".join(one["text"] for one in self.heard if one["type"] == "console")

    def documents(self) -> list[tuple[str, Any]]:
        return [(one["name"], one["doc"]) for one in self.heard if one["type"] == "document"]


def _refuse(constant: str) -> object:
    raise AssertionError(f"{constant} is no JSON")


class Worker:
    """`python -m beamline_worker` of one queue side."""

    def __init__(self, queue: QueueSide, folder: Path, **variables: str) -> None:
        self.runs = folder / "runs"
        settings = {
            "BEAMLINE_WORKER_TOKEN": "once",
            "BEAMLINE_WORKER_RUNS_DIR": str(self.runs),
            "BEAMLINE_WORKER_EPOCH": "3",
            "PYTHONPATH": str(SOURCE),
        }
        address = f"ws://127.0.0.1:{queue.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "beamline_worker", "--connect-to", address],
            env=os.environ | settings | variables,
            cwd=folder,
            start_new_session=True,
        )
        deadline = time.monotonic() + PATIENCE
        while queue.connection is None:
            assert self.process.poll() is None, "the worker ended before it connected"
            assert time.monotonic() < deadline, "the worker did not connect"
            time.sleep(0.01)

    def end(self) -> int:
        return self.process.wait(PATIENCE)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
