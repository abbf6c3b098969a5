"""The cluster itself in trouble: its store full, its node emptied, our definitions put in again."""

from __future__ import annotations

import httpx
import pytest
from cluster import ROOT, Cluster, wait_for
from faults import store_full
from release import Release, device, open_environment, run_queue, start_queue


def test_a_full_store_refuses_new_items_and_lets_the_running_plan_end(environment: Release) -> None:
    one = environment
    item = one.plan("sleep", 8.0)
    plan = {"item_type": "plan", "name": "count", "args": [["random_walk"]]}
    with one.part("queue") as client:
        run_queue(client, 1)
        with store_full():
            refused = client.post("/api/queue/item/add", json={"item": plan}).json()
            assert not refused["success"], refused
            assert "could not be stored" in refused["msg"], refused
            assert client.get("/api/status").json()["items_in_queue"] == 0
        one.completes(item)
        added = client.post("/api/queue/item/add", json={"item": plan}).json()
        assert added["success"], added
        assert len(client.get("/api/queue/get").json()["items"]) == 1, (
            "what was refused is not there"
        )


def test_definitions_that_are_put_in_again_disturb_nothing(environment: Release) -> None:
    one = environment
    item = one.plan("sleep", 6.0)
    with one.part("queue") as client:
        start_queue(client, 1)
        lives = one.lives()
        chart = str(ROOT / "helm" / "beamline-crds")
        one.cluster.helm("uninstall", "beamline-crds", "--wait")
        one.cluster.helm("install", "beamline-crds", chart, "--wait", "--take-ownership")
        one.completes(item)
    # A kind that was gone for a moment, with all its objects, comes back with those that are ours.
    one.cluster.kubectl("delete", "crd", "deviceclasses.beamline.dev", "--timeout=60s")
    one.cluster.helm("upgrade", "beamline-crds", chart, "--wait")
    wait_for("the classes are there again", lambda: classes(one) > 0, 120)
    one.apply(device("after", "sim:mtr2"))
    one.kubectl("wait", "device/after", "--for=condition=Ready", "--timeout=90s")
    one.kubectl("delete", "device", "after")
    assert one.lives() == lives


def classes(release: Release) -> int:
    # By its full name: Kubernetes has a kind of the same name for devices of nodes.
    return len(release.find("deviceclasses.beamline.dev"))


@pytest.fixture
def node(cluster: Cluster) -> str:
    """The only node there is."""
    (one,) = cluster.find("nodes")
    return one["metadata"]["name"]  # type: ignore[index]


def test_a_node_drained_while_a_plan_moves_a_motor_leaves_it_at_rest(
    environment: Release, node: str
) -> None:
    one = environment
    with one.part("control") as control:
        wait_for("the motor is there", lambda: moving(control) is not None)
    item = one.plan("scan", ["random_walk"], "motor1", 0, 10, num=101)
    with one.part("queue") as client:
        run_queue(client, 1)
    try:
        (worker,) = one.pods("worker")
        words = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=150s")
        selector = f"--pod-selector=beamline.dev/role=leader,app.kubernetes.io/instance={one.name}"
        # The worker goes first, then its queue server: so both have something to do.
        one.kubectl("delete", "pod", worker["metadata"]["name"], "--timeout=60s")  # type: ignore[index]
        with one.part("control") as control:
            wait_for("the motor rests", lambda: moving(control) is False)
        one.cluster.kubectl("drain", node, *words, selector, limit=180)
    finally:
        one.cluster.kubectl("uncordon", node)
    one.kubectl("wait", f"beamline/{one.name}", "--for=condition=Ready", "--timeout=120s")
    ended = one.finished(item, 60)
    assert ended["status"]["result"]["exit_status"] != "completed", ended  # type: ignore[index]
    with one.part("queue") as client:
        (again,) = client.get("/api/queue/get").json()["items"]
        assert again["name"] == "scan", "it waits at the front to be looked at"
        open_environment(client)


def moving(control: httpx.Client) -> bool | None:
    """Whether the first simulated motor moves; `None` while that cannot be read."""
    value = control.get("/api/v1/pv/sim:mtr1.DMOV/value").json().get("value")
    return None if value is None else not value
