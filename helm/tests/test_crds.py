"""The chart of the definitions."""

import yaml
from conftest import DEFINITIONS, objects, only, template

CRD = "CustomResourceDefinition"
KEEP = "helm.sh/resource-policy"


def definitions(*options: str) -> dict[str, dict]:
    rendered = objects(template("beamline-crds", *options))
    return {one["metadata"]["name"]: one for one in rendered if one["kind"] == CRD}


def test_the_chart_changes_nothing_but_labels_and_annotations() -> None:
    rendered = definitions()
    files = [yaml.safe_load(path.read_text()) for path in DEFINITIONS.glob("*.yaml")]
    assert sorted(rendered) == sorted(one["metadata"]["name"] for one in files)
    for one in files:
        assert rendered[one["metadata"]["name"]]["spec"] == one["spec"]


def test_definitions_outlive_the_release_unless_told_otherwise() -> None:
    assert all(one["metadata"]["annotations"][KEEP] == "keep" for one in definitions().values())
    for one in definitions("--set=keep=false").values():
        assert "annotations" not in one["metadata"]


def test_labels_and_annotations_of_the_values_are_on_every_definition() -> None:
    options = ("--set=labels.site=here", "--set=annotations.owner=us", "--set=keep=false")
    for one in definitions(*options).values():
        assert one["metadata"]["labels"]["site"] == "here"
        assert one["metadata"]["annotations"] == {"owner": "us"}


def test_the_roles_name_every_kind_and_only_admins_write_a_beamline() -> None:
    manifests = template("beamline-crds")
    plurals = {one["spec"]["names"]["plural"] for one in definitions().values()}
    view, edit, admin = (
        only(manifests, "ClusterRole", f"beamline-dev-{name}") for name in ("view", "edit", "admin")
    )
    assert set(view["rules"][0]["resources"]) == plurals
    assert set(view["rules"][0]["verbs"]) == {"get", "list", "watch"}
    written = set(edit["rules"][0]["resources"]) | set(admin["rules"][0]["resources"])
    assert written == plurals
    assert "beamlines" not in edit["rules"][0]["resources"]
    assert "ClusterRole" not in template("beamline-crds", "--set=aggregatedRoles.enabled=false")


def test_the_roles_join_the_roles_of_the_cluster() -> None:
    manifests = template("beamline-crds")
    joins = {
        "view": {"view", "edit", "admin"},
        "edit": {"edit", "admin"},
        "admin": {"admin"},
    }
    for name, wider in joins.items():
        labels = only(manifests, "ClusterRole", f"beamline-dev-{name}")["metadata"]["labels"]
        prefix = "rbac.authorization.k8s.io/aggregate-to-"
        assert {key.removeprefix(prefix) for key in labels if key.startswith(prefix)} == wider
