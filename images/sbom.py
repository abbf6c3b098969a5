"""Writes what the executable is made of, as CycloneDX: crates, versions, licences and checksums.

The crates are those that Cargo builds into `beamline` for this machine: no build or development
dependencies. The same `Cargo.lock` gives the same text.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tomllib
import uuid
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parent.parent
EXECUTABLE = "beamline"
# Names the text by what is in it.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "beamline.dev")


def metadata(target: str) -> dict:
    """What Cargo says of the workspace and all that it depends on."""
    words = ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={target}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip())
    return json.loads(done.stdout)


def linked(graph: dict) -> dict[str, list[str]]:
    """The packages that end up in the executable, itself first, each with those that it uses."""
    nodes = {node["id"]: node for node in graph["resolve"]["nodes"]}
    (root,) = (p["id"] for p in graph["packages"] if p["name"] == EXECUTABLE and not p["source"])
    found: dict[str, list[str]] = {}
    ahead = [root]
    while ahead:
        package = ahead.pop()
        if package not in found:
            found[package] = [
                dependency["pkg"]
                for dependency in nodes[package]["deps"]
                if any(kind["kind"] is None for kind in dependency["dep_kinds"])
            ]
            ahead += found[package]
    return found


def checksums() -> dict[tuple[str, str], str]:
    """SHA-256 of each crate, by name and version."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    packages = lock["package"]
    return {(p["name"], p["version"]): p["checksum"] for p in packages if "checksum" in p}


def licence(package: dict) -> License:
    """Its licence: an SPDX expression, or where the crate says it."""
    if package["license"] is None:
        return DisjunctiveLicense(name=f"{package['license_file']} in the crate")
    # Crates that are older than the SPDX grammar of today write `/` for OR.
    return LicenseFactory().make_from_string(package["license"].replace("/", " OR "))


def component(package: dict, checksum: str | None) -> Component:
    """One crate."""
    name, version = package["name"], package["version"]
    return Component(
        type=ComponentType.APPLICATION if name == EXECUTABLE else ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=f"{name}@{version}",
        purl=PackageURL("cargo", name=name, version=version),
        description=(package["description"] or "").strip() or None,
        licenses=[licence(package)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=checksum)] if checksum else None,
    )


def order(package: dict) -> tuple[str, str]:
    """By name, then version."""
    return package["name"], package["version"]


def bill(target: str) -> str:
    """The bill of materials, as JSON."""
    graph, known = metadata(target), checksums()
    packages = {package["id"]: package for package in graph["packages"]}
    uses = linked(graph)
    parts = {
        identity: component(p, known.get((p["name"], p["version"])))
        for identity, p in sorted(packages.items(), key=lambda item: order(item[1]))
        if identity in uses
    }
    root = next(iter(uses))
    own = parts[root]
    others = [part for identity, part in parts.items() if identity != root]
    content = "\n".join(f"{part.name} {part.version}" for part in others)
    bom = Bom(components=others, serial_number=uuid.uuid5(NAMESPACE, content))
    bom.metadata.component = own
    for identity, needed in uses.items():
        bom.register_dependency(parts[identity], [parts[one] for one in needed])
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    document = json.loads(text)
    # Only when it was written differs from run to run.
    del document["metadata"]["timestamp"]
    return json.dumps(document, indent=2) + "\n"


def main() -> None:
    """Writes the file and says how much is in it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--target", required=True, help="the platform, as `rustc -vV` names it")
    options.add_argument("--output", required=True, type=Path, help="the file to write")
    asked = options.parse_args()
    text = bill(asked.target)
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    asked.output.write_text(text)
    print(f"{len(json.loads(text)['components'])} crates in {asked.output}")


if __name__ == "__main__":
    main()
