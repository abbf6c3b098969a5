"""Nothing that was acknowledged is lost, whatever ends the process; what cannot start says why."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
from local_beamline import Beamline, environment, wait_for

DEVICE = {
    "metadata": {
        "name": "kept",
        "device_label": "signal",
        "ophyd_class": "EpicsSignal",
        "pvs": {"readback": "mini:slit:exp"},
    },
    "instantiation_spec": {
        "name": "kept",
        "device_class": "ophyd.signal.EpicsSignal",
        "args": ["mini:slit:exp"],
    },
}


def add(beamline: Beamline, name: str, *args: object, **kwargs: object) -> str:
    item = {"item_type": "plan", "name": name, "args": list(args), "kwargs": kwargs}
    answer = beamline.post("queue", "/api/queue/item/add", {"item": item}).json()
    assert answer["success"], answer
    return answer["item"]["item_uid"]


def queued(beamline: Beamline) -> list[str]:
    return [item["item_uid"] for item in beamline.get("queue", "/api/queue/get").json()["items"]]


def history(beamline: Beamline) -> list[dict[str, object]]:
    return beamline.get("queue", "/api/history/get").json()["items"]


def test_everything_acknowledged_survives_kill_9(own_beamline: Beamline) -> None:
    one = own_beamline.start()
    assert one.post("registry", "/api/v1/devices", DEVICE).status_code == 201
    assert one.get("registry", "/api/v1/devices/kept").status_code == 200
    assert "deleted" in one.kubectl("delete", "device", "edge-exp")
    lock = {"device_names": ["kept", "pinhole"], "item_id": "i1", "plan_name": "count"}
    locked = one.post("registry", "/api/v1/devices/lock", lock).json()
    assert locked["success"] is True

    one.run("env", "open")
    done = add(one, "count", ["det"], num=1)
    one.run("queue", "start", "--follow")
    waiting = [add(one, "count", ["det"], num=n) for n in (1, 2, 3)]
    running = add(one, "sleep", 60)
    one.post("queue", "/api/queue/item/move", {"uid": running, "pos_dest": "front"})
    one.run("queue", "start")
    wait_for("the plan runs", lambda: one.status()["running_item_uid"] == running)
    one.kill()

    two = own_beamline.start()
    names = two.get("registry", "/api/v1/devices").json()
    assert "kept" in names and "edge_exp" not in names and len(names) == 26
    status = two.get("registry", "/api/v1/devices/kept/status").json()
    assert status["lock_status"] == "locked" and status["locked_by_item"] == "i1"
    assert status["lock_epoch"] == locked["lock_epoch"]
    changes = two.get("registry", "/api/v1/devices/history").json()
    assert {"kept", "edge_exp"} <= {row["device_name"] for row in changes}

    assert queued(two) == waiting
    ends = {item["item_uid"]: item["result"]["exit_status"] for item in history(two)}  # type: ignore[index]
    assert ends == {done: "completed", running: "unknown"}
    assert two.status()["manager_state"] == "idle"
    two.run("env", "open")
    two.run("queue", "start", "--follow")
    ends = {item["item_uid"]: item["result"]["exit_status"] for item in history(two)}  # type: ignore[index]
    assert [ends[uid] for uid in waiting] == ["completed"] * 3


def test_a_killed_beamline_leaves_no_worker_behind(own_beamline: Beamline) -> None:
    own_beamline.start().run("env", "open")
    pid = own_beamline.kubectl(
        "get", "planworkers", "-o", "jsonpath={.items[0].status.pid}"
    ).strip()
    assert Path(f"/proc/{pid}").exists()
    own_beamline.kill()
    wait_for("the worker is gone", lambda: not running(pid), 40)


def running(pid: str) -> bool:
    try:
        return "Z (zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_ctrl_c_aborts_the_plan_and_stops_everything_cleanly(own_beamline: Beamline) -> None:
    one = own_beamline.start()
    one.run("env", "open")
    uid = add(one, "sleep", 60)
    one.run("queue", "start")
    wait_for("the plan runs", lambda: one.status()["running_item_uid"] == uid)
    assert one.stop() == 0
    two = own_beamline.start()
    (item,) = history(two)
    assert item["item_uid"] == uid
    assert item["result"]["exit_status"] == "aborted"  # type: ignore[index]
    assert len(queued(two)) == 1
    assert two.stop() == 0


def refused(beamline: Beamline) -> str:
    """Starts what cannot start; its one line."""
    done = subprocess.run(
        beamline.command(),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


PORTS = ["api", "registry", "control", "queue", "zmq_control", "zmq_info", "ca"]


@pytest.mark.parametrize("part", PORTS)
def test_a_port_in_use_is_one_clear_line(own_beamline: Beamline, part: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", own_beamline.ports[part]))
        taken.listen()
        line = refused(own_beamline)
    assert str(own_beamline.ports[part]) in line, line
    assert not own_beamline.state.exists()


def test_an_unreadable_manifest_is_named_and_nothing_starts(
    own_beamline: Beamline, tmp_path: Path
) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "broken.yaml").write_text("kind: Device\n  name: [")
    own_beamline.manifests = folder
    assert "broken.yaml" in refused(own_beamline)
    assert not own_beamline.state.exists()


def test_a_broken_state_file_is_named_and_left_as_it_is(own_beamline: Beamline) -> None:
    own_beamline.state.mkdir()
    file = own_beamline.state / "state.db"
    file.write_bytes(b"this is not a database" * 100)
    assert "state.db" in refused(own_beamline)
    assert file.read_bytes() == b"this is not a database" * 100


def test_a_second_beamline_on_the_same_state_is_refused(own_beamline: Beamline) -> None:
    own_beamline.start()
    second = Beamline(own_beamline.state)
    assert "state.db" in refused(second)
    assert own_beamline.get("registry", "/health").status_code == 200
