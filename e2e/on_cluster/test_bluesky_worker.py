"""The bluesky worker as a pod: plans on the RunEngine, whose documents are brought elsewhere.

An image with Python takes minutes to make. These pods have the Python of the tests instead, from
folders of their node: what they run is the worker as it is installed, and nothing else of an image.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cluster import IMAGE, ROOT, wait_for
from release import Release, ends, open_environment, start_queue

# Where a pod finds the Python of the tests with its packages and libraries.
FOLDERS = {
    "/usr": "/usr",
    "/lib": "/usr/lib",
    "/lib64": "/usr/lib64",
    sys.base_prefix: sys.base_prefix,
    sys.prefix: sys.prefix,
    "/worker": str(ROOT / "plan-worker" / "python" / "src"),
}
VOLUMES = [
    {"name": f"python-{n}", "hostPath": {"path": place}} for n, place in enumerate(FOLDERS.values())
]
MOUNTS = [
    {"name": f"python-{n}", "mountPath": place, "readOnly": True} for n, place in enumerate(FOLDERS)
]
PYTHON = {"PATH": str(Path(sys.prefix) / "bin"), "PYTHONPATH": "/worker"}
SINK = "sink"
PORT = 5577
# What the proxy of a site has at its inner side.
LISTENS = f"""
import zmq
inner = zmq.Context().socket(zmq.SUB)
inner.subscribe(b"")
inner.bind("tcp://*:{PORT}")
while True:
    print(inner.recv().split(b" ", 2)[1].decode(), flush=True)
"""


def sink() -> list[dict[str, object]]:
    """Somebody who says which documents have come, and the Service in front."""
    container = {
        "name": SINK,
        "image": f"{IMAGE['repository']}:{IMAGE['tag']}",
        "command": [str(Path(sys.prefix) / "bin" / "python"), "-c", LISTENS],
        "volumeMounts": MOUNTS,
    }
    labels = {"app": SINK}
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": SINK, "labels": labels},
            "spec": {"containers": [container], "volumes": VOLUMES},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": SINK},
            "spec": {"selector": labels, "ports": [{"port": PORT}]},
        },
    ]


def test_a_plan_of_bluesky_moves_a_device_of_the_registry_and_its_documents_are_brought_away(
    own_release: Release,
) -> None:
    one = own_release
    worker = {"image": IMAGE, "env": PYTHON, "volumes": VOLUMES, "volumeMounts": MOUNTS}
    one.install(
        queue={
            "engine": "bluesky",
            "worker": worker,
            "publisher": {"env": PYTHON, "volumeMounts": MOUNTS},
        },
        queueSettings={
            "profile": {"registryDevices": True},
            "publishers": {"zmq": {"address": f"{SINK}:{PORT}"}},
        },
    )
    one.apply(*sink())
    one.kubectl("apply", f"--filename={ROOT / 'examples' / 'sim-devices'}")
    one.kubectl("wait", f"pod/{SINK}", "--for=condition=Ready", "--timeout=60s")
    with one.part("queue") as queue:
        open_environment(queue)
        [pod] = one.pods("worker")
        names = [c["name"] for c in pod["spec"]["initContainers"]]  # type: ignore[index]
        assert names == ["publisher"]
        plan = {"name": "scan", "args": [["det"], "motor1", 0, 0.2], "kwargs": {"num": 3}}
        added = queue.post("/api/queue/item/add", json={"item": plan | {"item_type": "plan"}})
        assert added.json()["success"], added.text
        start_queue(queue, 1)
        uid = added.json()["item"]["item_uid"]
        wait_for("the plan has run", lambda: uid in ends(queue), 60)
        history = queue.get("/api/history/get").json()["items"]
        assert history[0]["result"]["exit_status"] == "completed", json.dumps(history, indent=1)

        expected = ["start", "descriptor", *["event"] * 3, "stop"]
        wait_for("its documents are there", lambda: one.kubectl("logs", SINK).split() == expected)
        assert queue.post("/api/environment/close").json()["success"]
        wait_for("the pod is gone", lambda: not one.pods("worker"), 90)
