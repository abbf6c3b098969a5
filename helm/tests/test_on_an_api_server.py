"""The charts on a real API server with its controllers, where no pods run."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cases import CASES, Case
from conftest import HELM, objects, tool
from test_earlier_definitions import EARLIER
from test_goldens import FOREIGN

DEVICE = {
    "apiVersion": "beamline.dev/v1alpha1",
    "kind": "Device",
    "metadata": {"name": "motor", "namespace": "kept"},
    "spec": {"name": "motor", "deviceClass": "ophyd.EpicsMotor", "prefix": "sim:mtr1"},
}
# One of each kind, with what it cannot do without.
OF_EACH_KIND: dict[str, dict[str, object]] = {
    "Beamline": {},
    "Device": DEVICE["spec"],  # type: ignore[dict-item]
    "DeviceClass": {"classPath": "site.Stage", "behaviour": "Composite", "deviceLabel": "device"},
    "DeviceLocks": {"epoch": "1"},
    "PlanWorker": {"queue": "main", "connectTo": "ws://127.0.0.1:1", "tokenSecret": "token"},
    "ProcessVariable": {"pvName": "SR:C00-BI:G00{DCCT:00}CUR-RB"},
    "Queue": {},
    "QueueItem": {"name": "count", "args": [["det"]]},
}
# There is one in a namespace, of this name.
NAMES = {"DeviceLocks": "device-locks"}


class ApiServer:
    """What `kubectl` and `helm` say to it."""

    def __init__(self, kubeconfig: str) -> None:
        self.environment = {**os.environ, "KUBECONFIG": kubeconfig}

    def run(self, *command: str, given: str | None = None) -> str:
        done = subprocess.run(
            command, input=given, env=self.environment, capture_output=True, text=True, timeout=90
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def helm(self, *arguments: str) -> str:
        return self.run(tool("helm"), *arguments)

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        return self.run("kubectl", *arguments, given=given)

    def namespace(self, name: str) -> None:
        self.kubectl("create", "namespace", name)

    def may(self, who: str, namespace: str, *what: str) -> bool:
        command = ["kubectl", "auth", "can-i", *what, f"--as={who}", f"--namespace={namespace}"]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=90
        )
        answer = done.stdout.strip()
        assert answer in ("yes", "no"), done.stderr
        return answer == "yes"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with our definitions, by the chart."""
    cluster = tool("e2e-cluster")
    folder = f"--folder={tmp_path_factory.mktemp('cluster') / 'charts'}"
    up = [cluster, "up", folder, "--control-plane-only"]
    try:
        done = subprocess.run(up, stdout=subprocess.PIPE, text=True, check=True, timeout=170)
        server = ApiServer(done.stdout.strip())
        server.helm("install", "beamline-crds", str(HELM / "beamline-crds"))
        for case in CASES:
            if case.namespace not in server.kubectl("get", "namespaces", "--output=name"):
                server.namespace(case.namespace)
        yield server
    finally:
        subprocess.run([cluster, "down", folder], check=True, timeout=60)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_takes_what_is_rendered(api: ApiServer, case: Case) -> None:
    rendered = [one for one in objects(case.manifests()) if one["kind"] not in FOREIGN]
    api.kubectl(
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "--filename=-",
        given=yaml.safe_dump_all(rendered),
    )


def test_the_clusters_own_roles_hold_for_our_kinds(api: ApiServer) -> None:
    api.namespace("people")
    for role in ("view", "edit", "admin"):
        api.kubectl(
            "--namespace=people",
            "create",
            "rolebinding",
            role,
            f"--clusterrole={role}",
            f"--user={role}",
        )
    wanted = {
        "view": [True, False, False, False],
        "edit": [True, True, True, False],
        "admin": [True, True, True, True],
    }

    def allowed() -> dict[str, list[bool]]:
        asked = ("get devices", "create devices", "create queueitems", "create beamlines")
        return {role: [api.may(role, "people", *what.split()) for what in asked] for role in wanted}

    # The controller of the API server joins the roles in its own time, one after the other.
    deadline = time.monotonic() + 60
    while (now := allowed()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    assert now == wanted


def test_an_operator_of_one_namespace_can_do_nothing_elsewhere(api: ApiServer) -> None:
    api.namespace("elsewhere")
    chart = str(HELM / "beamline-operator")
    one = ("--namespace=own", "--create-namespace", "--set=namespaced=true")
    api.helm("install", "beamline-operator", chart, *one)
    account = "system:serviceaccount:own:beamline-operator"
    asked = (("create", "deployments"), ("list", "devices.beamline.dev"), ("get", "secrets"))
    assert [api.may(account, "own", *what) for what in asked] == [True, True, True]
    assert [api.may(account, "elsewhere", *what) for what in asked] == [False, False, False]
    assert not api.may(account, "own", "list", "secrets")
    assert not api.may(account, "own", "escalate", "roles")


def test_objects_outlive_the_releases_that_brought_their_kinds(api: ApiServer) -> None:
    api.namespace("kept")
    api.helm("install", "kept", str(HELM / "beamline"), "--namespace=kept")
    api.kubectl("apply", "--filename=-", given=yaml.safe_dump(DEVICE))
    api.helm(
        "upgrade", "kept", str(HELM / "beamline"), "--namespace=kept", "--set=control.replicas=2"
    )
    replicas = (
        "get",
        "beamline",
        "kept",
        "--namespace=kept",
        "--output=jsonpath={.spec.control.replicas}",
    )
    assert api.kubectl(*replicas) == "2"
    api.helm("upgrade", "beamline-crds", str(HELM / "beamline-crds"))
    api.helm("uninstall", "kept", "--namespace=kept")
    api.helm("uninstall", "beamline-crds")
    left = api.kubectl("get", "beamlines,queues,devices", "--namespace=kept", "--output=name")
    assert left.split() == ["device.beamline.dev/motor"]
    api.helm("install", "beamline-crds", str(HELM / "beamline-crds"))


@pytest.mark.parametrize("earlier", EARLIER, ids=lambda path: path.stem)
def test_objects_live_through_an_upgrade_of_their_definitions(
    api: ApiServer, earlier: Path, tmp_path: Path
) -> None:
    # As a cluster that got the definitions back then.
    chart = tmp_path / "beamline-crds"
    shutil.copytree(HELM / "beamline-crds", chart)
    shutil.rmtree(chart / "files")
    (chart / "files").mkdir()
    for one in yaml.safe_load_all(earlier.read_text()):
        (chart / "files" / f"{one['metadata']['name']}.yaml").write_text(yaml.safe_dump(one))
    api.helm("upgrade", "beamline-crds", str(chart))
    namespace = earlier.stem
    api.namespace(namespace)
    stored = [
        {
            "apiVersion": "beamline.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": NAMES.get(kind, "old"), "namespace": namespace},
            "spec": spec,
        }
        for kind, spec in OF_EACH_KIND.items()
    ]
    api.kubectl("apply", "--validate=strict", "--filename=-", given=yaml.safe_dump_all(stored))
    kinds = ",".join(f"{kind}.v1alpha1.beamline.dev" for kind in OF_EACH_KIND)

    def specs() -> dict[str, object]:
        found = api.kubectl("get", kinds, f"--namespace={namespace}", "--output=yaml")
        return {one["kind"]: one["spec"] for one in yaml.safe_load(found)["items"]}

    before = specs()
    assert sorted(before) == sorted(OF_EACH_KIND)
    api.helm("upgrade", "beamline-crds", str(HELM / "beamline-crds"))

    def unchanged(spec: object, was: object) -> bool:
        """The new schema may add defaults, and takes nothing away."""
        if isinstance(was, dict) and isinstance(spec, dict):
            return all(unchanged(spec.get(name), value) for name, value in was.items())
        return spec == was

    after = specs()
    assert all(unchanged(after[kind], spec) for kind, spec in before.items()), after
    # The new definitions let the old objects be edited.
    for kind in OF_EACH_KIND:
        old = f"{kind}.v1alpha1.beamline.dev/{NAMES.get(kind, 'old')}"
        api.kubectl("label", old, f"--namespace={namespace}", "seen=now")
