"""The registry's exports as the libraries of the formats read them, and imports by hand."""

from __future__ import annotations

import json
from pathlib import Path

import bluesky_queueserver
import pytest
import yaml
from local_beamline import MINI_BEAMLINE, Beamline

EXPORT = "/api/v1/registry/export"

READ_WITH_HAPPI = """
import json, sys
sys.path.insert(0, sys.argv[2])
import happi

client = happi.Client(path=sys.argv[1])
found = {result.item.name: result.item for result in client.search()}
motor = client.load_device(name="motor_ph")
print(json.dumps({
    "devices": {name: item.device_class for name, item in found.items()},
    "spot": [found["spot"].prefix, found["spot"].args, found["spot"].kwargs],
    "bare": type(found["bare"]).__name__,
    "motor": [type(motor).__name__, motor.name, motor.pvname],
}))
"""

READ_WITH_GUARNERI = """
import json, sys
sys.path.insert(0, sys.argv[2])
from guarneri import Instrument

instrument = Instrument({})
instrument.load(sys.argv[1])
devices = {device.name: device for device in instrument.devices.root_devices}
print(json.dumps({
    "devices": sorted(devices),
    "motor_ph": [type(devices["motor_ph"]).__name__, devices["motor_ph"].pvname],
    "spot": [type(devices["spot"]).__name__, devices["spot"].prefix],
}))
"""

# No prefix, and an argument that is no PV.
BARE = {
    "metadata": {"name": "bare", "device_label": "device", "ophyd_class": "SynGauss"},
    "instantiation_spec": {"name": "bare", "device_class": "ophyd.sim.SynGauss"},
}


def test_happi_reads_the_export_and_makes_a_device_of_it(
    beamline: Beamline, tmp_path: Path
) -> None:
    assert beamline.post("registry", "/api/v1/devices", BARE).status_code == 201
    try:
        answer = beamline.get("registry", EXPORT)
        database = tmp_path / "happi_db.json"
        database.write_text(answer.text)
        seen = json.loads(beamline.python(READ_WITH_HAPPI, str(database), str(MINI_BEAMLINE)))
        names = beamline.get("registry", "/api/v1/devices").json()
        assert sorted(seen["devices"]) == names
        assert seen["devices"]["spot"] == "localdevs.Spot"
        assert seen["spot"] == ["mini:dot", ["mini:dot"], {"name": "spot"}]
        assert seen["bare"] == "HappiItem"
        assert seen["motor"] == ["EpicsSignal", "motor_ph", "mini:ph:mtr"]
        assert json.loads(beamline.run("export", "--format=happi")) == answer.json()
        again = beamline.run("import", "auto", str(database))
        assert len(list(yaml.safe_load_all(again))) == len(names)
    finally:
        beamline.kubectl("delete", "device", "bare")


def test_guarneri_reads_the_export_and_makes_the_devices(
    beamline: Beamline, tmp_path: Path
) -> None:
    answer = beamline.get("registry", EXPORT + "?format=bits")
    assert beamline.run("export", "--format=bits") == answer.text
    listed = tmp_path / "devices.yaml"
    listed.write_text(answer.text)
    seen = json.loads(beamline.python(READ_WITH_GUARNERI, str(listed), str(MINI_BEAMLINE)))
    assert seen["devices"] == beamline.get("registry", "/api/v1/devices").json()
    assert seen["motor_ph"] == ["EpicsSignal", "mini:ph:mtr"]
    assert seen["spot"] == ["Spot", "mini:dot"]


def test_exported_manifests_change_nothing_when_they_are_applied(beamline: Beamline) -> None:
    manifests = beamline.get("registry", EXPORT + "?format=manifests").text
    before = beamline.get("registry", "/api/v1/devices-info").json()
    beamline.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifests)
    assert beamline.get("registry", "/api/v1/devices-info").json() == before


def test_the_devices_of_a_queueserver_profile_are_imported(beamline: Beamline) -> None:
    package = Path(bluesky_queueserver.__file__).parent
    file = package / "profile_collection_sim" / "existing_plans_and_devices.yaml"
    manifests = yaml.safe_load_all(beamline.run("import", "auto", str(file)))
    classes = {one["spec"]["name"]: one["spec"]["deviceClass"] for one in manifests}
    existing = yaml.safe_load(file.read_text())["existing_devices"]
    assert set(classes) == set(existing)
    assert classes["det1"] == "ophyd.sim.SynGauss"


@pytest.mark.parametrize("keep_going", [False, True])
def test_an_import_is_whole_unless_it_is_told_to_keep_going(
    beamline: Beamline, tmp_path: Path, keep_going: bool
) -> None:
    database = json.loads((MINI_BEAMLINE / "happi_db.json").read_text())
    del database["spot"]["device_class"]
    file = tmp_path / "happi_db.json"
    file.write_text(json.dumps(database))
    options = ["--keep-going"] if keep_going else []
    done = beamline.call("import", "happi", str(file), *options)
    assert done.returncode == 1
    assert "spot: missing required 'device_class' field" in done.stderr
    documents = [one for one in yaml.safe_load_all(done.stdout) if one]
    assert len(documents) == (25 if keep_going else 0)
