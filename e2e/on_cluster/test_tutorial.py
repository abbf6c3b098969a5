"""The tutorial of a cluster: every command of its `sh` blocks, in order."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import HELM, ROOT, Cluster
from release import Release

TUTORIAL = (ROOT / "docs" / "tutorial-cluster.md").read_text()
# The first one installs definitions and operator, which are there.
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", TUTORIAL, re.S | re.M)[1:]
BEAMLINE = os.environ.get("BEAMLINE", str(ROOT / "target" / "debug" / "beamline"))


@pytest.fixture
def nothing(operator: Cluster) -> Iterator[Release]:
    """The namespace of the tutorial, which does not exist."""
    release = Release(operator, "bl01", "bl01")
    release.remove()
    try:
        yield release
    finally:
        release.remove()


@pytest.mark.timeout(600)
def test_every_command_of_the_tutorial_does_what_it_says(nothing: Release, tmp_path: Path) -> None:
    for name, program in (("helm", HELM), ("kubectl-beamline", BEAMLINE)):
        (tmp_path / name).symlink_to(Path(program).resolve())
    path = f"PATH={tmp_path}:{os.environ['PATH']}"
    printed = []
    for block in BLOCKS:
        shell = ("env", "-C", str(ROOT), path, "bash", "-eu", "-o", "pipefail", "-c", block)
        printed.append(nothing.cluster.command(*shell, limit=300))
    everything = "\n".join(printed)
    assert "beamline.beamline.dev/bl01 condition met" in everything
    assert "the environment is open" in everything
    assert re.search(r"^completed  scan\(", everything, re.M)
    assert re.search(r"^first-count .*Completed", everything, re.M)
    assert re.search(r"^long-count .*Completed", everything, re.M)
    assert "device.beamline.dev/pinhole" in printed[-1], "devices outlive the release"
