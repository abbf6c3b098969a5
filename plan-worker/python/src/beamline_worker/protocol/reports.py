"""What a worker says to the queue server."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, ClassVar

from ..plain import strict_json
from . import VERSION
from .orders import DeviceRecipe


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
