"""The tests of bluesky-queueserver, of bluesky-httpserver and of their client against our server.

`run.py` runs the selection of `selection.txt`, `run.py --all` every test that can judge another
implementation, `run.py -- ARGS` what pytest makes of ARGS, where a file of a suite needs no folder.
With `USE_IPYKERNEL=true` in the environment, workers are in an IPython kernel.
Each run has a network of its own, because those tests use fixed ports: it needs root, and
`redis-server`, whose keys they delete to begin anew.
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
# By the package of the suite, every file with tests that only use the outside of a server.
SUITES = {
    "bluesky_queueserver.manager.tests": (
        "test_zmq_api_base.py",
        "test_scenarios.py",
        "test_info_streaming.py",
        "test_manager_options.py",
        "test_fixtures.py",
        "test_qserver_cli.py",
        "test_start_re_manager_cli.py",
        "test_console_monitor_cli.py",
        "test_ip_kernel_func.py",
    ),
    "bluesky_httpserver.tests": (
        "test_core_api_main.py",
        "test_core_api_fs.py",
        "test_server.py",
        "test_access_control.py",
        "test_auth_api.py",
        "test_auth_for_websockets.py",
        "test_console_output.py",
        "test_system_info_socket.py",
    ),
    "bluesky_queueserver_api.tests": (
        "test_api.py",
        "test_api_fs.py",
        "test_comm.py",
        "test_security.py",
    ),
}
# Longest time of one test, in seconds.
TEST = 120


def main(arguments: list[str]) -> int:
    match arguments:
        case []:
            lines = (HERE / "selection.txt").read_text().splitlines()
            chosen = [line for line in lines if line]
        case ["--all"]:
            chosen = [file for files in SUITES.values() for file in files]
        case ["--", *given]:
            chosen = given
        case _:
            sys.exit(__doc__)
    if os.environ.get("JUDGE_NETWORK") is None:
        own = ["unshare", "--net", sys.executable, __file__, *arguments]
        return subprocess.run(own, env=os.environ | {"JUDGE_NETWORK": "own"}).returncode
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    places = {file: folder(suite) for suite, files in SUITES.items() for file in files}
    with tempfile.TemporaryDirectory(prefix="judge-") as place:
        root = Path(os.path.commonpath(places.values()))
        return run([located(one, places) for one in chosen], root, Path(place))


def folder(suite: str) -> Path:
    """Where the files of a suite are."""
    package, *rest = suite.split(".")
    found = find_spec(package)
    return Path(found.submodule_search_locations[0], *rest)


def located(chosen: str, places: dict[str, Path]) -> str:
    """The same, with the folder of the file when it names one."""
    file = chosen.partition("::")[0]
    return f"{places[file]}/{chosen}" if file in places else chosen


def run(chosen: list[str], root: Path, folder: Path) -> int:
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
    pytest = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(root)]
    pytest += ["-o", f"cache_dir={folder / 'cache'}", "-p", "plugin", "--timeout", str(TEST)]
    # They give a server seconds, however busy the machine is: what fails gets a second chance.
    pytest += ["--reruns", os.environ.get("JUDGE_RERUNS", "1")]
    pytest += ["-q", "-rfER", "--tb=short", "--show-capture=no", "--disable-warnings"]
    redis = ["redis-server", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with subprocess.Popen(redis, stdout=subprocess.DEVNULL) as server:
        try:
            return subprocess.run([*pytest, *chosen], cwd=folder, env=environment).returncode
        finally:
            server.terminate()


if __name__ == "__main__":
    if shutil.which("redis-server") is None:
        sys.exit("redis-server is not installed")
    sys.exit(main(sys.argv[1:]))
