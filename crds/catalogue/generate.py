"""Writes the catalogue of device classes: what each installed ophyd class consists of.

    python crds/catalogue/generate.py            write the manifests beside this file
    python crds/catalogue/generate.py --check    exit 1 when they are not what is installed

Every class is instantiated without any EPICS underneath, because only an instance knows the kinds
that its constructor sets. PVs are then read off relative to a marker that stands for the prefix.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

os.environ["OPHYD_CONTROL_LAYER"] = "dummy"

import ophyd
from derive import behaviour, capabilities, device_label
from ophyd import Device, FormattedComponent, Kind
from ophyd.signal import EpicsSignal, EpicsSignalBase, Signal
from ophyd_async.epics.motor import Motor

HERE = Path(__file__).resolve().parent
LOCAL_CLASSES = HERE.parents[1] / "examples" / "mini-beamline"
PREFIX = "@@"
NAME = "device"

Component = dict[str, Any]
Entry = dict[str, Any]

# Modules whose attributes are import paths that people write.
PUBLIC_MODULES = (
    "ophyd",
    "ophyd.areadetector",
    "ophyd.areadetector.base",
    "ophyd.areadetector.cam",
    "ophyd.areadetector.detectors",
    "ophyd.areadetector.plugins",
    "ophyd.signal",
)

# Classes that cannot stand alone, by module: bases without components of their own kind, and
# parts that need constructor arguments which only their owner knows.
NOT_STANDALONE = {
    "ophyd.areadetector.detectors": {"DetectorBase"},
    "ophyd.areadetector.plugins": {"GatherNPlugin"},
}

CLASSES: dict[str, tuple[str, ...] | None] = {
    "localdevs": ("Det", "Spot", "RandomWalk", "ADSimDetector", "Eurotherm", "Thermo"),
    "ophyd.areadetector.base": ("EpicsSignalWithRBV",),
    "ophyd.areadetector.cam": None,
    "ophyd.areadetector.detectors": None,
    "ophyd.areadetector.plugins": None,
    "ophyd.epics_motor": ("EpicsMotor",),
    "ophyd.mca": ("EpicsMCARecord", "EpicsMCA", "EpicsMCAReadNotify", "EpicsMCACallback"),
    "ophyd.pv_positioner": (
        "PVPositioner",
        "PVPositionerPC",
        "PVPositionerIsClose",
        "PVPositionerDone",
    ),
    "ophyd.scaler": ("EpicsScaler",),
    "ophyd.signal": ("EpicsSignal", "EpicsSignalRO", "EpicsSignalNoValidation"),
}


def silence_epics() -> None:
    """Let devices be made without a control layer, and without waiting for it."""
    ophyd.cl.get_pv = lambda *_args, **_kwargs: MagicMock()
    ophyd.cl.release_pvs = lambda *_pvs: None
    Device.lazy_wait_for_connection = False


def classes_of(module: ModuleType) -> Iterator[type]:
    """The classes of `module` that the catalogue describes, in the order of their definition."""
    wanted = CLASSES[module.__name__]
    if wanted is not None:
        yield from (getattr(module, name) for name in wanted)
        return
    for name, cls in vars(module).items():
        own = inspect.isclass(cls) and issubclass(cls, Device) and cls.__module__ == module.__name__
        versioned = "_V" in name
        if own and not versioned and name not in NOT_STANDALONE.get(module.__name__, ()):
            yield cls


def suffix_of(pv: str) -> str:
    """What follows the prefix in `pv`."""
    if not pv.startswith(PREFIX):
        raise ValueError(f"{pv} does not start with the prefix")
    return pv.removeprefix(PREFIX)


def kind_names(device: Device) -> dict[str, str]:
    """Dotted component name to the part of a reading that it ends up in, as `device` reads it."""
    kinds: dict[str, str] = {}

    def collect(part: Device, path: str, flag: Kind, name: Callable[[Signal], str]) -> None:
        for attr, child in part._get_components_of_kind(flag):
            dotted = f"{path}{attr}"
            if isinstance(child, Device):
                collect(child, f"{dotted}.", flag, name)
            else:
                kinds.setdefault(dotted, name(child))

    def reading(signal: Signal) -> str:
        return "hinted" if signal.kind & Kind.hinted == Kind.hinted else "normal"

    collect(device, "", Kind.normal, reading)
    collect(device, "", Kind.config, lambda _signal: "config")
    return kinds


def component_of(item: Device | Signal, cpt: ophyd.Component, path: str, kind: str) -> Component:
    """One component of a classic device."""
    out: Component = {"name": path}
    if isinstance(item, EpicsSignalBase):
        read = suffix_of(item.pvname)
        write = suffix_of(getattr(item, "setpoint_pvname", None) or item.pvname)
        out["suffix"] = write
        if read != write:
            out["readbackSuffix"] = read
    if kind != "normal":
        out["kind"] = kind
    if isinstance(item, EpicsSignalBase) and not isinstance(item, EpicsSignal):
        out["readOnly"] = True
    if isinstance(item, EpicsSignalBase) and item._string:
        out["string"] = True
    if isinstance(cpt, FormattedComponent) and "{" in (cpt.suffix or ""):
        out["needsInstance"] = True
        out["suffix"] = cpt.suffix
    out["class"] = cpt.cls.__name__
    if type(item) is Signal and isinstance(item.get(), (bool, int, float, str)):
        out["value"] = item.get()
    return out


def walk(device: Device, kinds: dict[str, str], path: str = "") -> Iterator[Component]:
    """The components of `device`, parents before children."""
    for attr, cpt in device._sig_attrs.items():
        dotted = f"{path}{attr}"
        item = getattr(device, attr)
        if isinstance(item, Device):
            kind = "omitted" if item.kind == Kind.omitted else "normal"
            yield component_of(item, cpt, dotted, kind)
            yield from walk(item, kinds, f"{dotted}.")
        elif isinstance(item, EpicsSignalBase) or type(item) is Signal:
            yield component_of(item, cpt, dotted, kinds.get(dotted, "omitted"))


def signal_components(cls: type[EpicsSignalBase]) -> list[Component]:
    """A signal is a device of one component, named as the registry names it."""
    signal = cls(PREFIX, name=NAME)
    read = suffix_of(signal.pvname)
    write = suffix_of(getattr(signal, "setpoint_pvname", None) or signal.pvname)
    out: Component = {"name": "readback", "suffix": write}
    if read != write:
        out["readbackSuffix"] = read
    out["kind"] = "hinted"
    if not isinstance(signal, EpicsSignal):
        out["readOnly"] = True
    out["class"] = cls.__name__
    return [out]


def classic_components(cls: type) -> list[Component]:
    """The components of a classic ophyd class."""
    if issubclass(cls, EpicsSignalBase):
        return signal_components(cls)
    if cls.__module__ == "ophyd.pv_positioner":
        return []  # A base class: every site adds its own setpoint, readback and done.
    device = cls(PREFIX, name=NAME)
    list(device.walk_signals(include_lazy=True))
    return list(walk(device, kind_names(device)))


def async_components(device: Motor) -> list[Component]:
    """The components of an ophyd-async device."""

    def owners(functions: tuple[Any, ...]) -> set[int]:
        return {id(function.__self__) for function in functions}

    read, config = owners(device._read_funcs), owners(device._read_config_funcs)
    hints = {field for hint in device._has_hints for field in hint.hints.get("fields", [])}
    out = []
    for attr, child in device.children():
        kind = "omitted"
        if id(child) in read:
            kind = "hinted" if child.name in hints else "normal"
        elif id(child) in config:
            kind = "config"
        component: Component = {"name": attr, "suffix": suffix_of(child.source.split("://")[1])}
        if kind != "normal":
            component["kind"] = kind
        if not hasattr(child, "set") and not hasattr(child, "trigger"):
            component["readOnly"] = True
        component["class"] = type(child).__name__
        out.append(component)
    return out


def aliases(cls: type, path: str) -> list[str]:
    """The other public paths of `cls`."""
    found = [
        f"{module}.{cls.__name__}"
        for module in PUBLIC_MODULES
        if getattr(importlib.import_module(module), cls.__name__, None) is cls
    ]
    return [alias for alias in found if alias != path]


def documentation(cls: type) -> str | None:
    """The first paragraph of the class's own documentation."""
    text = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    return " ".join(text.split("\n\n")[0].split()) or None


def entry(cls: type, module: str) -> Entry:
    """The `spec` of the manifest of `cls`."""
    path = f"{module}.{cls.__name__}"
    framework = "ophyd-async" if issubclass(cls, Motor) else "ophyd-sync"
    is_async = framework == "ophyd-async"
    parts = async_components(cls(PREFIX, name=NAME)) if is_async else classic_components(cls)
    spec: Entry = {
        "classPath": path,
        "aliases": aliases(cls, path),
        "framework": framework,
        "deviceLabel": device_label(cls),
        "behaviour": behaviour(cls),
        "capabilities": capabilities(cls),
        "components": parts,
        "documentation": documentation(cls),
    }
    return {key: value for key, value in spec.items() if value not in ([], None)}


def manifest(spec: Entry) -> str:
    """One manifest; a component is one line."""
    head = {
        "apiVersion": "beamline.dev/v1alpha1",
        "kind": "DeviceClass",
        "metadata": {"name": spec["classPath"].lower().replace("_", "-")},
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    fields = [f"  {json.dumps(key)}: {field(value)}" for key, value in spec.items()]
    lines.append('"spec": {\n' + ",\n".join(fields) + "\n}")
    return "{\n" + ",\n".join(lines) + "\n}"


def field(value: object) -> str:
    """A field of a class; components are on lines of their own."""
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return "[\n" + ",\n".join(f"    {json.dumps(part)}" for part in value) + "\n  ]"
    return json.dumps(value)


def listed(specs: list[Entry]) -> str:
    """A list that `kubectl` takes."""
    items = ",\n".join(manifest(spec) for spec in specs)
    return f'{{"apiVersion": "v1", "kind": "List", "items": [\n{items}\n]}}\n'


def catalogue() -> dict[str, str]:
    """File name to content, a file for every module."""
    silence_epics()
    sys.path.insert(0, str(LOCAL_CLASSES))
    files = {}
    for name in CLASSES:
        module = importlib.import_module(name)
        specs = [entry(cls, name) for cls in classes_of(module)]
        files[f"{name}.json"] = listed(specs)
    motor = entry(Motor, "ophyd_async.epics.motor")
    files["ophyd_async.epics.motor.json"] = listed([motor])
    return files


def main() -> int:
    """Write the catalogue, or check it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    check = parser.parse_args().check
    files = catalogue()
    present = {path.name for path in HERE.glob("*.json")}
    stale = sorted(present - files.keys())
    for name, text in files.items():
        path = HERE / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if not check:
                path.write_text(text)
    if check and stale:
        print(f"not what the installed packages give: {', '.join(stale)}", file=sys.stderr)
        return 1
    print(f"{len(files)} files, {'unchanged' if not stale else 'written: ' + ', '.join(stale)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
