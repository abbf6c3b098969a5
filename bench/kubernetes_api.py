"""The Kubernetes API as the bench uses it, and what that tells of itself."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

OURS = "/apis/beamline.dev/v1alpha1"
WRITES = ("POST", "PUT", "PATCH", "APPLY", "DELETE")


@dataclass
class Usage:
    """What a pod has used."""

    cpu_s: float
    memory_mib: int


@dataclass
class Kubernetes:
    """The API behind `kubectl proxy`."""

    client: httpx.Client

    @classmethod
    @contextmanager
    def of(cls, kubeconfig: Path) -> Iterator[Kubernetes]:
        proxy = subprocess.Popen(
            ["kubectl", f"--kubeconfig={kubeconfig}", "proxy", "--port=0"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert proxy.stdout is not None
            address = proxy.stdout.readline().strip().rpartition(" ")[2]
            with httpx.Client(base_url=f"http://{address}", timeout=60) as client:
                yield cls(client)
        finally:
            proxy.kill()
            proxy.wait(10)

    def get(self, path: str, **parameters: str) -> httpx.Response:
        return self.client.get(path, params=parameters).raise_for_status()

    def create(self, namespace: str, kind: str, manifest: dict[str, object]) -> None:
        path = f"{OURS}/namespaces/{namespace}/{kind}"
        self.client.post(path, json=manifest).raise_for_status()

    def ready(self, namespace: str) -> int:
        """Devices that are Ready."""
        devices = self.get(f"{OURS}/namespaces/{namespace}/devices").json()["items"]
        conditions = (one.get("status", {}).get("conditions", []) for one in devices)
        is_ready = (
            any(one["type"] == "Ready" and one["status"] == "True" for one in all_of)
            for all_of in conditions
        )
        return sum(is_ready)

    def leader(self, namespace: str) -> str | None:
        """Name of the queue pod that leads."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        for lease in self.get(path).json()["items"]:
            if lease["metadata"]["name"].startswith("queue-"):
                return lease["spec"].get("holderIdentity")
        return None

    def writes(self) -> Counter[str]:
        """Writes to our kinds so far, as the API server counts them."""
        counts: Counter[str] = Counter()
        for line in self.get("/metrics").text.splitlines():
            if not line.startswith("apiserver_request_total{"):
                continue
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            if labels.get("group") == "beamline.dev" and labels["verb"] in WRITES:
                kind = "/".join(filter(None, (labels["resource"], labels["subresource"])))
                counts[f"{labels['verb']} {kind}"] += int(float(line.rpartition(" ")[2]))
        return counts

    def usage(self, namespace: str) -> dict[str, Usage]:
        """What each pod of a namespace has used, as its kubelet says."""
        found = {}
        for node in self.get("/api/v1/nodes").json()["items"]:
            name = node["metadata"]["name"]
            summary = self.get(f"/api/v1/nodes/{name}/proxy/stats/summary").json()
            for pod in summary["pods"]:
                if pod["podRef"]["namespace"] == namespace:
                    cpu, memory = pod.get("cpu", {}), pod.get("memory", {})
                    found[pod["podRef"]["name"]] = Usage(
                        cpu.get("usageCoreNanoSeconds", 0) / 1e9,
                        memory.get("workingSetBytes", 0) // 2**20,
                    )
        return found
