"""Devices by kubectl: every pod follows without a restart."""

from __future__ import annotations

from cluster import ROOT, wait_for
from release import Release, device


def test_devices_are_followed_by_running_pods(bl01: Release) -> None:
    before = bl01.lives()
    bl01.kubectl("apply", f"--filename={ROOT / 'examples' / 'sim-devices'}")
    bl01.kubectl("wait", "device/motor1", "--for=condition=Ready", "--timeout=90s")
    with bl01.part("registry") as registry, bl01.part("control") as control:

        def read(name: str) -> object:
            body = {"device_name": name, "method": "read", "args": [], "kwargs": {}}
            return control.post("/api/v1/device/execute", json=body).json().get("result")

        wait_for("the registry has it", lambda: "motor1" in registry.get("/api/v1/devices").json())
        assert "motor1" in wait_for("control reads it", lambda: read("motor1"))  # type: ignore[operator]

        bl01.apply(device("motor1", "sim:mtr2"))
        where = "/api/v1/devices/motor1/instantiation"
        wait_for("the registry has the edit", lambda: "sim:mtr2" in registry.get(where).text)

        bl01.kubectl("delete", f"--filename={ROOT / 'examples' / 'sim-devices'}")
        gone = "/api/v1/devices/motor1"
        wait_for("the registry forgot it", lambda: registry.get(gone).status_code == 404)
        wait_for("control forgot it", lambda: not read("motor1"))
    assert bl01.lives() == before


def test_what_the_registry_makes_is_an_object_that_kubectl_shows(bl01: Release) -> None:
    body = {
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
    with bl01.part("registry") as registry:
        assert registry.post("/api/v1/devices", json=body).status_code == 201
        found = bl01.get("device/made")
        assert found["spec"]["name"] == "made"  # type: ignore[index]
        assert registry.delete("/api/v1/devices/made").status_code in (200, 204)
    assert "made" not in bl01.kubectl("get", "devices", "--output=name")
