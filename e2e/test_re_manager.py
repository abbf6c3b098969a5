"""The executable under the names of the programs whose place it takes."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bluesky_queueserver import ReceiveConsoleOutput
from bluesky_queueserver_api import BPlan
from bluesky_queueserver_api.zmq import REManagerAPI
from local_beamline import environment, executable, free_ports, wait_for

THEIRS = Path(sys.executable).with_name("start-re-manager")
CONFIGURATION = """
network:
  zmq_control_addr: tcp://127.0.0.1:${{CONTROL}}
  zmq_info_addr: tcp://127.0.0.1:{info}
  zmq_publish_console: true
  redis_addr: localhost:6379
startup:
  device_max_depth: 2
"""


def called(name: str, folder: Path) -> str:
    """The executable under that name."""
    link = folder / name
    link.symlink_to(executable())
    return str(link)


def said_by(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


def options(*command: str) -> set[str]:
    """Those that the help begins a line with, and other names that it has for them."""
    text = said_by(*command, "--help").stdout
    return set(re.findall(r"(?:^ +(?:-., )?|\[alias(?:es)?: )(--[a-z-]+)", text, re.MULTILINE))


class Manager:
    """A queue server that was started as `start-re-manager`."""

    def __init__(self, folder: Path) -> None:
        self.control, self.info = free_ports(2)
        self._folder = folder
        self._output = folder / "output"
        self._log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, **variables: str) -> None:
        """With the native engine, which opens at once; until it answers."""
        command = [
            called("start-re-manager", self._folder),
            "--engine=native",
            "--queue-http=127.0.0.1:0",
            *options,
        ]
        with self._output.open("wb") as output, self._log.open("wb") as log:
            own = {"XDG_STATE_HOME": str(self._folder / "states")} | variables
            self.process = subprocess.Popen(
                command, stdout=output, stderr=log, env=environment() | own
            )
        wait_for("it listens", self._listens)

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        return listens(self.control)

    def api(self) -> REManagerAPI:
        """A client, once the queue is served."""
        api = REManagerAPI(
            zmq_control_addr=f"tcp://127.0.0.1:{self.control}",
            zmq_info_addr=f"tcp://127.0.0.1:{self.info}",
            request_fail_exceptions=False,
        )
        wait_for("the queue is served", lambda: api.status(reload=True).get("manager_state"))
        return api

    def output(self) -> str:
        return self._output.read_text()

    def log(self) -> str:
        return self._log.read_text()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """Not started yet."""
    one = Manager(tmp_path)
    try:
        yield one
    finally:
        if one.process is not None:
            one.process.kill()
            one.process.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_every_option_of_the_re_manager_is_taken(tmp_path: Path) -> None:
    theirs = options(str(THEIRS))
    assert "--zmq-publish-console" in theirs
    assert theirs - options(executable(), "queue") == set()
    assert theirs - options(called("start-re-manager", tmp_path)) == set()


def test_it_is_configured_as_the_re_manager_and_says_the_same(
    manager: Manager, tmp_path: Path
) -> None:
    file = tmp_path / "config.yml"
    file.write_text(CONFIGURATION.format(info=manager.info))
    manager.start(f"--config={file}", CONTROL=str(manager.control))
    monitor = ReceiveConsoleOutput(zmq_subscribe_addr=f"tcp://127.0.0.1:{manager.info}")
    api = manager.api()
    # Whoever subscribes hears of it a moment later.
    monitor.subscribe()
    api.environment_open()
    api.wait_for_idle(timeout=60)
    api.item_add(BPlan("count", ["det1"], num=1))
    published = ""
    while "Item added: success=True" not in published:
        published += monitor.recv(timeout=20)["msg"]
    assert "Adding new item to the queue ..." in published
    wait_for("the same is printed", lambda: "Item added: success=True" in manager.output())
    assert manager.output().count("Adding new item to the queue ...") == 1
    assert "--redis-addr" in manager.log()
    assert (tmp_path / "states" / "beamline" / "qs_default" / "state.db").is_file()
    api.environment_close()
    api.wait_for_idle(timeout=60)
    api.send_request(method="manager_stop")
    api.close()
    assert manager.process is not None
    assert manager.process.wait(20) == 0


def test_what_is_switched_off_is_neither_published_nor_printed(manager: Manager) -> None:
    manager.start(f"--zmq-addr=tcp://127.0.0.1:{manager.control}", "--console-output=OFF")
    api = manager.api()
    api.environment_open()
    api.wait_for_idle(timeout=60)
    api.close()
    assert not listens(manager.info)
    assert manager.output() == ""


def test_a_configuration_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text("network: {zmq_adr: 'tcp://*:60615'}")
    for command in ([executable(), "queue"], [called("start-re-manager", tmp_path)]):
        done = said_by(*command, f"--config={file}")
        assert done.returncode == 2
        assert f"ValidationError while parsing configuration file {file}" in done.stderr
        assert "('zmq_adr' was unexpected)" in done.stderr


def test_the_http_server_of_before_says_what_to_start_instead(tmp_path: Path) -> None:
    program = called("start-bluesky-httpserver", tmp_path)
    done = said_by(program, "--host", "0.0.0.0", "--port", "8080")
    assert done.returncode == 2
    assert "start-re-manager --queue-http 0.0.0.0:8080\n" in done.stderr
