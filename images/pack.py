"""Packs an executable into a container image without a container engine.

The archive is an OCI layout and a `docker save` archive in one, so that `ctr images import`,
`podman load`, `docker load`, `kind load image-archive` and `skopeo copy oci-archive:` all take it.
The same input gives the same bytes.

A static executable is all that is in the image. One that is linked dynamically, as development
builds are, brings the shared libraries of this machine that it names.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import platform
import re
import subprocess
import sys
import tarfile
from pathlib import Path

USER = "65532:65532"
ENTRY_POINT = "/beamline"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def shared_libraries(executable: Path) -> list[Path]:
    """The libraries and the loader that the executable needs; none when it is static."""
    done = subprocess.run(
        ["ldd", str(executable)], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0 or "statically linked" in done.stdout:
        return []
    if missing := re.findall(r"(\S+) => not found", done.stdout):
        raise SystemExit(f"{executable} needs {', '.join(missing)}, not on this machine")
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", done.stdout)]


def layer(executable: Path) -> bytes:
    """The file system: the executable, what it is linked with, an empty `/tmp`."""
    files = {ENTRY_POINT.lstrip("/"): executable}
    files |= {str(path).lstrip("/"): path for path in shared_libraries(executable)}
    folders = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    entries = io.BytesIO()
    with tarfile.open(fileobj=entries, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for folder in sorted(folders | {"tmp"}):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(info)
        for name, path in sorted(files.items()):
            add(tar, name, path.read_bytes(), 0o755)
    return entries.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    """A file of root's with neither time nor name of who packed it."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    tar.addfile(info, io.BytesIO(content))


def descriptor(media_type: str, content: bytes) -> dict[str, str | int]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def blob_path(content: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"


def as_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def archive(content: bytes, tag: str, version: str) -> bytes:
    """The image of one layer, under the name `tag`."""
    config = as_json(
        {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": {
                "User": USER,
                "Entrypoint": [ENTRY_POINT],
                "Labels": {
                    "org.opencontainers.image.title": "beamline",
                    "org.opencontainers.image.version": version,
                    "org.opencontainers.image.licenses": "BSD-3-Clause",
                },
            },
            "rootfs": {
                "type": "layers",
                "diff_ids": [descriptor(LAYER_TYPE, content)["digest"]],
            },
        }
    )
    manifest = as_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor(CONFIG_TYPE, config),
            "layers": [descriptor(LAYER_TYPE, content)],
        }
    )
    names = {
        "io.containerd.image.name": tag,
        "org.opencontainers.image.ref.name": tag.rsplit(":", 1)[-1],
    }
    index = {
        "schemaVersion": 2,
        "manifests": [{**descriptor(MANIFEST_TYPE, manifest), "annotations": names}],
    }
    for_docker = [{"Config": blob_path(config), "RepoTags": [tag], "Layers": [blob_path(content)]}]
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.GNU_FORMAT) as tar:
        add(tar, "oci-layout", as_json({"imageLayoutVersion": "1.0.0"}))
        add(tar, "index.json", as_json(index))
        add(tar, "manifest.json", as_json(for_docker))
        for blob in (config, manifest, content):
            add(tar, blob_path(blob), blob)
    return whole.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("executable", type=Path)
    parser.add_argument("--tag", required=True, help="name, such as localhost/beamline:dev")
    parser.add_argument("--image-version", required=True, help="version of what is in it")
    parser.add_argument("--output", type=Path, required=True, help="the archive to write")
    parser.add_argument("--max-megabytes", type=float, help="refuse an image larger than this")
    args = parser.parse_args()
    content = layer(args.executable)
    megabytes = len(content) / 1e6
    print(f"{args.tag}: {megabytes:.1f} MB in {args.output}")
    if args.max_megabytes and megabytes > args.max_megabytes:
        print(f"larger than the {args.max_megabytes:g} MB that it may have", file=sys.stderr)
        return 1
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_bytes(archive(content, args.tag, args.image_version))
    return 0


if __name__ == "__main__":
    sys.exit(main())
