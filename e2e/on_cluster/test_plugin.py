"""`kubectl beamline` with nothing but the user's kubeconfig: the pods by port-forward."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cluster import ROOT, wait_for
from release import Release


class Plugin:
    """The executable under the name by which kubectl finds it."""

    def __init__(self, release: Release, folder: Path) -> None:
        built = os.environ.get("BEAMLINE", str(ROOT / "target" / "debug" / "beamline"))
        (folder / "kubectl-beamline").symlink_to(built)
        self.release = release
        self.path = f"{folder}{os.pathsep}{os.environ['PATH']}"

    def call(self, *words: str, namespace: str = "") -> subprocess.CompletedProcess[str]:
        """One command, however it ends."""
        kubeconfig = str(self.release.cluster.kubeconfig)
        where = ("--namespace", namespace or self.release.namespace)
        return subprocess.run(
            ["kubectl", "beamline", *words, *where],
            env=os.environ | {"PATH": self.path, "KUBECONFIG": kubeconfig},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )

    def run(self, *words: str) -> str:
        """What one command prints; nothing may be on standard error."""
        done = self.call(*words)
        assert (done.returncode, done.stderr) == (0, ""), (words, done)
        return done.stdout


@pytest.fixture
def plugin(bl01: Release, tmp_path: Path) -> Iterator[Plugin]:
    """The plugin, and a beamline with motors."""
    motors = f"--filename={ROOT / 'examples' / 'sim-devices'}"
    bl01.kubectl("apply", motors)
    bl01.kubectl("wait", "device/motor1", "--for=condition=Ready", "--timeout=90s")
    plugin = Plugin(bl01, tmp_path)
    wait_for("direct control has them", lambda: plugin.call("get", "motor1").returncode == 0)
    yield plugin
    bl01.kubectl("delete", motors)


def test_status_names_the_beamline_and_its_parts(plugin: Plugin) -> None:
    text = plugin.run("status")
    assert text.startswith(f"beamline {plugin.release.name} in {plugin.release.namespace}: ready (")
    for part in ("registry", "direct control", "queue server"):
        assert re.search(rf"^{part} +ready ", text, re.MULTILINE), text


def test_devices_are_listed_read_set_watched_and_stopped(plugin: Plugin) -> None:
    motors = json.loads(plugin.run("devices", "--label=motor", "--output=json"))
    assert [motor["device"] for motor in motors] == ["motor1", "motor2", "motor3"]
    plugin.run("set", "motor1", "2.5", "--wait")
    assert plugin.run("get", "sim:mtr1.RBV").strip() == "2.5"
    changes = plugin.run("monitor", "motor1", "--count=3").splitlines()
    assert len(changes) == 3 and all("   motor1." in change for change in changes), changes
    plugin.run("stop", "motor1", "motor2")


def test_a_plan_runs_from_the_command_line(plugin: Plugin) -> None:
    assert "open" in plugin.run("env", "open", "--wait=90")
    added = plugin.run("queue", "add", "scan", '["random_walk"]', "motor2", "0", "1", "num=3")
    uid = added.splitlines()[0].split()[-1]
    plugin.run("queue", "start", "--follow")
    history = json.loads(plugin.run("history", "--output=json"))["items"]
    (item,) = [item for item in history if item["item_uid"] == uid]
    assert item["result"]["exit_status"] == "completed"
    assert "closed" in plugin.run("env", "close")
    wait_for("the worker pod is gone", lambda: not plugin.release.pods("worker"))


def test_the_doctor_sees_what_the_pod_sees(plugin: Plugin) -> None:
    assert plugin.run("doctor", "motor1").startswith("motor1: reachable\n")
    done = plugin.call("doctor", "no:such:pv")
    assert done.returncode == 1 and "no Device and no ProcessVariable" in done.stderr
    # The simulated IOC is a name server to the pod, by the name of its Service.
    assert "name server" in done.stdout and "no such PV" in done.stdout, done.stdout


def test_what_the_registry_made_is_exported(plugin: Plugin) -> None:
    body = {
        "metadata": {
            "name": "exported",
            "device_label": "signal",
            "ophyd_class": "EpicsSignal",
            "pvs": {"readback": "mini:slit:exp"},
        },
        "instantiation_spec": {
            "name": "exported",
            "device_class": "ophyd.signal.EpicsSignal",
            "args": ["mini:slit:exp"],
        },
    }
    with plugin.release.part("registry") as registry:
        assert registry.post("/api/v1/devices", json=body).status_code == 201
        text = plugin.run("export")
        registry.delete("/api/v1/devices/exported")
    documents = {one["metadata"]["name"]: one for one in yaml.safe_load_all(text)}
    assert documents["exported"]["metadata"] == {"name": "exported"}
    # What kubectl has applied by hand nobody else keeps; the classes of the release are shipped.
    assert "motor1" in documents
    assert not [one for one in documents.values() if one["kind"] == "DeviceClass"]
    assert plugin.release.kubectl("apply", "--filename=-", stdin=text)
    plugin.release.kubectl("delete", "device", "exported")


def test_a_namespace_without_a_beamline_is_named(plugin: Plugin) -> None:
    done = plugin.call("status", namespace="kube-public")
    assert done.returncode == 2 and "no Beamline in the namespace kube-public" in done.stderr
