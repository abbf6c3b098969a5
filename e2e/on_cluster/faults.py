"""Faults that a cluster of our own can be given: parts of it are stopped, filled up or paused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster import ROOT

E2E_CLUSTER = ROOT / ".cluster" / "bin" / "e2e-cluster"


def own_cluster() -> Path:
    """The folder of the cluster; faults are given to none that we did not start."""
    folder = os.environ.get("E2E_CLUSTER_FOLDER")
    if folder is None:
        pytest.fail("only a cluster of our own may be broken: E2E_CLUSTER_FOLDER")
    return Path(folder)


def recorded(program: str) -> dict[str, object]:
    """What is known of a program of the cluster."""
    return json.loads((own_cluster() / "processes" / f"{program}.json").read_text())


@contextmanager
def api_server_down() -> Iterator[None]:
    """The API server is killed, and started again afterwards."""
    folder = own_cluster()
    os.kill(int(str(recorded("kube-apiserver")["Pid"])), signal.SIGKILL)
    try:
        yield
    finally:
        words = [str(E2E_CLUSTER), "start", f"--folder={folder}", "kube-apiserver"]
        subprocess.run(words, check=True, timeout=60)


@contextmanager
def store_full() -> Iterator[None]:
    """etcd takes no more writes, as when its quota is used up: it raises the same alarm."""
    command: list[str] = recorded("etcd")["Program"]["Command"]  # type: ignore[index]
    (url,) = (
        word.partition("=")[2] for word in command if word.startswith("--listen-client-urls=")
    )

    def alarm(action: str) -> None:
        words = ["run", f"--folder={own_cluster()}", "--", "curl", "--fail", "--silent"]
        body = json.dumps({"action": action, "memberID": "0", "alarm": "NOSPACE"})
        subprocess.run(
            [str(E2E_CLUSTER), *words, "--data", body, f"{url}/v3/maintenance/alarm"],
            check=True,
            timeout=30,
            capture_output=True,
        )

    alarm("ACTIVATE")
    try:
        yield
    finally:
        alarm("DEACTIVATE")


@contextmanager
def paused(pod: str) -> Iterator[None]:
    """The program of a pod stands still, as on a machine that swaps or is being migrated."""
    own_cluster()
    (process,) = processes_of(pod)
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def processes_of(pod: str) -> list[int]:
    """Processes of our executable that were told that name of their pod."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"BEAMLINE_POD_NAME={pod}".encode() in variables:
            found.append(int(folder.name))
    return found
