"""The registry with many devices: reading, writing, starting, and memory: see docs/speed.md.

Reads are measured in turns with the least that can answer the same bytes
(`registry-pod/examples/same_bytes.rs`), writes beside one straight to the Kubernetes API.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
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
from local_beamline import executable, free_ports, wait_for
from process import running

OURS = "/apis/beamline.dev/v1alpha1/namespaces/default/devices"
SIZES = (100, 1_000, 10_000)
PVS = 20
WRITERS = 16
CONNECTIONS = (1, 64)
SECONDS = 3
OPERATIONS = 200
START_LIMIT = 120.0


@dataclass
class Load:
    """What `wrk` got from one address."""

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


@dataclass
class Server:
    """A process that is measured."""

    process: subprocess.Popen[bytes]
    url: str

    def memory_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s*(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, path: str, connections: int) -> Load:
        before = self.cpu_s()
        done = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", self.url + path],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
        if "Non-2xx" in done:
            raise RuntimeError(f"{path}: {done}")
        cpu = self.cpu_s() - before

        def number(pattern: str) -> str:
            found = re.search(pattern, done)
            assert found is not None, done
            return found[1]

        requests = max(int(number(r"(\d+) requests in")), 1)
        return Load(
            per_s=float(number(r"Requests/sec:\s*([\d.]+)")),
            p50_ms=milliseconds(number(r"\n\s+50%\s+(\S+)")),
            p99_ms=milliseconds(number(r"\n\s+99%\s+(\S+)")),
            cpu_us=cpu / requests * 1e6,
        )


def milliseconds(text: str) -> float:
    units = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    found = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
    assert found is not None, text
    return float(found[1]) * units[found[2]]


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


def fill(at: str, first: int, last: int) -> None:
    with httpx.Client(base_url=at, timeout=60) as client, ThreadPoolExecutor(WRITERS) as pool:

        def create(number: int) -> None:
            client.post(OURS, json=device(number)).raise_for_status()

        list(pool.map(create, range(first, last)))


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


def writes(registry: str, kubernetes: str, count: int) -> dict[str, float]:
    """Milliseconds of each, one after the other; devices that are created are deleted again."""
    with httpx.Client(timeout=60) as client:

        def call(method: str, url: str, body: object = None) -> None:
            client.request(method, url, json=body).raise_for_status()

        def straight(number: int) -> None:
            call("POST", f"{kubernetes}{OURS}", device(90_000 + number))
            call("DELETE", f"{kubernetes}{OURS}/device-{90_000 + number}")

        def create(number: int) -> None:
            name = f"made_{number:05}"
            pvs = {f"signal_{pv:02}": f"MADE:{name}:{pv:02}" for pv in range(PVS)}
            metadata = {"name": name, "device_label": "device", "ophyd_class": "Bench", "pvs": pvs}
            spec = {"name": name, "device_class": "site.devices.Bench"}
            body = {"metadata": metadata, "instantiation_spec": spec}
            call("POST", f"{registry}/api/v1/devices", body)

        def update(number: int) -> None:
            body = {"metadata": {"documentation": f"{time.time()}"}}
            call("PUT", f"{registry}/api/v1/devices/made_{number:05}", body)

        def lock(number: int) -> None:
            names = {"device_names": [f"made_{number:05}"], "item_id": "bench"}
            body = {**names, "plan_name": "bench", "locked_by_service": "bench"}
            call("POST", f"{registry}/api/v1/devices/lock", body)
            call("POST", f"{registry}/api/v1/devices/unlock", names)

        def delete(number: int) -> None:
            call("DELETE", f"{registry}/api/v1/devices/made_{number:05}")

        return {
            "create and delete straight at the API": times(straight),
            "create": times(create),
            "update": times(update),
            "lock and unlock": times(lock),
            "delete": times(delete),
        }


def measure(count: int, at: str, examples: Path, folder: Path, rounds: int) -> dict[str, object]:
    found: dict[str, object] = {}
    with registry(at, folder) as (first, _):
        # The first start writes a row of the history for every device.
        wait_for_rows(first.url, count)
    with ExitStack() as stack:
        ours, ready_s = stack.enter_context(registry(at, folder))
        found |= {"ready s": ready_s, "memory after the start, MiB": ours.memory_mib()}
        show(count, "ready", f"{ready_s:.2f} s, {ours.memory_mib():.0f} MiB")
        paths = reads(count)
        bodies = [httpx.get(ours.url + path, timeout=60).content for path in paths.values()]
        bare = stack.enter_context(same_bytes(examples, folder, bodies))
        for number, (what, path) in enumerate(paths.items()):
            for connections in CONNECTIONS:
                pairs = [
                    (ours.load(path, connections), bare.load(f"/{number}", connections))
                    for _ in range(rounds)
                ]
                one, other = (
                    min(side, key=lambda load: load.cpu_us) for side in zip(*pairs, strict=True)
                )
                ratio = statistics.median(a.per_s / b.per_s for a, b in pairs)
                found[f"{what}, {connections} connections"] = {
                    "bytes": len(bodies[number]),
                    "ours": [asdict(a) for a, _ in pairs],
                    "bare": [asdict(b) for _, b in pairs],
                    "ratio": ratio,
                }
                show(
                    count,
                    f"{what}, {len(bodies[number])} B, {connections} connections",
                    f"{one.per_s:.0f}/s ({one.cpu_us:.0f} us) of {other.per_s:.0f}/s"
                    f" ({other.cpu_us:.0f} us): {ratio:.2f}; p99 {one.p99_ms:.2f} ms"
                    f" against {other.p99_ms:.2f} ms",
                )
        found["memory after the reads, MiB"] = ours.memory_mib()
        show(count, "memory after the reads", f"{ours.memory_mib():.0f} MiB")
        for what, ms in writes(ours.url, at, count).items():
            found[f"{what}, ms"] = ms
            show(count, what, f"{ms:.2f} ms")
        found["memory in the end, MiB"] = ours.memory_mib()
        show(count, "memory in the end", f"{ours.memory_mib():.0f} MiB")
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
    parser.add_argument("--json", type=Path, default=Path("target/bench-registry.json"))
    arguments = parser.parse_args()
    place = arguments.json.absolute().parent
    place.mkdir(parents=True, exist_ok=True)
    figures: dict[str, object] = {"machine": machine(place)}
    with TemporaryDirectory(prefix="bench-", dir=place) as name, ExitStack() as stack:
        folder = Path(name)
        kubernetes = stack.enter_context(api(arguments.examples, folder))
        made = 0
        for count in arguments.sizes:
            fill(kubernetes.url, made, count)
            made = count
            figures[f"{count} devices"] = measure(
                count, kubernetes.url, arguments.examples, folder, arguments.rounds
            )
            arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"written: {arguments.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
