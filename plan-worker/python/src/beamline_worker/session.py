"""A worker at work: obeys the queue server until it is told to leave, or has to."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from enum import StrEnum
from typing import Any

from .engine import Continuation, Engine, Refusal
from .outbox import Reports
from .protocol.orders import (
    Abort,
    Close,
    Command,
    Devices,
    Halt,
    InterruptKernel,
    Pause,
    Permit,
    ReadDevices,
    ReadMetadata,
    ReleaseKernel,
    ReserveKernel,
    Resume,
    RunPlan,
    RunTask,
    Stop,
    Welcome,
)
from .protocol.reports import CloseRefused, Refused
from .rejoin import Connection
from .turns import Turns

LOG = logging.getLogger(__name__)

# Longest clean-up of a plan when the worker has to leave, and longest wait for one that is halted
# then, in seconds. Together below what an operator leaves a pod.
CLEAN_UP = 20.0
HALT = 8.0
# Items whose plan was begun that are remembered: a queue server never goes back further than one.
REMEMBERED = 64

CONTINUATIONS = {
    Resume(): Continuation.RESUME,
    Stop(): Continuation.STOP,
    Abort(): Continuation.ABORT,
    Halt(): Continuation.HALT,
}


class Leaving(StrEnum):
    """Why a worker leaves."""

    CLOSED = "the queue server told it to"
    SHUTDOWN = "the worker was told to end"
    LOST = "the connection to the queue server was lost"
    BROKEN = "the environment could not be opened"


class Session:
    """A worker that refuses commands of an epoch before the newest that it has heard of."""

    def __init__(self, engine: Engine, turns: Turns, reports: Reports, epoch: int) -> None:
        self._engine = engine
        self._turns = turns
        self._reports = reports
        self._epoch = epoch
        # Items whose plan was begun: none of them is ever begun again.
        self._begun: deque[str] = deque(maxlen=REMEMBERED)

    async def serve(self, connection: Connection, shutdown: asyncio.Future[Leaving]) -> Leaving:
        """Obeys commands. When it returns, no plan is running."""
        while True:
            command = asyncio.ensure_future(connection.command())
            waiting: list[asyncio.Future[Any]] = [command, shutdown]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if shutdown.done():
                command.cancel()
                leaving: Leaving | None = shutdown.result()
            else:
                said = command.result()
                leaving = Leaving.LOST if said is None else self._obey(said)
            if leaving is not None:
                await self._come_to_rest(leaving)
                return leaving

    def _obey(self, command: Command) -> Leaving | None:
        if command.epoch < self._epoch:
            self._refuse(
                f"the command is of lease epoch {command.epoch}, but {self._epoch} is known"
            )
            return None
        self._epoch = command.epoch
        try:
            match command.order:
                case Welcome():
                    pass
                case RunPlan(plan):
                    if plan.item_uid in self._begun:
                        raise Refusal(f"item {plan.item_uid} was begun already")
                    self._engine.begin(plan)
                    self._begun.append(plan.item_uid)
                case Devices(devices):
                    self._engine.supply(devices)
                case Permit(permissions):
                    self._engine.permit(permissions)
                case RunTask(task):
                    self._engine.run_task(task)
                case ReadMetadata(keys):
                    self._engine.say_metadata(keys)
                case ReadDevices():
                    self._engine.say_devices()
                case ReserveKernel():
                    self._turns.reserve()
                case ReleaseKernel():
                    self._turns.release()
                case InterruptKernel(task, plan):
                    self._engine.check_interrupt(task=task, plan=plan)
                    self._turns.interrupt()
                case Close():
                    if not self._engine.is_resting:
                        self._stay("the worker cannot leave while a plan is running")
                    elif self._turns.is_busy:
                        self._stay("IPython kernel is busy and can not be stopped.")
                    else:
                        return Leaving.CLOSED
                # Also one that a user of the kernel has begun.
                case Pause(option) if self._engine.is_running:
                    self._engine.pause(option)
                case _ if self._engine.is_resting:
                    raise Refusal("no plan is running")
                case Pause(option):
                    self._engine.pause(option)
                case order:
                    self._engine.go_on(CONTINUATIONS[order])
        except Refusal as refusal:
            self._refuse(str(refusal))
        return None

    def _stay(self, why: str) -> None:
        LOG.warning("the worker stays: %s", why)
        self._reports.send(CloseRefused(why))

    def _refuse(self, message: str) -> None:
        LOG.warning("refused an order: %s", message)
        self._reports.send(Refused(message))

    async def _come_to_rest(self, leaving: Leaving) -> None:
        """Aborts the running plan and waits for its end; halts it when its clean-up takes long."""
        for how, patience in ((Continuation.ABORT, CLEAN_UP), (Continuation.HALT, HALT)):
            self._engine.interrupt(how, leaving)
            if await asyncio.to_thread(self._engine.wait, patience):
                return
            LOG.error("the plan has not ended within %g s", patience)
