"""What breaks, and what must hold all the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from cluster import ROOT, wait_for
from release import Release, open_environment

E2E_CLUSTER = ROOT / ".cluster" / "bin" / "e2e-cluster"


@pytest.fixture
def queue(bl01: Release) -> Iterator[httpx.Client]:
    """The queue server of a beamline whose environment is open."""
    bl01.kubectl("apply", f"--filename={ROOT / 'examples' / 'sim-devices'}")
    with bl01.part("queue") as client:
        open_environment(client)
    yield client
    with bl01.part("queue") as client:
        client.post("/api/re/abort")
        client.post("/api/environment/destroy")
        client.post("/api/history/clear")
        client.post("/api/queue/clear")
    wait_for("the worker pod is gone", lambda: not bl01.pods("worker"), 90)


def test_an_ioc_that_comes_back_at_another_address_is_found_again(bl01: Release) -> None:
    with bl01.part("control") as control:

        def value() -> object:
            return control.get("/api/v1/pv/mini:current/value").json().get("value")

        wait_for("the PV is there", value)
        (pod,) = bl01.pods("sim-ioc")
        bl01.kubectl("delete", "pod", pod["metadata"]["name"], "--now")  # type: ignore[index]
        wait_for("another pod runs", lambda: address(bl01) not in (None, pod["status"]["podIP"]))  # type: ignore[index]
        wait_for("the PV is there again", value, 90)
        assert control.get("/ready").status_code == 200


def address(release: Release) -> str | None:
    """Where the simulated IOC is ready."""
    for pod in release.pods("sim-ioc"):
        conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}  # type: ignore[attr-defined,index]
        if conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]:  # type: ignore[operator]
            return pod["status"]["podIP"]  # type: ignore[index]
    return None


@pytest.mark.parametrize("part", ["registry", "control", "queue"])
def test_a_killed_pod_comes_back_and_answers(bl01: Release, part: str) -> None:
    before = {pod["metadata"]["uid"] for pod in bl01.pods(part)}  # type: ignore[index]
    selector = f"app.kubernetes.io/component={part},app.kubernetes.io/instance={bl01.name}"
    bl01.kubectl("delete", "pods", "--selector", selector, "--grace-period=0", "--force")
    bl01.kubectl("rollout", "status", f"deployment/{bl01.name}-{part}", "--timeout=90s")
    assert not before & {pod["metadata"]["uid"] for pod in bl01.pods(part)}  # type: ignore[index]

    def answers() -> bool:
        with bl01.part(part) as client:
            return client.get("/ready").status_code == 200

    wait_for("it answers", answers, 90)


def test_a_queue_pod_killed_while_a_plan_runs_loses_nothing(
    bl01: Release, queue: httpx.Client
) -> None:
    del queue
    items = [bl01.plan("sleep", 8.0), *(bl01.plan("count", ["random_walk"]) for _ in range(3))]
    with bl01.part("queue") as client:
        wait_for("all are queued", lambda: client.get("/api/status").json()["items_in_queue"] == 4)
        assert client.post("/api/queue/start").json()["success"]
        wait_for("the first runs", lambda: client.get("/api/status").json()["running_item_uid"])
    selector = "app.kubernetes.io/component=queue"
    bl01.kubectl("delete", "pods", "--selector", selector, "--grace-period=0", "--force")
    # The plan goes on in its worker; the next queue server follows it to its end.
    first = bl01.finished(items[0], 120)
    assert first["status"]["result"]["exit_status"] in ("completed", "unknown"), first  # type: ignore[index]
    left = {item["metadata"]["name"] for item in bl01.find("queueitems")}  # type: ignore[index]
    assert {item.split("/")[1] for item in items} <= left


def test_a_plan_goes_on_while_the_api_server_is_down(bl01: Release, queue: httpx.Client) -> None:
    del queue
    folder = os.environ.get("E2E_CLUSTER_FOLDER")
    if folder is None:
        pytest.fail(
            "only on a cluster of our own can the API server be stopped: E2E_CLUSTER_FOLDER"
        )
    item = bl01.plan("sleep", 20.0)
    with bl01.part("queue") as client:
        wait_for("it is queued", lambda: client.get("/api/status").json()["items_in_queue"] == 1)
        assert client.post("/api/queue/start").json()["success"]
        wait_for("it runs", lambda: client.get("/api/status").json()["running_item_uid"])
    lives = bl01.lives()
    with api_server_down(Path(folder)):
        time.sleep(30)
    done = wait_for("the API server answers", lambda: bl01.finished(item), 120)
    assert done["status"]["result"]["exit_status"] == "completed"  # type: ignore[index]
    assert bl01.lives() == lives, "no pod gives up because the API is away"


@contextmanager
def api_server_down(folder: Path) -> Iterator[None]:
    """The API server is killed, and started again afterwards."""
    recorded = json.loads((folder / "processes" / "kube-apiserver.json").read_text())
    os.kill(recorded["Pid"], signal.SIGKILL)
    try:
        yield
    finally:
        words = [str(E2E_CLUSTER), "start", f"--folder={folder}", "kube-apiserver"]
        subprocess.run(words, check=True, timeout=60)
