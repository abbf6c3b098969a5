"""The chart of the operator."""

import pytest
from cases import HA
from conftest import objects, only, template

CHART = "beamline-operator"
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding"}


def kinds(*options: str) -> set[str]:
    return {one["kind"] for one in objects(template(CHART, *options))}


def container(*options: str) -> dict:
    pod = only(template(CHART, *options), "Deployment")["spec"]["template"]["spec"]
    return pod["containers"][0]


def environment(*options: str) -> dict[str, object]:
    return {
        one["name"]: one.get("value", one.get("valueFrom")) for one in container(*options)["env"]
    }


@pytest.mark.parametrize("option", ["namespaced=true", "watchNamespace=bl01"])
def test_one_namespace_needs_nothing_cluster_wide(option: str) -> None:
    assert not kinds(f"--set={option}") & CLUSTER_WIDE
    assert kinds() >= CLUSTER_WIDE


def test_the_role_is_in_the_namespace_that_is_looked_after() -> None:
    options = ("--namespace=system", "--set=watchNamespace=bl01")
    manifests = template(CHART, *options)
    role = only(manifests, "Role", CHART)
    binding = only(manifests, "RoleBinding", CHART)
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "bl01"
    assert binding["subjects"][0]["namespace"] == "system"
    leases = only(manifests, "Role", f"{CHART}-leader")
    assert leases["metadata"]["namespace"] == "system"
    assert environment(*options)["OPERATOR_WATCH_NAMESPACE"] == "bl01"


def test_the_same_rules_hold_for_one_namespace_as_for_all() -> None:
    everywhere = only(template(CHART), "ClusterRole")
    here = only(template(CHART, "--set=namespaced=true"), "Role", CHART)
    assert everywhere["rules"] == here["rules"]


def test_no_rule_has_a_wildcard_or_escalates() -> None:
    for rule in only(template(CHART), "ClusterRole")["rules"]:
        words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
        assert not words & {"*", "escalate", "bind", "impersonate"}


def test_a_budget_is_made_for_several_pods_only() -> None:
    assert "PodDisruptionBudget" not in kinds()
    assert "PodDisruptionBudget" in kinds(f"--values={HA}")
    off = "--set=podDisruptionBudget.enabled=false"
    assert "PodDisruptionBudget" not in kinds(f"--values={HA}", off)


def test_pods_get_the_image_of_the_operator() -> None:
    options = ("--set=image.repository=reg/beamline", "--set=image.tag=1.2")
    assert container(*options)["image"] == "reg/beamline:1.2"
    assert environment(*options)["BEAMLINE_IMAGE"] == "reg/beamline:1.2"


def test_an_account_of_others_has_to_be_named() -> None:
    refused = template(CHART, "--set=serviceAccount.create=false", fails=True)
    assert "serviceAccount.name" in refused


def test_two_releases_in_a_namespace_do_not_meet() -> None:
    names = [
        {one["metadata"]["name"] for one in objects(template(CHART, release=release))}
        for release in ("beamline-operator", "second")
    ]
    assert not names[0] & names[1]
