"""The tutorial of one machine: every command of its `sh` blocks, in order, against a beamline."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from local_beamline import ROOT, Beamline, environment, executable

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", TUTORIAL, re.S | re.M)


def test_every_command_of_the_tutorial_does_what_it_says(
    own_beamline: Beamline, tmp_path: Path
) -> None:
    beamline = own_beamline.start()
    run = Shell(beamline, tmp_path / "shell")
    printed = [run(block) for block in BLOCKS]
    everything = "\n".join(printed)
    assert "registry" in printed[0] and "ready" in printed[0]
    assert "device.beamline.dev/sample-x created" in everything
    assert "the environment is open" in everything
    assert re.search(r"^completed  scan\(", everything, re.M)
    assert '["stop",' in everything
    assert "queueitem.beamline.dev/first-count condition met" in everything
    assert "the environment is closed" in everything


class Shell:
    """The terminal of the reader, with the ports of this beamline in place of the usual ones."""

    def __init__(self, beamline: Beamline, folder: Path) -> None:
        self.beamline = beamline
        self.folder = folder
        programs = folder / "bin"
        programs.mkdir(parents=True)
        (programs / "beamline").symlink_to(Path(executable()).resolve())
        (folder / ".beamline").symlink_to(beamline.state)
        addresses = {
            "BEAMLINE_QUEUE_URL": beamline.url("queue"),
            "BEAMLINE_CONTROL_URL": beamline.url("control"),
            "BEAMLINE_REGISTRY_URL": beamline.url("registry"),
            "BEAMLINE_API_SERVER": beamline.url("api"),
        }
        path = {"PATH": f"{programs}:{os.environ['PATH']}", "KUBECONFIG": os.devnull}
        self.variables = environment() | addresses | path

    def __call__(self, block: str) -> str:
        for usual, part in (("8010", "api"), ("8004", "registry"), ("8003", "control")):
            block = re.sub(
                rf"http://(localhost|127\.0\.0\.1):{usual}\b", self.beamline.url(part), block
            )
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", block],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout
