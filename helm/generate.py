"""Writes what is generated in the charts, and the reference of the docs.

`make generate` runs it; a test holds that its output is what is checked in.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import yaml
from beamline_values import BeamlineValues
from dashboards import BEAMLINE, OPERATOR, dashboard
from reference import kinds_page, metrics_page, rights_page, settings_page, values_page
from values_schema import schema_of_values, whole

HELM = Path(__file__).resolve().parent
REFERENCE = HELM.parent / "docs" / "reference"
CHARTS = ("beamline-crds", "beamline-operator", "beamline")
DEFINITIONS = sorted((HELM / "beamline-crds" / "files").glob("*.yaml"))


# From here on the values of the chart `beamline` are generated.
MARK = "# --- The Beamline."


def generated(beamline: str) -> dict[Path, str]:
    """Every generated file and what it should say, but for the READMEs that are made of these."""
    definitions = {path.stem: yaml.safe_load(path.read_text()) for path in DEFINITIONS}
    spec = BeamlineValues(definitions["beamlines.beamline.dev"], beamline)
    files = {}
    for chart in CHARTS:
        folder = HELM / chart
        values = (folder / "values.yaml").read_text()
        own = before_the_mark(values)
        properties = schema_of_values(own, definitions)["properties"]
        if MARK in values:
            files[folder / "values.yaml"] = f"{own}\n{spec.text()}"
            properties |= spec.schema()["properties"]
        schema = whole(properties, f"Values of the chart {chart}")
        files[folder / "values.schema.json"] = as_json(schema)
    files |= {path: as_json(board) for path, board in boards().items()}
    files[REFERENCE / "kinds.md"] = kinds_page(list(definitions.values()))
    files[REFERENCE / "settings.md"] = settings_page(beamline)
    files[REFERENCE / "metrics.md"] = metrics_page(beamline)
    files[REFERENCE / "rights.md"] = rights_page(roles())
    return files


def roles() -> list[dict]:
    """The roles of the operator and of the parts of a beamline, as their tests hold them."""
    rendered = (
        HELM / "tests" / "golden" / "operator-default.yaml",
        HELM.parent / "operator" / "tests" / "golden" / "default.yaml",
    )
    every = [one for path in rendered for one in yaml.safe_load_all(path.read_text()) if one]
    return [one for one in every if one["kind"] in ("ClusterRole", "Role")]


def boards() -> dict[Path, dict]:
    """The Grafana dashboards."""
    operator = dashboard("Beamline operator", "beamline-operator", OPERATOR, of_namespace=False)
    beamline = dashboard("Beamline", "beamline", BEAMLINE, of_namespace=True)
    return {
        HELM / "beamline-operator" / "files" / "dashboard.json": operator,
        HELM / "beamline" / "files" / "dashboard.json": beamline,
    }


def before_the_mark(values: str) -> str:
    """What is written by hand, the line of the mark included."""
    lines = values.splitlines(keepends=True)
    marked = [number for number, line in enumerate(lines) if line.startswith(MARK)]
    return "".join(lines[: marked[0] + 1]) if marked else values


def as_json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def readmes(helm_docs: str) -> dict[Path, str]:
    """The READMEs of the charts as they are, and the page of the book with the values in them."""
    texts = {chart: readme(helm_docs, HELM / chart) for chart in CHARTS}
    files = {HELM / chart / "README.md": text for chart, text in texts.items()}
    return files | {REFERENCE / "values.md": values_page(texts)}


def readme(helm_docs: str, folder: Path) -> str:
    """The README as `helm-docs` makes it from `README.md.gotmpl` and the comments of the values."""
    options = ["--dry-run", "--sort-values-order=file", "--log-level=error"]
    command = [helm_docs, *options, f"--chart-search-root={folder}"]
    with tempfile.TemporaryDirectory() as nowhere:
        done = subprocess.run(
            command, cwd=nowhere, check=True, capture_output=True, text=True, timeout=60
        )
    return done.stdout.rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beamline", required=True, help="the executable of the beamline")
    parser.add_argument("--helm-docs", default="helm-docs", help="the executable of helm-docs")
    args = parser.parse_args()
    write(generated(args.beamline))
    write(readmes(args.helm_docs))


def write(files: dict[Path, str]) -> None:
    """Writes what is not so already, and names it."""
    for path, text in files.items():
        if not path.exists() or path.read_text() != text:
            print(path.relative_to(HELM.parent))
            path.write_text(text)


if __name__ == "__main__":
    main()
