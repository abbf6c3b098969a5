"""Charts as Helm renders them, without a cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

HELM = Path(__file__).resolve().parent.parent
TESTS = HELM / "tests"
DEFINITIONS = HELM / "beamline-crds" / "files"

# The Kubernetes that charts are rendered for and objects are checked against.
KUBERNETES = "1.34.0"

sys.path.insert(0, str(HELM))


def tool(name: str) -> str:
    """The executable that `<NAME>` of the environment names, else the one on the path."""
    found = os.environ.get(name.upper().replace("-", "_")) or shutil.which(name)
    if not found:
        pytest.exit(f"{name} is missing: run `make charts`")
    return found


def helm(*arguments: str, fails: bool = False) -> str:
    """What `helm` prints; with `fails`, what it complains of."""
    done = subprocess.run(
        [tool("helm"), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    if fails:
        assert done.returncode != 0, f"helm {' '.join(arguments)} was not refused"
        return done.stderr
    assert done.returncode == 0, done.stderr
    return done.stdout


def template(chart: Path | str, *options: str, release: str = "", fails: bool = False) -> str:
    """The manifests of a chart of ours, or of a folder."""
    folder = HELM / chart
    command = ["template", release or folder.name, str(folder), f"--kube-version={KUBERNETES}"]
    return helm(*command, *options, fails=fails)


def objects(manifests: str) -> list[dict]:
    return [one for one in yaml.safe_load_all(manifests) if one]


def only(manifests: str, kind: str, name: str | None = None) -> dict:
    """The one object of that kind (and name)."""
    named = [
        one
        for one in objects(manifests)
        if one["kind"] == kind and name in (None, one["metadata"]["name"])
    ]
    assert len(named) == 1, f"{len(named)} objects of kind {kind}"
    return named[0]
