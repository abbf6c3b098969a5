"""The profile of a site, opened and described by the functions of bluesky-queueserver."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Collection, Coroutine
from pathlib import Path
from typing import Any, Protocol, cast

from bluesky.run_engine import RunEngine as BlueskyRunEngine
from bluesky.run_engine import get_bluesky_event_loop
from bluesky_queueserver import set_ipython_mode, set_re_worker_active
from bluesky_queueserver.manager.profile_ops import (
    existing_plans_and_devices_from_nspace,
    extract_script_root_path,
    get_default_startup_dir,
    load_allowed_plans_and_devices,
    load_worker_startup_code,
    prepare_plan,
)
from bluesky_queueserver.manager.profile_tools import global_user_namespace

from . import startup
from .protocol.orders import DeviceRecipe, PlanCall
from .recipes import recipes
from .registry import RegistryDevices
from .settings import ProfileSettings
from .startup import Shell

LOG = logging.getLogger(__name__)

# The group of those who may do everything, and what groups may use until it is known.
EVERYTHING = "root"
NO_LIMITS = {"user_groups": {EVERYTHING: {"allowed_plans": [None], "allowed_devices": [None]}}}


# Takes the documents of a plan.
Callback = Callable[[str, dict[str, Any]], None]


class RunEngine(Protocol):
    """What is used of bluesky's RunEngine."""

    state: object
    state_hook: Callable[[object, object], None] | None
    waiting_hook: Callable[[Collection[Any] | None], None] | None
    loop: asyncio.AbstractEventLoop
    deferred_pause_requested: bool

    def __call__(self, plan: object, subs: dict[str, list[Callback]], /, **meta: object) -> object:
        """Runs a plan."""

    def resume(self) -> object:
        """Continues a paused plan, as the next three do."""

    def stop(self) -> object:
        """Ends it as a success."""

    def abort(self) -> object:
        """Ends it as a failure, with its clean-up."""

    def halt(self) -> object:
        """Ends it at once."""

    def install_suspender(self, suspender: object) -> None:
        """Makes plans wait."""

    def _request_pause_coro(self, defer: bool = False) -> Coroutine[None, None, None]:
        """Pauses; what `request_pause` waits for."""


class ProfileError(Exception):
    """The profile could not be opened."""


class Profile:
    """An opened profile: its namespace, its plans and devices and their descriptions."""

    def __init__(self, namespace: dict[str, Any], settings: ProfileSettings) -> None:
        self.namespace = namespace
        self.plans: dict[str, Any] = {}
        self.devices: dict[str, Any] = {}
        self._settings = settings
        self._plan_objects: dict[str, Any] = {}
        self._device_objects: dict[str, Any] = {}
        # The same descriptions by user group, with the patterns of devices expanded.
        self._allowed: tuple[dict[str, Any], dict[str, Any]] | None = None
        self._permissions: dict[str, Any] = NO_LIMITS
        self._registered: RegistryDevices | None = None
        self.describe()

    def describe(self) -> None:
        """Looks for plans and devices in the namespace."""
        plans, devices, plan_objects, device_objects = existing_plans_and_devices_from_nspace(
            nspace=self.namespace,
            max_depth=self._settings.device_max_depth,
            ignore_invalid_plans=self._settings.ignore_invalid_plans,
        )
        self.plans, self.devices = plans, devices
        self._plan_objects, self._device_objects = plan_objects, device_objects
        # Made for the next plan, or when the queue server says who may do what.
        self._allowed = None

    def tell_devices(self) -> list[DeviceRecipe]:
        """How the devices of the profile could be made, as far as it can be told.

        To be asked once, before any device of the registry is there.
        """
        known, left_out = recipes(self._device_objects)
        for name, why in left_out.items():
            LOG.info("Device %r is not for the registry: %s", name, why)
        own = {one.name: (one, self._device_objects[one.name]) for one in known}
        self._registered = RegistryDevices(own, self._device_objects)
        return known

    def own_devices(self) -> tuple[list[DeviceRecipe], dict[str, str]]:
        """How the profile makes its devices, and why that cannot be told of others; whichever are
        there now."""
        devices = self._device_objects
        if self._registered is not None:
            devices = self._registered.of_profile(devices)
        return recipes(devices)

    def use_devices(self, registered: list[DeviceRecipe]) -> bool:
        """Has those devices of the registry from now on; whether anything is different now.

        Raises:
            ProfileError: plans and devices cannot be described any more; where is in the log.
        """
        if self._registered is None:
            return False
        others = frozenset(self.namespace) - frozenset(self._device_objects)
        engine = self.run_engine
        loop = None if engine is None else engine.loop
        changed = self._registered.update(self.namespace, registered, others, loop)
        try:
            if changed:
                self.describe()
        # A device may fail at whatever is asked of it.
        except Exception as error:
            LOG.exception("Plans and devices cannot be described")
            raise ProfileError(f"plans and devices cannot be described: {error}") from error
        return changed

    def permit(self, permissions: dict[str, Any]) -> None:
        """From now on, groups may use what `permissions` say."""
        self._permissions = permissions
        self._allowed = self._allow()

    def _allow(self) -> tuple[dict[str, Any], dict[str, Any]]:
        allowed: tuple[dict[str, Any], dict[str, Any]] = load_allowed_plans_and_devices(
            existing_plans=self.plans,
            existing_devices=self.devices,
            user_group_permissions=self._permissions,
        )
        return allowed

    @property
    def folder(self) -> str:
        """Where modules of the profile are; of one that is a module itself, those of IPython's."""
        folder: str | None = extract_script_root_path(**_source(self._settings))
        return folder or _profile_folder(self._settings)

    @property
    def run_engine(self) -> RunEngine | None:
        """The RunEngine of the profile, if it has one."""
        found = self.namespace.get("RE")
        return cast("RunEngine", found) if isinstance(found, BlueskyRunEngine) else None

    def prepare(self, call: PlanCall) -> tuple[Callable[[], Any], dict[str, Any]]:
        """What makes the plan, with devices for their names, and the metadata of its runs.

        Raises:
            RuntimeError: the plan is unknown, or its arguments do not fit.
            DeviceError: its arguments name a device of the registry that is not there.
        """
        if self._registered is not None:
            self._registered.check(call.args, call.kwargs)
        plan = {
            "name": call.name,
            "args": call.args,
            "kwargs": call.kwargs,
            "meta": call.meta,
            "user_group": call.user_group or EVERYTHING,
        }
        if self._allowed is None:
            self._allowed = self._allow()
        plans, devices = self._allowed
        found = prepare_plan(
            plan,
            plans_in_nspace=self._plan_objects,
            devices_in_nspace=self._device_objects,
            allowed_plans=plans,
            allowed_devices=devices,
            nspace=self.namespace,
        )
        make, args, kwargs = found["callable"], found["args"], found["kwargs"]
        return lambda: make(*args, **kwargs), dict(found["meta"])


def open_profile(settings: ProfileSettings, shell: Shell | None = None) -> Profile:
    """Executes the startup code and looks for plans and devices in what it leaves behind.

    In the namespace of an IPython `shell`, if there is one.

    Raises:
        ProfileError: the code failed; where is in the log.
    """
    # What profiles ask by `is_re_worker_active()` and `is_ipython_mode()`.
    set_re_worker_active()
    set_ipython_mode(shell is not None)
    namespace: dict[str, Any] = {}
    try:
        if shell is None:
            asyncio.set_event_loop(get_bluesky_event_loop() or asyncio.new_event_loop())
            load_worker_startup_code(nspace=namespace, **_source(settings))
        else:
            namespace = shell.user_ns
            _load_with(shell, settings)
        profile = Profile(namespace, settings)
    # A profile may fail in any way, and may even leave by `sys.exit`.
    except BaseException as error:
        where = getattr(error, "tb", None) or traceback.format_exc()
        LOG.error("Error while loading startup code:\n%s", where)
        raise ProfileError(str(error) or type(error).__name__) from error
    in_shell = shell is not None
    global_user_namespace.set_user_namespace(user_ns=namespace, use_ipython=in_shell)
    return profile


def _load_with(shell: Shell, settings: ProfileSettings) -> None:
    source = _source(settings)
    match source:
        case {"startup_dir": folder}:
            startup.execute_folder(shell, folder)
        case {"startup_script_path": script}:
            startup.execute_script(shell, script)
        case _:
            load_worker_startup_code(nspace=shell.user_ns, **source)


def _source(settings: ProfileSettings) -> dict[str, str]:
    if settings.startup_module:
        return {"startup_module_name": settings.startup_module}
    if settings.startup_script:
        return {"startup_script_path": settings.startup_script}
    if settings.startup_profile:
        return {"startup_dir": _profile_folder(settings)}
    return {"startup_dir": settings.startup_dir or get_default_startup_dir()}


def _profile_folder(settings: ProfileSettings) -> str:
    profiles = Path(settings.ipython_dir or "~/.ipython").expanduser()
    return str(profiles / f"profile_{settings.startup_profile or 'default'}" / "startup")
