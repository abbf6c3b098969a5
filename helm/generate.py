"""Writes what is generated in the charts: schemas, parts of values, the tables of the READMEs.

`make generate` runs it, a test runs it with `--check`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from values_schema import Schema, schema_of_values

HELM = Path(__file__).resolve().parent
CHARTS = ("beamline-crds",)


def schema_of_chart(chart: str) -> Schema:
    return schema_of_values(HELM / chart / "values.yaml", f"Values of the chart {chart}")


def generated(helm_docs: str) -> dict[Path, str]:
    """Every generated file and what it should say."""
    files = {}
    for chart in CHARTS:
        folder = HELM / chart
        files[folder / "values.schema.json"] = json.dumps(schema_of_chart(chart), indent=1) + "\n"
        files[folder / "README.md"] = readme(helm_docs, folder)
    return files


def readme(helm_docs: str, folder: Path) -> str:
    """The README as `helm-docs` makes it from `README.md.gotmpl` and the comments of the values."""
    options = ["--dry-run", "--sort-values-order=file", "--log-level=error"]
    command = [helm_docs, *options, f"--chart-search-root={folder}"]
    with tempfile.TemporaryDirectory() as nowhere:
        done = subprocess.run(
            command, cwd=nowhere, check=True, capture_output=True, text=True, timeout=60
        )
    return done.stdout.rstrip() + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--helm-docs", default="helm-docs", help="the executable of helm-docs")
    parser.add_argument("--check", action="store_true", help="write nothing, name what is stale")
    args = parser.parse_args()
    stale = {
        path: text
        for path, text in generated(args.helm_docs).items()
        if not path.exists() or path.read_text() != text
    }
    for path, text in stale.items():
        print(path.relative_to(HELM))
        if not args.check:
            path.write_text(text)
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
