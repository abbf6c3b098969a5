"""The reference pages of the book: kinds, settings, metrics and rights, as the code has them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable

from beamline_values import Variable, all_variables_of
from values_schema import Schema, structural_schema

WRITTEN_BY_MACHINE = "<!-- Written by `make generate`. -->\n\n"
PARTS_OF_METRICS = {
    "http": "Every service",
    "access": "Who gets in",
    "lease": "Whatever has several processes of which one works",
    "channels": "Direct control, towards IOCs",
    "control": "Direct control, towards clients",
    "registry": "The registry",
    "queue": "The queue server",
    "operator": "The operator",
}
FIELD = ("field", "type", "default", "what")
VARIABLE = ("variable", "default", "what")
METRIC = ("metric", "kind", "unit", "what")
RIGHT = ("resources", "group", "verbs")
COMMANDS = {
    "operator": "The operator",
    "registry": "The registry",
    "control": "Direct control",
    "queue": "The queue server",
    "worker": "A worker",
    "sim-ioc": "The simulated IOC",
}


def kinds_page(definitions: list[Schema]) -> str:
    """Every field of every kind."""
    about = (
        "# Kinds\n\nAll are of `beamline.dev/v1alpha1` and live in the namespace of a beamline. "
        "`kubectl explain` has the same words.\n"
    )
    return WRITTEN_BY_MACHINE + "\n".join([about, *(_kind(one) for one in definitions)])


def _kind(definition: Schema) -> str:
    names = definition["spec"]["names"]
    version = next(one for one in definition["spec"]["versions"] if one["storage"])
    short = ", ".join(f"`{name}`" for name in names.get("shortNames", [])) or "none"
    lines = [
        f"## {names['kind']}",
        "",
        version["schema"]["openAPIV3Schema"]["description"],
        "",
        f"Plural `{names['plural']}`, short names: {short}.",
        "",
    ]
    for part in ("spec", "status"):
        if part in version["schema"]["openAPIV3Schema"]["properties"]:
            rows = list(_rows(structural_schema(definition, part), part))
            lines += [f"### {part} of {names['kind']}", "", *_table(FIELD, rows), ""]
    return "\n".join(lines)


def _rows(schema: Schema, path: str) -> list[tuple[str, ...]]:
    rows = []
    required = set(schema.get("required", []))
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        deeper = field.get("items", field)
        needed = "**required** " if name in required else ""
        rows.append((f"`{here}`", _type(field), _default(field), needed + _words(field)))
        # Conditions are the same in every kind of Kubernetes.
        if name != "conditions":
            rows += _rows(deeper, f"{here}[]" if deeper is not field else here)
    return rows


def _type(field: Schema) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "integer or string"
    kind = field.get("type", "any")
    if kind == "array":
        return f"list of {_type(field.get('items', {}))}"
    if "enum" in field:
        return " \\| ".join(f"`{word}`" for word in field["enum"] if word is not None)
    if isinstance(field.get("additionalProperties"), dict):
        return f"map of {_type(field['additionalProperties'])}"
    return kind


def _default(field: Schema) -> str:
    default = field.get("default")
    return "" if default is None or isinstance(default, (dict, list)) else f"`{_plain(default)}`"


def _plain(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _words(field: Schema) -> str:
    return " ".join(field.get("description", "").split()).replace("|", "\\|")


def settings_page(beamline: str) -> str:
    """Every environment variable of every part."""
    lines = [
        "# Settings",
        "",
        "What each part reads from its environment. In the chart of a beamline they are values of "
        "the `env` of the part, or fields of their own; the operator sets addresses and names.",
        "",
    ]
    for command, title in COMMANDS.items():
        rows = [_setting(one) for one in all_variables_of(beamline, command)]
        lines += [f"## {title}", "", f"`beamline {command}`", "", *_table(VARIABLE, rows), ""]
    return WRITTEN_BY_MACHINE + "\n".join(lines)


def _setting(one: Variable) -> tuple[str, ...]:
    secret = " Secret." if one.secret else ""
    return (f"`{one.name}`", f"`{one.default}`" if one.default else "", one.words + secret)


def values_page(readmes: dict[str, str]) -> str:
    """Every value of every chart, as the READMEs of the charts have them."""
    lines = ["# Values", "", "Of the three charts; `helm show values` has the same words.", ""]
    for chart, text in readmes.items():
        table = text.split("\n## Values\n")[1].strip()
        lines += [f"## {chart}", "", table, ""]
    return WRITTEN_BY_MACHINE + "\n".join(lines)


def metrics_page(beamline: str) -> str:
    """Every metric of every part."""
    lines = [
        "# Metrics",
        "",
        "What `/metrics` of each service shows, in the Prometheus text format. A word in `code` "
        "is a label. A metric appears when it has happened once; durations and sizes are "
        "histograms with `_bucket`, `_sum` and `_count`. Workers and the simulated IOC have none.",
        "",
    ]
    described = metrics_of(beamline)
    for prefix, title in PARTS_OF_METRICS.items():
        rows = [_metric(one) for one in described if one["name"].startswith(f"{prefix}_")]
        lines += [f"## {title}", "", *_table(METRIC, rows), ""]
    return WRITTEN_BY_MACHINE + "\n".join(lines)


def metrics_of(beamline: str) -> list[dict[str, str]]:
    """Every metric: name, kind, unit, words."""
    command = [beamline, "reference", "metrics"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout)


def _metric(one: dict[str, str]) -> tuple[str, ...]:
    unit = "" if one["unit"] in (None, "count") else one["unit"]
    return (f"`{one['name']}`", one["kind"], unit, one["words"])


def rights_page(roles: Iterable[dict]) -> str:
    """What each account may do at the Kubernetes API."""
    lines = [
        "# Rights",
        "",
        "What the account of each part may do at the Kubernetes API: the operator's in all "
        "namespaces that it looks after, the others' in the namespace of their beamline. The "
        "simulated IOC has no rights. [Security](../security.md) says why.",
        "",
    ]
    for role in roles:
        rows = [_right(rule) for rule in role["rules"]]
        lines += [f"## {_whose(role['metadata'])}", "", *_table(RIGHT, rows), ""]
    return WRITTEN_BY_MACHINE + "\n".join(lines)


def _whose(role: dict) -> str:
    if role["name"].endswith("-leader"):
        return "The lease of the operators"
    return COMMANDS[role["labels"].get("app.kubernetes.io/component", "operator")]


def _right(rule: dict) -> tuple[str, ...]:
    groups = ", ".join(f"`{group}`" if group else "core" for group in rule["apiGroups"])
    return (", ".join(f"`{one}`" for one in rule["resources"]), groups, ", ".join(rule["verbs"]))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    if not rows:
        return ["Nothing."]
    return [_line(head), _line(tuple("---" for _ in head)), *map(_line, rows)]


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
