"""Runs plans on the RunEngine of the profile, in the main thread.

The main thread is inside `RunEngine` calls, and between them in `Turns.serve`. Everything that the
queue server orders comes from another thread: what begins or continues a plan waits for its turn in
the main one, what interrupts it is asked of the RunEngine's own loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import traceback
from collections.abc import Callable, Collection
from dataclasses import replace
from enum import StrEnum
from typing import Any

from . import metadata, tasks
from .documents import Documents, Sink
from .outbox import Reports
from .profile import Callback, Profile, ProfileError, RunEngine
from .progress import Progress
from .protocol.orders import DeviceRecipe, LoadScript, PauseOption, PlanCall, TaskCall
from .protocol.reports import (
    Document,
    ExitStatus,
    Lists,
    NoRunEngine,
    OwnDevices,
    PlanFinished,
    PlanOutcome,
    PlanProgress,
    ProfileDevices,
    Ready,
    ReState,
    Runs,
    TaskFinished,
    TaskOutcome,
)
from .protocol.reports import Progress as ProgressReport
from .runs import RunList
from .suspenders import Guards
from .turns import Turns

LOG = logging.getLogger(__name__)

NO_RUN_ENGINE = "Run Engine is not found in the RE Worker environment."
# Longest wait for the devices of the registry, in seconds: the queue server asks the API for them.
DEVICES = 60.0
OUTSIDE_MESSAGE = "The plan is completed outside RE Manager"
PREPARATION = "Error occurred while processing plan parameters or starting the plan"


class Refusal(Exception):
    """An order that makes no sense now."""


class Continuation(StrEnum):
    """How a paused plan goes on: a method of the RunEngine."""

    RESUME = "resume"
    STOP = "stop"
    ABORT = "abort"
    HALT = "halt"


# How a plan ended that somebody else brought to its end: the worst that its runs say.
OUTSIDE = {"fail": ExitStatus.FAILED, "abort": ExitStatus.ABORTED}
# How a plan has ended when such a call returns.
ENDINGS = {
    Continuation.RESUME: ExitStatus.COMPLETED,
    Continuation.STOP: ExitStatus.STOPPED,
    Continuation.ABORT: ExitStatus.ABORTED,
    Continuation.HALT: ExitStatus.HALTED,
}


class Engine:
    """The RunEngine and what it does."""

    def __init__(self, reports: Reports, guards: Guards, turns: Turns) -> None:
        self._reports = reports
        self._guards = guards
        self._turns = turns
        self._profile: Profile | None = None
        self._run_engine: RunEngine | None = None
        self._documents = Documents([])
        self._runs = RunList(reports)
        self._progress = Progress()
        self._said: PlanProgress | None = None
        # What the registry has now, once it was said.
        self._registered: list[DeviceRecipe] = []
        self._has_registered = threading.Event()
        self._lock = threading.Lock()
        self._item: str | None = None
        # Set while no plan is running or paused.
        self._rests = threading.Event()
        self._rests.set()
        # Set while that is so, and how the last one ended was said.
        self._is_said = threading.Event()
        self._is_said.set()
        # How a plan ends that was interrupted while it ran.
        self._interrupted: ExitStatus | None = None
        # What is being done for the queue server; a paused plan is not.
        self._runs_plan = False
        self._runs_task = False
        self._is_paused = False

    def open(self, profile: Profile, sinks: list[Sink], *, wants_devices: bool = False) -> None:
        """Takes plans of `profile` from now on; their documents go to `sinks` too.

        Raises:
            ProfileError: the devices of the registry are wanted, and nobody says what they are.
        """
        self._documents = Documents([*sinks, self._say])
        if wants_devices:
            if not self._has_registered.wait(DEVICES):
                raise ProfileError(f"the devices of the registry did not come within {DEVICES:g} s")
            own, first = profile.tell_devices(), self._registered
            profile.use_devices(first)
        self._profile = profile
        self._adopt(profile.run_engine)
        has_engine = profile.run_engine is not None
        self._reports.send(Ready(profile.plans, profile.devices, run_engine=has_engine))
        if wants_devices:
            if not first:
                self._reports.send(ProfileDevices(own))
            # It may have changed in between.
            self._turns.tidy(lambda: self._use_devices(profile))
        if has_engine:
            self._say_state("idle")

    def _adopt(self, run_engine: RunEngine | None) -> None:
        """Runs plans on that RunEngine from now on."""
        self._run_engine = run_engine
        if run_engine is None:
            return
        earlier = run_engine.state_hook

        def state_changed(new: object, old: object) -> None:
            if earlier is not None:
                earlier(new, old)
            self._say_state(str(new))

        run_engine.state_hook = state_changed
        shown = run_engine.waiting_hook

        def waiting(statuses: Collection[Any] | None) -> None:
            if shown is not None:
                shown(statuses)
            self._progress.waits_for(statuses)

        run_engine.waiting_hook = waiting
        self._guards.install(run_engine)

    # What the thread of the queue server calls.

    @property
    def is_resting(self) -> bool:
        """Whether no plan is running or paused."""
        return self._rests.is_set()

    @property
    def is_running(self) -> bool:
        """Whether the RunEngine runs a plan, whoever has begun it."""
        return self._state() == "running"

    def begin(self, call: PlanCall) -> None:
        """Begins a plan; how it ends is reported.

        Raises:
            Refusal: another one is running, or the environment is not open yet.
        """
        with self._lock:
            profile = self._profile
            if profile is None:
                raise Refusal("the environment is not open yet")
            if not self._rests.is_set():
                raise Refusal("a plan is running already")
            self._rests.clear()
            self._is_said.clear()
            self._item = call.item_uid
            self._interrupted = None
        self._reports.begins(call.item_uid)
        self._progress.begins(call.item_uid)
        self._guards.begins()
        self._turns.add(lambda: self._run(profile, call), self._not_now)

    def supply(self, devices: list[DeviceRecipe]) -> None:
        """From the next plan on, the devices of the registry are these."""
        self._registered = devices
        self._has_registered.set()
        if (profile := self._profile) is not None:
            self._turns.tidy(lambda: self._use_devices(profile))

    def say_progress(self) -> None:
        """Reports how far the plan is, if that has changed since it was said last."""
        now = self._progress.now()
        if now is not None:
            now = replace(now, waiting=self._guards.reason())
        if now is not None and now != self._said:
            self._said = now
            self._reports.send(ProgressReport(now))

    def permit(self, permissions: dict[str, Any]) -> None:
        """From the next plan on, its group may use what `permissions` say."""
        if (profile := self._profile) is not None:
            self._turns.tidy(lambda: profile.permit(permissions))

    def run_task(self, call: TaskCall) -> None:
        """Runs a task, between plans or at once beside them; how it ends is reported.

        Raises:
            Refusal: the environment is not open yet.
        """
        profile = self._profile
        if profile is None:
            raise Refusal("the environment is not open yet")
        if call.background:
            name = f"task {call.task_uid}"
            threading.Thread(
                target=self._run_task, args=(profile, call), name=name, daemon=True
            ).start()
        else:
            self._turns.add(
                lambda: self._run_task(profile, call), lambda why: self._no_task_now(call, why)
            )

    def check_interrupt(self, *, task: bool, plan: bool) -> None:
        """Whether Ctrl-C may be sent to the main thread.

        Raises:
            Refusal: it runs a plan, or a task, and that may not be interrupted.
        """
        if self._runs_plan and not plan:
            raise Refusal("Not allowed to interrupt running plan")
        if self._runs_task and not task:
            raise Refusal("Not allowed to interrupt running task")

    def say_metadata(self, keys: list[str]) -> None:
        """Reports what `keys` permit of the metadata of the RunEngine."""
        self._reports.send(metadata.read(self._run_engine, keys))

    def say_devices(self) -> None:
        """Reports how the profile makes its devices; beside whatever runs, as there may be many."""
        profile = self._profile
        if profile is None:
            self._reports.send(OwnDevices(error="The environment is not open yet"))
            return

        def tell() -> None:
            # Somebody waits for an answer, and a device may fail at whatever is asked of it.
            try:
                answer = OwnDevices(*profile.own_devices())
            except Exception as error:  # noqa: BLE001
                answer = OwnDevices(error=f"{type(error).__name__}: {error}")
            self._reports.send(answer)

        threading.Thread(target=tell, name="devices", daemon=True).start()

    def pause(self, option: PauseOption) -> None:
        """Pauses the running plan.

        Raises:
            Refusal: it is not running.
        """
        run_engine = self._run_engine
        state = self._state()
        if run_engine is None or state != "running":
            raise Refusal(
                f"Run engine can be paused only in 'running' state. Current state: '{state}'"
            )
        # `RunEngine.request_pause` would wait for the loop, which a plan may keep for long.
        asked = asyncio.run_coroutine_threadsafe(
            run_engine._request_pause_coro(option is PauseOption.DEFERRED), loop=run_engine.loop
        )
        asked.add_done_callback(lambda _: self._say_state(self._state()))

    def go_on(self, how: Continuation) -> None:
        """Continues or ends the paused plan.

        Raises:
            Refusal: it is not paused.
        """
        if (state := self._state()) != "paused":
            raise Refusal(f"Run Engine is in {state!r} state. Only 'paused' plan can be continued.")
        # When it cannot go on, it is paused as before.
        self._turns.add(lambda: self._continue(how), lambda _: self._say_state("paused"))

    def interrupt(self, how: Continuation, why: str) -> None:
        """Ends the plan whatever it does; `wait` says when it has. Never blocks."""
        state = self._state()
        # Plans that users of the kernel run are not to go on either.
        if self.is_resting and state != "running":
            return
        LOG.warning("ending the plan (%s): %s", how, why)
        with self._lock:
            self._interrupted = ENDINGS[how]
        if state == "paused":
            self._turns.add(lambda: self._continue(how), LOG.error)
        elif state != "idle":
            # It waits for the loop of the RunEngine, which may hang.
            method = getattr(self._run_engine, how)
            threading.Thread(target=_ignoring_errors, args=(method,), daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Waits until no plan is running or paused, and it was said how the last one ended.

        Returns whether that is so.
        """
        return self._is_said.wait(seconds)

    # What the main thread does.

    def look_again(self) -> None:
        """Says how the paused plan ended, if a user of the kernel has brought it to its end."""
        if not self._is_paused or self._state() not in ("idle", "panicked"):
            return
        LOG.warning(OUTSIDE_MESSAGE)
        ended = (OUTSIDE[status] for status in OUTSIDE if status in self._runs.exit_statuses)
        self._finish(next(ended, ExitStatus.UNKNOWN), OUTSIDE_MESSAGE)

    def _not_now(self, why: str) -> None:
        self._runs = RunList(self._reports)
        message = f"Failed to capture IPython kernel: {why}"
        LOG.error("The plan failed: %s", message)
        self._finish(ExitStatus.FAILED, f"Plan failed: {message}")

    def _no_task_now(self, call: TaskCall, why: str) -> None:
        message = f"Failed to capture IPython kernel: {why}"
        self._reports.send(TaskFinished(TaskOutcome(call.task_uid, success=False, message=message)))

    def _run(self, profile: Profile, call: PlanCall) -> None:
        self._runs = RunList(self._reports)
        try:
            run_engine = self._ready_engine()
            make, metadata = profile.prepare(call)
        except Exception as error:  # noqa: BLE001 - plans and their arguments fail in any way
            self._failed(error, f"{PREPARATION}: ")
            return

        def start() -> None:
            callbacks: list[Callback] = [self._runs, self._progress, self._documents]
            run_engine(make(), {"all": callbacks}, **metadata)

        self._drive(start, ExitStatus.COMPLETED)

    def _use_devices(self, profile: Profile) -> None:
        # The log says why, and what was described before is still there.
        with contextlib.suppress(ProfileError):
            if profile.use_devices(self._registered):
                self._reports.send(Lists(profile.plans, profile.devices))

    def _run_task(self, profile: Profile, call: TaskCall) -> None:
        if not call.background:
            self._runs_task = True
        outcome = tasks.run(call, profile, self._turns.interruptible)
        if not call.background:
            self._runs_task = False
        if isinstance(call.work, LoadScript):
            if profile.run_engine is not self._run_engine:
                self._adopt(profile.run_engine)
                if profile.run_engine is None:
                    self._reports.send(NoRunEngine())
                else:
                    self._say_state("idle")
            if call.work.update_lists:
                self._reports.send(Lists(profile.plans, profile.devices))
        self._reports.send(TaskFinished(outcome))

    def _ready_engine(self) -> RunEngine:
        if self._run_engine is None:
            raise RuntimeError(NO_RUN_ENGINE)
        if (state := self._state()) != "idle":
            raise RuntimeError(
                f"Run Engine is in {state!r} state. Stop or finish any running plan."
                if state != "panicked"
                else "Run Engine is in the 'panicked' state. The environment must be closed and"
                " opened again before plans could be executed."
            )
        if self._interrupted is not None:
            raise RuntimeError("the worker is leaving")
        return self._run_engine

    def _continue(self, how: Continuation) -> None:
        self._drive(getattr(self._run_engine, how), ENDINGS[how])

    def _drive(self, action: Callable[[], Any], ending: ExitStatus) -> None:
        """Calls the RunEngine; the plan may have ended then, or be paused."""
        self._is_paused = False
        self._runs_plan = True
        try:
            action()
        # Plans fail in any way; the RunEngine itself tells of interruptions by an exception.
        except BaseException as error:  # noqa: BLE001
            if self._state() == "paused":
                self._is_paused = True
                self._runs_plan = False
                self._progress.pauses()
                self._turns.release()
                return
            if self._interrupted is None:
                self._failed(error)
            else:
                self._finish(self._interrupted)
            return
        self._finish(self._interrupted or ending)

    def _failed(self, error: BaseException, prefix: str = "") -> None:
        LOG.error("The plan failed: %s%s", prefix, error)
        self._finish(ExitStatus.FAILED, f"Plan failed: {prefix}{error}", traceback.format_exc())

    def _finish(self, status: ExitStatus, message: str = "", where: str = "") -> None:
        self._is_paused = self._runs_plan = False
        outcome = PlanOutcome(
            item_uid=self._item or "",
            exit_status=status,
            run_uids=self._runs.uids,
            scan_ids=self._runs.scan_ids,
            message=message,
            traceback=where,
        )
        # How far it came is said to the end.
        self.say_progress()
        self._progress.ends()
        with self._lock:
            self._item = None
            # Before the queue server hears of it, which may order the next one at once.
            self._rests.set()
        self._reports.send(PlanFinished(outcome))
        # The list of runs is that of the running plan.
        self._reports.send(Runs([]))
        with self._lock:
            # The next one may have begun.
            if self._rests.is_set():
                self._is_said.set()

    def _state(self) -> str:
        return "idle" if self._run_engine is None else str(self._run_engine.state)

    def _say_state(self, state: str) -> None:
        deferred = bool(getattr(self._run_engine, "deferred_pause_requested", False))
        self._reports.send(ReState(state, deferred and state == "running"))

    def _say(self, name: str, _doc: dict[str, Any], text: str) -> None:
        self._reports.send(Document(name, text))


def _ignoring_errors(method: Callable[[], Any]) -> None:
    """The RunEngine may have ended the plan in between, and says so by an error."""
    try:
        method()
    except Exception as error:  # noqa: BLE001 - whatever it is, the plan's own end tells
        LOG.info("the RunEngine answered: %s", error)
