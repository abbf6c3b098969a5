"""The image that is packed without a container engine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

PACK = Path(__file__).resolve().parent.parent / "pack.py"
TAG = "localhost/example:1"
# An executable that every machine has and that is linked dynamically.
EXAMPLE = Path("/bin/true")


def pack(folder: Path, name: str = "image.tar", *options: str) -> subprocess.CompletedProcess[str]:
    output = folder / name
    command = [sys.executable, str(PACK), str(EXAMPLE), f"--tag={TAG}", "--image-version=1"]
    return subprocess.run(
        [*command, f"--output={output}", *options], capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def archive(tmp_path: Path) -> tarfile.TarFile:
    done = pack(tmp_path)
    assert done.returncode == 0, done.stderr
    return tarfile.open(tmp_path / "image.tar")


def blob(archive: tarfile.TarFile, digest: str) -> bytes:
    content = archive.extractfile(f"blobs/{digest.replace(':', '/')}").read()
    assert hashlib.sha256(content).hexdigest() == digest.removeprefix("sha256:")
    return content


def layer(archive: tarfile.TarFile) -> tarfile.TarFile:
    """The layer, by the way that OCI tools take to it."""
    index = json.load(archive.extractfile("index.json"))
    manifest = json.loads(blob(archive, index["manifests"][0]["digest"]))
    return tarfile.open(fileobj=io.BytesIO(blob(archive, manifest["layers"][0]["digest"])))


def test_the_same_executable_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.tar", "two.tar"):
        assert pack(tmp_path, name).returncode == 0
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_docker_and_oci_tools_find_the_same_image(archive: tarfile.TarFile) -> None:
    index = json.load(archive.extractfile("index.json"))
    manifest = json.loads(blob(archive, index["manifests"][0]["digest"]))
    (of_docker,) = json.load(archive.extractfile("manifest.json"))
    assert of_docker["RepoTags"] == [TAG]
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == TAG
    assert of_docker["Config"].endswith(manifest["config"]["digest"].removeprefix("sha256:"))
    config = json.loads(blob(archive, manifest["config"]["digest"]))
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Entrypoint"] == ["/beamline"]


def test_nothing_tells_when_or_by_whom_it_was_packed(archive: tarfile.TarFile) -> None:
    for one in [*archive.getmembers(), *layer(archive).getmembers()]:
        assert (one.mtime, one.uid, one.gid, one.uname, one.gname) == (0, 0, 0, "", "")


def test_there_is_no_shell_and_a_place_for_temporary_files(archive: tarfile.TarFile) -> None:
    members = {one.name: one for one in layer(archive).getmembers()}
    programs = {name for name, one in members.items() if one.isfile() and ".so" not in name}
    assert programs == {"beamline"}
    assert members["tmp"].mode == 0o1777


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change the root folder")
def test_what_is_in_the_image_is_enough_to_run(archive: tarfile.TarFile, tmp_path: Path) -> None:
    root = tmp_path / "root"
    layer(archive).extractall(root, filter="tar")
    subprocess.run(["chroot", str(root), "/beamline"], check=True, timeout=60)


def test_an_image_that_is_too_large_is_refused(tmp_path: Path) -> None:
    done = pack(tmp_path, "image.tar", "--max-megabytes=0.01")
    assert done.returncode != 0
    assert "larger than" in done.stderr
    assert not (tmp_path / "image.tar").exists()
