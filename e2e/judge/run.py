"""The tests of bluesky-queueserver against our queue server.

`run.py` runs the selection of `selection.txt`, `run.py --all` every test that can judge another
implementation, `run.py -- ARGS` what pytest makes of ARGS. Each run has a network of its own,
because those tests use fixed ports: it needs root, and `redis-server`, whose keys they delete to
begin anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Every file with tests that only use the outside of a server.
FILES = (
    "test_zmq_api_base.py",
    "test_scenarios.py",
    "test_info_streaming.py",
    "test_manager_options.py",
    "test_fixtures.py",
    "test_qserver_cli.py",
)
# Longest time of one test, in seconds.
TEST = 120


def main(arguments: list[str]) -> int:
    match arguments:
        case []:
            chosen = [f"@{HERE / 'selection.txt'}"]
        case ["--all"]:
            chosen = list(FILES)
        case ["--", *given]:
            chosen = given
        case _:
            sys.exit(__doc__)
    if os.environ.get("JUDGE_NETWORK") is None:
        own = ["unshare", "--net", sys.executable, __file__, *arguments]
        return subprocess.run(own, env=os.environ | {"JUDGE_NETWORK": "own"}).returncode
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    found = find_spec("bluesky_queueserver")
    tests = Path(found.submodule_search_locations[0]) / "manager" / "tests"
    with tempfile.TemporaryDirectory(prefix="judge-") as folder:
        return run(chosen, tests, Path(folder))


def run(chosen: list[str], tests: Path, folder: Path) -> int:
    """Runs pytest beside a Redis that lives as long; its exit code."""
    programs = os.pathsep.join([str(HERE / "bin"), str(Path(sys.executable).parent)])
    environment = os.environ | {
        "BEAMLINE": str(Path(os.environ["BEAMLINE"]).resolve()),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(HERE),
        "BEAMLINE_WORKER_PACKAGE": str(ROOT / "plan-worker/python/src"),
        "TMPDIR": str(folder),
        "HOME": str(folder),
    }
    pytest = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(tests)]
    pytest += ["-p", "no:cacheprovider", "-p", "plugin", "--timeout", str(TEST)]
    # They give a server seconds, however busy the machine is: what fails gets a second chance.
    pytest += ["--reruns", "1"]
    pytest += ["-q", "-rfER", "--tb=short", "--show-capture=no"]
    redis = ["redis-server", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with subprocess.Popen(redis, stdout=subprocess.DEVNULL) as server:
        try:
            return subprocess.run([*pytest, *chosen], cwd=tests, env=environment).returncode
        finally:
            server.terminate()


if __name__ == "__main__":
    if shutil.which("redis-server") is None:
        sys.exit("redis-server is not installed")
    sys.exit(main(sys.argv[1:]))
