"""The ophyd classes of the simulated beamline.

The Python engine and notebooks import them by the path that the device database names
(`localdevs.Det` and so on); the `DeviceClass` manifests of the catalogue are read off them.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from ophyd import Component as Cpt
from ophyd import Device, EpicsSignal, EpicsSignalRO, Kind, Signal
from ophyd.status import DeviceStatus, StatusBase

HINTED = Kind.hinted
NORMAL = Kind.normal
CONFIG = Kind.config


class SetInProgress(RuntimeError):
    """A device was set while an earlier set was still under way."""


class Det(Device):
    """A point detector of the mini beamline: one reading and its exposure."""

    det = Cpt(EpicsSignal, ":det", kind=HINTED)
    exp = Cpt(EpicsSignal, ":exp", kind=CONFIG)


class Spot(Device):
    """The imaging detector of the mini beamline: a frame, its sum, exposure and shutter."""

    img = Cpt(EpicsSignal, ":det", kind=NORMAL)
    roi = Cpt(EpicsSignal, ":img_sum", kind=HINTED)
    exp = Cpt(EpicsSignal, ":exp", kind=CONFIG)
    shutter_open = Cpt(EpicsSignal, ":shutter_open", kind=CONFIG)
    array_size = Cpt(EpicsSignalRO, ":ArraySize_RBV", kind=CONFIG)

    def trigger(self) -> StatusBase:
        """Acquire one frame."""
        return self.img.trigger()


class RandomWalk(Device):
    """A value that wanders: one random step every `dt` seconds."""

    dt = Cpt(EpicsSignal, "dt", kind=CONFIG)
    x = Cpt(EpicsSignal, "x", kind=HINTED)


class ADSimDetector(Device):
    """The simulated area detector: its camera and its image array."""

    min_x = Cpt(EpicsSignal, "cam1:MinX", kind=CONFIG)
    min_y = Cpt(EpicsSignal, "cam1:MinY", kind=CONFIG)
    size_x = Cpt(EpicsSignal, "cam1:SizeX", kind=CONFIG)
    size_y = Cpt(EpicsSignal, "cam1:SizeY", kind=CONFIG)
    color_mode = Cpt(EpicsSignal, "cam1:ColorMode", kind=CONFIG)
    data_type = Cpt(EpicsSignal, "cam1:DataType", kind=CONFIG)
    acquire = Cpt(EpicsSignal, "cam1:Acquire", kind=NORMAL)
    acquire_time = Cpt(EpicsSignal, "cam1:AcquireTime", kind=CONFIG)
    array_counter = Cpt(EpicsSignalRO, "image1:ArrayCounter_RBV", kind=NORMAL)
    image = Cpt(EpicsSignalRO, "image1:ArrayData", kind=HINTED)


class Eurotherm(Device):
    """A temperature controller that has arrived once its readback has stayed near the setpoint.

    `equilibrium_time` and `timeout` are in seconds, `tolerance` in the unit of the readback.
    """

    equilibrium_time = Cpt(Signal, value=5, kind=CONFIG)
    timeout = Cpt(Signal, value=500, kind=CONFIG)
    tolerance = Cpt(Signal, value=1, kind=CONFIG)
    setpoint = Cpt(EpicsSignal, "T-SP", kind=NORMAL)
    readback = Cpt(EpicsSignal, "T-RB", kind=HINTED)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = threading.Lock()
        self._moving: DeviceStatus | None = None

    def set(self, value: float) -> DeviceStatus:
        """Go to `value`; done when the readback has settled there.

        Raises SetInProgress while an earlier set is under way.
        """
        with self._guard:
            if self._moving is not None and not self._moving.done:
                raise SetInProgress(f"{self.name} is still on its way to {self.setpoint.get()}")
            status = DeviceStatus(self, timeout=self.timeout.get())
            self._moving = status
        settled = _Settling(float(value), self.tolerance.get(), self.equilibrium_time.get())

        def on_reading(*, value: float, **_: Any) -> None:
            if not status.done and settled.update(float(value), time.monotonic()):
                status.set_finished()

        def leave(_: StatusBase) -> None:
            self.readback.clear_sub(on_reading)

        status.add_callback(leave)
        self.setpoint.put(value)
        self.readback.subscribe(on_reading)
        return status

    def stop(self, *, success: bool = False) -> None:
        """Stay where the readback is now."""
        self.setpoint.put(self.readback.get())
        moving = self._moving
        if moving is None or moving.done:
            return
        if success:
            moving.set_finished()
        else:
            moving.set_exception(RuntimeError(f"{self.name} was stopped"))


class _Settling:
    """Decides whether readings have stayed within `tolerance` of `target` for `hold` seconds."""

    def __init__(self, target: float, tolerance: float, hold: float) -> None:
        self._target = target
        self._tolerance = tolerance
        self._hold = hold
        self._near_since: float | None = None

    def update(self, reading: float, now: float) -> bool:
        if abs(reading - self._target) >= self._tolerance:
            self._near_since = None
            return False
        if self._near_since is None:
            self._near_since = now
        return now - self._near_since >= self._hold


class Thermo(Eurotherm):
    """The simulated furnace: swings around its setpoint and calms down."""

    readback = Cpt(EpicsSignal, "I", kind=HINTED)
    setpoint = Cpt(EpicsSignal, "SP", kind=NORMAL)
    K = Cpt(EpicsSignal, "K", kind=CONFIG)
    omega = Cpt(EpicsSignal, "omega", kind=CONFIG)
    Tvar = Cpt(EpicsSignal, "Tvar", kind=CONFIG)
