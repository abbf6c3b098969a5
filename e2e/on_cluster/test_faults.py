"""What breaks, and what must hold all the same."""

from __future__ import annotations

import time

import pytest
from cluster import wait_for
from faults import api_server_down
from release import Release, device, ends, run_queue


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


def test_a_queue_pod_killed_while_a_plan_runs_loses_nothing(environment: Release) -> None:
    one = environment
    items = [one.plan("sleep", 8.0), *(one.plan("count", ["random_walk"]) for _ in range(3))]
    with one.part("queue") as client:
        run_queue(client, 4)
    selector = "app.kubernetes.io/component=queue"
    one.kubectl("delete", "pods", "--selector", selector, "--grace-period=0", "--force")
    # The plan goes on in its worker; the next queue server follows it to its end.
    for item in items:
        one.completes(item, 120)
    with one.part("queue") as client:
        assert len(ends(client)) == len(items), "nothing ran twice"


def test_a_plan_goes_on_while_the_api_server_is_down(environment: Release) -> None:
    one = environment
    item = one.plan("sleep", 20.0)
    with one.part("queue") as client:
        run_queue(client, 1)
    lives = one.lives()
    with api_server_down():
        time.sleep(30)
    done = wait_for("the API server answers", lambda: one.finished(item), 120)
    assert done["status"]["result"]["exit_status"] == "completed"  # type: ignore[index]
    assert one.lives() == lives, "no pod gives up because the API is away"

    # Every watch was cut. What is changed now is followed all the same.
    one.apply(device("after-the-cut", "sim:mtr3"))
    with one.part("control") as control:
        body = {"device_name": "after-the-cut", "method": "read", "args": [], "kwargs": {}}
        wait_for(
            "control reads the new device",
            lambda: control.post("/api/v1/device/execute", json=body).json().get("result"),
        )
    one.kubectl("delete", "device", "after-the-cut")
    assert one.lives() == lives
