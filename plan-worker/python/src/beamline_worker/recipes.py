"""How the devices of a profile could be made again: what fills an empty registry."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from .protocol.orders import DeviceRecipe

# Of ophyd, or whatever the profile has.
Device = Any

# Modules of which nobody else has what is in them.
PRIVATE = ("__main__", "builtins")


class Unknowable(Exception):
    """Nobody could make the device from what is known of it."""


def recipes(devices: Mapping[str, Device]) -> tuple[list[DeviceRecipe], dict[str, str]]:
    """Recipes of the devices that have one, and why the others have none."""
    known: list[DeviceRecipe] = []
    left_out: dict[str, str] = {}
    names: dict[int, str] = {}
    # Of several names for one device, its own comes first.
    for name, device in sorted(devices.items(), key=lambda one: _own_name(one[1]) != one[0]):
        if (first := names.setdefault(id(device), name)) != name:
            left_out[name] = f"it is {first!r} under another name"
            continue
        try:
            known.append(recipe(name, device))
        except Unknowable as why:
            left_out[name] = str(why)
        # A device may fail at whatever is asked of it.
        except Exception as error:  # noqa: BLE001
            left_out[name] = f"{type(error).__name__}: {error}"
    return known, left_out


def _own_name(device: Device) -> object:
    return getattr(device, "name", None)


def recipe(name: str, device: Device) -> DeviceRecipe:
    """How `device`, which the profile calls `name`, is made.

    Raises:
        Unknowable: there is no telling.
    """
    kind = type(device)
    path = f"{kind.__module__}.{kind.__qualname__}"
    if kind.__module__ in PRIVATE or not _is_importable(kind):
        raise Unknowable(f"its class {path} is known to the profile only")
    args, kwargs = _arguments(device)
    kwargs = {"name": str(device.name)} | kwargs
    if labels := sorted(getattr(device, "_ophyd_labels_", ())):
        kwargs["labels"] = labels
    try:
        inspect.signature(kind).bind(*args, **kwargs)
    except TypeError as error:
        raise Unknowable(f"{path} wants other arguments: {error}") from error
    return DeviceRecipe(name, path, args, kwargs, pvs=_pvs(device))


def _is_importable(kind: type) -> bool:
    try:
        module = importlib.import_module(kind.__module__)
    except ImportError:
        return False
    return getattr(module, kind.__qualname__, None) is kind


def _arguments(device: Device) -> tuple[list[Any], dict[str, Any]]:
    """The PVs that a class of ophyd is given: a prefix, or those of a signal."""
    prefix = getattr(device, "prefix", None)
    if isinstance(prefix, str) and prefix:
        return [prefix], {}
    pv = getattr(device, "pvname", None)
    if not isinstance(pv, str) or not pv:
        raise Unknowable("it has no PVs")
    written = getattr(device, "setpoint_pvname", pv)
    return [pv], {} if written == pv else {"write_pv": written}


def _pvs(device: Device) -> dict[str, str]:
    """The PV of each signal."""
    if not hasattr(device, "walk_signals"):
        pvs = {"readback": device.pvname}
        if (written := getattr(device, "setpoint_pvname", None)) is not None:
            pvs["setpoint"] = written
        return pvs
    signals = device.walk_signals(include_lazy=False)
    return {
        one.dotted_name: one.item.pvname
        for one in signals
        if isinstance(getattr(one.item, "pvname", None), str)
    }
