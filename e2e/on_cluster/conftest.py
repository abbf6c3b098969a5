"""Scenarios on a real Kubernetes. `make scenarios` starts one.

With KUBECONFIG and BEAMLINE_E2E_CLUSTER=1 they run on that one, which has to have the image of
`cluster.IMAGE`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import IMAGE, ROOT, Cluster, wait_for
from release import Release, idle, open_environment

SYSTEM = "beamline-system"
DUMPS = Path(os.environ.get("DUMPS", str(ROOT / ".cluster" / "dumps")))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and cluster is not None:
        folder = DUMPS / re.sub(r"\W+", "-", f"{item.name}-{report.when}")
        cluster.dump(folder)
        report.sections.append(("the cluster", f"pods, logs and objects are in {folder}"))
    return report


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """A cluster with our definitions; nothing else of ours is there."""
    if os.environ.get("BEAMLINE_E2E_CLUSTER") != "1" or "KUBECONFIG" not in os.environ:
        pytest.fail(
            "KUBECONFIG must name a cluster, and BEAMLINE_E2E_CLUSTER=1 let these tests change it"
        )
    one = Cluster(Path(os.environ["KUBECONFIG"]))
    one.helm(
        "upgrade", "--install", "beamline-crds", str(ROOT / "helm" / "beamline-crds"), "--wait"
    )
    return one


@pytest.fixture(scope="session")
def operator(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with an operator for all namespaces."""
    chart = str(ROOT / "helm" / "beamline-operator")
    place = (f"--namespace={SYSTEM}", "--create-namespace", "--wait")
    cluster.helm(
        "upgrade", "--install", "beamline-operator", chart, *place, values={"image": IMAGE}
    )
    yield cluster
    cluster.helm("uninstall", "beamline-operator", f"--namespace={SYSTEM}", "--wait")


@pytest.fixture(scope="module")
def bl01(operator: Cluster) -> Iterator[Release]:
    """A beamline with simulated devices, which the tests of a module share."""
    release = Release(operator, "bl01", "bl01")
    try:
        yield release.install()
    finally:
        release.remove()


@pytest.fixture
def environment(bl01: Release) -> Iterator[Release]:
    """The shared beamline with simulated devices, an open environment and an empty queue."""
    bl01.kubectl("apply", f"--filename={ROOT / 'examples' / 'sim-devices'}")
    with bl01.part("queue") as client:
        open_environment(client)
    yield bl01
    with bl01.part("queue") as client:
        client.post("/api/re/abort")
        client.post("/api/environment/destroy")
        wait_for("the environment is gone", lambda: idle(client), 90)
        client.post("/api/queue/clear")
        client.post("/api/history/clear")
    wait_for("the worker pod is gone", lambda: not bl01.pods("worker"), 90)


@pytest.fixture
def own_release(operator: Cluster, request: pytest.FixtureRequest) -> Iterator[Release]:
    """A beamline for one test, not installed yet."""
    release = Release(operator, "own", f"own-{abs(hash(request.node.name)) % 10**6}")
    try:
        yield release
    finally:
        release.remove()
