"""Plans on a cluster: queued by kubectl and by HTTP, run by a worker pod."""

from __future__ import annotations

from cluster import wait_for
from release import Release, ends, kstatus, start_queue


def test_plans_of_kubectl_and_of_http_run_alike(environment: Release) -> None:
    one = environment
    wait_for(
        "the worker's pod is up",
        lambda: [pod["status"]["phase"] for pod in one.pods("worker")] == ["Running"],  # type: ignore[index]
    )
    wait_for("those who wait see it", lambda: kstatus(one.find("planworkers")[0]) == "Current")
    by_kubectl = one.plan("scan", ["random_walk"], "motor1", 0, 1, num=3)
    plan = {"item_type": "plan", "name": "count", "args": [["random_walk"]], "kwargs": {"num": 2}}
    with one.part("queue") as queue:
        added = queue.post("/api/queue/item/add", json={"item": plan}).json()
        assert added["success"], added
        start_queue(queue, 2)
        one.completes(by_kubectl)
        uid = added["item"]["item_uid"]
        wait_for("the other has run", lambda: ends(queue).get(uid) == "completed")
