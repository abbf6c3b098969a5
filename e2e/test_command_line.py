"""The command line against a running beamline, as `beamline` and as `kubectl beamline`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from local_beamline import ROOT, Beamline, environment, executable, free_ports, wait_for

MOTORS = str(ROOT / "examples" / "sim-devices" / "motors.yaml")


@pytest.fixture
def motors(beamline: Beamline) -> Iterator[Beamline]:
    """The beamline with motor records, which the mini beamline has none of."""
    beamline.kubectl("apply", "-f", MOTORS)
    beamline.kubectl("wait", "device/motor1", "--for=condition=Ready", "--timeout=60s")
    resolve = {"addresses": ["motor1"]}
    wait_for(
        "direct control has them",
        lambda: (
            beamline.post("control", "/api/v1/devices/resolve", resolve).json()["resolved"][0][
                "outcome"
            ]
            != "device_not_found"
        ),
    )
    try:
        yield beamline
    finally:
        beamline.kubectl("delete", "-f", MOTORS)


def test_status_shows_every_part(beamline: Beamline) -> None:
    text = beamline.run("status")
    for part in ("registry", "direct control", "queue server"):
        assert re.search(rf"^{part} +ready ", text, re.MULTILINE), text
    assert re.search(r"^manager +idle$", text, re.MULTILINE), text
    status = json.loads(beamline.run("status", "-o", "json"))
    assert status["registry"]["devices_loaded"] >= 26
    assert status["queue_server"]["manager_state"] == "idle"


def test_a_part_that_is_away_is_named_beside_those_that_answer(beamline: Beamline) -> None:
    (nobody,) = free_ports(1)
    variables = {
        "BEAMLINE_QUEUE_URL": beamline.url("queue"),
        "BEAMLINE_CONTROL_URL": f"http://127.0.0.1:{nobody}",
        "BEAMLINE_REGISTRY_URL": beamline.url("registry"),
    }
    done = subprocess.run(
        [executable(), "status"],
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "direct control" in done.stderr and "is the beamline up?" in done.stderr
    assert re.search(r"^registry +ready ", done.stdout, re.MULTILINE)
    assert re.search(r"^direct control +not ready ", done.stdout, re.MULTILINE)


def test_devices_are_listed_and_chosen(motors: Beamline) -> None:
    lines = motors.run("devices").splitlines()
    assert lines[0].split()[:3] == ["DEVICE", "LABEL", "CLASS"]
    assert any(line.startswith("motor_ph ") for line in lines)
    chosen = json.loads(motors.run("devices", "--label", "motor", "--output", "json"))
    assert [motor["device"] for motor in chosen] == ["motor1", "motor2", "motor3"]
    (one,) = json.loads(motors.run("devices", "motor1", "--output=json"))
    assert one["ready"] == "True" and one["active"] is True


def test_devices_and_pvs_are_read_set_and_stopped(motors: Beamline) -> None:
    assert motors.run("set", "motor1", "2.5", "--wait").strip()
    assert motors.run("get", "sim:mtr1.RBV").strip() == "2.5"
    table = motors.run("get", "motor1").splitlines()
    assert table[0].split() == ["SIGNAL", "VALUE"] and table[1].split() == ["motor1", "2.5"]
    reading = json.loads(motors.run("get", "motor1", "-o", "json"))
    assert reading["value"]["motor1"]["value"] == 2.5
    assert float(motors.run("get", "motor1.velocity")) == float(motors.run("get", "sim:mtr1.VELO"))
    motors.run("set", "mini:slit:mtr", "-1", "--wait")
    assert motors.run("get", "mini:slit:mtr").strip() == "-1.0"
    assert motors.run("stop", "motor1", "motor2").count("\n") == 2


def test_what_is_refused_says_so_in_the_servers_words(motors: Beamline) -> None:
    for words, sentence in (
        (("get", "no:such:pv"), "no:such:pv"),
        (("get", "motor1.no_such_part"), "no_such_part"),
        (("stop", "no_such_device"), "no_such_device"),
        (("set", "motor1", "1000"), "limits"),
        (("queue", "remove", "no-such-uid"), "no-such-uid"),
    ):
        done = motors.call(*words)
        assert (done.returncode, done.stdout) == (1, ""), words
        assert sentence in done.stderr and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("get",),
        ("get", "x", "--url=http://h", "-n", "ns"),
        ("queue", "add", "count", "n=1", "n=2"),
        ("status", "--output", "xml"),
    ],
)
def test_a_wrong_command_line_ends_with_2(beamline: Beamline, words: tuple[str, ...]) -> None:
    done = beamline.call(*words)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr


def test_changes_of_devices_and_pvs_are_followed(motors: Beamline, tmp_path: Path) -> None:
    log = tmp_path / "monitor"
    with log.open("w") as out:
        process = subprocess.Popen(
            [executable(), "monitor", "motor1", "motor2.velocity", "mini:slit:exp"],
            env=environment() | {"BEAMLINE_CONTROL_URL": motors.url("control")},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            wanted = ("motor1.user_readback ", "motor2.velocity ", "mini:slit:exp ")
            wait_for("all are there", lambda: all(name in log.read_text() for name in wanted))
            target = "3.5" if float(motors.run("get", "sim:mtr1.RBV")) != 3.5 else "4.5"
            motors.run("set", "motor1", target, "--wait")
            arrived = re.compile(rf"motor1.user_readback +{target}\b")
            wait_for("the move is seen", lambda: arrived.search(log.read_text()))
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
    line = log.read_text().splitlines()[0]
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3}   \S+   \S+", line), line


def test_a_count_of_changes_ends_the_watching(beamline: Beamline) -> None:
    frame = beamline.run("monitor", "mini:slit:exp", "--count", "1", "--output=json")
    assert json.loads(frame)["pv"] == "mini:slit:exp"
    done = beamline.call("monitor", "no:such:pv")
    assert done.returncode == 1 and "no:such:pv" in done.stderr


def test_kubectl_finds_the_plugin(beamline: Beamline, tmp_path: Path) -> None:
    (tmp_path / "kubectl-beamline").symlink_to(executable())
    kubectl = shutil.which("kubectl")
    assert kubectl is not None
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    variables = {"PATH": path, "BEAMLINE_CONTROL_URL": beamline.url("control")}

    def plugin(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [kubectl, "beamline", *words],
            env=environment() | variables | {"KUBECONFIG": os.devnull},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert float(plugin("get", "mini:slit:exp").stdout)
    help_text = plugin("--help").stdout
    assert "Usage: kubectl beamline" in help_text and "sim-ioc" not in help_text
    # Nothing says where the queue server is, and there is no cluster either.
    away = plugin("queue", "list")
    assert away.returncode == 1 and "kubeconfig" in away.stderr, away.stderr
    assert plugin("queue").returncode == 2


def test_the_doctor_finds_a_healthy_device_well(motors: Beamline) -> None:
    text = motors.run("doctor", "motor1")
    assert text.startswith("motor1: reachable\n") and "problem" not in text, text
    assert re.search(r"^sim:mtr1.RBV +connected +r", text, re.MULTILINE), text
    diagnosis = json.loads(motors.run("doctor", "motor1.velocity", "-o", "json"))
    assert diagnosis["pv_name"] == "sim:mtr1.VELO"
    place = f"127.0.0.1:{motors.ports['ca']}"
    assert diagnosis["epics"]["addresses"][0] == place
    probe = next(probe for probe in diagnosis["probes"] if probe["place"] == place)
    assert (probe["outcome"], probe["server"]) == ("serves", place)


def test_the_doctor_explains_what_is_not_reachable(beamline: Beamline) -> None:
    done = beamline.call("doctor", "no:such:pv")
    assert done.returncode == 1 and "no Device and no ProcessVariable" in done.stderr
    assert "says that it has no such PV" in done.stdout, done.stdout
    assert "→ apply a Device that has it" in done.stdout

    manifest = {
        "apiVersion": "beamline.dev/v1alpha1",
        "kind": "Device",
        "metadata": {"name": "lost"},
        "spec": {"name": "lost", "deviceClass": "ophyd.EpicsSignal", "prefix": "lost:pv"},
    }
    beamline.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))
    try:
        wait_for(
            "direct control has it",
            lambda: "lost:pv" in beamline.get("control", "/api/v1/diagnostics/device/lost").text,
        )
        done = beamline.call("doctor", "lost")
        assert done.returncode == 1 and "1 of 1 PVs are not connected: lost:pv" in done.stderr
        assert "device lost: known, switched on, not locked" in done.stdout, done.stdout
        beamline.kubectl("annotate", "device", "lost", "beamline.dev/active=false")
        wait_for("it is off", lambda: "switched off" in beamline.call("doctor", "lost").stdout)
    finally:
        beamline.kubectl("delete", "device", "lost")


def test_the_doctor_asks_name_servers_by_tcp(own_beamline: Beamline) -> None:
    server = f"127.0.0.1:{own_beamline.ports['ca']}"
    own_beamline.variables["EPICS_CA_NAME_SERVERS"] = server
    own_beamline.start()
    diagnosis = json.loads(own_beamline.run("doctor", "mini:current", "-o", "json"))
    assert diagnosis["epics"]["name_servers"] == [server]
    probe = next(one for one in diagnosis["probes"] if one["kind"] == "name_server")
    assert (probe["outcome"], probe["server"]) == ("serves", server), probe
    missing = json.loads(own_beamline.call("doctor", "no:such:pv", "-o", "json").stdout)
    probe = next(one for one in missing["probes"] if one["kind"] == "name_server")
    assert probe["outcome"] == "no_such_pv", probe
