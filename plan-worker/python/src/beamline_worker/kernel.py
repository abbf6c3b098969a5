"""The main thread as the one of an IPython kernel, in which users work between plans.

What the queue server wants done is done in a hidden cell, so that it and the cells of users wait
for each other as cells do, and a kernel that works for the queue server is busy for everybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import zmq

from . import connection_file, startup
from .hidden_cells import HiddenCells
from .outbox import Reports
from .profile import ProfileError
from .protocol.reports import Kernel as KernelReport
from .protocol.reports import KernelConnection, KernelPhase, KernelReserved
from .settings import KernelSettings, ProfileSettings
from .startup import Shell
from .turns import Job, Turns

if TYPE_CHECKING:
    from .kernel_app import KernelApp, Message

LOG = logging.getLogger(__name__)

# How long the kernel is kept for what comes next, in seconds.
RESERVED = 2.0
# Longest wait for the hidden cell, in seconds: of somebody who only wants to know whether it
# begins, and of a plan or a task.
ANSWER = 1.0
PATIENCE = 2.0
TIMEOUT = "Timeout occurred while trying to reserve IPython kernel"


class Entry:
    """A job that waits; of a plan or a task when somebody hears that it cannot be done."""

    def __init__(self, job: Job, not_now: Callable[[str], None] | None) -> None:
        self.job = job
        self.not_now = not_now


class Kernel(Turns):
    """The kernel of this process."""

    def __init__(
        self, settings: KernelSettings, profile: ProfileSettings, reports: Reports
    ) -> None:
        self._settings = settings
        self._profile = profile
        self._reports = reports
        # Of everything below that is not the main thread's alone.
        self._changed = threading.Condition()
        self._jobs: deque[Entry] = deque()
        self._is_lent = False
        self._is_busy = True
        self._kept_until = 0.0
        self._is_released = True
        self._is_interruptible = False
        self._is_leaving = False
        self._cell_ended: Job = _nothing
        self._app: KernelApp | None = None
        self._loop: Any = None
        self._cells: HiddenCells | None = None

    def open(self) -> Shell:
        """Starts to listen; IPython's shell, in whose namespace the profile is to be opened.

        Raises:
            ProfileError: there can be no kernel.
        """
        # The debugger that comes with ipykernel would warn of how Python was built.
        os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
        try:
            from tornado.ioloop import IOLoop
            from traitlets import TraitError

            from .kernel_app import KernelApp
        except ImportError as error:
            raise ProfileError(
                f"an IPython kernel needs the extra 'ipython' of beamline-worker: {error}"
            ) from error
        # The loop of the main thread: bluesky has one of its own, in a thread of its own.
        asyncio.set_event_loop(asyncio.new_event_loop())
        app = KernelApp.instance()
        try:
            self._configure(app)
            app.initialize([])
        # IPython leaves by an exit when its configuration is of no use.
        except (OSError, zmq.ZMQError, TraitError, SystemExit) as error:
            raise ProfileError(f"the IPython kernel cannot be started: {error}") from error
        self._app = app
        self._loop = IOLoop.current()
        info = app.get_connection_info() | {"key": app.session.key.decode()}
        wanted = {one.name: info[one.name] for one in fields(KernelConnection)}
        self._reports.send(KernelConnection(**wanted))
        self._cells = HiddenCells(app)
        app.lend = self._lend
        LOG.info("IPython kernel: jupyter console --existing %s", app.abs_connection_file)
        shell: Shell = app.shell
        return shell

    def _configure(self, app: KernelApp) -> None:
        settings = self._settings
        ip = connection_file.address(settings.ip)
        given = settings.connection_dir
        app.connection_dir = (
            str(Path(given).expanduser()) if given else connection_file.folder(app.connection_dir)
        )
        # The configuration of IPython that is in the same profile counts too.
        if (profile := startup.ipython_profile(self._profile)) is not None:
            app.ipython_dir, app.profile = profile
        if settings.connection_file:
            app.connection_file = str(Path(settings.connection_file).expanduser())
            app.keeps_connection_file = True
            connection_file.drop_outdated(Path(app.abs_connection_file), settings, ip)
        app.ip = ip
        for name in ("shell", "iopub", "stdin", "hb", "control"):
            setattr(app, f"{name}_port", getattr(settings, f"{name}_port"))
        if importlib.util.find_spec("matplotlib") is not None:
            app.matplotlib = settings.matplotlib
        # What is printed in the kernel goes on to the console, which these are by now.
        sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc, assignment]
        app.capture_fd_output = False
        app.quiet = False

    def opened(self, cell_ended: Job) -> None:
        """The profile is open: users may come. `cell_ended` is called after each of their cells."""
        self._cell_ended = cell_ended
        if self._app is not None:
            self._app.cell_begins = self._cell_begins
            self._app.cell_ends = self._cell_ends
        self._say(is_busy=False)

    # What any thread calls.

    @property
    def is_busy(self) -> bool:
        """Whether a cell of a user is being executed."""
        return self._is_busy and not self._is_lent

    def add(self, job: Job, not_now: Callable[[str], None]) -> None:
        """Has it done in a hidden cell, unless the users keep the kernel for too long."""
        entry = Entry(job, not_now)
        with self._changed:
            self._jobs.append(entry)
            self._changed.notify_all()
            asks = not self._is_lent
        if asks:
            self._ask()
            timer = threading.Timer(PATIENCE, self._give_up, [entry])
            timer.daemon = True
            timer.start()

    def tidy(self, job: Job) -> None:
        """Has it done between cells."""
        with self._changed:
            self._jobs.append(Entry(job, None))
            self._changed.notify_all()
        self._loop.add_callback(self._tidy_up)

    def reserve(self) -> None:
        """Keeps the kernel for two seconds, and says so."""
        with self._changed:
            is_there = self._is_lent
            is_taken = self.is_busy
            if not is_taken:
                self._kept_until = time.monotonic() + RESERVED
                self._is_released = False
                self._changed.notify_all()
        if is_there:
            self._reports.send(KernelReserved())
        elif is_taken:
            self._reports.send(KernelReserved(TIMEOUT))
        else:
            self._ask()
            threading.Thread(target=self._answer, name="reservation", daemon=True).start()

    def release(self) -> None:
        """Leaves the kernel to its users when nothing waits to be done."""
        with self._changed:
            self._is_released = True
            self._changed.notify_all()

    def interrupt(self) -> None:
        """Interrupts the cell that is being executed; nothing happens between cells."""
        ident = threading.main_thread().ident
        if ident is not None:
            signal.pthread_kill(ident, signal.SIGINT)

    def nudge(self) -> None:
        """Asks again: the kernel drops cells that wait behind one that fails."""
        with self._changed:
            waits = any(entry.not_now is not None for entry in self._jobs)
            asks = waits and not self._is_lent and not self._is_busy
        if asks:
            self._ask()

    def leave(self) -> None:
        """Ends `serve` behind the cell that is being executed."""
        with self._changed:
            self._is_leaving = self._is_released = True
            self._changed.notify_all()
        if self._loop is not None:
            self._loop.add_callback(self._loop.stop)

    def _ask(self) -> None:
        if self._cells is not None:
            self._cells.ask()

    def _answer(self) -> None:
        with self._changed:
            is_there = self._changed.wait_for(lambda: self._is_lent, ANSWER)
            if not is_there:
                # A cell that begins later keeps nothing.
                self._is_released = True
        self._reports.send(KernelReserved(None if is_there else TIMEOUT))

    def _give_up(self, entry: Entry) -> None:
        with self._changed:
            if self._is_lent or entry not in self._jobs:
                return
            self._jobs.remove(entry)
        if entry.not_now is not None:
            entry.not_now(TIMEOUT)

    # What the main thread does.

    def serve(self) -> None:
        """Executes cells until `leave`, or until a user shuts the kernel down."""
        if self._app is not None and not self._is_leaving:
            self._app.start()

    def finish(self) -> None:
        """Goes on without users, for a paused plan is to be ended."""
        with self._changed:
            self._is_lent = True
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._is_leaving)
                if not self._jobs:
                    return
                entry = self._jobs.popleft()
            entry.job()

    def _tidy_up(self) -> None:
        while True:
            with self._changed:
                if not self._jobs or self._jobs[0].not_now is not None:
                    return
                entry = self._jobs.popleft()
            entry.job()

    def _lend(self) -> None:
        """Works for the queue server, until there is nothing to do and nothing comes next."""
        users = signal.signal(signal.SIGINT, self._interrupted)
        try:
            with self._changed:
                self._is_lent = True
                self._changed.notify_all()
            self._say(is_busy=True)
            while (entry := self._next()) is not None:
                entry.job()
                if entry.not_now is not None:
                    with self._changed:
                        self._kept_until = time.monotonic() + RESERVED
        finally:
            self._is_lent = False
            signal.signal(signal.SIGINT, users)

    def _next(self) -> Entry | None:
        with self._changed:
            while not self._jobs:
                left = self._kept_until - time.monotonic()
                if self._is_released or left <= 0:
                    # From now on another hidden cell can be asked for.
                    self._is_lent = self._is_busy = False
                    return None
                self._changed.wait(left)
            entry = self._jobs.popleft()
            if entry.not_now is not None:
                self._is_released = False
            return entry

    def _interrupted(self, _number: int, _frame: FrameType | None) -> None:
        """Ends a task; plans have a handler of the RunEngine's own, and nothing else is ended."""
        if self._is_interruptible:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Ctrl-C is an exception within, if this is the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._is_interruptible = True
        try:
            yield
        finally:
            self._is_interruptible = False

    def _cell_begins(self, request: Message) -> None:
        if not self._is_hidden(request):
            self._say(is_busy=True)

    def _cell_ends(self, request: Message) -> None:
        self._say(is_busy=False)
        if not self._is_hidden(request):
            self._cell_ended()

    def _is_hidden(self, request: Message) -> bool:
        return self._cells is not None and self._cells.are_behind(request)

    def _say(self, *, is_busy: bool) -> None:
        self._is_busy = is_busy
        phase = KernelPhase.BUSY if is_busy else KernelPhase.IDLE
        self._reports.send(KernelReport(phase, captured=self._is_lent))


def _nothing() -> None:
    """Until the profile is open, nobody waits for the end of a cell."""
