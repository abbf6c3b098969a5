"""The lists of ophyd-service's exerciser scripts, asked of beamlines on a cluster.

The tests are those of `test_exercisers` and `test_coordination` (contract
registry-and-direct-control §3.2 to §3.4 and §3.7).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cluster import ROOT, Cluster, wait_for
from parts import Parts
from release import Release
from test_coordination import *  # noqa: F403
from test_coordination import begin
from test_exercisers import *  # noqa: F403


@pytest.fixture(scope="module")
def beamline(bl01: Release) -> Iterator[Parts]:
    """The shared beamline with the mini beamline."""
    devices = ROOT / "examples" / "mini-beamline" / "devices.yaml"
    bl01.kubectl("apply", f"--filename={devices}")
    with bl01.parts("registry", "control") as one:
        pv = "/api/v1/pv/mini:dot:mtrx/value"
        wait_for("direct control has them", lambda: one.get("control", pv).status_code == 200)
        yield one
    bl01.kubectl("delete", f"--filename={devices}")


@pytest.fixture
def few(own_release: Release) -> Iterator[Parts]:
    """A beamline without devices, and without the gate."""
    env = {"DIRECT_CONTROL_COORDINATION_CHECK_ENABLED": "false"}
    own_release.install(control={"readOnly": False, "env": env}, queue={"enabled": False})
    with own_release.parts("registry", "control") as one:
        yield one


@pytest.fixture(scope="module")
def profile(operator: Cluster) -> Iterator[Parts]:
    """A beamline that has the devices of the profile and no other, and an open environment."""
    release = Release(operator, "profile", "profile")
    try:
        release.install()
        with release.parts("registry", "control", "queue") as one:
            begin(one)
            yield one
    finally:
        release.remove()
