"""The file that keeps ports and key of the kernel from one environment to the next."""

from __future__ import annotations

import json
import logging
import os
import socket
import tempfile
from pathlib import Path

from .settings import KernelSettings

LOG = logging.getLogger(__name__)

# Nothing is sent there: asking for the way tells which address of this machine others see.
ELSEWHERE = ("192.0.2.1", 9)


def address(ip: str) -> str:
    """The address to listen at.

    Raises:
        OSError: there is no network, and `ip` is `auto`.
    """
    if ip == "localhost":
        return "127.0.0.1"
    if ip != "auto":
        return ip
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect(ELSEWHERE)
        return str(way.getsockname()[0])


def folder(usual: str) -> str:
    """Where the file is unless somebody says so: where Jupyter looks, if that can be written to."""
    try:
        Path(usual).mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(usual, os.W_OK):
            return usual
    except OSError as error:
        LOG.info("no connection file in %s: %s", usual, error)
    # The name is new, and nobody else may read there.
    return tempfile.mkdtemp(prefix="beamline-kernel-")


def drop_outdated(path: Path, settings: KernelSettings, ip: str) -> None:
    """Removes a file that says something else than the settings, or nothing at all.

    Raises:
        OSError: it cannot be read or removed.
    """
    if not path.exists():
        return
    wanted: dict[str, object] = {
        f"{name}_port": port
        for name in ("shell", "iopub", "stdin", "hb", "control")
        if (port := getattr(settings, f"{name}_port"))
    }
    wanted["ip"] = ip
    try:
        said = json.loads(path.read_text())
        # Without a key anybody could connect.
        fits = bool(said["key"]) and all(said[name] == value for name, value in wanted.items())
    except (ValueError, TypeError, KeyError):
        fits = False
    if not fits:
        LOG.warning("The connection file %s is outdated or broken: a new one is made", path)
        path.unlink()
