"""Queue servers as processes: ours by itself, and bluesky-queueserver with its Redis."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import bluesky_queueserver
import httpx
from bluesky_queueserver import CommTimeoutError
from load import number, wrk
from local_beamline import free_ports, wait_for
from parts import ROOT, environment, executable
from process import family, memory_mib, running
from queue_client import START_LIMIT, QueueServer, plan

PROFILE = Path(__file__).parent / "peers" / "profile"
WORKER_PACKAGE = ROOT / "plan-worker" / "python" / "src"
SECONDS = 3
HTTP_KEY = "benchmark"


@dataclass
class Started:
    """A queue server whose process can end and come again on what it has stored."""

    command: list[str]
    folder: Path
    server: QueueServer
    http: str
    examples: Path
    variables: dict[str, str] = field(default_factory=dict)
    _process: ExitStack = field(default_factory=ExitStack)
    _pid: int = 0

    def start(self) -> None:
        log = self.folder / f"{Path(self.command[0]).name}.log"
        self._pid = self._process.enter_context(running(self.command, log, self.variables)).pid
        deadline = time.monotonic() + START_LIMIT
        # A client that was there before the server would find it late.
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.command[0]} does not answer: {log.read_text()[-2000:]}")

    def stop(self) -> None:
        self._process.close()

    def restart_ms(self) -> float:
        """From its start until it answers with everything that it had stored."""
        before = self.server.status()["items_in_queue"]
        self.stop()
        start = time.perf_counter()
        self.start()
        took = (time.perf_counter() - start) * 1e3
        after = self.server.status()["items_in_queue"]
        if after != before:
            raise RuntimeError(f"{before} items before the restart, {after} after it")
        return took

    def open_ms(self) -> float:
        """Opens the environment; one that was open is closed first."""
        self.close_environment()
        start = time.perf_counter()
        self.server.open_environment()
        return (time.perf_counter() - start) * 1e3

    def close_environment(self) -> None:
        if self.server.status()["worker_environment_exists"]:
            self.server.close_environment()

    def asked(self, clients: int, method: str, **params: object) -> dict[str, float]:
        """A method over 0MQ, by clients that cost little: answers, and how long they take."""
        command = [str(self.examples / "ask"), self.server.address, str(clients), str(SECONDS)]
        command += [method, json.dumps(params)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout)

    def answers_per_second(self, clients: int) -> float:
        """`status` over 0MQ."""
        return self.asked(clients, "status")["answers"] / SECONDS

    def adds_per_second(self, clients: int) -> float:
        """Items added to an empty queue, by several clients at once."""
        self.server.ask("queue_clear")
        item = {"item": plan(num=1), "user": "bench", "user_group": "primary"}
        return self.asked(clients, "queue_item_add", **item)["answers"] / SECONDS

    def get_ms(self) -> float:
        """The whole queue as it was the last time, until the client has all of it."""
        return self.asked(1, "queue_get")["p50_ms"]

    def http_per_second(self, clients: int) -> float:
        """`/api/status`."""
        done = wrk(
            "-t1",
            f"-c{clients}",
            *("-H", f"Authorization: ApiKey {HTTP_KEY}"),
            f"{self.http}/api/status",
        )
        if "Non-2xx" in done:
            raise RuntimeError(f"{self.http}: {done}")
        return float(number(r"Requests/sec:\s*([\d.]+)", done))

    def memory_mib(self) -> float:
        """Of the process and all that it has started."""
        return sum(map(memory_mib, family(self._pid)))

    def _answers(self) -> bool:
        client = QueueServer(self.server.address, patience_ms=50)
        try:
            return client.status()["manager_state"] != "initializing"
        # Nobody is there, or says that it is starting.
        except (CommTimeoutError, RuntimeError):
            return False
        finally:
            client.close()


@contextmanager
def ours(folder: Path, engine: str, examples: Path) -> Iterator[Started]:
    """`beamline queue` by itself: what it stores is on the disk before it is answered."""
    control, info, http = free_ports(3)
    own = folder / engine
    own.mkdir()
    command = [
        executable(),
        "queue",
        f"--state={own / 'state'}",
        f"--zmq-control-addr=tcp://127.0.0.1:{control}",
        f"--zmq-info-addr=tcp://127.0.0.1:{info}",
        f"--queue-http=127.0.0.1:{http}",
        f"--engine={engine}",
        "--log=warn",
    ]
    variables = {"QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY": HTTP_KEY}
    if engine == "bluesky":
        command += [f"--startup-dir={profile(own)}", f"--worker-python={sys.executable}"]
        variables["PYTHONPATH"] = str(WORKER_PACKAGE)
    server = QueueServer(f"tcp://127.0.0.1:{control}")
    started = Started(command, own, server, f"http://127.0.0.1:{http}", examples, variables)
    started.start()
    try:
        yield started
    finally:
        started.stop()


@contextmanager
def classic(folder: Path, examples: Path) -> Iterator[Started]:
    """`start-re-manager`, a Redis of its own and bluesky-httpserver, all as they come."""
    redis_port, control, info, http = free_ports(4)
    own = folder / "classic"
    own.mkdir()
    address = f"tcp://127.0.0.1:{control}"
    redis = f"redis-server --port {redis_port} --bind 127.0.0.1".split()
    manager = [
        str(Path(sys.executable).with_name("start-re-manager")),
        f"--redis-addr=127.0.0.1:{redis_port}",
        f"--zmq-control-addr={address}",
        f"--zmq-info-addr=tcp://127.0.0.1:{info}",
        f"--startup-dir={profile(own)}",
        "--console-output=OFF",
    ]
    front = [sys.executable, "-m", "uvicorn", "bluesky_httpserver.server:app"]
    front += ["--host=127.0.0.1", f"--port={http}", "--log-level=warning"]
    addresses = {
        "QSERVER_ZMQ_CONTROL_ADDRESS": address,
        "QSERVER_ZMQ_INFO_ADDRESS": f"tcp://127.0.0.1:{info}",
        "QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY": HTTP_KEY,
    }
    url = f"http://127.0.0.1:{http}"
    with ExitStack() as stack:
        stack.enter_context(running([*redis, "--dir", str(own)], own / "redis.log"))
        started = Started(manager, own, QueueServer(address), url, examples)
        started.start()
        stack.callback(started.stop)
        stack.enter_context(running(front, own / "http.log", addresses))
        key = {"Authorization": f"ApiKey {HTTP_KEY}"}
        wait_for(
            "bluesky-httpserver",
            lambda: httpx.get(f"{url}/api/status", headers=key, timeout=10).is_success,
            START_LIMIT,
        )
        yield started


def profile(folder: Path) -> Path:
    """A copy of the profile that is compared, with the permissions of the simulated one."""
    copy = folder / "profile"
    shutil.copytree(PROFILE, copy)
    permissions = Path(bluesky_queueserver.__file__).parent / "profile_collection_sim"
    shutil.copy(permissions / "user_group_permissions.yaml", copy)
    return copy


def profile_ms() -> float:
    """What it takes a Python to read the profile and to describe what is in it."""
    with TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).with_name("qserver-list-plans-devices"))]
        command += [f"--startup-dir={profile(Path(folder))}", f"--file-dir={folder}"]
        start = time.perf_counter()
        subprocess.run(command, env=environment(), capture_output=True, timeout=60, check=True)
        return (time.perf_counter() - start) * 1e3
