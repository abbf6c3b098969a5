"""One worker from its start to its end: the main thread with the engine, a second one with the line
to the queue server. The main thread may be that of an IPython kernel."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading

from . import console, hangs
from .documents import Publisher, RunFiles, Sink
from .engine import Engine
from .kernel import Kernel
from .link import LinkError
from .outbox import Reports
from .profile import ProfileError, open_profile
from .protocol.reports import Closing, OpenFailed
from .rejoin import Connection
from .session import Leaving, Session
from .settings import Settings
from .suspenders import Guards, SuspenderError, parse
from .turns import MainThread, Turns

LOG = logging.getLogger(__name__)

# Seconds between two looks at how far the plan is.
PACE = 0.5
# How long the threads of a profile may take to end, in seconds.
FAREWELL = 5.0


class Line:
    """The thread that talks to the queue server."""

    def __init__(self, settings: Settings, engine: Engine, turns: Turns, reports: Reports) -> None:
        self._settings = settings
        self._engine = engine
        self._turns = turns
        self._reports = reports
        self._is_up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._shutdown: asyncio.Future[Leaving] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="queue server", daemon=True)
        self.error: LinkError | None = None
        self.leaving: Leaving | None = None

    def start(self) -> bool:
        """Connects; whether there is a connection."""
        self._thread.start()
        self._is_up.wait()
        return self.error is None

    def leave(self, leaving: Leaving) -> None:
        """Ends the session, from any thread; the first reason counts."""

        def end() -> None:
            if not self._shutdown.done():
                self._shutdown.set_result(leaving)

        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(end)

    def join(self) -> None:
        """Waits until everything is said."""
        self._thread.join()

    def _run(self) -> None:
        self._reports.never_wait_here()
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        connection = Connection(self._settings, self._reports)
        try:
            await connection.open()
        except LinkError as error:
            self.error = error
            return
        finally:
            self._is_up.set()
        session = Session(self._engine, self._turns, self._reports, self._settings.epoch)
        progress = asyncio.create_task(self._look_around())
        self.leaving = await session.serve(connection, self._shutdown)
        progress.cancel()
        if self.leaving is not Leaving.LOST:
            self._reports.send(Closing())
            await connection.close()
        self._turns.leave()
        # The main thread may hang in a profile or in a plan that does not end.
        end_soon(self.leaving)

    async def _look_around(self) -> None:
        """Says how far the plan is: at this pace, however fast its devices and points are.

        When even this gets no turn any more, because something keeps Python for itself, the log is
        told what.
        """
        while True:
            hangs.sign_of_life()
            await asyncio.sleep(PACE)
            self._engine.say_progress()
            self._turns.nudge()


def end_soon(leaving: Leaving) -> None:
    """Ends the process, whatever its other threads do."""
    code = int(leaving in (Leaving.LOST, Leaving.BROKEN))
    timer = threading.Timer(FAREWELL, os._exit, [code])
    timer.daemon = True
    timer.start()


def run(settings: Settings) -> int:
    """Runs a worker until it leaves; the exit code of the process."""
    hangs.tell_crashes()
    wants_devices = settings.profile.registry_devices
    reports = Reports(wants_devices=wants_devices)
    console.capture(reports, settings.echo)
    try:
        guards = Guards(parse(settings.suspenders))
    except SuspenderError as error:
        LOG.error("%s", error)
        return 1
    kernel = None
    if settings.kernel is not None:
        kernel = Kernel(settings.kernel, settings.profile, reports)
    turns: Turns = kernel or MainThread(reports)
    engine = Engine(reports, guards, turns)
    line = Line(settings, engine, turns, reports)
    signal.signal(signal.SIGTERM, lambda *_: line.leave(Leaving.SHUTDOWN))
    if not line.start():
        LOG.error("%s", line.error)
        return 1
    try:
        profile = open_profile(settings.profile, kernel.open() if kernel is not None else None)
        sinks: list[Sink] = [RunFiles(settings.runs_dir)]
        if settings.documents_address:
            sinks.append(Publisher(settings.documents_address))
        if kernel is not None:
            kernel.opened(engine.look_again)
        engine.open(profile, sinks, wants_devices=wants_devices)
    except (ProfileError, OSError) as error:
        reports.send(OpenFailed(str(error)))
        line.leave(Leaving.BROKEN)
        line.join()
        return 1
    LOG.info("the environment is open: %d plans", len(profile.plans))
    turns.serve()
    # A user may have shut the kernel down.
    line.leave(Leaving.SHUTDOWN)
    turns.finish()
    line.join()
    return int(line.leaving in (Leaving.LOST, Leaving.BROKEN))
