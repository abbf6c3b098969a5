"""What the queue server and a worker say to each other.

The worker connects to the WebSocket `PATH` of the queue server with its one-time token and the
header `INSTANCE`, by which the queue server knows the process again. Every text frame is one JSON
object with a `type`: the queue server sends commands, the worker sends reports. The first command
is `Welcome`, the first report `Hello`. A command carries the epoch of the sender's lease.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, ClassVar

from .plain import strict_json

VERSION = 6
PATH = "/worker/v1"
INSTANCE = "beamline-worker-instance"


class ProtocolError(Exception):
    """A frame that is no command."""


class PauseOption(StrEnum):
    """Where a plan pauses: at its next checkpoint, or now and back to its last one."""

    DEFERRED = "deferred"
    IMMEDIATE = "immediate"


class ExitStatus(StrEnum):
    """How a plan ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    ABORTED = "aborted"
    HALTED = "halted"
    # Somebody went on with it by other means, and its runs do not say how it ended.
    UNKNOWN = "unknown"


class KernelPhase(StrEnum):
    """What the IPython kernel does."""

    IDLE = "idle"
    BUSY = "busy"


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


@dataclass(frozen=True)
class RunEntry:
    """One run of the running plan; `exit_status` once it is closed."""

    uid: str
    scan_id: int
    is_open: bool = True
    exit_status: str | None = None


@dataclass(frozen=True)
class PlanOutcome:
    """How a plan ended: its runs in order, and where it failed."""

    item_uid: str
    exit_status: ExitStatus
    run_uids: list[str] = field(default_factory=list)
    scan_ids: list[int] = field(default_factory=list)
    message: str = ""
    traceback: str = ""


@dataclass(frozen=True)
class TaskOutcome:
    """How a task ended."""

    task_uid: str
    success: bool
    message: str = ""
    traceback: str = ""
    return_value: object = None


@dataclass(frozen=True)
class Hello:
    """First frame: who is there, and whether it waits for the devices of the registry."""

    TYPE: ClassVar[str] = "hello"
    engine: str
    pid: int
    version: int = VERSION
    wants_devices: bool = False


@dataclass(frozen=True)
class Ready:
    """The environment is open: what it can run, in bluesky-queueserver's descriptions.

    Without a `run_engine` no plan runs. `running` is the item whose plan is being run, `ended` how
    the plan before ended, `ended_tasks` how the last tasks did.
    """

    TYPE: ClassVar[str] = "ready"
    plans: dict[str, Any]
    devices: dict[str, Any]
    run_engine: bool = True
    running: str | None = None
    ended: PlanOutcome | None = None
    ended_tasks: list[TaskOutcome] = field(default_factory=list)


@dataclass(frozen=True)
class ProfileDevices:
    """How the devices of the profile could be made: said when the registry has none."""

    TYPE: ClassVar[str] = "profile_devices"
    devices: list[DeviceRecipe]


@dataclass(frozen=True)
class Lists:
    """The plans and devices are others now; as in `Ready`."""

    TYPE: ClassVar[str] = "lists"
    plans: dict[str, Any]
    devices: dict[str, Any]


@dataclass(frozen=True)
class TaskFinished:
    """A task ended."""

    TYPE: ClassVar[str] = "task_finished"
    outcome: TaskOutcome


@dataclass(frozen=True)
class OpenFailed:
    """The environment could not be opened."""

    TYPE: ClassVar[str] = "open_failed"
    message: str


@dataclass(frozen=True)
class ReState:
    """The state of the Run Engine, and whether a deferred pause is still to come."""

    TYPE: ClassVar[str] = "re_state"
    state: str
    deferred_pause_requested: bool = False


@dataclass(frozen=True)
class NoRunEngine:
    """There is no Run Engine any more."""

    TYPE: ClassVar[str] = "no_run_engine"


@dataclass(frozen=True)
class Runs:
    """All runs that the plan has opened."""

    TYPE: ClassVar[str] = "runs"
    runs: list[RunEntry]


@dataclass(frozen=True)
class Movement:
    """What the plan waits for; `fraction` is how much of it is done."""

    name: str
    unit: str = ""
    initial: float | None = None
    current: float | None = None
    target: float | None = None
    fraction: float | None = None


@dataclass(frozen=True)
class PlanProgress:
    """How far the plan of an item is: points of its newest run, seconds to the end of it.

    And why it waits, if a condition makes it.
    """

    item_uid: str
    points_done: int = 0
    points_expected: int | None = None
    time_left_s: float | None = None
    moving: list[Movement] = field(default_factory=list)
    waiting: str | None = None


@dataclass(frozen=True)
class Progress:
    """How far the running plan is."""

    TYPE: ClassVar[str] = "progress"
    progress: PlanProgress


@dataclass(frozen=True)
class PlanFinished:
    """The plan ended."""

    TYPE: ClassVar[str] = "plan_finished"
    outcome: PlanOutcome


@dataclass(frozen=True)
class Metadata:
    """The metadata of the Run Engine, or why there is none."""

    TYPE: ClassVar[str] = "metadata"
    metadata: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class OwnDevices:
    """How the devices of the profile could be made, and why that cannot be told of others; or why
    there is nothing to tell."""

    TYPE: ClassVar[str] = "own_devices"
    devices: list[DeviceRecipe] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class Document:
    """One event-model document, as JSON."""

    TYPE: ClassVar[str] = "document"
    name: str
    doc: str


@dataclass(frozen=True)
class Console:
    """Text for the console, as printed."""

    TYPE: ClassVar[str] = "console"
    text: str


@dataclass(frozen=True)
class KernelConnection:
    """Where users connect to the IPython kernel, and the key without which nobody does."""

    TYPE: ClassVar[str] = "kernel_connection"
    transport: str
    ip: str
    shell_port: int
    iopub_port: int
    stdin_port: int
    hb_port: int
    control_port: int
    signature_scheme: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class Kernel:
    """What the IPython kernel does, and whether it is kept for the queue server."""

    TYPE: ClassVar[str] = "kernel"
    phase: KernelPhase
    captured: bool


@dataclass(frozen=True)
class KernelReserved:
    """Whether the IPython kernel is kept for the queue server, and why not."""

    TYPE: ClassVar[str] = "kernel_reserved"
    error: str | None = None


@dataclass(frozen=True)
class CloseRefused:
    """The worker stays, although it was told to leave."""

    TYPE: ClassVar[str] = "close_refused"
    message: str


@dataclass(frozen=True)
class Refused:
    """A command was not carried out."""

    TYPE: ClassVar[str] = "refused"
    message: str


@dataclass(frozen=True)
class Closing:
    """The worker leaves."""

    TYPE: ClassVar[str] = "closing"


Report = (
    Hello
    | Ready
    | ProfileDevices
    | Lists
    | TaskFinished
    | Metadata
    | OwnDevices
    | OpenFailed
    | ReState
    | NoRunEngine
    | Runs
    | Progress
    | PlanFinished
    | Document
    | Console
    | KernelConnection
    | Kernel
    | KernelReserved
    | CloseRefused
    | Refused
    | Closing
)


def encode(report: Report) -> str:
    """The frame of a report."""
    if isinstance(report, Document):
        name = strict_json(report.name)
        return f'{{"type":"{report.TYPE}","name":{name},"doc":{report.doc}}}'
    said = {one.name: getattr(report, one.name) for one in fields(report)}
    return strict_json({"type": report.TYPE} | said)
