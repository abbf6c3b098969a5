"""What the code measures is in the book, and alerts and dashboards ask for nothing else."""

from __future__ import annotations

import json
import re

import pytest
from cases import CASES
from conftest import HELM, objects, only, tool
from reference import metrics_of

ROOT = HELM.parent
USED = re.compile(r'\b(counter|gauge|histogram)!\(\s*"(\w+)"([^;]*)', re.S)
LABEL = re.compile(r'"(\w+)" =>')
CODE = re.compile(r"`(\w+)`")
NOT_METRICS = {"absent", "by", "histogram_quantile", "increase", "le", "max", "rate", "sum", "up"}


@pytest.fixture(scope="module")
def described() -> dict[str, dict[str, str]]:
    return {one["name"]: one for one in metrics_of(tool("beamline"))}


def used() -> dict[str, tuple[str, set[str]]]:
    """Kind and labels of each metric that the code records."""
    found: dict[str, tuple[str, set[str]]] = {}
    for path in ROOT.glob("*/src/**/*.rs"):
        for kind, name, rest in USED.findall(path.read_text()):
            labels = set(LABEL.findall(rest.split(".increment")[0]))
            found[name] = (kind, found.get(name, (kind, set()))[1] | labels)
    return found


def test_what_is_measured_is_described_with_its_kind_and_labels(described: dict) -> None:
    measured = used()
    assert sorted(measured) == sorted(described)
    for name, (kind, labels) in measured.items():
        assert described[name]["kind"] == kind, name
        named = set(CODE.findall(described[name]["words"]))
        assert labels <= named, f"{name} does not say that it is by {labels - named}"


def test_every_metric_is_on_the_page(described: dict) -> None:
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    assert [name for name in described if f"| `{name}` |" not in page] == []


def asked_of(expression: str) -> dict[str, set[str]]:
    """The metrics of a query, and the labels that it picks each of them by."""
    picked = {
        name: set(re.findall(r"(\w+)=", selector))
        for name, selector in re.findall(r"(\w+)\{([^}]*)\}", expression)
    }
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\bby \([^)]*\)", " ", expression)
    words = set(re.findall(r"[a-z_]\w*", bare)) - NOT_METRICS
    return {word: picked.get(word, set()) for word in words}


def expressions() -> list[tuple[str, str]]:
    rendered = {case.name: case.manifests() for case in CASES}
    rules = [
        (f"{name}: {rule['alert']}", rule["expr"])
        for name in ("operator-ha", "beamline-everything")
        for group in only(rendered[name], "PrometheusRule")["spec"]["groups"]
        for rule in group["rules"]
    ]
    boards = [json.loads(path.read_text()) for path in HELM.glob("*/files/dashboard.json")]
    panels = [
        (panel["title"], target["expr"])
        for board in boards
        for panel in board["panels"]
        for target in panel["targets"]
    ]
    return rules + panels


# Prometheus itself says where a metric was collected.
OF_PROMETHEUS = {"namespace", "service", "pod", "endpoint"}


def test_alerts_and_dashboards_ask_only_for_what_is_measured(described: dict) -> None:
    measured = used()
    asked = expressions()
    assert len(asked) > 15
    for where, expression in asked:
        for name, labels in asked_of(expression).items():
            metric = re.sub("_(bucket|sum|count)$", "", name)
            known = described.get(name) or described.get(metric)
            assert known, f"{where} asks for {name}, which nothing measures"
            if name != metric:
                assert known["kind"] == "histogram", where
            unknown = labels - OF_PROMETHEUS - measured[known["name"]][1]
            assert not unknown, f"{where} picks {name} by {unknown}"


def test_a_query_is_taken_apart() -> None:
    query = 'sum by (pod) (rate(a_total{x="1",y=~"2"}[5m])) / max(b) > 0.1'
    assert asked_of(query) == {"a_total": {"x", "y"}, "b": set()}


def test_every_alert_is_in_the_runbook() -> None:
    page = (ROOT / "docs" / "runbook.md").read_text()
    alerts = {
        rule["alert"]
        for case in CASES
        for one in objects(case.manifests())
        if one["kind"] == "PrometheusRule"
        for group in one["spec"]["groups"]
        for rule in group["rules"]
    }
    assert len(alerts) > 5
    assert [alert for alert in sorted(alerts) if f"`{alert}`" not in page] == []
