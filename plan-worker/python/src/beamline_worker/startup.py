"""The startup code of a profile, executed by IPython: with its magics, and `.ipy` files."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from .settings import ProfileSettings

LOG = logging.getLogger(__name__)


class Shell(Protocol):
    """What is used of IPython's shell."""

    user_ns: dict[str, Any]

    def safe_execfile(
        self, fname: str, *where: dict[str, Any], raise_exceptions: bool, shell_futures: bool
    ) -> None:
        """Executes a Python file."""

    def safe_execfile_ipy(self, fname: str, *, raise_exceptions: bool, shell_futures: bool) -> None:
        """Executes a file with magics."""


def ipython_profile(settings: ProfileSettings) -> tuple[str, str] | None:
    """IPython's folder and the name of the profile in it whose startup folder is executed.

    If it is one, and can be written to, which IPython wants.
    """
    if settings.startup_profile:
        folder = Path(settings.ipython_dir or "~/.ipython") / f"profile_{settings.startup_profile}"
    elif settings.startup_dir and Path(settings.startup_dir).name == "startup":
        folder = Path(settings.startup_dir).parent
    else:
        return None
    folder = folder.expanduser().resolve()
    name = folder.name.removeprefix("profile_")
    is_profile = name != folder.name and os.access(folder, os.W_OK)
    return (str(folder.parent), name) if is_profile else None


def execute_folder(shell: Shell, folder: str) -> None:
    """Executes all `.py` and `.ipy` files in the order of their names.

    Raises:
        OSError: there are none.
        BaseException: whatever a file raises.
    """
    path = Path(folder).expanduser().resolve()
    files = sorted(one for one in path.glob("*") if one.suffix in (".py", ".ipy"))
    if not files:
        raise OSError(f"The directory '{folder}' contains no startup files")
    with _imports_from(path):
        for file in files:
            LOG.info("Loading startup file '%s' ...", file)
            _execute(shell, file)


def execute_script(shell: Shell, script: str) -> None:
    """Executes one file.

    Raises:
        OSError: it is not there.
        BaseException: whatever it raises.
    """
    path = Path(script).expanduser().resolve()
    if not path.is_file():
        raise OSError(f"Failed to load the script '{script}': script was not found")
    _execute(shell, path)


def _execute(shell: Shell, file: Path) -> None:
    namespace = shell.user_ns
    namespace["__file__"] = str(file)
    try:
        if file.suffix == ".ipy":
            shell.safe_execfile_ipy(str(file), shell_futures=False, raise_exceptions=True)
        else:
            shell.safe_execfile(str(file), namespace, shell_futures=False, raise_exceptions=True)
    finally:
        namespace.pop("__file__", None)


@contextlib.contextmanager
def _imports_from(folder: Path) -> Iterator[None]:
    """Modules beside the files can be imported meanwhile."""
    entry = str(folder)
    is_new = entry not in sys.path
    if is_new:
        sys.path.append(entry)
    try:
        yield
    finally:
        if is_new:
            with contextlib.suppress(ValueError):
                sys.path.remove(entry)
