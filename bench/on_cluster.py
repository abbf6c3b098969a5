"""A beamline on a Kubernetes, measured: see docs/speed.md. `make bench-cluster` starts one.

With KUBECONFIG and BEAMLINE_E2E_CLUSTER=1 it runs on that one, which has to have the image of
`cluster.IMAGE`, and on which the release `bench` and the operator are installed and removed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

# A beamline is installed as the scenarios do it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e" / "on_cluster"))

from cluster import IMAGE, ROOT, Cluster, Refused, wait_for
from comparison import begin
from kubernetes_api import Kubernetes
from release import PORTS, Release, device, open_environment
from spread import Spread

SYSTEM = "beamline-system"
NAMESPACE = "bench"
# Pods of the registry and of direct control: a device has to be visible in all of them.
REPLICAS = 2
# Devices that are applied one after the other for the time until they are visible.
SAMPLES = 40
OPERATIONS = 50
FAILOVERS = 5
WRITERS = 16
# Seconds over which an idle operator is watched.
IDLE = 30
# Seconds after which the kubelet has measured again.
KUBELET_PERIOD = 15


def main() -> int:
    arguments = parse()
    if os.environ.get("BEAMLINE_E2E_CLUSTER") != "1" or "KUBECONFIG" not in os.environ:
        print("KUBECONFIG must name a cluster, and BEAMLINE_E2E_CLUSTER=1 let it be changed")
        return 1
    _, about = begin(arguments.json)
    cluster = Cluster(Path(os.environ["KUBECONFIG"]))
    figures: dict[str, object] = {}

    def report(name: str, value: object) -> None:
        figures[name] = value.as_json() if isinstance(value, Spread) else value
        print(f"{name}: {value}", flush=True)
        text = json.dumps({"machine": about, "figures": figures}, indent=2)
        arguments.json.write_text(text + "\n")

    with ExitStack() as stack:
        kubernetes = stack.enter_context(Kubernetes.of(cluster.kubeconfig))
        release = stack.enter_context(installed(cluster, report))
        queue_operations(release, kubernetes, report)
        failovers(release, kubernetes, report)
        devices(release, kubernetes, arguments.devices, report)
    print(f"written: {arguments.json}")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=10_000, help="devices in the end")
    parser.add_argument("--json", type=Path, default=Path("target/bench-cluster.json"))
    return parser.parse_args()


Report = Callable[[str, object], None]


@contextmanager
def installed(cluster: Cluster, report: Report) -> Iterator[Release]:
    """From nothing to a beamline that is ready, with a standby of everything."""
    cluster.helm("upgrade", "--install", "beamline-crds", str(ROOT / "helm/beamline-crds"))
    chart = str(ROOT / "helm/beamline-operator")
    place = (f"--namespace={SYSTEM}", "--create-namespace", "--wait")
    release = Release(cluster, NAMESPACE, NAMESPACE)
    try:
        start = time.perf_counter()
        cluster.helm("upgrade", "--install", "operator", chart, *place, values={"image": IMAGE})
        report("helm install of the operator until it is ready, s", since(start))
        start = time.perf_counter()
        release.install(
            registry={"replicas": REPLICAS},
            control={"replicas": REPLICAS, "readOnly": False},
            queue={"replicas": 2},
        )
        report("helm install of a beamline until Ready, s", since(start))
        yield release
    finally:
        release.remove()
        cluster.helm("uninstall", "operator", f"--namespace={SYSTEM}", "--wait")


def queue_operations(release: Release, kubernetes: Kubernetes, report: Report) -> None:
    """Writes to the API for each operation of a user, those to the status included."""
    release.kubectl("apply", f"--filename={ROOT / 'examples' / 'sim-devices'}")
    plan = {"item": {"item_type": "plan", "name": "count", "args": [["random_walk"]]}}
    with release.part("queue") as queue:

        def ask(path: str, body: dict[str, object]) -> None:
            answer = queue.post(f"/api/queue/item/{path}", json=body).json()
            if not answer["success"]:
                raise Refused(f"{path}: {answer['msg']}")

        # Which plans there are is known once an environment was opened.
        open_environment(queue)
        operations: dict[str, Callable[[], None]] = {
            "add": lambda: ask("add", plan),
            "move": lambda: ask("move", {"pos": "back", "pos_dest": "front"}),
            "remove": lambda: ask("remove", {"pos": "back"}),
        }
        for name, operation in operations.items():
            before, times = kubernetes.writes(), []
            for _ in range(OPERATIONS):
                start = time.perf_counter()
                operation()
                times.append(since(start) * 1e3)
            # What is written afterwards belongs to the operations as well.
            time.sleep(3)
            written = kubernetes.writes() - before
            each = {kind: round(count / OPERATIONS, 2) for kind, count in written.items()}
            report(f"API writes per queue_item_{name}", each)
            report(f"queue_item_{name} over HTTP, ms", Spread(times))


def failovers(release: Release, kubernetes: Kubernetes, report: Report) -> None:
    """From the end of the leading queue pod until another one leads."""
    for how, grace in (("asked to end", "60"), ("deleted by force", "0")):
        times = []
        for _ in range(FAILOVERS):
            wait_for(
                "two queue pods are ready",
                lambda: len([pod for pod in release.pods("queue") if is_ready(pod)]) == 2,
            )
            leader = wait_for("one leads", lambda: kubernetes.leader(NAMESPACE))
            start = time.perf_counter()
            words = ["--force"] if grace == "0" else []
            release.kubectl(
                "delete", "pod", str(leader), f"--grace-period={grace}", "--wait=false", *words
            )
            wait_for(
                "another leads",
                lambda leader=leader: kubernetes.leader(NAMESPACE) not in (None, "", leader),
                90,
            )
            times.append(since(start))
        report(f"failover of the queue, leader {how}, s", Spread(times))


def is_ready(pod: dict[str, object]) -> bool:
    status: dict[str, list[dict[str, str]]] = pod["status"]  # type: ignore[assignment]
    conditions = {one["type"]: one["status"] for one in status.get("conditions", [])}
    ending = "deletionTimestamp" in pod["metadata"]  # type: ignore[operator]
    return conditions.get("Ready") == "True" and not ending


def devices(release: Release, kubernetes: Kubernetes, most: int, report: Report) -> None:
    """Devices applied one by one and by the thousand."""
    with ExitStack() as stack:
        looks = [
            stack.enter_context(look(release, part, str(pod["metadata"]["name"])))  # type: ignore[index]
            for part in ("registry", "control")
            for pod in release.pods(part)
        ]
        made = 0
        for count in (100, most):
            fill(kubernetes, made, count, report)
            made = count
            times = []
            for number in range(SAMPLES):
                name = f"seen-{count}-{number}"
                start = time.perf_counter()
                kubernetes.create(NAMESPACE, "devices", device(name, f"NONE:{name}"))
                for sees in looks:
                    while not sees(name):
                        time.sleep(0.001)
                times.append(since(start) * 1e3)
            what = f"Device applied until visible in {len(looks)} pods, {count} devices, ms"
            report(what, Spread(times))
            made += SAMPLES
    time.sleep(5)
    before = kubernetes.usage(SYSTEM)
    time.sleep(IDLE)
    after = kubernetes.usage(SYSTEM)
    for pod, usage in after.items():
        cores = (usage.cpu_s - before[pod].cpu_s) / IDLE if pod in before else 0.0
        report(f"idle with {made} devices, {pod}", f"{cores:.3f} cores, {usage.memory_mib} MiB")
    for pod, usage in kubernetes.usage(NAMESPACE).items():
        report(f"memory with {made} devices, {pod}", f"{usage.memory_mib} MiB")


def fill(kubernetes: Kubernetes, made: int, count: int, report: Report) -> None:
    """Devices until there are `count`, and until each is Ready."""
    new = count - made
    before, cpu = kubernetes.writes(), used_by_operator(kubernetes)
    start = time.perf_counter()
    with ThreadPoolExecutor(WRITERS) as pool:

        def create(number: int) -> None:
            kubernetes.create(NAMESPACE, "devices", device(f"d{number}", f"NONE:d{number}"))

        list(pool.map(create, range(made, count)))
    report(f"{new} devices created by {WRITERS} writers, s", since(start))
    while kubernetes.ready(NAMESPACE) < count:
        # Looking costs the API server more than what is looked at.
        time.sleep(1)
    report(f"{new} devices until each is Ready, s", since(start))
    written = {kind: n for kind, n in (kubernetes.writes() - before).items() if "device" in kind}
    report(f"API writes for {new} devices", written)
    time.sleep(KUBELET_PERIOD)
    used = used_by_operator(kubernetes) - cpu
    report(f"operator, CPU for {new} devices, s", round(used, 2))


def used_by_operator(kubernetes: Kubernetes) -> float:
    """Seconds of CPU."""
    return sum(one.cpu_s for one in kubernetes.usage(SYSTEM).values())


@contextmanager
def look(release: Release, part: str, pod: str) -> Iterator[Callable[[str], bool]]:
    """Whether a pod knows a device of that name."""
    with (
        release.cluster.forward(release.namespace, f"pod/{pod}", PORTS[part]) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):

        def registry(name: str) -> bool:
            return client.get(f"/api/v1/devices/{name}").status_code == 200

        def control(name: str) -> bool:
            answer = client.post("/api/v1/devices/resolve", json={"addresses": [name]})
            return answer.json()["resolved"][0]["outcome"] != "device_not_found"

        yield registry if part == "registry" else control


def since(start: float) -> float:
    return round(time.perf_counter() - start, 3)


if __name__ == "__main__":
    sys.exit(main())
