"""The registry with many devices: reading, writing, starting, and memory: see docs/speed.md.

Reads are measured in turns with the least that can answer the same bytes
(`registry-pod/examples/same_bytes.rs`), writes beside the same straight at the Kubernetes API,
and both beside ophyd-service's configuration service, if its executable is given.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

from comparison import machine
from load import Load, Server
from local_beamline import executable, free_ports, wait_for
from locks import compare_locks
from process import memory_mib, running

OURS = "/apis/beamline.dev/v1alpha1/namespaces/default/devices"
SIZES = (100, 1_000, 10_000)
PVS = 20
WRITERS = 16
CONNECTIONS = (1, 64)
OPERATIONS = 200
START_LIMIT = 120.0
# The Python service still works off long lists that nobody waits for any more.
PATIENCE = 600.0


def device(number: int) -> dict[str, object]:
    """One with 20 PVs, as they are registered over HTTP: nothing is derived from a class."""
    name = f"device_{number:05}"
    pvs = {f"signal_{pv:02}": f"BENCH:{name}:Signal{pv:02}_RBV" for pv in range(PVS)}
    return {
        "apiVersion": "beamline.dev/v1alpha1",
        "kind": "Device",
        "metadata": {"name": name.replace("_", "-")},
        "spec": {
            "name": name,
            "deviceClass": "site.devices.Bench" if number % 2 else "site.devices.Other",
            "deviceLabel": "motor" if number % 10 == 0 else "device",
            "args": [f"BENCH:{name}:"],
            "kwargs": {"name": name},
            "pvs": pvs,
            "readAttrs": list(pvs)[:5],
            "configurationAttrs": list(pvs)[5:10],
        },
    }


@contextmanager
def api(examples: Path, folder: Path) -> Iterator[Server]:
    (port,) = free_ports(1)
    command = [str(examples / "kubernetes_api"), str(folder / "state.db"), str(port)]
    with running(command, folder / "api.log") as process:
        url = f"http://127.0.0.1:{port}"
        wait_for("the Kubernetes API", lambda: httpx.get(f"{url}/version").is_success)
        yield Server(process, url)


@contextmanager
def registry(at: str, folder: Path) -> Iterator[tuple[Server, float]]:
    """A registry, and the seconds until it was ready."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [executable(), "registry", f"--api-server={at}"]
    with running([*command, f"--registry-port={port}"], folder / "registry.log") as process:
        start = time.perf_counter()
        is_up = lambda: httpx.get(f"{url}/ready", timeout=10).is_success  # noqa: E731
        wait_for("the registry", is_up, START_LIMIT)
        yield Server(process, url), time.perf_counter() - start


@contextmanager
def same_bytes(examples: Path, folder: Path, bodies: list[bytes]) -> Iterator[Server]:
    """What answers the n-th of these bodies under `/n`."""
    (port,) = free_ports(1)
    place = folder / "bodies"
    place.mkdir(exist_ok=True)
    for number, body in enumerate(bodies):
        (place / str(number)).write_bytes(body)
    command = [str(examples / "same_bytes"), str(place), str(port)]
    with running(command, folder / "same-bytes.log") as process:
        url = f"http://127.0.0.1:{port}"
        wait_for("the bare handler", lambda: httpx.get(f"{url}/0").is_success)
        yield Server(process, url)


@contextmanager
def configuration_service(executable: Path, folder: Path) -> Iterator[Server]:
    """The Python service, without a device."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    database = folder / "configuration.db"
    variables = {"CONFIG_DATABASE_URL": f"sqlite:///{database}", "CONFIG_LOAD_STRATEGY": "empty"}
    command = [str(executable), "--host=127.0.0.1", f"--port={port}", "--log-level=warning"]
    with running(command, folder / "configuration.log", variables) as process:
        is_up = lambda: httpx.get(f"{url}/health", timeout=10).is_success  # noqa: E731
        wait_for("the configuration service", is_up, START_LIMIT)
        yield Server(process, url)


def fill(at: str, first: int, last: int) -> None:
    """Devices straight at the Kubernetes API."""
    create_all(at, OURS, [device(number) for number in range(first, last)])


def register(at: str, first: int, last: int) -> None:
    """The same devices over the interface of the registry."""
    create_all(at, "/api/v1/devices", [registration(number) for number in range(first, last)])


def create_all(at: str, path: str, bodies: list[dict[str, object]]) -> None:
    with httpx.Client(base_url=at, timeout=60) as client, ThreadPoolExecutor(WRITERS) as pool:

        def create(body: dict[str, object]) -> None:
            client.post(path, json=body).raise_for_status()

        list(pool.map(create, bodies))


def registration(number: int) -> dict[str, object]:
    spec = device(number)["spec"]
    assert isinstance(spec, dict)
    return {
        "metadata": {
            "name": spec["name"],
            "device_label": spec["deviceLabel"],
            "ophyd_class": spec["deviceClass"].rpartition(".")[2],
            "pvs": spec["pvs"],
            "read_attrs": spec["readAttrs"],
            "configuration_attrs": spec["configurationAttrs"],
        },
        "instantiation_spec": {
            "name": spec["name"],
            "device_class": spec["deviceClass"],
            "args": spec["args"],
            "kwargs": spec["kwargs"],
        },
    }


def reads(count: int) -> dict[str, str]:
    some = f"device_{count // 2:05}"
    return {
        "devices-info": "/api/v1/devices-info",
        "one device": f"/api/v1/devices/{some}",
        "one PV": f"/api/v1/pvs/BENCH:{some}:Signal07_RBV",
        "names by label": "/api/v1/devices?device_label=motor",
        "names by pattern": "/api/v1/devices?pattern=*7",
        "status of a device": f"/api/v1/devices/{some}/status",
        "all changes": "/api/v1/devices/changes?since_version=0",
    }


def times(operation: Callable[[int], None]) -> float:
    """Median milliseconds."""
    taken = []
    for number in range(OPERATIONS):
        start = time.perf_counter()
        operation(number)
        taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken)


def straight(kubernetes: str) -> dict[str, float]:
    """Milliseconds of what a write to the API takes without the registry."""
    with httpx.Client(base_url=kubernetes, timeout=60) as client:
        name = lambda number: f"{OURS}/device-{90_000 + number:05}"  # noqa: E731

        def create(number: int) -> None:
            client.post(OURS, json=device(90_000 + number)).raise_for_status()

        def update(number: int) -> None:
            patch = {"spec": {"documentation": f"{time.time()}"}}
            headers = {"content-type": "application/merge-patch+json"}
            client.patch(name(number), json=patch, headers=headers).raise_for_status()

        def delete(number: int) -> None:
            client.delete(name(number)).raise_for_status()

        return {"create": times(create), "update": times(update), "delete": times(delete)}


def writes(registry: str) -> dict[str, float]:
    """Milliseconds of each, one after the other; devices that are created are deleted again."""
    with httpx.Client(base_url=registry, timeout=PATIENCE) as client:

        def call(method: str, path: str, body: object = None) -> None:
            client.request(method, f"/api/v1/devices{path}", json=body).raise_for_status()

        def name(number: int) -> str:
            return f"device_{80_000 + number:05}"

        def create(number: int) -> None:
            call("POST", "", registration(80_000 + number))

        def update(number: int) -> None:
            call("PUT", f"/{name(number)}", {"metadata": {"documentation": f"{time.time()}"}})

        def names(number: int) -> dict[str, object]:
            return {"device_names": [name(number)], "item_id": "bench"}

        def lock(number: int) -> None:
            body = {**names(number), "plan_name": "bench", "locked_by_service": "bench"}
            call("POST", "/lock", body)

        def unlock(number: int) -> None:
            call("POST", "/unlock", names(number))

        def delete(number: int) -> None:
            call("DELETE", f"/{name(number)}")

        each = {"create": create, "update": update, "lock": lock, "unlock": unlock}
        return {what: times(one) for what, one in (each | {"delete": delete}).items()}


@dataclass
class Sides:
    """Who answers a read; the Python service only if it is there."""

    ours: Server
    bare: Server
    python: Server | None

    def compare(self, what: str, path: str, number: int, connections: int, rounds: int) -> Read:
        read = Read(what, connections, [], [], [])
        for _ in range(rounds):
            read.ours.append(self.ours.load(path, connections))
            read.bare.append(self.bare.load(f"/{number}", connections))
            if self.python is not None:
                read.python.append(self.python.load(path, connections))
        return read


@dataclass
class Read:
    """What each side got in each round."""

    what: str
    connections: int
    ours: list[Load]
    bare: list[Load]
    python: list[Load]

    def line(self) -> str:
        rates = zip(self.ours, self.bare, strict=True)
        of_bare = statistics.median(a.per_s / b.per_s for a, b in rates)
        line = f"{middle(self.ours)}; bare {middle(self.bare)}: {of_bare:.2f}"
        if self.python:
            costs = zip(self.python, self.ours, strict=True)
            times_less = statistics.median(a.cpu_us / b.cpu_us for a, b in costs)
            line += f"; Python {middle(self.python)}: {times_less:.0f} times ours"
        return line


def middle(loads: list[Load]) -> str:
    """The one whose rate is in the middle."""
    load = sorted(loads, key=lambda load: load.per_s)[len(loads) // 2]
    return f"{load.per_s:.0f}/s, {load.cpu_us:.0f} us, p99 {load.p99_ms:.2f} ms"


def measure(
    count: int, api: Server, python: Server | None, examples: Path, folder: Path, rounds: int
) -> dict[str, object]:
    at = api.url
    found: dict[str, object] = {}

    def note(what: str, figure: float, unit: str) -> None:
        found[f"{what}, {unit}"] = figure
        show(count, what, f"{figure:.2f} {unit}")

    with registry(at, folder) as (first, _):
        # The first start writes a row of the history for every device.
        wait_for_rows(first.url, count)
    with ExitStack() as stack:
        ours, ready_s = stack.enter_context(registry(at, folder))
        note("ready", ready_s, "s")
        note("memory after the start", memory_mib(ours.process.pid), "MiB")
        paths = reads(count)
        bodies = [httpx.get(ours.url + path, timeout=60).content for path in paths.values()]
        bare = stack.enter_context(same_bytes(examples, folder, bodies))
        sides = Sides(ours, bare, python)
        for number, (what, path) in enumerate(paths.items()):
            for connections in CONNECTIONS:
                read = sides.compare(what, path, number, connections, rounds)
                found[f"{what}, {connections} connections"] = asdict(read)
                about = f"{what}, {len(bodies[number])} B, {connections} connections"
                show(count, about, read.line())
        note("memory after the reads", memory_mib(ours.process.pid), "MiB")
        of_api = straight(at)
        of_python = writes(python.url) if python is not None else {}
        for what, ms in writes(ours.url).items():
            note(what, ms, "ms")
            if what in of_api:
                note(f"{what} straight at the API", of_api[what], "ms")
            if what in of_python:
                note(f"{what} by the Python service", of_python[what], "ms")
        for load in compare_locks(ours, api, python, rounds):
            found[load.what] = asdict(load)
            show(count, load.what, load.line())
        note("memory in the end", memory_mib(ours.process.pid), "MiB")
    return found


def wait_for_rows(registry: str, count: int) -> None:
    """Until the history knows every device."""
    path = f"{registry}/api/v1/devices/changes"

    def unrecorded() -> int:
        answer = httpx.get(path, params={"since_version": 0}, timeout=60).json()
        return count - len(answer["changes"])

    wait_for("every device has its row", lambda: unrecorded() <= 0, START_LIMIT)


def show(count: int, what: str, figure: str) -> None:
    print(f"{count:>6} devices: {what}: {figure}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--examples", type=Path, required=True, help="folder of the built examples")
    parser.add_argument(
        "--configuration-service", type=Path, help="executable of ophyd-service's service"
    )
    parser.add_argument("--json", type=Path, default=Path("target/bench-registry.json"))
    arguments = parser.parse_args()
    place = arguments.json.absolute().parent
    place.mkdir(parents=True, exist_ok=True)
    figures: dict[str, object] = {"machine": machine(place)}
    with TemporaryDirectory(prefix="bench-", dir=place) as name, ExitStack() as stack:
        folder = Path(name)
        kubernetes = stack.enter_context(api(arguments.examples, folder))
        python = None
        if arguments.configuration_service is not None:
            theirs = configuration_service(arguments.configuration_service, folder)
            python = stack.enter_context(theirs)
        made = 0
        for count in arguments.sizes:
            fill(kubernetes.url, made, count)
            if python is not None:
                register(python.url, made, count)
            made = count
            figures[f"{count} devices"] = measure(
                count, kubernetes, python, arguments.examples, folder, arguments.rounds
            )
            arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"written: {arguments.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
