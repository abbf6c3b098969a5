"""What kind of device a class makes, and what it can do, as ophyd-service decides it: by name.

Direct clients of the registry compare these flags, so they follow the service and not the class,
except that a class which can be set is never called immovable.
"""

from __future__ import annotations

from typing import TypeVar

from ophyd import EpicsMCA, EpicsMotor, EpicsScaler, PVPositioner
from ophyd.areadetector.cam import CamBase
from ophyd.areadetector.detectors import DetectorBase
from ophyd.mca import EpicsMCARecord
from ophyd.signal import EpicsSignalBase
from ophyd_async.epics.motor import Motor

T = TypeVar("T")

POSITIONER = (
    "movable",
    "readable",
    "triggerable",
    "stageable",
    "configurable",
    "stoppable",
    "subscribable",
    "checkable",
)
SIGNAL = ("movable", "readable", "subscribable")
SIGNAL_RO = ("readable", "subscribable")
DEVICE = ("readable", "triggerable", "stageable", "configurable", "subscribable")
DETECTOR = (*DEVICE, "writesExternalAssets")
FLYER = ("flyable", "readable", "stageable", "subscribable")

BY_CLASS = {
    "EpicsMotor": POSITIONER,
    "PVPositioner": POSITIONER,
    "PVPositionerPC": POSITIONER,
    "EpicsSignal": SIGNAL,
    "EpicsSignalWithRBV": SIGNAL,
    "EpicsSignalRO": SIGNAL_RO,
    "EpicsScaler": DEVICE,
    "SimDetector": DETECTOR,
    "AreaDetector": DETECTOR,
    "AdscDetector": DETECTOR,
    "PilatusDetector": DETECTOR,
}

BY_WORD = (
    (("motor", "positioner", "axis"), POSITIONER),
    (("flyer", "flyable"), FLYER),
    (("signalro",), SIGNAL_RO),
    (("signal",), SIGNAL),
    (("detector", "scaler"), DETECTOR),
)

LABEL_BY_WORD = (
    (("motor", "axis", "positioner"), "motor"),
    (("detector", "det"), "detector"),
    (("signal",), "signal"),
    (("flyable", "flyer"), "flyer"),
)


def _by_word(name: str, table: tuple[tuple[tuple[str, ...], T], ...], otherwise: T) -> T:
    for words, value in table:
        if any(word in name.lower() for word in words):
            return value
    return otherwise


def device_label(cls: type) -> str:
    """The coarse kind of a device of class `cls`."""
    return _by_word(cls.__name__, LABEL_BY_WORD, "device")


def capabilities(cls: type) -> dict[str, bool]:
    """The flags that are set for a device of class `cls`."""
    known = BY_CLASS.get(cls.__name__)
    flags = list(known or _by_word(cls.__name__, BY_WORD, DEVICE))
    if known is None and hasattr(cls, "set") and not issubclass(cls, EpicsSignalBase):
        flags += [flag for flag in ("movable", "stoppable") if flag not in flags]
    return dict.fromkeys(flags, True)


def behaviour(cls: type) -> str:
    """How a device of class `cls` is operated without Python."""
    if issubclass(cls, EpicsSignalBase):
        return "Signal"
    if issubclass(cls, (EpicsMotor, Motor)):
        return "EpicsMotor"
    if issubclass(cls, PVPositioner):
        return "Positioner"
    if issubclass(cls, (EpicsScaler, EpicsMCARecord, EpicsMCA)):
        return "Counter"
    if issubclass(cls, (DetectorBase, CamBase)) or cls.__name__ == "ADSimDetector":
        return "Camera"
    if hasattr(cls, "set"):
        return "Settling"
    return "Composite"
