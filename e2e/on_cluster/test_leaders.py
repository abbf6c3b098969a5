"""One leads, others stand by: queue servers of a beamline, operators of a cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cluster import IMAGE, ROOT, Cluster, wait_for
from conftest import SYSTEM
from faults import paused
from release import Release, ends, open_environment, run_queue


def holder(cluster: Cluster, namespace: str, lease: str) -> str:
    """Who holds a lease."""
    found = cluster.get("--namespace", namespace, "lease", lease)
    return str(found["spec"].get("holderIdentity") or "")  # type: ignore[attr-defined]


@pytest.fixture
def two_queue_servers(bl01: Release) -> Iterator[Release]:
    """The shared beamline with a standby of its queue server."""
    bl01.upgrade(queue={"replicas": 2})
    bl01.kubectl("wait", f"beamline/{bl01.name}", "--for=condition=Ready", "--timeout=120s")
    wait_for("there are two", lambda: len(bl01.lives_of("queue")) == 2, 120)
    bl01.kubectl("apply", f"--filename={ROOT / 'examples' / 'sim-devices'}")
    yield bl01


def test_a_queue_server_that_slept_past_its_lease_wakes_up_as_nobody(
    two_queue_servers: Release,
) -> None:
    one = two_queue_servers
    with one.part("queue") as client:
        open_environment(client)
        items = [one.plan("sleep", 25.0), one.plan("count", ["random_walk"])]
        run_queue(client, 2)
    first = holder(one.cluster, one.namespace, "queue-main")
    with paused(first):
        wait_for(
            "the standby leads",
            lambda: holder(one.cluster, one.namespace, "queue-main") not in ("", first),
            90,
        )
        second = holder(one.cluster, one.namespace, "queue-main")
    # The plan went on in its worker, which now answers to the second; the first has woken up.
    for item in items:
        one.completes(item, 120)
    assert holder(one.cluster, one.namespace, "queue-main") == second
    with one.part("queue") as client:
        assert sorted(ends(client).values()) == ["completed", "completed"], "nothing ran twice"
        assert client.post("/api/environment/close").json()["success"]
    wait_for("the worker pod is gone", lambda: not one.pods("worker"), 90)


def test_another_operator_takes_over_and_puts_right_what_was_changed(
    operator: Cluster, bl01: Release
) -> None:
    chart = str(ROOT / "helm" / "beamline-operator")
    place = ("beamline-operator", chart, f"--namespace={SYSTEM}", "--wait")
    operator.helm("upgrade", *place, values={"image": IMAGE, "replicas": 2})
    try:
        first = holder(operator, SYSTEM, "beamline-operator")
        operator.kubectl(
            "--namespace", SYSTEM, "delete", "pod", first, "--grace-period=0", "--force"
        )
        wait_for(
            "the standby leads",
            lambda: holder(operator, SYSTEM, "beamline-operator") not in ("", first),
            90,
        )
        lives = bl01.lives()
        bl01.kubectl("scale", f"deployment/{bl01.name}-registry", "--replicas=0")
        wait_for("it is put right", lambda: len(bl01.lives_of("registry")) == 1, 90)
        assert len(lives & bl01.lives()) == len(lives) - 1, "nothing else was touched"
    finally:
        operator.helm("upgrade", *place, values={"image": IMAGE, "replicas": 1})


def test_an_operator_of_one_namespace_works_there_and_nowhere_else(operator: Cluster) -> None:
    chart = str(ROOT / "helm" / "beamline-operator")
    release = Release(operator, "alone", "alone")
    place = ("alone-operator", chart, "--namespace=alone", "--create-namespace", "--wait")
    try:
        operator.helm("install", *place, values={"image": IMAGE, "namespaced": True})
        made = operator.helm("get", "manifest", "alone-operator", "--namespace=alone")
        assert "kind: ClusterRole" not in made
        # The operator of the whole cluster, which runs too, leaves this one to it.
        release.install(annotations={"beamline.dev/operator": "alone"})
        assert release.lives_of("queue")
        beamline = operator.get("--namespace=alone", "beamline", "alone")
        assert beamline["status"]["operator"] == "alone"  # type: ignore[index]
    finally:
        release.remove()
