"""Charts render what is kept in `golden/`, and all of it is legal Kubernetes.

`UPDATE_GOLDENS=1 make charts` writes the files anew; look at the difference before you keep it.
"""

import os

import kubernetes_validate
import pytest
from cases import CASES, Case
from conftest import HELM, KUBERNETES, helm, objects
from resources import DEFINITIONS_BY_KIND, errors_of

# Kinds of others: their definitions are not at hand here, so only the goldens hold them.
FOREIGN = {"ServiceMonitor", "PrometheusRule", "HTTPRoute"}
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}

cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@cases
def test_a_chart_renders_what_is_kept(case: Case) -> None:
    manifests = case.manifests()
    if os.environ.get("UPDATE_GOLDENS"):
        case.golden.write_text(manifests)
    assert manifests == case.golden.read_text()


@cases
def test_every_object_is_legal(case: Case) -> None:
    rendered = objects(case.manifests())
    assert rendered
    for one in rendered:
        if one["kind"] in DEFINITIONS_BY_KIND:
            assert errors_of(one) == []
        elif one["kind"] not in FOREIGN:
            kubernetes_validate.validate(one, KUBERNETES, strict=True)


@cases
def test_every_object_says_its_namespace(case: Case) -> None:
    """A parent chart or a `kubectl apply` of what was rendered puts nothing elsewhere."""
    for one in objects(case.manifests()):
        if one["kind"] not in CLUSTER_WIDE:
            assert one["metadata"].get("namespace"), f"{one['kind']}/{one['metadata']['name']}"


@pytest.mark.parametrize("chart", ["beamline-crds", "beamline-operator", "beamline"])
def test_helm_finds_nothing_to_complain_of(chart: str) -> None:
    helm("lint", "--strict", f"--kube-version={KUBERNETES}", str(HELM / chart))
