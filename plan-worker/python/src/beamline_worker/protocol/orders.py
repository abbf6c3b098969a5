"""What the queue server tells a worker to do."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar


class ProtocolError(Exception):
    """A frame that is no command."""


class PauseOption(StrEnum):
    """Where a plan pauses: at its next checkpoint, or now and back to its last one."""

    DEFERRED = "deferred"
    IMMEDIATE = "immediate"


@dataclass(frozen=True)
class PlanCall:
    """A plan with its arguments, devices as strings; `meta` is for the start documents."""

    item_uid: str
    name: str
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    user_group: str = ""


@dataclass(frozen=True)
class Welcome:
    """First of a connection: the queue, and for how long a plan goes on without a connection."""

    queue: str
    orphan_grace_s: float


@dataclass(frozen=True)
class DeviceRecipe:
    """How a device of the registry is made; `pvs` are those of a device that the profile made."""

    name: str
    device_class: str
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    pvs: dict[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Devices:
    """All devices of the registry that are to be there from the next plan on."""

    devices: list[DeviceRecipe]


@dataclass(frozen=True)
class RunPlan:
    """Run a plan; answered by `PlanFinished`, at once when it cannot start."""

    plan: PlanCall


@dataclass(frozen=True)
class Permit:
    """From now on, plans get only what `permissions` let the group of the user use."""

    permissions: dict[str, Any]


@dataclass(frozen=True)
class LoadScript:
    """Execute a script in the namespace; look for plans and devices; let it replace `RE`."""

    TITLE: ClassVar[str] = "Load script"
    script: str
    update_lists: bool
    update_re: bool


@dataclass(frozen=True)
class ExecuteFunction:
    """Call a function of the namespace, if `permissions` let the group."""

    TITLE: ClassVar[str] = "Execute function"
    name: str
    args: list[Any]
    kwargs: dict[str, Any]
    user_group: str
    permissions: dict[str, Any]


@dataclass(frozen=True)
class TaskCall:
    """A task: Python code that is no plan; in the background it runs beside whatever else runs."""

    task_uid: str
    background: bool
    work: LoadScript | ExecuteFunction


@dataclass(frozen=True)
class RunTask:
    """Run a task; answered by `TaskFinished`."""

    task: TaskCall


@dataclass(frozen=True)
class ReadMetadata:
    """Say what the metadata of the Run Engine is, as far as these paths permit; answered by
    `Metadata`."""

    keys: list[str]


@dataclass(frozen=True)
class ReadDevices:
    """Say how the profile makes its devices, also those that the registry has replaced; answered by
    `OwnDevices`."""


@dataclass(frozen=True)
class ReserveKernel:
    """Keep the IPython kernel for what is ordered next; answered by `KernelReserved`."""


@dataclass(frozen=True)
class ReleaseKernel:
    """Leave the IPython kernel to its users."""


@dataclass(frozen=True)
class InterruptKernel:
    """Interrupt what the IPython kernel does; a task or a plan only when that is said."""

    interrupt_task: bool
    interrupt_plan: bool


@dataclass(frozen=True)
class Pause:
    """Pause the running plan."""

    option: PauseOption


@dataclass(frozen=True)
class Resume:
    """Go on with the paused plan."""


@dataclass(frozen=True)
class Stop:
    """End the paused plan as a success."""


@dataclass(frozen=True)
class Abort:
    """End the paused plan as a failure, with its clean-up."""


@dataclass(frozen=True)
class Halt:
    """End the paused plan at once."""


@dataclass(frozen=True)
class Close:
    """Leave."""


Order = (
    Welcome
    | Devices
    | RunPlan
    | Permit
    | RunTask
    | ReadMetadata
    | ReadDevices
    | ReserveKernel
    | ReleaseKernel
    | InterruptKernel
    | Pause
    | Resume
    | Stop
    | Abort
    | Halt
    | Close
)

# Orders that are all said by their type.
_BARE: dict[str, Order] = {
    "read_devices": ReadDevices(),
    "resume": Resume(),
    "stop": Stop(),
    "abort": Abort(),
    "halt": Halt(),
    "close": Close(),
    "reserve_kernel": ReserveKernel(),
    "release_kernel": ReleaseKernel(),
}


@dataclass(frozen=True)
class Command:
    """An order under the epoch of the sender's lease."""

    epoch: int
    order: Order


def decode(text: str | bytes) -> Command:
    """The command in a frame.

    Raises:
        ProtocolError: the frame is none.
    """
    if isinstance(text, bytes):
        raise ProtocolError("a binary frame")
    try:
        frame = json.loads(text)
        return Command(epoch=int(frame["epoch"]), order=_order(frame))
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"{type(error).__name__}: {error}") from error


def _order(frame: dict[str, Any]) -> Order:
    kind = frame["type"]
    if kind in _BARE:
        return _BARE[kind]
    match kind:
        case "welcome":
            return Welcome(str(frame["queue"]), float(frame["orphan_grace_s"]))
        case "devices":
            return Devices([_recipe(one) for one in frame["devices"]])
        case "run_plan":
            plan = frame["plan"]
            return RunPlan(
                PlanCall(
                    item_uid=str(plan["item_uid"]),
                    name=str(plan["name"]),
                    args=list(plan.get("args", [])),
                    kwargs=dict(plan.get("kwargs", {})),
                    meta=dict(plan.get("meta", {})),
                    user_group=str(plan.get("user_group", "")),
                )
            )
        case "permit":
            return Permit(dict(frame["permissions"]))
        case "run_task":
            return RunTask(_task(frame["task"]))
        case "read_metadata":
            return ReadMetadata([str(key) for key in frame["keys"]])
        case "interrupt_kernel":
            return InterruptKernel(bool(frame["interrupt_task"]), bool(frame["interrupt_plan"]))
        case "pause":
            return Pause(PauseOption(frame["option"]))
        case _:
            raise ProtocolError(f"an unknown order: {kind!r}")


def _recipe(said: dict[str, Any]) -> DeviceRecipe:
    name = str(said["name"])
    kwargs = {"name": name} | dict(said.get("kwargs", {}))
    return DeviceRecipe(name, str(said["device_class"]), list(said.get("args", [])), kwargs)


def _task(task: dict[str, Any]) -> TaskCall:
    work = dict(task["work"])
    kind = work.pop("kind")
    match kind:
        case "load_script":
            parsed: LoadScript | ExecuteFunction = LoadScript(**work)
        case "execute_function":
            parsed = ExecuteFunction(**work)
        case _:
            raise ProtocolError(f"an unknown task: {kind!r}")
    return TaskCall(str(task["task_uid"]), bool(task["background"]), parsed)
