"""Manifests out of a running beamline, and manifests judged without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from local_beamline import MINI_BEAMLINE, ROOT, Beamline, wait_for

MADE = {
    "metadata": {
        "name": "made",
        "device_label": "signal",
        "ophyd_class": "EpicsSignal",
        "pvs": {"readback": "mini:slit:exp"},
    },
    "instantiation_spec": {
        "name": "made",
        "device_class": "ophyd.signal.EpicsSignal",
        "args": ["mini:slit:exp"],
    },
}


def exported(beamline: Beamline, *options: str) -> list[dict[str, object]]:
    text = beamline.run("export", *options)
    return [document for document in yaml.safe_load_all(text) if document]


def test_what_was_made_at_run_time_is_exported_and_can_be_applied_again(
    beamline: Beamline,
) -> None:
    assert exported(beamline) == []
    assert beamline.post("registry", "/api/v1/devices", MADE).status_code == 201
    try:
        beamline.kubectl("annotate", "device", "made", "beamline.dev/active=false")
        (device,) = exported(beamline)
        assert device["metadata"] == {"name": "made"}
        assert "status" not in device
        assert device["spec"]["name"] == "made"  # type: ignore[index]
        assert device["spec"]["active"] is False  # type: ignore[index]
        text = beamline.run("export")

        beamline.kubectl("delete", "device", "made")
        assert "created" in beamline.kubectl("apply", "-f", "-", stdin=text)
        wait_for(
            "the registry has it again",
            lambda: beamline.get("registry", "/api/v1/devices/made").status_code == 200,
        )
        assert beamline.run("export") == text
    finally:
        beamline.kubectl("delete", "device", "made")


def test_what_git_keeps_is_exported_only_when_it_is_asked_for(
    beamline: Beamline, tmp_path: Path
) -> None:
    manifest = {
        "apiVersion": "beamline.dev/v1alpha1",
        "kind": "Device",
        "metadata": {
            "name": "from-git",
            "labels": {"kustomize.toolkit.fluxcd.io/name": "lab", "team": "optics"},
        },
        "spec": {"name": "from_git", "deviceClass": "ophyd.EpicsSignal", "prefix": "X:1"},
    }
    beamline.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))
    try:
        assert exported(beamline) == []
        file = tmp_path / "all.yaml"
        assert beamline.run("export", "--git-managed", f"--output={file}") == ""
        devices = {one["metadata"]["name"]: one for one in yaml.safe_load_all(file.read_text())}
        assert len(devices) == 27
        assert devices["from-git"]["metadata"]["labels"] == {"team": "optics"}
        assert beamline.call("validate", str(file)).returncode == 0
    finally:
        beamline.kubectl("delete", "device", "from-git")


@pytest.mark.parametrize(
    "path", [MINI_BEAMLINE, ROOT / "examples" / "sim-devices", ROOT / "helm" / "beamline-crds"]
)
def test_the_examples_are_valid(beamline: Beamline, path: Path) -> None:
    folder = path / "files" if path.name == "beamline-crds" else path
    assert "nothing is wrong" in beamline.run("validate", str(folder))


def test_every_mistake_is_named_with_file_document_and_field(
    beamline: Beamline, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(
        """
apiVersion: beamline.dev/v1alpha1
kind: Device
metadata: {name: fine}
spec: {name: fine, deviceClass: ophyd.EpicsMotor, prefix: "X:1"}
---
apiVersion: beamline.dev/v1alpha1
kind: Device
metadata: {name: Wrong_Name}
spec: {name: wrong, deviceClass: ophyd.EpicsMotor, prefiks: "X:1", active: maybe}
"""
    )
    (tmp_path / "b.yaml").write_text("a: [")
    done = beamline.call("validate", str(tmp_path))
    assert done.returncode == 1 and "4 errors in 2 objects" in done.stderr, done.stderr
    place = f"error: {tmp_path / 'a.yaml'}, document 2, Device Wrong_Name: "
    fields = [
        line.removeprefix(place).split(":")[0]
        for line in done.stdout.splitlines()
        if line.startswith(place)
    ]
    assert fields == ["metadata.name", "spec.active", "spec.prefiks"], done.stdout
    assert str(tmp_path / "b.yaml") in done.stdout
    rows = json.loads(beamline.call("validate", str(tmp_path), "-o", "json").stdout)
    assert [row["document"] for row in rows] == [2, 2, 2, 0]
