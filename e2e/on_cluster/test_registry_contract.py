"""What the registry promises, asked of a beamline on a cluster: the tests of `test_registry`."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from cluster import ROOT, wait_for
from release import Release
from test_interface import TYPES, lines
from test_registry import *  # noqa: F403


@pytest.fixture(scope="module")
def registry(bl01: Release) -> Iterator[httpx.Client]:
    """The registry of the shared beamline, which has the mini beamline for these tests."""
    bl01.kubectl("apply", f"--filename={ROOT / 'examples' / 'mini-beamline' / 'devices.yaml'}")
    with bl01.part("registry") as client:
        wait_for("all are there", lambda: len(client.get("/api/v1/devices").json()) == 26)
        yield client


def test_its_types_are_those_that_clients_were_generated_from(registry: httpx.Client) -> None:
    document = registry.get("/openapi.json").json()
    assert "\n".join(lines(document)) + "\n" == (TYPES / "registry.txt").read_text()
