"""The parts of a beamline, wherever it runs: on this machine or on a cluster."""

from __future__ import annotations

import os
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
# Settings that would point elsewhere.
OURS = ("EPICS_", "QSERVER_", "CONFIG_", "DIRECT_CONTROL_", "OAS_", "ZMQ_", "BEAMLINE_")


def executable() -> str:
    path = os.environ.get("BEAMLINE", str(ROOT / "target" / "debug" / "beamline"))
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"{path} is missing: run `make build`, or name the executable in BEAMLINE"
        )
    return path


def environment() -> dict[str, str]:
    """Ours without what would point elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


class Parts(ABC):
    """What tests ask of a beamline without knowing where it runs."""

    @abstractmethod
    def url(self, part: str) -> str:
        """Where `registry`, `control` or `queue` answers."""

    @abstractmethod
    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """What one kubectl command on its objects prints."""

    def places(self) -> dict[str, str]:
        """Environment in which the `beamline` command finds it."""
        parts = ("queue", "control", "registry")
        # Nobody's own cluster is asked.
        own = {"KUBECONFIG": os.devnull}
        return own | {f"BEAMLINE_{part.upper()}_URL": self.url(part) for part in parts}

    def call(self, *words: str, program: str = "") -> subprocess.CompletedProcess[str]:
        """One `beamline` command against this beamline, however it ends."""
        return subprocess.run(
            [program or executable(), *words],
            env=environment() | self.places(),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def run(self, *words: str, check: bool = True) -> str:
        """What one `beamline` command prints."""
        done = self.call(*words)
        if check and done.returncode != 0:
            raise AssertionError(f"{words} ended with {done.returncode}: {done.stderr}")
        return done.stdout if check else done.stdout + done.stderr

    def get(self, part: str, path: str) -> httpx.Response:
        return httpx.get(self.url(part) + path, timeout=30)

    def post(self, part: str, path: str, body: object = None) -> httpx.Response:
        return httpx.post(self.url(part) + path, json=body, timeout=60)

    def status(self) -> dict[str, object]:
        return self.get("queue", "/api/status").json()
