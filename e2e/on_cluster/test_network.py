"""Network policies, on a cluster that enforces them: who reaches the pods of a beamline."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cluster import ROOT, Cluster, wait_for
from conftest import SYSTEM
from release import Release, open_environment, start_queue
from visitor import Door, Visitor, visitor

PARTS = ("registry", "control", "queue", "sim-ioc", "worker")
# Pods of the namespace reach these, and whom `networkPolicy.from` names.
OPEN = {
    "registry": {(8004, "TCP")},
    "control": {(8003, "TCP"), (8001, "TCP")},
    "queue": {(60610, "TCP"), (60615, "TCP"), (60625, "TCP")},
    "sim-ioc": {(5064, "TCP"), (5064, "UDP")},
    "worker": set(),
}
# A worker that publishes its documents listens: only so it shows that nobody connects to it.
DOCUMENTS = 5578
WORKER = {"env": {"BEAMLINE_WORKER_DOCUMENTS_ADDRESS": f"tcp://0.0.0.0:{DOCUMENTS}"}}
STRANGERS = "strangers"
FROM_STRANGERS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": STRANGERS}}}


@pytest.fixture(scope="module")
def walled(operator: Cluster) -> Iterator[Release]:
    """A beamline with policies from the start, with devices and an open environment."""
    release = Release(operator, "walled", "walled")
    try:
        release.install(networkPolicy={"enabled": True}, queue={"worker": WORKER})
        release.kubectl("apply", f"--filename={ROOT / 'examples' / 'sim-devices'}")
        with release.part("queue") as client:
            open_environment(client)
        yield release
    finally:
        release.remove()


@pytest.fixture(scope="module")
def neighbour(walled: Release) -> Visitor:
    """A pod in the namespace of the beamline that is no part of it."""
    return visitor(walled.cluster, walled.namespace)


@pytest.fixture(scope="module")
def stranger(operator: Cluster) -> Iterator[Visitor]:
    """A pod of another namespace."""
    operator.kubectl("create", "namespace", STRANGERS)
    try:
        yield visitor(operator, STRANGERS)
    finally:
        operator.kubectl("delete", "namespace", STRANGERS, "--wait=false")


def policies(release: Release, **policy: object) -> None:
    release.upgrade(networkPolicy=policy, queue={"worker": WORKER})


def doors(release: Release) -> set[Door]:
    """Every port of the pods and the Services of a beamline that somebody listens at."""
    found = set()
    for part in PARTS:
        (pod,) = release.pods(part)
        addresses = {pod["status"]["podIP"]}  # type: ignore[index]
        if part != "worker":
            service = release.get(f"service/{release.name}-{part}")
            addresses.add(service["spec"]["clusterIP"])  # type: ignore[index]
        listening = OPEN[part] or {(DOCUMENTS, "TCP")}
        found |= {(address, *port) for address in addresses for port in listening}
    return found


def of_worker(release: Release) -> set[Door]:
    (pod,) = release.pods("worker")
    return {(pod["status"]["podIP"], DOCUMENTS, "TCP")}  # type: ignore[index]


def test_a_beamline_does_all_its_work_behind_its_policies(walled: Release) -> None:
    made = {policy["metadata"]["name"] for policy in walled.find("networkpolicies")}  # type: ignore[index]
    assert made == {f"walled-{part}" for part in PARTS}
    # A pod of the namespace asks the queue server and direct control, by their names.
    assert "Phase:          Succeeded" in walled.cluster.helm("test", "walled", "-n", "walled")
    item = walled.plan("scan", ["random_walk"], "motor1", 0, 1, num=3)
    with walled.part("queue") as queue:
        start_queue(queue, 1)
    walled.completes(item)


def test_only_neighbours_and_those_who_are_named_reach_it(
    walled: Release, neighbour: Visitor, stranger: Visitor
) -> None:
    everything = doors(walled)
    promised = everything - of_worker(walled)
    lives = walled.lives()

    def reach(what: str, expected: set[Door], by: Visitor) -> None:
        wait_for(what, lambda: by.reaches(*everything) == expected)

    reach("neighbours reach all but the worker", promised, neighbour)
    reach("strangers reach nothing", set(), stranger)
    policies(walled, enabled=True, **{"from": [FROM_STRANGERS]})
    reach("strangers that are named are like neighbours", promised, stranger)
    policies(walled, enabled=False)
    reach("without policies strangers reach everything", everything, stranger)
    policies(walled, enabled=True)
    reach("strangers reach nothing again", set(), stranger)
    assert walled.lives() == lives, "no pod is made anew for a policy"


def test_a_site_may_close_the_ways_out_but_those_that_every_pod_needs(
    walled: Release, neighbour: Visitor, stranger: Visitor
) -> None:
    api, dns = behind(walled.cluster, "kubernetes"), behind(walled.cluster, "kube-dns")
    needed = [port_of(door) for door in (api | dns)]
    outside = (stranger.address, 5064, "TCP")
    inside = doors(walled) - of_worker(walled)
    tried = {outside} | inside | {door for door in api | dns if door[2] == "TCP"}

    def close(what: str, expected: set[Door], *ways: dict[str, object]) -> None:
        spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": list(ways)}
        walled.apply(policy | {"spec": spec})
        wait_for(what, lambda: neighbour.reaches(*tried) == expected)

    metadata = {"name": "ways-out"}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata}
    assert neighbour.reaches(*tried) == tried
    close("neighbours alone are reached", inside, {"to": [{"podSelector": {}}]})
    node = [{"ipBlock": {"cidr": f"{address}/32"}} for address in {door[0] for door in api | dns}]
    ways = ({"to": [{"podSelector": {}}]}, {"to": node, "ports": needed})
    close("the API and the DNS too", tried - {outside}, *ways)
    assert "Phase:          Succeeded" in walled.cluster.helm("test", "walled", "-n", "walled")
    walled.kubectl("delete", "networkpolicy", "ways-out")


def behind(cluster: Cluster, service: str) -> set[Door]:
    """Where a Service of the cluster itself answers."""
    named = f"kubernetes.io/service-name={service}"
    return {
        (address, port["port"], port["protocol"])
        for one in cluster.find("endpointslices", "--all-namespaces", "--selector", named)
        for port in one["ports"]  # type: ignore[attr-defined]
        for endpoint in one["endpoints"]  # type: ignore[attr-defined]
        for address in endpoint["addresses"]
    }


def port_of(door: Door) -> dict[str, object]:
    return {"port": door[1], "protocol": door[2]}


def test_the_metrics_of_the_operator_are_for_those_who_are_named(
    operator: Cluster, stranger: Visitor
) -> None:
    chart = str(ROOT / "helm" / "beamline-operator")
    of_release = ("upgrade", "beamline-operator", chart, f"--namespace={SYSTEM}", "--reuse-values")
    (pod,) = operator.find("pods", f"--namespace={SYSTEM}")
    ports = pod["spec"]["containers"][0]["ports"]  # type: ignore[index]
    door = (pod["status"]["podIP"], ports[0]["containerPort"], "TCP")  # type: ignore[index]

    def reach(expected: set[Door], **policy: object) -> None:
        operator.helm(*of_release, values={"networkPolicy": policy})
        wait_for(f"strangers reach {expected}", lambda: stranger.reaches(door) == expected)

    try:
        reach({door}, enabled=False)
        reach(set(), enabled=True)
        reach({door}, enabled=True, **{"from": [FROM_STRANGERS]})
    finally:
        operator.helm(*of_release, values={"networkPolicy": {"enabled": False, "from": []}})
