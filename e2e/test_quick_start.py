"""What the README promises a newcomer, command by command."""

from __future__ import annotations

import json

import yaml
from local_beamline import MINI_BEAMLINE, Beamline, wait_for

DEVICES = 26


def test_a_pv_is_read_and_written_over_rest(beamline: Beamline) -> None:
    current = beamline.get("control", "/api/v1/pv/mini:current/value").json()
    assert 475 <= current["value"] <= 525
    body = {"pv_name": "mini:dot:mtrx", "value": 3.14}
    assert beamline.post("control", "/api/v1/pv/set", body).json()["success"] is True
    value = beamline.get("control", "/api/v1/pv/mini:dot:mtrx/value").json()["value"]
    assert value == 3.14


def test_the_registry_and_kubectl_show_the_same_devices(beamline: Beamline) -> None:
    names = beamline.get("registry", "/api/v1/devices").json()
    assert len(names) == DEVICES
    items = json.loads(beamline.kubectl("get", "devices", "-o", "json"))["items"]
    assert sorted(item["spec"]["name"] for item in items) == names
    health = beamline.get("registry", "/health").json()
    assert health == {
        "status": "healthy",
        "service": "configuration_service",
        "devices_loaded": DEVICES,
    }


def test_kubectl_applies_waits_explains_watches_and_deletes(beamline: Beamline) -> None:
    manifest = yaml.safe_dump(
        {
            "apiVersion": "beamline.dev/v1alpha1",
            "kind": "Device",
            "metadata": {"name": "extra"},
            "spec": {
                "name": "extra",
                "deviceClass": "ophyd.EpicsSignal",
                "prefix": "mini:slit:vel",
            },
        }
    )
    assert "created" in beamline.kubectl("apply", "-f", "-", stdin=manifest)
    beamline.kubectl("wait", "device/extra", "--for=condition=Ready", "--timeout=60s")
    columns = beamline.kubectl("get", "devices", "extra")
    assert "signal" in columns and "True" in columns
    wait_for(
        "the registry knows it",
        lambda: beamline.get("registry", "/api/v1/devices/extra").status_code == 200,
    )
    read = {"device_name": "extra", "method": "read", "args": [], "kwargs": {}}
    answer = wait_for(
        "direct control knows it",
        lambda: beamline.post("control", "/api/v1/device/execute", read).json().get("result"),
    )
    assert "extra" in answer  # type: ignore[operator]
    assert "PV prefix" in beamline.kubectl("explain", "device.spec.prefix")
    assert "extra" in beamline.kubectl("describe", "device", "extra")
    assert "deleted" in beamline.kubectl("delete", "device", "extra")
    wait_for(
        "the registry forgot it",
        lambda: beamline.get("registry", "/api/v1/devices/extra").status_code == 404,
    )


def test_a_scan_runs_from_the_command_line_to_the_history(beamline: Beamline) -> None:
    assert "open" in beamline.run("env", "open")
    added = beamline.run(
        "queue", "add", "scan", '["spot_img_sum"]', "motor_spotx", "-1", "1", "num=3"
    )
    uid = added.splitlines()[0].split()[-1]
    beamline.run("queue", "start", "--follow")
    history = json.loads(beamline.run("history", "--output=json"))["items"]
    item = next(item for item in history if item["item_uid"] == uid)
    assert item["result"]["exit_status"] == "completed"
    (run,) = item["result"]["run_uids"]
    assert run in beamline.run("history")
    (file,) = beamline.state.glob(f"runs/*/{run}.jsonl")
    names = [json.loads(line)[0] for line in file.read_text().splitlines()]
    assert names[0] == "start" and names[-1] == "stop" and names.count("event") == 3
    assert "closed" in beamline.run("env", "close")


def test_every_service_has_its_pages(beamline: Beamline) -> None:
    for part in ("registry", "control", "queue"):
        for page in ("/health", "/ready", "/openapi.json"):
            assert beamline.get(part, page).status_code == 200, (part, page)
        docs = beamline.get(part, "/docs")
        assert docs.status_code in (200, 303, 307), part
        metrics = beamline.get(part, "/metrics")
        assert "http_requests_total" in metrics.text, part


def test_a_happi_database_is_imported_as_the_example_has_it(beamline: Beamline) -> None:
    database = str(MINI_BEAMLINE / "happi_db.json")
    manifests = beamline.run("import", "happi", database)
    assert manifests == (MINI_BEAMLINE / "devices.yaml").read_text()
    again = beamline.kubectl("apply", "-f", "-", stdin=manifests)
    assert "created" not in again


def test_nothing_asks_for_a_login_and_the_log_says_so(beamline: Beamline) -> None:
    assert "nothing asks for a login" in beamline.output()
