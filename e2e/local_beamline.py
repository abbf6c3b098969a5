"""A beamline as a user runs it: the executable, its own state folder, ports of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from parts import ROOT, Parts, environment, executable

MINI_BEAMLINE = ROOT / "examples" / "mini-beamline"
START_LIMIT = 60.0


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; all held open until the last is known."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_for(what: str, condition: Callable[[], object], limit: float = 60.0) -> object:
    """Waits until `condition` is true; a connection that breaks off counts as not yet."""
    deadline = time.monotonic() + limit
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = condition()
        except (httpx.TransportError, OSError) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(0.05)
    raise AssertionError(f"not within {limit} s: {what}; last: {last!r}")


@dataclass
class Beamline(Parts):
    """One `beamline up`."""

    state: Path
    manifests: Path = MINI_BEAMLINE
    options: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=environment)
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def __post_init__(self) -> None:
        names = [
            "api",
            "registry",
            "control",
            "oas",
            "queue",
            "zmq_control",
            "zmq_info",
            "documents",
            "ca",
        ]
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.log = self.state.parent / f"{self.state.name}.log"

    def url(self, part: str) -> str:
        return f"http://127.0.0.1:{self.ports[part]}"

    def command(self) -> list[str]:
        ports = self.ports
        return [
            executable(),
            "up",
            f"--state={self.state}",
            f"--manifests={self.manifests}",
            f"--api-port={ports['api']}",
            f"--registry-port={ports['registry']}",
            f"--control-port={ports['control']}",
            f"--oas-port={ports['oas']}",
            f"--queue-http=127.0.0.1:{ports['queue']}",
            f"--zmq-control-addr=tcp://127.0.0.1:{ports['zmq_control']}",
            f"--zmq-info-addr=tcp://127.0.0.1:{ports['zmq_info']}",
            f"--documents-address=tcp://127.0.0.1:{ports['documents']}",
            f"--ioc-port={ports['ca']}",
            *self.options,
        ]

    def start(self) -> Beamline:
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, env=self.variables, cwd=self.state.parent
            )
        wait_for("the beamline is up", self._is_up, START_LIMIT)
        return self

    def _is_up(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"ended with {self.process.returncode}: {self.output()}")
        return self.output().count("The beamline is up.") == self.starts

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def kill(self) -> None:
        """As a power cut: no chance to tidy up."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """As Ctrl-C."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(40)

    def places(self) -> dict[str, str]:
        return super().places() | {"BEAMLINE_API_SERVER": self.url("api")}

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            ["kubectl", "--server", self.url("api"), *words],
            # Nobody's own cluster is asked.
            env=environment() | {"KUBECONFIG": os.devnull},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"kubectl {words} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def channel_access(self) -> dict[str, str]:
        """Environment in which a Python client finds the simulated IOC."""
        return environment() | {
            "EPICS_CA_ADDR_LIST": f"127.0.0.1:{self.ports['ca']}",
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
        }

    def python(self, script: str, *words: str) -> str:
        """A Python client of its own process; Channel Access libraries read their settings once."""
        done = subprocess.run(
            [sys.executable, "-c", script, *words],
            env=self.channel_access(),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def end(beamline: Beamline) -> None:
    if beamline.process is not None and beamline.process.poll() is None:
        beamline.kill()
