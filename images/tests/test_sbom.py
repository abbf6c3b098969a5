"""The bill of materials of the executable."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SBOM = ROOT / "images" / "sbom.py"


def written(file: Path) -> str:
    host = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True, timeout=60)
    (target,) = (
        line.removeprefix("host: ") for line in host.stdout.splitlines() if "host: " in line
    )
    command = [sys.executable, "-W", "error", str(SBOM), f"--target={target}", f"--output={file}"]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    return file.read_text()


def test_every_crate_is_listed_with_licence_and_checksum(tmp_path: Path) -> None:
    text = written(tmp_path / "one.json")
    document = json.loads(text)
    assert document["metadata"]["component"]["name"] == "beamline"
    locked = {(p["name"], p["version"]) for p in lock() if "source" in p}
    foreign = {
        (part["name"], part["version"]): part
        for part in document["components"]
        if (part["name"], part["version"]) in locked
    }
    assert {"kube", "axum", "epics-ca-rs", "tokio"} <= {name for name, _ in foreign}
    assert all(part["licenses"] and part["hashes"] for part in foreign.values())
    # What is used in building and testing only is not part of the executable.
    assert not {"cc", "proptest"} & {name for name, _ in foreign}
    assert written(tmp_path / "two.json") == text, "the same lock file gives the same text"


def lock() -> list[dict]:
    return tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
