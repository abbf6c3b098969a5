"""A real Kubernetes, and what scenarios do with it: kubectl, helm, ports, waiting, dumps."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
HELM = os.environ.get("HELM", str(ROOT / ".venv" / "bin" / "helm"))
# What `make images PROFILE=dev` packs, and every pod of the scenarios runs.
IMAGE = {"repository": "localhost/beamline", "tag": "dev"}
OURS = "bl,dev,devclass,epv,q,qi,pw,devicelocks"


def wait_for(what: str, condition: Callable[[], object], limit: float = 120.0) -> object:
    """Waits until `condition` is true; what cannot be asked yet counts as not yet."""
    deadline = time.monotonic() + limit
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = condition()
        except (httpx.HTTPError, Refused) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(0.1)
    raise AssertionError(f"not within {limit} s: {what}; last: {last!r}")


class Refused(Exception):
    """A command that ended with an error; the text is what it said."""


@dataclass
class Cluster:
    """The cluster of a kubeconfig."""

    kubeconfig: Path

    def command(self, *words: str, stdin: str | None = None, limit: float = 120.0) -> str:
        done = subprocess.run(
            words,
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig)},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        if done.returncode != 0:
            raise Refused(f"{' '.join(words)}: {done.stderr}{done.stdout}")
        return done.stdout

    def kubectl(self, *words: str, stdin: str | None = None, limit: float = 120.0) -> str:
        return self.command("kubectl", *words, stdin=stdin, limit=limit)

    def helm(self, *words: str, values: object = None, limit: float = 240.0) -> str:
        options = ("--values", "-") if values is not None else ()
        text = yaml.safe_dump(values) if values is not None else None
        return self.command(HELM, *words, *options, stdin=text, limit=limit)

    def get(self, *words: str) -> dict[str, object]:
        return json.loads(self.kubectl("get", *words, "--output=json"))

    def find(self, *words: str) -> list[dict[str, object]]:
        return self.get(*words)["items"]  # type: ignore[return-value]

    def apply(self, namespace: str, *objects: dict[str, object]) -> str:
        text = yaml.safe_dump_all(objects)
        return self.kubectl("--namespace", namespace, "apply", "--filename=-", stdin=text)

    @contextmanager
    def forward(self, namespace: str, target: str, port: int) -> Iterator[str]:
        """The URL of a port of a pod or service, for as long as the block lasts."""
        process = subprocess.Popen(
            ["kubectl", f"--namespace={namespace}", "port-forward", target, f":{port}"],
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("Forwarding from 127.0.0.1:"):
                raise Refused(f"port-forward {target}: {line}{process.stdout.read()}")
            local = line.split(":")[1].split(" ")[0]
            yield f"http://127.0.0.1:{local}"
        finally:
            process.kill()
            process.wait(10)

    def dump(self, folder: Path) -> None:
        """Writes down what one asks first when a scenario has failed."""
        folder.mkdir(parents=True, exist_ok=True)
        questions = {
            "objects.txt": ("get", f"all,{OURS},leases,pvc", "--all-namespaces", "--output=wide"),
            "ours.yaml": ("get", OURS, "--all-namespaces", "--output=yaml"),
            "pods.txt": ("describe", "pods", "--all-namespaces"),
            "events.txt": ("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"),
        }
        for name, words in questions.items():
            self._note(folder / name, *words)
        try:
            pods = self.find("pods", "--all-namespaces")
        except Refused:
            return
        for pod in pods:
            metadata: dict[str, str] = pod["metadata"]  # type: ignore[assignment]
            of = (f"--namespace={metadata['namespace']}", metadata["name"], "--all-containers")
            log = f"{metadata['namespace']}.{metadata['name']}"
            self._note(folder / f"{log}.log", "logs", *of)
            self._note(folder / f"{log}.previous.log", "logs", "--previous", *of)

    def _note(self, file: Path, *words: str) -> None:
        try:
            text = self.kubectl(*words, limit=30)
        except (Refused, subprocess.TimeoutExpired) as error:
            text = str(error)
        if text and "previous terminated container" not in text:
            file.write_text(text)
