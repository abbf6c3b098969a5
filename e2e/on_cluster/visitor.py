"""A pod that knocks at doors: what reaches what over the network of the pods."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from cluster import IMAGE, Cluster, wait_for
from faults import own_cluster, processes_of

# Address, port and protocol.
Door = tuple[str, int, str]

# A search for a PV, as clients of Channel Access send it: who does not answer was not reached.
KNOCK = """
import json, socket, struct, sys

SEARCH = struct.pack(">HHHHII", 0, 0, 0, 13, 0, 0)
SEARCH += struct.pack(">HHHHII", 6, 16, 10, 13, 1, 1) + b"mini:current".ljust(16, b"\\0")

def opens(address, port, protocol):
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    with socket.socket(type=kind) as one:
        one.settimeout(5)
        try:
            one.connect((address, port))
            if protocol == "UDP":
                one.send(SEARCH)
                one.recv(1000)
        except OSError:
            return False
        return True

json.dump([door for door in json.load(sys.stdin) if opens(*door)], sys.stdout)
"""


@dataclass(frozen=True)
class Visitor:
    """A pod in a namespace that is no part of a beamline; it runs a simulated IOC."""

    process: int
    address: str

    def reaches(self, *doors: Door) -> set[Door]:
        """Those that open."""
        done = subprocess.run(
            ["nsenter", f"--net=/proc/{self.process}/ns/net", sys.executable, "-c", KNOCK],
            input=json.dumps(doors),
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return {(address, port, protocol) for address, port, protocol in json.loads(done.stdout)}


def visitor(cluster: Cluster, namespace: str) -> Visitor:
    """A visitor from a namespace, which stays until that is deleted."""
    own_cluster()
    name = f"visitor-of-{namespace}"
    container = {
        "name": "visitor",
        "image": f"{IMAGE['repository']}:{IMAGE['tag']}",
        "args": ["sim-ioc", "--host", "0.0.0.0"],
        "env": [{"name": "BEAMLINE_POD_NAME", "value": name}],
    }
    spec = {"containers": [container], "automountServiceAccountToken": False}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    cluster.apply(namespace, pod)
    ready = (f"pod/{name}", f"--namespace={namespace}", "--for=condition=Ready")
    cluster.kubectl("wait", *ready, "--timeout=60s")
    wait_for("its process runs", lambda: processes_of(name))
    (process,) = processes_of(name)
    status = cluster.get("pod", name, f"--namespace={namespace}")["status"]
    return Visitor(process, status["podIP"])  # type: ignore[index]
