"""Devices of the registry in the namespace of the profile, made as the registry says.

The registry decides. A device of the registry takes the place of one of the profile with that name;
but one that the profile makes in the same way stays as it is, since code of the profile may hold
it. A device that cannot be made is not there at all: under its name, the profile may have another.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .protocol.orders import DeviceRecipe

LOG = logging.getLogger(__name__)

# How long the devices of ophyd-async may take to connect, all of them together, in seconds.
CONNECT = 15.0
# The same for those of ophyd, which are there all the same: they connect whenever their IOC comes.
SOON = 5.0
# What each of them is given to say so, however long the others took.
MOMENT = 0.01
# What a class of devices has, one of them at least: nothing else is ever called.
MARKS = ("describe", "kickoff", "set", "children")


class DeviceError(Exception):
    """A device cannot be made."""


class RegistryDevices:
    """The devices of the registry as they are in a namespace."""

    def __init__(
        self, own: Mapping[str, tuple[DeviceRecipe, object]], devices: Mapping[str, object]
    ) -> None:
        # How the profile makes its devices, and those devices.
        self._own = dict(own)
        # All of them, also those of which that cannot be told.
        self._devices = dict(devices)
        self._recipes: dict[str, DeviceRecipe] = {}
        # Why the devices of these names are not there.
        self.broken: dict[str, str] = {}

    def update(
        self,
        namespace: dict[str, Any],
        recipes: Sequence[DeviceRecipe],
        others: frozenset[str],
        loop: asyncio.AbstractEventLoop | None,
    ) -> bool:
        """Brings the devices in `namespace` up to date; whether anything is different now.

        `others` are names that belong to what is no device. Devices of ophyd-async are connected in
        `loop`.
        """
        others -= self._recipes.keys() - self.broken.keys()
        wanted = {recipe.name: recipe for recipe in recipes}
        gone = self._recipes.keys() - wanted.keys()
        changed = [one for one in recipes if self._recipes.get(one.name) != one]
        if not gone and not changed:
            return False
        made: dict[str, Any] = {}
        broken: dict[str, str] = {}
        for recipe in changed:
            try:
                if recipe.name in others:
                    raise DeviceError("the profile has something else of that name")
                made[recipe.name] = self._device(recipe)
            except DeviceError as error:
                broken[recipe.name] = str(error)
        own = {id(device) for _, device in self._own.values()}
        fresh = {name: device for name, device in made.items() if id(device) not in own}
        broken |= _connect(fresh, loop)
        _await_connections(fresh)
        for name in gone | {recipe.name for recipe in changed}:
            self.broken.pop(name, None)
            if name not in others:
                namespace.pop(name, None)
        namespace |= {name: device for name, device in made.items() if name not in broken}
        for name, why in broken.items():
            LOG.error("Device %r of the registry cannot be used: %s", name, why)
        self.broken |= broken
        self._recipes = wanted
        LOG.info(
            "Devices of the registry: %d new or changed, %d gone, %d cannot be used",
            len(changed) - len(broken),
            len(gone),
            len(self.broken),
        )
        return True

    def _device(self, recipe: DeviceRecipe) -> object:
        """The device of a recipe: the profile's own if that is made so."""
        if recipe.name in self._own:
            own, device = self._own[recipe.name]
            is_alike = (own.args, own.kwargs) == (recipe.args, recipe.kwargs)
            if is_alike and type(device) is class_of(recipe):
                return device
        return make(recipe)

    def of_profile(self, devices: Mapping[str, object]) -> dict[str, object]:
        """What the profile makes: its own devices, also where the registry has others in their
        place, and those of `devices` that are not of the registry."""
        return self._devices | {
            name: device for name, device in devices.items() if name not in self._recipes
        }

    def check(self, *arguments: object) -> None:
        """Refuses arguments of a plan that name a device which is not there.

        Raises:
            DeviceError: that device, and why.
        """
        if not self.broken:
            return
        for text in _texts(arguments):
            name = text.split(".", 1)[0]
            if name in self.broken:
                why = self.broken[name]
                raise DeviceError(f"Device {name!r} of the registry cannot be used: {why}")


def make(recipe: DeviceRecipe) -> object:
    """The device of a recipe.

    Raises:
        DeviceError: it cannot be made.
    """
    kind = class_of(recipe)
    # Classes may fail in any way.
    try:
        device: object = kind(*recipe.args, **recipe.kwargs)
    except Exception as error:
        raise DeviceError(f"{recipe.device_class} failed: {_said(error)}") from error
    return device


def class_of(recipe: DeviceRecipe) -> type:
    """The class of a recipe.

    Raises:
        DeviceError: it is not to be had, or is no class of devices.
    """
    module, _, name = recipe.device_class.rpartition(".")
    if not module:
        raise DeviceError(f"{recipe.device_class!r} does not say in which module the class is")
    # A module may fail in any way when it is imported.
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise DeviceError(f"{recipe.device_class!r} cannot be imported: {_said(error)}") from error
    if not isinstance(found, type) or not any(hasattr(found, mark) for mark in MARKS):
        raise DeviceError(f"{recipe.device_class!r} is no class of devices")
    return found


def _connect(made: dict[str, Any], loop: asyncio.AbstractEventLoop | None) -> dict[str, str]:
    """Connects what has to be, all at the same time; why some of them could not be."""
    waiting = {
        name: device
        for name, device in made.items()
        if inspect.iscoroutinefunction(getattr(device, "connect", None))
    }
    if not waiting:
        return {}
    if loop is None:
        return dict.fromkeys(waiting, "there is no Run Engine in whose loop it could connect")

    async def connect() -> list[BaseException | None]:
        bounded = (asyncio.wait_for(one.connect(), CONNECT) for one in waiting.values())
        ended: list[BaseException | None] = await asyncio.gather(*bounded, return_exceptions=True)
        return ended

    outcomes = asyncio.run_coroutine_threadsafe(connect(), loop).result()
    return {
        name: f"it does not connect: {_said(outcome)}"
        for name, outcome in zip(waiting, outcomes, strict=True)
        if isinstance(outcome, BaseException)
    }


def _await_connections(made: Mapping[str, Any]) -> None:
    """Lets devices of ophyd connect before a plan uses them; the log says which have not."""
    end = time.monotonic() + SOON
    for name, device in made.items():
        wait = getattr(device, "wait_for_connection", None)
        if wait is None or inspect.iscoroutinefunction(wait):
            continue
        # Devices may fail at whatever is asked of them.
        try:
            wait(timeout=max(end - time.monotonic(), MOMENT))
        except Exception as error:  # noqa: BLE001
            LOG.warning("Device %r of the registry is not connected yet: %s", name, _said(error))


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for one in value.values():
                yield from _texts(one)
        case list() | tuple():
            for one in value:
                yield from _texts(one)
