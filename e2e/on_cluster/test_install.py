"""From nothing to a beamline and back, with Helm and kubectl alone."""

from __future__ import annotations

import json

import pytest
from cluster import IMAGE, ROOT, Cluster, Refused, wait_for
from release import Release, device, kstatus

MADE = "deployments,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets"
OF_BEAMLINE = "app.kubernetes.io/managed-by=beamline-operator"


def test_a_beamline_becomes_ready_and_answers_through_its_services(bl01: Release) -> None:
    assert "Phase:          Succeeded" in bl01.cluster.helm("test", "bl01", "--namespace=bl01")
    for part in ("registry", "control", "queue"):
        with bl01.part(part) as client:
            for page in ("/livez", "/health", "/ready", "/openapi.json", "/metrics"):
                assert client.get(page).status_code == 200, (part, page)


def test_every_pod_meets_the_restricted_standard(bl01: Release) -> None:
    # The API server names each pod that a stricter namespace would refuse.
    label = "pod-security.kubernetes.io/enforce=restricted"
    checked = bl01.cluster.command(
        "sh",
        "-c",
        f"kubectl label --dry-run=server --overwrite namespace {bl01.namespace} {label} 2>&1",
    )
    assert "violate" not in checked, checked


def becomes(release: Release, name: str, wanted: str) -> None:
    wait_for(f"{name} is {wanted}", lambda: kstatus(release.get(name)) == wanted)


def test_those_who_wait_as_flux_does_see_how_devices_and_pvs_stand(bl01: Release) -> None:
    assert kstatus(bl01.make(device("waited-for", "sim:mtr1"))) == "InProgress"
    becomes(bl01, "device/waited-for", "Current")
    elsewhere = {"spec": {"prefix": "sim:mtr2"}}
    assert kstatus(patched(bl01, "device/waited-for", elsewhere)) == "InProgress"
    becomes(bl01, "device/waited-for", "Current")

    assert kstatus(bl01.make(device("wrong", "x", "no.such.Class"))) == "InProgress"
    becomes(bl01, "device/wrong", "Failed")
    patched(bl01, "device/wrong", {"spec": {"deviceClass": "ophyd.EpicsMotor"}})
    becomes(bl01, "device/wrong", "Current")

    spec = {"pvName": "sim:mtr3.RBV"}
    pv = device("readback", "") | {"kind": "ProcessVariable", "spec": spec}
    assert kstatus(bl01.make(pv)) == "InProgress"
    becomes(bl01, "epv/readback", "Current")

    patched(bl01, "device/wrong", {"metadata": {"finalizers": ["beamline.dev/held"]}})
    bl01.kubectl("delete", "device/waited-for", "epv/readback")
    bl01.kubectl("delete", "device/wrong", "--wait=false")
    becomes(bl01, "device/wrong", "Terminating")
    patched(bl01, "device/wrong", {"metadata": {"finalizers": None}})


def test_those_who_wait_as_flux_does_see_how_a_beamline_stands(bl01: Release) -> None:
    becomes(bl01, "beamline/bl01", "Current")
    becomes(bl01, "queue/main", "Current")
    guarded = {"spec": {"networkPolicy": {"enabled": True}}}
    assert kstatus(patched(bl01, "beamline/bl01", guarded)) == "InProgress"
    becomes(bl01, "beamline/bl01", "Current")

    rival = device("rival", "") | {"kind": "Beamline", "spec": {"image": IMAGE}}
    assert kstatus(bl01.make(rival)) == "InProgress"
    becomes(bl01, "beamline/rival", "Failed")
    bl01.kubectl("delete", "beamline", "rival")


def test_those_who_wait_as_flux_does_see_how_a_queue_item_stands(environment: Release) -> None:
    bl01 = environment
    item = device("planned", "") | {"kind": "QueueItem", "spec": {"name": "no_such_plan"}}
    bl01.make(item)
    becomes(bl01, "queueitem/planned", "Failed")
    bl01.kubectl("delete", "queueitem/planned")


def patched(release: Release, name: str, change: dict[str, object]) -> object:
    words = ("patch", name, "--type=merge", f"--patch={json.dumps(change)}", "--output=json")
    return json.loads(release.kubectl(*words))


def test_an_upgrade_rolls_only_the_pods_that_it_concerns(own_release: Release) -> None:
    one = own_release.install()
    before = {part: uids(one, part) for part in ("registry", "control", "queue", "sim-ioc")}
    one.upgrade(registry={"lockLeaseTtlSeconds": 7})
    wait_for("another registry pod", lambda: not uids(one, "registry") & before["registry"], 120)
    one.kubectl("wait", f"beamline/{one.name}", "--for=condition=Ready", "--timeout=120s")
    for part in ("control", "queue", "sim-ioc"):
        assert uids(one, part) == before[part], part


def uids(release: Release, part: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in release.pods(part)}  # type: ignore[index]


def test_an_uninstall_takes_away_what_was_made_and_nothing_else(own_release: Release) -> None:
    one = own_release.install()
    one.apply(device("mine", "sim:mtr1"))
    assert one.find(MADE, "--selector", OF_BEAMLINE)
    one.cluster.helm("uninstall", one.name, f"--namespace={one.namespace}", "--wait")
    wait_for("all of it is gone", lambda: not one.find(MADE, "--selector", OF_BEAMLINE), 120)
    wait_for("its pods are gone", lambda: not one.find("pods"), 120)
    assert [d["metadata"]["name"] for d in one.find("devices")] == ["mine"]  # type: ignore[index]


def test_the_definitions_stay_when_their_release_goes(operator: Cluster) -> None:
    chart = str(ROOT / "helm" / "beamline-crds")
    operator.helm("uninstall", "beamline-crds", "--wait")
    assert "devices.beamline.dev" in operator.kubectl("get", "crd", "--output=name")
    operator.helm("upgrade", "--install", "beamline-crds", chart, "--wait")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"deviceClass": "ophyd.EpicsMotor"}, "spec.name"),
        ({"name": "m", "deviceClass": "c", "active": "perhaps"}, "spec.active"),
        ({"name": "m", "deviceClass": "c", "prefiks": "x"}, "spec.prefiks"),
        ({"name": "m", "deviceClass": "c", "framework": "other"}, "spec.framework"),
    ],
)
def test_a_wrong_manifest_is_refused_and_the_field_is_named(
    bl01: Release, spec: dict[str, object], field: str
) -> None:
    with pytest.raises(Refused) as refused:
        bl01.apply(device("wrong", "x") | {"spec": spec})
    assert field in str(refused.value)
    assert "wrong" not in bl01.kubectl("get", "devices", "--output=name")
