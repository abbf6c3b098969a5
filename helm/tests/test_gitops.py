"""The GitOps example: its charts render, its manifests are legal, what Argo CD runs of it works."""

from __future__ import annotations

import shutil
from pathlib import Path

import lupa.lua51
import pytest
import yaml
from conftest import HELM, helm, objects, only, template
from resources import errors_of

GITOPS = HELM.parent / "examples" / "gitops"
BL01 = GITOPS / "bl01"
SETTINGS = yaml.safe_load((GITOPS / "cluster" / "argocd" / "argocd-cm.yaml").read_text())["data"]
HEALTH = yaml.safe_load(SETTINGS["resource.customizations"])["beamline.dev/*"]["health.lua"]
ACTIVE = "beamline.dev/active"
FORCE = "beamline.dev/force-rollout"


def documents(*folders: Path) -> list[dict]:
    paths = [path for folder in folders for path in sorted(folder.rglob("*.yaml"))]
    return [one for path in paths for one in objects(path.read_text())]


# --- Lua, in the Lua that Argo CD has and with the libraries that it opens.


def run(script: str, resource: dict) -> object:
    lua = lupa.lua51.LuaRuntime(unpack_returned_tuples=True, register_builtins=False)
    for library in ("string", "math", "io", "debug", "coroutine", "python"):
        lua.globals()[library] = None
    lua.globals().obj = _to_lua(lua, resource)
    return _to_python(lua.execute(script))


def _to_lua(lua: lupa.lua51.LuaRuntime, value: object) -> object:
    if isinstance(value, dict):
        return lua.table_from({key: _to_lua(lua, child) for key, child in value.items()})
    if isinstance(value, list):
        return lua.table_from([_to_lua(lua, child) for child in value])
    return value


def _to_python(value: object) -> object:
    if lupa.lua51.lua_type(value) != "table":
        return value
    items = {key: _to_python(child) for key, child in value.items()}
    if items and all(isinstance(key, int) for key in items):
        return list(items.values())
    return items


def reported(kind: str, *conditions: tuple[str, str, str], seen: int = 3, **spec: object) -> dict:
    """An object of generation 3 whose status speaks of generation `seen`."""
    return {
        "apiVersion": "beamline.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "x", "generation": 3},
        "spec": spec,
        "status": {
            "observedGeneration": seen,
            "conditions": [
                {"type": type_, "status": status, "reason": reason, "message": f"{reason}."}
                for type_, status, reason in conditions
            ],
        },
    }


READY = ("Ready", "True", "Accepted")
NOT_CONNECTED = ("Connected", "False", "Disconnected")


@pytest.mark.parametrize(
    ("resource", "health"),
    [
        ({"kind": "Device", "metadata": {"generation": 1}, "spec": {}}, "Progressing"),
        (reported("Device", READY, seen=2), "Progressing"),
        (reported("Device", READY), "Healthy"),
        (reported("Device", READY, NOT_CONNECTED), "Healthy"),
        (reported("Device", READY, NOT_CONNECTED, required=True), "Degraded"),
        (reported("Device", ("Ready", "False", "Inactive")), "Suspended"),
        (reported("Device", ("Ready", "False", "Conflict")), "Degraded"),
        (reported("Device", ("Ready", "False", "UnknownClass")), "Degraded"),
        (reported("ProcessVariable", READY), "Healthy"),
        (reported("Beamline", ("Ready", "Unknown", "Progressing")), "Progressing"),
        (
            reported(
                "Beamline",
                ("Ready", "False", "Progressing"),
                ("Reconciling", "True", "Progressing"),
            ),
            "Progressing",
        ),
        (
            reported(
                "Beamline",
                ("Ready", "False", "ImagePullFailed"),
                ("Stalled", "True", "ImagePullFailed"),
            ),
            "Degraded",
        ),
        ({"kind": "DeviceClass", "metadata": {"generation": 1}, "spec": {}}, "Healthy"),
        ({"kind": "Queue", "metadata": {"generation": 1}, "spec": {}}, "Healthy"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["kind"],
)
def test_argo_shows_the_health_of(resource: dict, health: str) -> None:
    assert run(HEALTH, resource)["status"] == health


def test_argo_shows_the_words_of_the_operator() -> None:
    assert run(HEALTH, reported("Device", ("Ready", "False", "Conflict")))["message"] == "Conflict."


@pytest.mark.parametrize(
    ("kind", "action", "before", "after"),
    [
        ("Device", "switch-off", {}, {ACTIVE: "false"}),
        ("Device", "switch-on", {ACTIVE: "false"}, {ACTIVE: "true"}),
        ("Device", "as-git-says", {ACTIVE: "false", "other": "x"}, {"other": "x"}),
        ("Beamline", "force-rollout", {}, {FORCE: "true"}),
        ("Beamline", "wait-for-idle", {FORCE: "true"}, {}),
    ],
)
def test_an_action_changes_its_annotation_and_is_offered_when_it_would(
    kind: str, action: str, before: dict[str, str], after: dict[str, str]
) -> None:
    actions = yaml.safe_load(SETTINGS[f"resource.customizations.actions.beamline.dev_{kind}"])
    scripts = {one["name"]: one["action.lua"] for one in actions["definitions"]}
    resource = reported(kind, READY)
    if before:
        resource["metadata"]["annotations"] = before
    offered = run(actions["discovery.lua"], resource)
    assert set(offered) == set(scripts)
    assert offered[action]["disabled"] is False
    changed = run(scripts[action], resource)
    assert changed["metadata"].get("annotations", {}) == after
    assert run(actions["discovery.lua"], changed)[action]["disabled"] is True
    assert changed["spec"] == resource["spec"]


# --- What git holds.


def test_the_manifests_are_legal_and_none_is_a_plan() -> None:
    ours = [one for one in documents(BL01 / "devices") if "beamline.dev" in one["apiVersion"]]
    assert {one["kind"] for one in ours} == {"Device", "ProcessVariable"}
    for one in ours:
        assert errors_of(one) == []


def test_kustomize_names_every_manifest() -> None:
    named = yaml.safe_load((BL01 / "devices" / "kustomization.yaml").read_text())["resources"]
    present = {path.name for path in (BL01 / "devices").glob("*.yaml")} - {"kustomization.yaml"}
    assert set(named) == present


def test_the_chart_of_the_beamline_renders_with_ours_beside_it(tmp_path: Path) -> None:
    chart = shutil.copytree(BL01 / "beamline", tmp_path / "bl01")
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    about["dependencies"][0]["repository"] = f"file://{HELM / 'beamline'}"
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about))
    helm("dependency", "build", str(chart))
    manifests = template(chart, "--namespace=bl01")
    beamline = only(manifests, "Beamline")
    assert errors_of(beamline) == []
    assert beamline["metadata"]["name"] == "bl01"
    assert beamline["metadata"]["labels"]["location"] == "hall-2"


def test_what_is_delivered_lies_where_it_is_looked_for() -> None:
    delivered = documents(BL01 / "deploy")
    paths = {one["spec"]["source"]["path"] for one in delivered if one["kind"] == "Application"}
    paths |= {one["spec"]["path"] for one in delivered if one["kind"] == "Kustomization"}
    charts = [one["spec"]["chart"]["spec"] for one in delivered if one["kind"] == "HelmRelease"]
    paths |= {one["chart"] for one in charts if one["sourceRef"]["kind"] == "GitRepository"}
    assert paths == {"beamline", "devices", "./devices", "./deploy/flux/release"}
    assert all((BL01 / path).is_dir() for path in paths)


def test_versions_are_those_of_the_charts() -> None:
    versions = {
        name: yaml.safe_load((HELM / name / "Chart.yaml").read_text())["version"]
        for name in ("beamline-crds", "beamline-operator", "beamline")
    }
    named = yaml.safe_load((BL01 / "beamline" / "Chart.yaml").read_text())["dependencies"]
    found = {one["name"]: one["version"] for one in named}
    for one in documents(GITOPS / "cluster"):
        if one["kind"] == "Application":
            found[one["spec"]["source"]["chart"]] = one["spec"]["source"]["targetRevision"]
        if one["kind"] == "HelmRelease":
            of_chart = one["spec"]["chart"]["spec"]
            assert versions[of_chart["chart"]] == of_chart["version"]
    assert found == versions
