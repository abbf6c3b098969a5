"""A beamline as a user installs it: one Helm release in a namespace of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import httpx
import yaml
from cluster import IMAGE, ROOT, Cluster, Refused, wait_for
from parts import Parts

PORTS = {"registry": 8004, "control": 8003, "queue": 60610}
VALUES = {
    "image": IMAGE,
    "simIoc": {"enabled": True},
    "control": {"readOnly": False},
    "test": {"image": f"{IMAGE['repository']}:{IMAGE['tag']}"},
}


@dataclass
class Release:
    """One release of the chart `beamline`."""

    cluster: Cluster
    name: str
    namespace: str

    def install(self, **values: object) -> Release:
        self.upgrade(**values)
        ready = (f"beamline/{self.name}", "--for=condition=Ready", "--timeout=180s")
        self.kubectl("wait", *ready, limit=200)
        return self

    def upgrade(self, **values: object) -> None:
        chart = str(ROOT / "helm" / "beamline")
        place = (f"--namespace={self.namespace}", "--create-namespace")
        self.cluster.helm("upgrade", "--install", self.name, chart, *place, values=VALUES | values)

    def remove(self) -> None:
        """The release and its namespace; it may be gone already."""
        with suppress(Refused):
            self.cluster.helm("uninstall", self.name, f"--namespace={self.namespace}", "--wait")
        self.cluster.kubectl(
            "delete", "namespace", self.namespace, "--ignore-not-found", "--timeout=120s"
        )

    def kubectl(self, *words: str, stdin: str | None = None, limit: float = 120.0) -> str:
        return self.cluster.kubectl("--namespace", self.namespace, *words, stdin=stdin, limit=limit)

    def get(self, *words: str) -> dict[str, object]:
        return self.cluster.get("--namespace", self.namespace, *words)

    def find(self, *words: str) -> list[dict[str, object]]:
        return self.cluster.find("--namespace", self.namespace, *words)

    def apply(self, *objects: dict[str, object]) -> str:
        return self.cluster.apply(self.namespace, *objects)

    def make(self, made: dict[str, object]) -> dict[str, object]:
        """Creates an object; as it is then."""
        text = yaml.safe_dump(made)
        words = ("create", "--filename=-", "--output=json")
        return json.loads(self.kubectl(*words, stdin=text))

    def pods(self, component: str) -> list[dict[str, object]]:
        return self.find("pods", "--selector", f"app.kubernetes.io/component={component}")

    def lives(self) -> set[tuple[str, int]]:
        """Every pod with how often it was restarted: equal, when nothing was."""
        return {
            (pod["metadata"]["uid"], status["restartCount"])  # type: ignore[index]
            for pod in self.find("pods", "--selector", "app.kubernetes.io/name=beamline")
            for status in pod["status"]["containerStatuses"]  # type: ignore[index]
        }

    def lives_of(self, part: str) -> set[str]:
        """The pods of a part that are ready and not on their way out."""
        return {
            pod["metadata"]["uid"]  # type: ignore[index]
            for pod in self.pods(part)
            if "deletionTimestamp" not in pod["metadata"]  # type: ignore[operator]
            and {"type": "Ready", "status": "True"}.items()
            <= next(
                (c for c in pod["status"].get("conditions", []) if c["type"] == "Ready"),  # type: ignore[attr-defined]
                {},
            ).items()
        }

    @contextmanager
    def part(self, name: str) -> Iterator[httpx.Client]:
        """A client of a part of the beamline, through its Service."""
        service = f"service/{self.name}-{name}"
        with (
            self.cluster.forward(self.namespace, service, PORTS[name]) as url,
            httpx.Client(base_url=url, timeout=30) as client,
        ):
            yield client

    @contextmanager
    def parts(self, *names: str) -> Iterator[Parts]:
        """Several parts of the beamline at once, through their Services."""
        with ExitStack() as forwards:
            urls = {
                name: forwards.enter_context(
                    self.cluster.forward(self.namespace, f"service/{self.name}-{name}", PORTS[name])
                )
                for name in names
            }
            yield Forwarded(self, urls)

    def plan(self, name: str, *args: object, **kwargs: object) -> str:
        """A plan as a QueueItem of kubectl; the name of the object."""
        item = {
            "apiVersion": "beamline.dev/v1alpha1",
            "kind": "QueueItem",
            "metadata": {"generateName": "scenario-"},
            "spec": {"name": name, "args": list(args), "kwargs": kwargs},
        }
        made = self.kubectl("create", "--filename=-", "--output=name", stdin=yaml.safe_dump(item))
        return made.strip()

    def finished(self, item: str, limit: float = 60.0) -> dict[str, object]:
        """The item once it has ended."""
        self.kubectl(
            "wait", item, "--for=condition=Finished", f"--timeout={limit}s", limit=limit + 10
        )
        return self.get(item)

    def completes(self, item: str, limit: float = 60.0) -> None:
        """Waits for the end of the item, which must be a good one."""
        ended = self.finished(item, limit)
        assert ended["status"]["result"]["exit_status"] == "completed", ended  # type: ignore[index]


@dataclass
class Forwarded(Parts):
    """Parts of a release, at ports of this machine."""

    release: Release
    urls: dict[str, str]

    def url(self, part: str) -> str:
        return self.urls[part]

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        return self.release.kubectl(*words, stdin=stdin)


def kstatus(thing: object) -> str:
    """What the library of Flux makes of it: InProgress, Current, Failed or Terminating."""
    program = ROOT / ".cluster" / "bin" / "kstatus"
    done = subprocess.run(
        [program], input=json.dumps(thing), capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.partition(":")[0]


def device(name: str, prefix: str, device_class: str = "ophyd.EpicsMotor") -> dict[str, object]:
    return {
        "apiVersion": "beamline.dev/v1alpha1",
        "kind": "Device",
        "metadata": {"name": name},
        "spec": {"name": name, "deviceClass": device_class, "prefix": prefix},
    }


def open_environment(queue: httpx.Client) -> None:
    """Opens the worker environment and waits until it takes plans."""
    answer = queue.post("/api/environment/open").json()
    assert answer["success"], answer
    wait_for(
        "the environment is open",
        lambda: queue.get("/api/status").json()["worker_environment_exists"],
        90,
    )


def start_queue(queue: httpx.Client, items: int) -> None:
    """Starts the queue once it has that many items."""
    queued = f"{items} queued"
    wait_for(queued, lambda: queue.get("/api/status").json()["items_in_queue"] == items)
    assert queue.post("/api/queue/start").json()["success"]


def run_queue(queue: httpx.Client, items: int) -> None:
    """Starts the queue once it has that many items, and waits until one of them runs."""
    start_queue(queue, items)
    wait_for("one runs", lambda: queue.get("/api/status").json()["running_item_uid"])


def ends(queue: httpx.Client) -> dict[str, str]:
    """How every item of the history ended."""
    items = queue.get("/api/history/get").json()["items"]
    return {item["item_uid"]: item["result"]["exit_status"] for item in items}


def idle(queue: httpx.Client) -> bool:
    """Whether nothing runs and no environment is there."""
    status = queue.get("/api/status").json()
    return status["manager_state"] == "idle" and not status["worker_environment_exists"]
