"""Services that read and set PVs over HTTP, and how fast they answer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from local_beamline import Beamline, free_ports, wait_for
from process import running

PV = "mini:current"
# Set in turn: two puts with completion of one PV wait for each other.
SET = [f"mini:{place}:exp" for place in ("dot", "ph", "edge", "slit")]
CONNECTIONS = 16
SECONDS = 3
START_LIMIT = 90.0
SETS = Path(__file__).parent / "sets.lua"
STAND_IN = Path(__file__).parent / "peers" / "pv_service.py"


@dataclass
class PvService:
    """A service with ophyd-service's routes."""

    name: str
    url: str

    def path(self, monitored: bool) -> str:
        return f"{self.url}/api/v1/{'pvs' if monitored else 'pv'}/{PV}/value"

    def is_up(self) -> bool:
        return all(httpx.get(self.path(m), timeout=10).is_success for m in (False, True))

    def reads_per_second(self, monitored: bool) -> float:
        """As many as CONNECTIONS clients of `wrk` get, each of which waits for its answer."""
        return self._load([self.path(monitored)])

    def sets_per_second(self) -> float:
        """The same for puts that wait for the IOC."""
        return self._load(["-s", str(SETS), self.url, "--", *SET])

    def _load(self, work: list[str]) -> float:
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", *work]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        found = re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)
        if found is None or "Non-2xx" in done.stdout:
            raise RuntimeError(f"{command} said: {done.stdout}")
        return float(found[1])


@contextmanager
def python_pv_service(
    beamline: Beamline, folder: Path, direct_control: Path | None
) -> Iterator[PvService]:
    """ophyd-service's direct control if its executable is given, else what stands in for it."""
    (port,) = free_ports(1)
    variables = {
        name: value
        for name, value in beamline.channel_access().items()
        if name.startswith("EPICS_")
    }
    if direct_control is None:
        command = [sys.executable, str(STAND_IN), str(port)]
        name = "FastAPI + pyepics, bare"
    else:
        registry = folder / "registry.json"
        registry.write_text(json.dumps({"standalone_pvs": [PV, *SET]}))
        command = [str(direct_control), "--host=127.0.0.1", f"--port={port}"]
        variables |= {
            "DIRECT_CONTROL_GLOBAL_READ_ONLY": "false",
            "DIRECT_CONTROL_REGISTRY_BACKEND": "file",
            "DIRECT_CONTROL_REGISTRY_FILE_PATH": str(registry),
        }
        name = "ophyd-service direct control"
    with running(command, folder / "pv-service.log", variables):
        service = PvService(name, f"http://127.0.0.1:{port}")
        wait_for(name, service.is_up, START_LIMIT)
        yield service
