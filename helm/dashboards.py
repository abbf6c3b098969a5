"""The Grafana dashboards of the charts, laid out from lists of panels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT, COLUMNS = 12, 8, 2
RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Panel:
    """A graph: what it shows, the query, the names of its lines, the unit as Grafana calls it."""

    title: str
    query: str
    legend: str
    unit: str = "short"


def quantile(metric: str, by: str, which: str = "0.99", where: str = "") -> str:
    return f"histogram_quantile({which}, sum by ({by}, le) (rate({metric}_bucket{where}{RATE})))"


def rate(metric: str, by: str, where: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{where}{RATE}))"


OPERATOR = [
    Panel("Reconciles", rate("operator_reconciles_total", "controller"), "{{controller}}", "ops"),
    Panel(
        "Failed reconciles",
        rate("operator_reconcile_failures_total", "controller, reason"),
        "{{controller}} {{reason}}",
        "ops",
    ),
    Panel(
        "Duration of a reconcile, 99 %",
        quantile("operator_reconcile_duration_seconds", "controller"),
        "{{controller}}",
        "s",
    ),
    Panel("Status writes", rate("operator_status_writes_total", "kind"), "{{kind}}", "ops"),
]

HERE = '{namespace="$namespace"}'
BEAMLINE = [
    Panel(
        "PVs that are not connected",
        f"sum by (pod) (channels_pvs{HERE}) - sum by (pod) (channels_pvs_connected{HERE})",
        "{{pod}}",
    ),
    Panel("Updates of PVs", rate("channels_updates_total", "pod", HERE), "{{pod}}", "ops"),
    Panel("Sockets", f"sum by (kind) (control_sockets{HERE})", "{{kind}}"),
    Panel(
        "Updates that a newer one replaced, for slow clients",
        rate("control_updates_replaced_total", "pod", HERE),
        "{{pod}}",
        "ops",
    ),
    Panel("Clients that fall behind", f"sum by (pod) (control_clients_behind{HERE})", "{{pod}}"),
    Panel("Items in the queue", f"max(queue_items{HERE})", "waiting"),
    Panel("Items that run", f"max(queue_running_items{HERE})", "running"),
    Panel(
        "Requests", rate("http_requests_total", "service, status", HERE), "{{service}} {{status}}"
    ),
    Panel(
        "Duration of a request, 99 %",
        quantile("http_request_duration_seconds", "service", where=HERE),
        "{{service}}",
        "s",
    ),
]


def dashboard(title: str, uid: str, panels: list[Panel], *, of_namespace: bool) -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    variables = [_data_source()] + ([_namespace()] if of_namespace else [])
    return {
        "uid": uid,
        "title": title,
        "tags": ["beamline"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": variables},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {
            "x": number % COLUMNS * WIDTH,
            "y": number // COLUMNS * HEIGHT,
            "w": WIDTH,
            "h": HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": "A",
                "datasource": source,
                "expr": panel.query,
                "legendFormat": panel.legend,
            }
        ],
    }


def _data_source() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
    }


def _namespace() -> dict[str, Any]:
    return {
        "name": "namespace",
        "label": "Beamline",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": "label_values(queue_items, namespace)",
        "refresh": 2,
    }
