"""The interface of the registry over HTTP, as clients of the Python service know it.

`registry` decides where: the executable on this machine, or a beamline on a cluster (`on_cluster`).
Either has the mini beamline, which these tests leave as they found it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from local_beamline import executable, wait_for

API = "/api/v1"


def new(name: str, pv: str, device_class: str = "ophyd.signal.EpicsSignal") -> dict[str, object]:
    return {
        "metadata": {
            "name": name,
            "device_label": "signal",
            "ophyd_class": device_class.rsplit(".", 1)[-1],
            "pvs": {"readback": pv},
        },
        "instantiation_spec": {
            "name": name,
            "device_class": device_class,
            "args": [pv],
            "kwargs": {"name": name},
        },
    }


@pytest.fixture
def made(registry: httpx.Client) -> Iterator[list[str]]:
    """Names of devices that the test creates; they are gone afterwards, with all locks."""
    names: list[str] = []
    yield names
    for name in names:
        reason = {"device_names": [name], "reason": "the test is over"}
        registry.post(f"{API}/devices/force-unlock", json=reason)
        registry.delete(f"{API}/devices/{name}")


def create(registry: httpx.Client, made: list[str], *names: str) -> None:
    for name in names:
        made.append(name)
        answer = registry.post(f"{API}/devices", json=new(name, f"T:{name}"))
        assert answer.status_code == 201, answer.text


# What the exerciser script of the Python service asks (contract §3.1).

ANSWERED = [
    "/health",
    "/ready",
    f"{API}/devices",
    f"{API}/devices/beam_current/pvs",
    f"{API}/devices/beam_current/instantiation",
    f"{API}/devices/spot/components",
    f"{API}/devices/beam_current/status",
    f"{API}/devices/spot.roi/component",
    f"{API}/devices-info",
    f"{API}/devices/classes",
    f"{API}/devices/types",
    f"{API}/devices/instantiation",
    f"{API}/devices/changes",
    f"{API}/devices/history",
    f"{API}/devices/lock/policy",
    f"{API}/pvs",
    f"{API}/pvs/detailed",
    f"{API}/pvs/mini:current",
    f"{API}/pvs/labels",
    f"{API}/pvs/status?pv_name=mini:current",
    f"{API}/pvs/lookup?pv_name=mini:current",
    f"{API}/pvs/standalone",
    f"{API}/admin/pv-health/stats",
    f"{API}/registry/export",
]


@pytest.mark.parametrize("path", ANSWERED)
def test_it_answers(registry: httpx.Client, path: str) -> None:
    assert registry.get(path).status_code == 200


def test_it_knows_the_mini_beamline(registry: httpx.Client) -> None:
    def ophyd_class(name: str) -> str:
        return registry.get(f"{API}/devices/{name}").json()["ophyd_class"]

    assert registry.get("/health").json()["devices_loaded"] == 26
    assert len(registry.get(f"{API}/devices").json()) == 26
    assert ophyd_class("beam_current") == "EpicsSignal"
    assert ophyd_class("spot") == "Spot"
    assert registry.get(f"{API}/pvs").json()["count"] == 23


def test_a_standalone_pv_comes_and_goes(registry: httpx.Client) -> None:
    pv = "exer:test:pv"
    scratch = {"pv_name": pv, "description": "exerciser scratch PV"}
    one = f"{API}/pvs/standalone/{pv}"
    assert registry.post(f"{API}/pvs", json=scratch).status_code == 201
    again = registry.post(f"{API}/pvs", json=scratch)
    assert (again.status_code, again.json()) == (
        409,
        {"detail": f"PV already exists in registry: {pv}"},
    )
    changed = {"description": "updated by exerciser", "labels": ["exer"]}
    assert registry.put(one, json=changed).status_code == 200
    (record,) = registry.get(f"{API}/pvs/standalone?labels=exer").json()
    assert record["description"] == "updated by exerciser"
    assert registry.delete(one).status_code == 200
    assert registry.get(one).status_code == 404
    gone = registry.delete(one)
    assert gone.json() == {"detail": f"Standalone PV not found: {pv}"}


def test_a_device_comes_and_goes(registry: httpx.Client, made: list[str]) -> None:
    name = "exer_test_motor"
    one = f"{API}/devices/{name}"
    create(registry, made, name)
    assert registry.get(one).status_code == 200
    assert registry.patch(f"{one}/disable").is_success
    assert registry.get(f"{one}/status").json()["enabled"] is False
    assert registry.patch(f"{one}/enable").is_success
    # What it names is not where this API looks: nothing changes, and that is no error.
    flat = {"name": name, "documentation": "updated by exerciser", "args": ["exer:test:motor"]}
    assert registry.put(one, json=flat).status_code == 200
    assert registry.get(one).json()["documentation"] is None
    assert registry.delete(one).status_code == 200
    assert registry.get(one).status_code == 404


# Its round trip (contract §3.5).

SIMULATED = {
    **{f"motor{n}": ("ophyd.EpicsMotor", f"sim:mtr{n}") for n in (1, 2, 3)},
    "random_walk": ("localdevs.RandomWalk", "random_walk:"),
    "random_walk_h": ("localdevs.RandomWalk", "random_walk:horiz:"),
    "random_walk_v": ("localdevs.RandomWalk", "random_walk:vert:"),
    **{
        f"random_walk_{field}": ("ophyd.EpicsSignal", f"random_walk:{field}")
        for field in ("dt", "x", "h_dt", "h_x", "v_dt", "v_x")
    },
    "thermo": ("localdevs.Thermo", "thermo:"),
    **{
        f"thermo_{field}": ("ophyd.EpicsSignal", f"thermo:{field}")
        for field in ("I", "SP", "K", "omega", "Tvar")
    },
}


def test_what_is_exported_can_be_imported(
    registry: httpx.Client, made: list[str], tmp_path: Path
) -> None:
    before = registry.get("/health").json()["devices_loaded"]
    for name, (device_class, pv) in SIMULATED.items():
        made.append(name)
        assert registry.post(f"{API}/devices", json=new(name, pv, device_class)).is_success, name
    assert registry.get("/health").json()["devices_loaded"] == before + len(SIMULATED)

    export = registry.get(f"{API}/registry/export").json()
    assert len(export) == before + len(SIMULATED)
    assert {"beam_current", "spot", *SIMULATED} <= export.keys()
    needed = {"_id", "name", "device_class", "args", "kwargs", "type", "active"}
    for name, entry in export.items():
        assert entry["_id"] == name
        assert needed <= {key for key, value in entry.items() if value is not None}, entry

    database = tmp_path / "happi_db.json"
    database.write_text(json.dumps(export))
    done = subprocess.run(
        [executable(), "import", "happi", str(database)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.stdout.count("kind: Device\n") == len(export)


# How it refuses (contract §1.1, §1.5, §1.9).

REFUSED = [
    ("GET", "/nowhere", None, 404, "Not Found"),
    ("PATCH", "/api/v1/devices", None, 405, "Method Not Allowed"),
    ("GET", "/api/v1/plans", None, 404, "Not Found"),
    ("GET", "/api/v1/devices/none", None, 404, "Device not found: none"),
    ("GET", "/api/v1/devices/none/status", None, 404, "Device not found: none"),
    ("GET", "/api/v1/devices/none/component", None, 404, "Device not found: none"),
    ("DELETE", "/api/v1/devices/none", None, 404, "Device not found: none"),
    ("PATCH", "/api/v1/devices/none/disable", None, 404, "Device not found: none"),
    ("PUT", "/api/v1/devices/none", {}, 404, "Device not found: none"),
    ("POST", "/api/v1/devices", new("spot", "X"), 409, "Device already exists: spot"),
    ("GET", "/api/v1/pvs/none", None, 404, "PV not found: none"),
    ("GET", "/api/v1/pvs/lookup?pv_name=none", None, 404, "PV not found: none"),
    ("GET", "/api/v1/pvs/status?pv_name=none", None, 404, "PV not found: none"),
    (
        "PUT",
        "/api/v1/devices/spot",
        {"metadata": {"name": "other"}},
        400,
        "Name in body 'other' does not match path 'spot'",
    ),
    (
        "POST",
        "/api/v1/devices/force-unlock",
        {"device_names": ["ghost", "g2"], "reason": "r"},
        404,
        "Devices not found: ghost, g2",
    ),
    (
        "GET",
        "/api/v1/registry/export?format=xml",
        None,
        400,
        "Unsupported export format: 'xml'. Supported: happi, bits, manifests",
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "code", "detail"), REFUSED)
def test_it_refuses_in_the_words_of_the_python_service(
    registry: httpx.Client, method: str, path: str, body: object, code: int, detail: str
) -> None:
    answer = registry.request(method, path, json=body)
    assert (answer.status_code, answer.json()) == (code, {"detail": detail})


INVALID = [
    ("POST", "/api/v1/devices", {}, ["body", "metadata"], "missing"),
    ("GET", "/api/v1/devices?device_label=x", None, ["query", "device_label"], "enum"),
    ("GET", "/api/v1/devices?readable=maybe", None, ["query", "readable"], "bool_parsing"),
    ("GET", "/api/v1/devices/history?limit=0", None, ["query", "limit"], "greater_than_equal"),
    (
        "GET",
        "/api/v1/devices/changes?since_version=-1",
        None,
        ["query", "since_version"],
        "greater_than_equal",
    ),
    ("POST", "/api/v1/devices/lock", {}, ["body", "device_names"], "missing"),
    ("POST", "/api/v1/devices/resolve", {"addresses": []}, ["body", "addresses"], "too_short"),
    ("GET", "/api/v1/pvs/status", None, ["query", "pv_name"], "missing"),
    (
        "POST",
        "/api/v1/pvs/mini:current/failure",
        {"more": 1},
        ["body", "more"],
        "extra_forbidden",
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "loc", "kind"), INVALID)
def test_it_finds_fault_as_pydantic_does(
    registry: httpx.Client, method: str, path: str, body: object, loc: list[str], kind: str
) -> None:
    answer = registry.request(method, path, json=body)
    assert answer.status_code == 422
    first = answer.json()["detail"][0]
    assert (first["loc"], first["type"]) == (loc, kind)
    assert first["msg"] and "input" in first


# Locks (contract §1.7).


def lock(registry: httpx.Client, item: str, *devices: str) -> httpx.Response:
    body = {"device_names": devices, "item_id": item, "plan_name": f"plan-of-{item}"}
    return registry.post(f"{API}/devices/lock", json=body)


def lock_of(registry: httpx.Client, device: str) -> str | None:
    return registry.get(f"{API}/devices/{device}/status").json()["locked_by_item"]


def test_all_devices_are_locked_or_none(registry: httpx.Client, made: list[str]) -> None:
    create(registry, made, "lock-a", "lock-b", "lock-c")
    taken = lock(registry, "i1", "lock-a", "lock-b")
    assert taken.status_code == 200
    assert taken.json()["locked_pvs"] == ["T:lock-a", "T:lock-b"]
    refused = lock(registry, "i2", "lock-c", "lock-b")
    assert refused.status_code == 409
    assert refused.json()["message"] == "Device 'lock-b' is locked by plan 'plan-of-i1'"
    assert lock_of(registry, "lock-c") is None

    def unlock(item: str) -> httpx.Response:
        body = {"device_names": ["lock-a", "lock-b"], "item_id": item}
        return registry.post(f"{API}/devices/unlock", json=body)

    foreign = unlock("i2")
    assert foreign.status_code == 403
    assert foreign.json() == {"detail": "Device 'lock-a' is locked by item i1, not i2"}
    busy = registry.delete(f"{API}/devices/lock-a")
    assert busy.status_code == 409 and "is locked and cannot be deleted" in busy.text
    assert unlock("i1").json()["unlocked_devices"] == ["lock-a", "lock-b"]
    assert lock(registry, "i2", "lock-c", "lock-b").status_code == 200


def test_the_gravest_reason_decides_and_the_first_is_told(
    registry: httpx.Client, made: list[str]
) -> None:
    create(registry, made, "grave-a", "grave-b")
    lock(registry, "i1", "grave-a")
    registry.patch(f"{API}/devices/grave-b/disable")
    disabled = lock(registry, "i2", "grave-a", "grave-b")
    assert disabled.status_code == 422
    missing = lock(registry, "i2", "grave-a", "grave-b", "ghost")
    assert missing.status_code == 404
    assert missing.json()["message"] == "Device 'grave-a' is locked by plan 'plan-of-i1'"
    reasons = [one["reason"] for one in missing.json()["conflicting_devices"]]
    assert reasons == ["already_locked", "disabled", "not_found"]


def test_locks_are_renewed_lost_and_forced(registry: httpx.Client, made: list[str]) -> None:
    create(registry, made, "renew-a", "renew-b", "renew-c")
    lock(registry, "i1", "renew-a")
    lock(registry, "i2", "renew-b")
    body = {"device_names": ["renew-a", "renew-b", "renew-c"], "item_id": "i1"}
    renewed = registry.post(f"{API}/devices/lock/renew", json=body).json()
    assert renewed["renewed_devices"] == ["renew-a"]
    assert (renewed["conflict_devices"], renewed["lost_devices"]) == (["renew-b"], ["renew-c"])
    assert renewed["success"] is False
    forced = {"device_names": ["renew-a", "renew-b"], "reason": "the queue is gone"}
    answer = registry.post(f"{API}/devices/force-unlock", json=forced).json()
    assert answer["unlocked_devices"] == ["renew-a", "renew-b"]
    assert lock_of(registry, "renew-b") is None


# History and change feed (contract §1.6).


def test_what_was_done_is_told(registry: httpx.Client, made: list[str]) -> None:
    def changes(since: int) -> dict:
        return registry.get(f"{API}/devices/changes?since_version={since}").json()

    before = changes(0)["current_version"]
    create(registry, made, "told")
    registry.patch(f"{API}/devices/told/disable")
    registry.patch(f"{API}/devices/told/enable")
    assert lock(registry, "i1", "told").is_success
    feed = changes(before)
    (change,) = feed["changes"]
    assert (change["device_name"], change["op"]) == ("told", "upsert")
    assert change["spec"]["active"] is True
    # A lock is a row of the history, and no change of the device.
    assert feed["current_version"] > change["version"]
    assert feed["reset_occurred"] is False
    assert changes(feed["current_version"])["changes"] == []

    def rows() -> list[str]:
        path = f"{API}/devices/history?device_name=told&limit=4"
        return [row["operation"] for row in registry.get(path).json()]

    assert rows() == ["lock", "enable", "disable", "add"]
    release = {"device_names": ["told"], "item_id": "i1"}
    assert registry.post(f"{API}/devices/unlock", json=release).is_success
    assert registry.delete(f"{API}/devices/told").is_success
    (gone,) = changes(before)["changes"]
    assert (gone["op"], gone["metadata"], gone["spec"]) == ("delete", None, None)


# PVs (contract §1.8).


def test_a_pv_belongs_to_who_was_registered_last(registry: httpx.Client, made: list[str]) -> None:
    pv = "T:shared"

    def owner() -> str | None:
        answer = registry.get(f"{API}/pvs/{pv}")
        return answer.json()["device_name"] if answer.status_code == 200 else None

    for name in ("shared-a", "shared-b"):
        made.append(name)
        assert registry.post(f"{API}/devices", json=new(name, pv)).status_code == 201
        assert owner() == name
    registry.delete(f"{API}/devices/shared-b")
    assert owner() == "shared-a"
    registry.delete(f"{API}/devices/shared-a")
    assert owner() is None


def test_reports_on_a_pv_are_kept_until_they_are_forgotten(registry: httpx.Client) -> None:
    pv = f"{API}/pvs/mini:current"
    for count in (1, 2):
        record = registry.post(f"{pv}/failure", json={"message": "no answer"}).json()
        assert record["consecutive_failures"] == count
    assert registry.post(f"{pv}/success", json={}).json()["consecutive_failures"] == 0
    assert registry.delete(f"{pv}/health").is_success


def test_an_address_is_resolved_or_the_reason_is_told(registry: httpx.Client) -> None:
    asked = {"addresses": ["pinhole.det", "nope.x"]}
    first, second = registry.post(f"{API}/devices/resolve", json=asked).json()["resolved"]
    assert (first["outcome"], first["ok"]) == ("resolved", True)
    assert (second["outcome"], second["ok"]) == ("device_not_found", False)


def test_a_listener_is_told_at_once(registry: httpx.Client, made: list[str]) -> None:
    version = registry.get(f"{API}/devices/changes").json()["current_version"]
    accept = {"Accept": "text/event-stream"}
    path = f"{API}/devices/changes?since_version={version}"
    with registry.stream("GET", path, headers=accept) as stream:
        data = (line[5:] for line in stream.iter_lines() if line.startswith("data:"))
        assert json.loads(next(data))["changes"] == []
        create(registry, made, "heard")
        assert json.loads(next(data))["changes"][0]["device_name"] == "heard"


def test_it_is_ready(registry: httpx.Client) -> None:
    wait_for("it is ready", lambda: registry.get("/ready").json() == {"status": "ready"})
