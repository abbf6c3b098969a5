"""Plans and people on the same devices: what ophyd-service's `profile-seeded/exercise.py` asks.

It asks the registry, direct control and the queue together (contract registry-and-direct-control
§3.7). Its profile of Python startup files registers its devices when the environment opens. Here
devices are registered over HTTP with the same bodies, and the next environment has them.

`profile` decides where: the executable on this machine, or a beamline on a cluster (`on_cluster`).
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from local_beamline import MINI_BEAMLINE, Beamline, end, wait_for
from parts import Parts

API = "/api/v1/devices"
# The devices of its profile collection: class, PV or prefix, PVs.
PROFILE = {
    "det_spot": ("localdevs.Spot", "mini:dot", {}),
    "det_pinhole": ("localdevs.Det", "mini:ph", {}),
    "det_edge": ("localdevs.Det", "mini:edge", {}),
    "sample_x": ("ophyd.epics_motor.EpicsMotor", "sim:mtr1", {}),
    "sample_y": ("ophyd.epics_motor.EpicsMotor", "sim:mtr2", {}),
    "ph_motor": ("ophyd.signal.EpicsSignal", "mini:ph:mtr", {"value": "mini:ph:mtr"}),
    "edge_motor": ("ophyd.signal.EpicsSignal", "mini:edge:mtr", {"value": "mini:edge:mtr"}),
    "ring_current": ("ophyd.signal.EpicsSignalRO", "mini:current", {"value": "mini:current"}),
}
# Moves the motor for some seconds.
SCAN = ("scan", ["det_pinhole"], "ph_motor", -3, 3, 7)


def body(name: str, device_class: str, pv: str, pvs: dict[str, str]) -> dict[str, object]:
    kind = device_class.rsplit(".", 1)[-1]
    return {
        "metadata": {
            "name": name,
            "device_label": "device",
            "ophyd_class": kind,
            "is_readable": True,
            "is_movable": kind in ("EpicsMotor", "EpicsSignal"),
            "pvs": pvs,
        },
        "instantiation_spec": {
            "name": name,
            "device_class": device_class,
            "args": [pv],
            "kwargs": {"name": name},
        },
    }


def register(one: Parts, name: str, device_class: str, pv: str, pvs: dict[str, str]) -> None:
    answer = one.post("registry", API, body(name, device_class, pv, pvs))
    assert answer.status_code == 201, answer.text


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """A beamline that has the devices of the profile and no other, and an open environment."""
    folder = tmp_path_factory.mktemp("profile")
    manifests = folder / "manifests"
    manifests.mkdir()
    for name in ("beamline.yaml", "queue.yaml"):
        (manifests / name).write_text((MINI_BEAMLINE / name).read_text())
    one = Beamline(folder / "state", manifests=manifests)
    try:
        one.start()
        begin(one)
        yield one
    finally:
        end(one)


def begin(one: Parts) -> None:
    """Registers the devices of the profile with an empty beamline, and opens an environment."""
    for part in ("registry", "control"):
        assert one.get(part, "/health").status_code == 200
    assert one.status()["manager_state"] == "idle"
    assert one.get("registry", "/api/v1/devices-info").json() == {}
    for name, device in PROFILE.items():
        register(one, name, *device)
    one.run("env", "open")


def names(one: Parts) -> set[str]:
    return set(one.get("registry", "/api/v1/devices-info").json())


def status(one: Parts, device: str) -> dict[str, object]:
    return one.get("registry", f"{API}/{device}/status").json()


def set_policy(one: Parts, lock_all: bool) -> None:
    policy = {"lock_all": lock_all}
    answer = httpx.put(one.url("registry") + f"{API}/lock/policy", json=policy, timeout=30)
    assert (answer.status_code, answer.json()) == (200, policy)


def execute(one: Parts, device: str, value: float, use_put: bool = False) -> httpx.Response:
    order = {"device_name": device, "method": "set", "args": [value], "use_put": use_put}
    return one.post("control", "/api/v1/device/execute", order)


def add(one: Parts, name: str, *args: object) -> str:
    item = {"item_type": "plan", "name": name, "args": list(args)}
    answer = one.post("queue", "/api/queue/item/add", {"item": item}).json()
    assert answer["success"], answer
    return answer["item"]["item_uid"]


def start(one: Parts, name: str, *args: object) -> str:
    """A plan that begins to run."""
    uid = add(one, name, *args)
    assert one.post("queue", "/api/queue/start").json()["success"]
    return uid


def completes(one: Parts, uid: str) -> None:
    def result() -> dict[str, str] | None:
        items = one.get("queue", "/api/history/get").json()["items"]
        return next((item["result"] for item in items if item["item_uid"] == uid), None)

    ended = wait_for("the plan ends", result, 60)
    assert ended["exit_status"] == "completed", ended  # type: ignore[index]
    wait_for("an idle manager", lambda: one.status()["manager_state"] == "idle")


def test_the_devices_of_the_profile_are_there_and_free(profile: Parts) -> None:
    assert names(profile) == set(PROFILE)
    specs = profile.get("registry", f"{API}/instantiation").json()
    assert specs["det_spot"]["device_class"] == "localdevs.Spot"
    assert specs["sample_x"]["device_class"].endswith("EpicsMotor")
    assert status(profile, "ph_motor")["available"] is True


def test_a_device_that_is_added_is_used_by_the_next_environment(profile: Parts) -> None:
    pvs = {"value": "mini:slit:exp"}
    register(profile, "extra_signal", "ophyd.signal.EpicsSignal", "mini:slit:exp", pvs)
    try:
        profile.run("env", "close")
        profile.run("env", "open")
        completes(profile, start(profile, "count", ["extra_signal"]))
        assert names(profile) == {*PROFILE, "extra_signal"}
        allowed = profile.get("queue", "/api/devices/allowed").json()["devices_allowed"]
        assert "extra_signal" in allowed
    finally:
        profile.kubectl("delete", "device", "extra-signal")


def test_a_plan_holds_its_devices_and_no_others(profile: Parts) -> None:
    set_policy(profile, lock_all=False)
    uid = start(profile, *SCAN)
    wait_for("it is held", lambda: status(profile, "ph_motor")["lock_status"] == "locked")
    held = status(profile, "ph_motor")
    assert (held["available"], held["locked_by_plan"], held["locked_by_item"]) == (
        False,
        "scan",
        uid,
    )
    assert status(profile, "det_pinhole")["lock_status"] == "locked"
    assert status(profile, "sample_x")["available"] is True
    detail = {"detail": "Device name ph_motor is locked by plan scan"}
    refused = execute(profile, "ph_motor", 0.0, use_put=True)
    assert (refused.status_code, refused.json()) == (423, detail)
    refused = profile.post("control", "/api/v1/pv/set", {"pv_name": "mini:ph:mtr", "value": 0.0})
    assert (refused.status_code, refused.json()) == (423, detail)
    moved = execute(profile, "sample_x", 0.2)
    assert moved.status_code == 200 and moved.json()["success"] is True
    completes(profile, uid)
    for device in ("ph_motor", "det_pinhole"):
        assert status(profile, device)["available"] is True
    assert execute(profile, "ph_motor", 0.0).status_code == 200


def test_with_lock_all_a_plan_holds_every_device(profile: Parts) -> None:
    set_policy(profile, lock_all=True)
    try:
        uid = start(profile, *SCAN)
        wait_for("it is held", lambda: status(profile, "sample_x")["available"] is False)
        refused = execute(profile, "sample_x", 0.1)
        detail = {"detail": "Device name sample_x is locked by plan scan"}
        assert (refused.status_code, refused.json()) == (423, detail)
        completes(profile, uid)
        assert execute(profile, "sample_x", 0.1).status_code == 200
    finally:
        set_policy(profile, lock_all=False)
    profile.run("env", "close")
    assert profile.status()["worker_environment_exists"] is False
