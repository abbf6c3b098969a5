"""What a worker is started with: flags, and the environment under the same names."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SOURCES = ("startup_dir", "startup_module", "startup_script", "startup_profile")


class SettingsError(ValueError):
    """Settings that contradict each other, or that are missing."""


@dataclass(frozen=True)
class KernelSettings:
    """The IPython kernel in which the profile is opened. A port of 0 is any free one."""

    ip: str = "localhost"
    matplotlib: str = "agg"
    connection_file: str | None = None
    connection_dir: str | None = None
    shell_port: int = 0
    iopub_port: int = 0
    stdin_port: int = 0
    hb_port: int = 0
    control_port: int = 0


@dataclass(frozen=True)
class ProfileSettings:
    """Where plans and devices come from; one source at most.

    Without any it is the simulated profile of bluesky-queueserver.
    """

    startup_dir: str | None = None
    startup_module: str | None = None
    startup_script: str | None = None
    startup_profile: str | None = None
    ipython_dir: str | None = None
    ignore_invalid_plans: bool = False
    device_max_depth: int = 0
    registry_devices: bool = False

    def __post_init__(self) -> None:
        given = [f"--{name.replace('_', '-')}" for name in SOURCES if getattr(self, name)]
        if len(given) > 1:
            raise SettingsError(f"{' and '.join(given)} exclude each other")


@dataclass(frozen=True)
class Settings:
    """Settings of one worker."""

    connect_to: str
    token: str = field(repr=False)
    runs_dir: Path
    epoch: int = 0
    documents_address: str | None = None
    api_server: str | None = None
    namespace: str = "default"
    echo: bool = True
    suspenders: str = "[]"
    profile: ProfileSettings = field(default_factory=ProfileSettings)
    # None for plain Python.
    kernel: KernelSettings | None = None


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings that a command line and an environment make; the command line wins.

    Raises:
        SettingsError: with a sentence for the user.
    """
    given = _parser(environment).parse_args(arguments)
    for name in ("connect_to", "token", "runs_dir"):
        if not getattr(given, name):
            raise SettingsError(f"{_variable(name)} is missing")
    return Settings(
        connect_to=given.connect_to,
        token=given.token,
        runs_dir=Path(given.runs_dir),
        epoch=given.epoch,
        documents_address=given.documents_address,
        api_server=given.api_server,
        namespace=given.namespace,
        echo=_is_on(given.echo),
        suspenders=given.suspenders,
        profile=ProfileSettings(
            startup_dir=given.startup_dir,
            startup_module=given.startup_module,
            startup_script=given.startup_script,
            startup_profile=given.startup_profile,
            ipython_dir=given.ipython_dir,
            ignore_invalid_plans=_is_on(given.ignore_invalid_plans),
            registry_devices=_is_on(given.registry_devices),
            device_max_depth=given.device_max_depth,
        ),
        kernel=_kernel(given) if _is_on(given.ipython_kernel) else None,
    )


def _kernel(given: argparse.Namespace) -> KernelSettings:
    return KernelSettings(
        ip=given.ipython_kernel_ip,
        matplotlib=given.ipython_matplotlib,
        connection_file=given.ipython_connection_file,
        connection_dir=given.ipython_connection_dir,
        shell_port=given.ipython_shell_port,
        iopub_port=given.ipython_iopub_port,
        stdin_port=given.ipython_stdin_port,
        hb_port=given.ipython_hb_port,
        control_port=given.ipython_control_port,
    )


def _is_on(word: str) -> bool:
    return word.upper() in ("ON", "TRUE", "1")


def _variable(name: str) -> str:
    return f"BEAMLINE_WORKER_{name.upper()}"


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="beamline-worker", description=__doc__)

    def option(name: str, text: str, default: str = "", variable: str = "") -> None:
        variable = variable or _variable(name)
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            default=environment.get(variable, default) or None,
            help=f"{text} [{variable}]",
        )

    option("connect_to", "WebSocket address of the queue server, such as ws://127.0.0.1:60610")
    # A command line is for all to see.
    parser.set_defaults(token=environment.get(_variable("token"), ""))
    option("runs_dir", "folder for the documents of the runs, one file a run")
    option("documents_address", "0MQ address on which documents are published")
    option("startup_dir", "folder of startup files, executed in the order of their names")
    option("startup_module", "module that is imported")
    option("startup_script", "script that is executed")
    option("startup_profile", "IPython profile whose startup folder is executed")
    option("ipython_dir", "folder of IPython's profiles", "~/.ipython")
    option("ignore_invalid_plans", "ON: leave out plans that cannot be described", "OFF")
    option(
        "registry_devices", "ON: the devices of the registry, before those of the profile", "OFF"
    )
    option("ipython_kernel", "ON: the profile is opened in an IPython kernel", "OFF")
    option("ipython_kernel_ip", "where it listens: localhost, auto or an address", "localhost")
    option("ipython_matplotlib", "backend of matplotlib in the kernel", "agg")
    option("ipython_connection_file", "file that keeps ports and key of the kernel")
    option("ipython_connection_dir", "folder of the connection file")
    option("echo", "OFF: what is printed goes to the queue server alone", "ON")
    option("suspenders", "what makes plans wait, as a JSON list", "[]")
    option("api_server", "address of the Kubernetes API", variable="BEAMLINE_API_SERVER")
    option("namespace", "namespace of the beamline", "default", variable="BEAMLINE_NAMESPACE")
    # A string as default goes through `type`, as if it were given.
    for name, text in (
        ("epoch", "epoch of the queue's lease; commands of an older one are refused"),
        ("device_max_depth", "how deep the components of devices are described; 0 for all"),
        *(
            (f"ipython_{name}_port", f"{name} port of the kernel; 0 for any")
            for name in ("shell", "iopub", "stdin", "hb", "control")
        ),
    ):
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=int,
            default=environment.get(_variable(name), "0"),
            help=f"{text} [{_variable(name)}]",
        )
    return parser
