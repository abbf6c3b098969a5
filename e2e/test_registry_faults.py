"""The registry as a process of its own: it is killed in the middle of its work, or its API is."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from httpx_sse import connect_sse
from local_beamline import Beamline, environment, executable, free_ports, wait_for
from test_registry import API, new

NAMESPACE = "apart"
LOCKED = [f"held-{n}" for n in range(4)]


@dataclass
class Registry:
    """One `beamline registry` on the API of a running beamline, in a namespace of its own."""

    beamline: Beamline
    log: Path
    profile: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    port: int = field(default_factory=lambda: free_ports(1)[0])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin(self) -> None:
        """Starts the process, and does not wait until it is ready."""
        command = [
            executable(),
            "registry",
            f"--api-server={self.beamline.url('api')}",
            f"--namespace={NAMESPACE}",
            f"--registry-port={self.port}",
        ]
        if self.profile:
            command.append(f"--registry-profile-path={self.profile}")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment())

    def start(self) -> None:
        self.begin()
        wait_for("it is ready", lambda: self.get("/ready").status_code == 200)

    def kill(self) -> None:
        """As a power cut: no chance to tidy up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=20)

    def post(self, path: str, body: object) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=20)

    def names(self) -> list[str]:
        return self.get(f"{API}/devices").json()


@pytest.fixture
def apart(own_beamline: Beamline, tmp_path: Path) -> Iterator[Registry]:
    """A registry that is not started yet, on a beamline that runs."""
    own_beamline.start()
    with suppress(AssertionError):
        own_beamline.kubectl("create", "namespace", NAMESPACE)
    one = Registry(own_beamline, tmp_path / "registry.log")
    yield one
    if one.process is not None:
        one.kill()


@contextmanager
def killed_after(registry: Registry, seconds: float) -> Iterator[None]:
    """The registry is killed that long after the block has begun."""
    end = threading.Timer(seconds, registry.kill)
    end.start()
    try:
        yield
    finally:
        end.join()


def test_a_registry_that_is_killed_while_it_seeds_itself_seeds_everything(
    apart: Registry, tmp_path: Path
) -> None:
    wanted = sorted(f"d{n:03}" for n in range(300))
    entries = {name: {"device_class": "a.B", "prefix": f"X:{name}"} for name in wanted}
    apart.profile = tmp_path / "profile"
    apart.profile.mkdir()
    (apart.profile / "happi_db.json").write_text(json.dumps(entries))

    def stored() -> int:
        return len(apart.beamline.kubectl("get", "devices", "-n", NAMESPACE, "-o", "name").split())

    apart.begin()
    wait_for("it has begun", lambda: stored() > 0)
    apart.kill()
    apart.start()
    assert apart.names() == wanted
    rows = f"{API}/devices/history?limit=1000"
    wait_for("each is told of", lambda: len(apart.get(rows).json()) == len(wanted))
    assert {row["operation"] for row in apart.get(rows).json()} == {"seed"}
    assert stored() == len(wanted)


def test_what_a_killed_registry_acknowledged_is_there_and_nothing_is_half_done(
    apart: Registry,
) -> None:
    apart.start()
    for name in LOCKED:
        assert apart.post(f"{API}/devices", new(name, f"P:{name}")).status_code == 201
    created, at = list(LOCKED), 0
    for seconds in (0.05, 0.1, 0.2, 0.3):
        with killed_after(apart, seconds), suppress(httpx.TransportError):
            while True:
                name, item = f"d{at}", f"i{at}"
                at += 1
                if apart.post(f"{API}/devices", new(name, f"P:{name}")).status_code == 201:
                    created.append(name)
                take = {"device_names": LOCKED, "item_id": item, "plan_name": "count"}
                apart.post(f"{API}/devices/lock", take)
                apart.post(f"{API}/devices/unlock", take)
        apart.start()
        assert set(created) <= set(apart.names())
        statuses = [apart.get(f"{API}/devices/{name}/status").json() for name in LOCKED]
        assert len({one["locked_by_item"] for one in statuses}) == 1, statuses
        force = {"device_names": LOCKED, "reason": "the client does not know"}
        apart.post(f"{API}/devices/force-unlock", force)
        told = apart.get(f"{API}/devices/history?limit=10000").json()
        ids = [row["id"] for row in told]
        assert ids == list(range(len(ids), 0, -1)), "dense, and none twice"
        assert set(created) <= {row["device_name"] for row in told}


def test_a_registry_that_is_killed_while_it_is_cleared_is_cleared(apart: Registry) -> None:
    apart.start()
    for n in range(60):
        assert apart.post(f"{API}/devices", new(f"d{n}", f"P:{n}")).status_code == 201
    clear = threading.Thread(target=cleared, args=(apart,))
    clear.start()
    wait_for("some are gone", lambda: len(apart.names()) < 60)
    apart.kill()
    clear.join()
    apart.start()
    assert apart.names() == []
    assert apart.beamline.kubectl("get", "devices", "-n", NAMESPACE, "-o", "name") == ""


def cleared(registry: Registry) -> None:
    with suppress(httpx.TransportError):
        registry.post(f"{API}/registry/clear", {})


def test_a_registry_whose_api_is_killed_goes_on(apart: Registry) -> None:
    apart.start()
    assert apart.post(f"{API}/devices", new("kept", "P:kept")).status_code == 201
    with (
        httpx.Client(timeout=60) as client,
        connect_sse(
            client,
            "GET",
            f"{apart.url}{API}/devices/changes",
            headers={"Accept": "text/event-stream"},
        ) as feed,
    ):
        events = feed.iter_sse()
        assert json.loads(next(events).data)["changes"][0]["device_name"] == "kept"
        before = {path: apart.get(path).text for path in (f"{API}/devices-info", f"{API}/pvs")}
        apart.beamline.kill()

        refused = apart.post(f"{API}/devices", new("refused", "P:refused"))
        assert (refused.status_code, refused.json()) == (
            503,
            {"detail": "registry store unreachable"},
        )
        assert apart.get("/health").status_code == 503
        assert apart.get("/ready").status_code == 200
        for path, text in before.items():
            assert apart.get(path).text == text

        apart.beamline.start()
        wait_for("it is healthy", lambda: apart.get("/health").status_code == 200)
        assert apart.names() == ["kept"]
        assert apart.post(f"{API}/devices", new("later", "P:later")).status_code == 201
        change = json.loads(next(events).data)
        assert [one["device_name"] for one in change["changes"]] == ["later"]
        assert change["reset_occurred"] is False
