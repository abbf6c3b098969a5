"""A C soft IOC of `peers/`, on a port of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_beamline import free_ports, wait_for
from process import running

START_LIMIT = 90.0
PEERS = Path(__file__).parent / "peers"


@contextmanager
def soft_ioc(
    script: str, arguments: list[object], log: Path, common: dict[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """The IOC, and the environment that finds it; `common` is for both."""
    (port,) = free_ports(1)
    shared = common or {}
    variables = {
        "EPICS_CA_SERVER_PORT": str(port),
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
    }
    command = [sys.executable, str(PEERS / script), *map(str, arguments)]
    with running(command, log, variables | shared):
        wait_for(f"{script} serves", lambda: "serving" in log.read_text(), START_LIMIT)
        yield shared | {
            "EPICS_CA_ADDR_LIST": f"127.0.0.1:{port}",
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
        }
