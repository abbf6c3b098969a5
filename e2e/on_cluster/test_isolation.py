"""Two beamlines on one cluster: what one may do ends at its namespace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cluster import Refused, wait_for
from release import Release, device


@pytest.fixture(scope="module")
def bl02(bl01: Release) -> Iterator[Release]:
    """A second beamline beside the shared one."""
    release = Release(bl01.cluster, "bl02", "bl02")
    try:
        yield release.install()
    finally:
        release.remove()


def may(release: Release, part: str, verb: str, resource: str, namespace: str) -> bool:
    """Whether the account of a part of a beamline is allowed to do something in a namespace."""
    account = f"system:serviceaccount:{release.namespace}:{release.name}-{part}"
    words = ("auth", "can-i", verb, resource, f"--as={account}", f"--namespace={namespace}")
    try:
        return release.cluster.kubectl(*words).strip() == "yes"
    except Refused as error:
        assert "no" in str(error), error
        return False


def test_every_part_may_do_its_own_work_and_no_more(bl01: Release, bl02: Release) -> None:
    own, other = bl01.namespace, bl02.namespace
    assert may(bl01, "registry", "create", "devices.beamline.dev", own)
    assert may(bl01, "control", "watch", "devices.beamline.dev", own)
    assert may(bl01, "queue", "create", "queueitems.beamline.dev", own)
    assert may(bl01, "queue", "update", "leases.coordination.k8s.io", own)
    for part in ("registry", "control", "queue", "worker"):
        for resource in ("devices.beamline.dev", "queueitems.beamline.dev", "secrets", "pods"):
            assert not may(bl01, part, "list", resource, other), (part, resource)
        assert not may(bl01, part, "create", "pods", own), part
        assert not may(bl01, part, "create", "deployments.apps", own), part
        assert not may(bl01, part, "create", "rolebindings.rbac.authorization.k8s.io", own), part
        assert not may(bl01, part, "list", "nodes", own), part
    assert not may(bl01, "control", "delete", "devices.beamline.dev", own)
    assert not may(bl01, "sim-ioc", "get", "devices.beamline.dev", own)


def test_a_device_of_one_beamline_is_unknown_to_the_other(bl01: Release, bl02: Release) -> None:
    bl01.apply(device("only-here", "sim:mtr1"))
    known = "/api/v1/devices/only-here"
    with bl01.part("registry") as mine, bl02.part("registry") as theirs:
        wait_for("the registry has it", lambda: mine.get(known).status_code == 200)
        assert theirs.get(known).status_code == 404
    bl01.kubectl("delete", "device", "only-here")


def test_one_beamline_is_removed_and_the_other_runs_on(bl01: Release, bl02: Release) -> None:
    before = bl01.lives()
    bl02.remove()
    assert bl01.lives() == before
    with bl01.part("queue") as queue:
        assert queue.get("/ready").status_code == 200
