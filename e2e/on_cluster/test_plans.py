"""Plans on a cluster: queued by kubectl and by HTTP, run by a worker pod."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from cluster import ROOT, wait_for
from release import Release, open_environment


@pytest.fixture
def queue(bl01: Release) -> Iterator[httpx.Client]:
    """The queue server of a beamline whose environment is open, and closed afterwards."""
    bl01.kubectl("apply", f"--filename={ROOT / 'examples' / 'sim-devices'}")
    with bl01.part("queue") as client:
        open_environment(client)
        yield client
        client.post("/api/environment/close")
        closed = "worker_environment_exists"
        wait_for("the environment is closed", lambda: not client.get("/api/status").json()[closed])
    wait_for("the worker pod is gone", lambda: not bl01.pods("worker"))


def test_plans_of_kubectl_and_of_http_run_alike(bl01: Release, queue: httpx.Client) -> None:
    wait_for(
        "the worker's pod is up",
        lambda: [pod["status"]["phase"] for pod in bl01.pods("worker")] == ["Running"],  # type: ignore[index]
    )
    by_kubectl = bl01.plan("scan", ["random_walk"], "motor1", 0, 1, num=3)
    plan = {"item_type": "plan", "name": "count", "args": [["random_walk"]], "kwargs": {"num": 2}}
    added = queue.post("/api/queue/item/add", json={"item": plan}).json()
    assert added["success"], added
    wait_for(
        "both are in the queue",
        lambda: queue.get("/api/status").json()["items_in_queue"] == 2,
    )
    assert queue.post("/api/queue/start").json()["success"]
    item = bl01.finished(by_kubectl)
    assert item["status"]["result"]["exit_status"] == "completed", item  # type: ignore[index]
    uid = added["item"]["item_uid"]
    wait_for("the other has run", lambda: ends(queue).get(uid) == "completed")


def ends(queue: httpx.Client) -> dict[str, str]:
    """How every item of the history ended."""
    items = queue.get("/api/history/get").json()["items"]
    return {item["item_uid"]: item["result"]["exit_status"] for item in items}
