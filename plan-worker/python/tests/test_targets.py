"""Documents for what sites have: a 0MQ proxy of bluesky, brokers of Kafka, a Tiled server.

The brokers are those that librdkafka has for tests: they speak Kafka on a port.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from beamline_documents import command
from beamline_documents.kafka import Kafka
from beamline_documents.settings import SettingsError
from beamline_documents.target import Unreachable
from beamline_documents.tiled import Tiled
from beamline_documents.zmq_proxy import ZmqProxy
from bluesky.callbacks.zmq import RemoteDispatcher
from bluesky_kafka import BlueskyConsumer
from confluent_kafka import Producer
from left_runs import LeftRun, left_run
from tiled.client import from_uri

KEY = "secret"
WAIT = 30.0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def program(*arguments: object) -> Iterator[None]:
    """A program of the environment of these tests, until the end."""
    name, *others = map(str, arguments)
    path = Path(sys.executable).with_name(name)
    process = subprocess.Popen([path, *others])
    try:
        yield
    finally:
        process.terminate()
        process.wait(WAIT)


@pytest.fixture(scope="module", autouse=True)
def tiled_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of a Tiled server that takes runs; it starts for seconds, while other tests run."""
    port, folder = free_port(), tmp_path_factory.mktemp("tiled")
    flags = ["--port", port, "--api-key", KEY, "--init", "-w", f"file://localhost{folder}/data"]
    tables = ["-w", f"sqlite:///{folder}/tables.db"]
    with program("tiled", "serve", "catalog", *flags, *tables, f"{folder}/catalog.db"):
        yield port


@pytest.fixture(scope="module")
def server(tiled_port: int) -> str:
    """Address of a Tiled server."""
    address, end = f"http://127.0.0.1:{tiled_port}", time.monotonic() + 6 * WAIT
    while time.monotonic() < end:
        try:
            httpx.get(f"{address}/healthz", timeout=1).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return address
    pytest.fail("the Tiled server does not start")


class Listener:
    """What a subscriber behind a proxy hears."""

    def __init__(self, port: int) -> None:
        self._heard: list[tuple[str, dict]] = []
        dispatcher = RemoteDispatcher(f"127.0.0.1:{port}")
        dispatcher.subscribe(lambda name, doc: self._heard.append((name, doc)))
        threading.Thread(target=dispatcher.start, daemon=True).start()

    def has_heard(self, run: LeftRun) -> bool:
        """Whether the run was heard from its start to its stop, and nothing in between."""
        heard, length = list(self._heard), len(run.documents)
        return any(heard[at : at + length] == run.documents for at in range(len(heard)))


def again_and_again() -> Iterator[None]:
    """Turns until something should have happened long ago."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        yield
        time.sleep(0.1)


def test_a_proxy_gets_everything_even_what_was_there_before_it(tmp_path):
    inner, outer = free_port(), free_port()
    target, run = ZmqProxy(f"127.0.0.1:{inner}"), left_run(tmp_path)
    try:
        with pytest.raises(Unreachable, match="no proxy answers"):
            target.send(run.uid, run.documents)
        with program("bluesky-0MQ-proxy", inner, outer):
            listener = Listener(outer)
            # The proxy takes its time, and forgets what comes before a subscriber is there.
            for _ in again_and_again():
                if listener.has_heard(run):
                    break
                with suppress(Unreachable):
                    target.send(run.uid, run.documents)
            assert listener.has_heard(run)
        with pytest.raises(Unreachable):
            for _ in again_and_again():
                target.send(run.uid, run.documents)
    finally:
        target.close()


class Consumer(BlueskyConsumer):
    """Reads documents from a topic as sites do."""

    def __init__(self, servers: str, topic: str) -> None:
        self.read: list[tuple[str, dict]] = []
        super().__init__([topic], servers, "tests", {"auto.offset.reset": "earliest"})

    def process_document(self, topic: str, name: str, doc: dict) -> bool:
        self.read.append((name, doc))
        return True

    def until(self, count: int) -> None:
        self.start(continue_polling=lambda: len(self.read) < count)


@pytest.fixture
def brokers() -> Iterator[str]:
    """Address of brokers that live as long as their producer."""
    owner = Producer({"bootstrap.servers": "", "test.mock.num.brokers": 1, "log_level": 0})
    [broker] = owner.list_topics(timeout=WAIT).brokers.values()
    yield f"{broker.host}:{broker.port}"
    owner.flush(0)


def test_a_topic_has_the_documents_as_bluesky_kafka_reads_them(tmp_path, brokers):
    run = left_run(tmp_path)
    arguments = ["--runs-dir", str(tmp_path), "--kafka", brokers, "--kafka-topic", "runs"]
    assert command.main(["once", *arguments]) == 0
    # Nothing is left to be sent; on demand it is sent again.
    assert command.main(["once", *arguments]) == 0
    assert command.main(["replay", *arguments, run.uid]) == 0
    consumer = Consumer(brokers, "runs")
    consumer.until(2 * len(run.documents))
    assert consumer.read == [*run.documents, *run.documents]


def test_a_message_that_is_too_long_is_refused_and_no_broker_is_waited_for(tmp_path, brokers):
    run = left_run(tmp_path, values=1)
    run.documents[2][1]["data"]["det"] = "x" * 10_000
    target = Kafka(brokers, "runs", {"message.max.bytes": 5000})
    [refusal] = target.send(run.uid, run.documents)
    assert (refusal.index, "large" in refusal.reason) == (2, True)
    target.close()
    gone = Kafka(f"127.0.0.1:{free_port()}", "runs", {"message.timeout.ms": 500, "log_level": 0})
    with pytest.raises(Unreachable):
        gone.send(run.uid, run.documents)
    gone.close()


def test_tiled_has_a_run_while_it_grows_and_whole_after_a_restart(tmp_path, server, monkeypatch):
    monkeypatch.setenv("TILED_API_KEY", KEY)
    run = LeftRun(tmp_path)
    run.measure(1.5)
    flags = ["--runs-dir", str(tmp_path), "--tiled", server]
    assert command.main(["once", *flags]) == 0
    catalog = from_uri(server, api_key=KEY)
    assert list(catalog[run.uid]["primary"]["det"].read()) == [1.5]
    assert "stop" not in catalog[run.uid].metadata
    # Another life of the publisher: what is there is half a run.
    run.measure(2.5)
    run.end()
    assert command.main(["once", *flags]) == 0
    there = catalog[run.uid]
    assert list(there["primary"]["det"].read()) == [1.5, 2.5]
    assert there.metadata["stop"]["uid"] == run.documents[-1][1]["uid"]
    assert there.metadata["start"]["plan_name"] == "count"
    # One that is whole stays as it is.
    assert command.main(["replay", *flags, run.uid]) == 0
    assert len(catalog) == 1


def test_a_tiled_server_that_is_not_there_or_wants_another_key_is_waited_for(
    tmp_path, server, monkeypatch
):
    monkeypatch.setattr("tiled.client.utils.TILED_RETRY_ATTEMPTS", 1)
    run = left_run(tmp_path)
    for address, key in ((f"http://127.0.0.1:{free_port()}", KEY), (server, "wrong")):
        monkeypatch.setenv("TILED_API_KEY", key)
        target = Tiled(address)
        with pytest.raises(Unreachable):
            target.send(run.uid, run.documents)
        target.close()


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    monkeypatch.delitem(sys.modules, "beamline_documents.kafka")
    arguments = ["--runs-dir", str(tmp_path), "--kafka", "k:1", "--kafka-topic", "t"]
    parser = command._parser()
    settings = command.Settings.of(parser.parse_args(["once", *arguments]))
    with pytest.raises(SettingsError, match=r"confluent_kafka.* is missing: pip install"):
        settings.targets()
