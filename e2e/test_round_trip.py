"""Devices that are added, followed, exported and found again by a second registry.

What ophyd-service's `registry_roundtrip.sh` does (contract registry-and-direct-control §3.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from local_beamline import MINI_BEAMLINE, Beamline, end, wait_for
from test_exercisers import follow_device, follow_pv
from test_registry import SIMULATED, new

API = "/api/v1/devices"
INITIAL = 26


@pytest.fixture
def added(beamline: Beamline) -> Iterator[Beamline]:
    """The shared beamline with the devices of all simulated IOCs; they are gone afterwards."""
    assert beamline.get("registry", "/health").json()["devices_loaded"] == INITIAL
    try:
        for name, (device_class, pv) in SIMULATED.items():
            answer = beamline.post("registry", API, new(name, pv, device_class))
            assert answer.status_code == 201, answer.text
        yield beamline
    finally:
        for name in SIMULATED:
            httpx.delete(beamline.url("registry") + f"{API}/{name}", timeout=30)


def test_what_is_added_is_followed_and_found_again_by_another_registry(
    added: Beamline, tmp_path: Path
) -> None:
    count = INITIAL + len(SIMULATED)
    assert added.get("registry", "/health").json()["devices_loaded"] == count
    for name in ("motor1", "thermo", "random_walk_x"):
        assert added.get("registry", f"{API}/{name}").status_code == 200
    path = "/api/v1/pv/random_walk:x/value"
    wait_for("its IOC answers", lambda: added.get("control", path).status_code == 200)
    follow_pv(added, "random_walk:x", 10)
    follow_device(added, "random_walk_x", 10)

    profile = tmp_path / "profile"
    profile.mkdir()
    export = added.get("registry", "/api/v1/registry/export")
    assert len(export.json()) == count
    (profile / "happi_db.json").write_bytes(export.content)
    names = added.get("registry", API).json()
    second = alone(tmp_path, profile)
    try:
        second.start()
        everything = lambda: second.get("registry", "/health").json()["devices_loaded"] == count  # noqa: E731
        wait_for("it has them all", everything)
        assert second.get("registry", API).json() == names
    finally:
        end(second)


def alone(folder: Path, profile: Path) -> Beamline:
    """A beamline without devices of its own, that loads those of a happi database."""
    manifests = folder / "manifests"
    manifests.mkdir()
    (manifests / "beamline.yaml").write_text((MINI_BEAMLINE / "beamline.yaml").read_text())
    one = Beamline(folder / "state", manifests=manifests)
    one.variables |= {
        "CONFIG_LOAD_STRATEGY": "happi",
        "CONFIG_PROFILE_PATH": str(profile),
        "CONFIG_DEVICE_CHANGE_HISTORY_ENABLED": "false",
    }
    return one
