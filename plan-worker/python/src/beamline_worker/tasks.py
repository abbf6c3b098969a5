"""Tasks: scripts and functions in the namespace of the profile, between plans or beside them."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager

from bluesky_queueserver.manager.profile_ops import (
    load_script_into_existing_nspace,
    prepare_function,
)

from .profile import Profile
from .protocol.orders import ExecuteFunction, LoadScript, TaskCall
from .protocol.reports import TaskOutcome

LOG = logging.getLogger(__name__)

# Longest result, as JSON: several of them have to fit into one frame to the queue server.
LONGEST = 24 << 20


def run(
    call: TaskCall, profile: Profile, interruptible: Callable[[], AbstractContextManager[None]]
) -> TaskOutcome:
    """Runs a task to its end, however that is; its own code is run `interruptible`."""
    work = call.work
    try:
        match work:
            case LoadScript():
                with interruptible():
                    _load(work, profile)
                if work.update_lists:
                    profile.describe()
                value: object = None
            case ExecuteFunction():
                with interruptible():
                    value = _execute(work, profile)
        _check(value)
    # A task may fail in any way, and may even try to leave by `sys.exit`.
    except BaseException as error:  # noqa: BLE001
        message = f"Error occurred while executing {work.TITLE!r}: {error}"
        where = str(getattr(error, "tb", None) or traceback.format_exc())
        LOG.error("%s:\n%s", message, where)
        return TaskOutcome(call.task_uid, success=False, message=message, traceback=where)
    return TaskOutcome(call.task_uid, success=True, return_value=value)


def _load(work: LoadScript, profile: Profile) -> None:
    load_script_into_existing_nspace(
        script=work.script,
        nspace=profile.namespace,
        script_root_path=profile.folder,
        update_re=work.update_re,
    )


def _execute(work: ExecuteFunction, profile: Profile) -> object:
    call = {
        "name": work.name,
        "args": work.args,
        "kwargs": work.kwargs,
        "user_group": work.user_group,
    }
    found = prepare_function(
        func_info=call, nspace=profile.namespace, user_group_permissions=work.permissions
    )
    result: object = found["callable"](*found["args"], **found["kwargs"])
    return result


def _check(value: object) -> None:
    """What a function returns has to reach the client as it is."""
    try:
        length = len(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"Task result can not be serialized as JSON: {error}") from error
    if length > LONGEST:
        raise ValueError(f"Task result is too long: {length} bytes, of at most {LONGEST}")
