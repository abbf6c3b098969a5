"""Processes that are measured: ended whatever happens, and what they use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_beamline import environment

STOP_LIMIT = 10.0
# Characters of a log that are shown when something went wrong.
TAIL = 2_000


@contextmanager
def running(
    command: list[str], log: Path, variables: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs inside the block; its output goes to `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env=environment() | (variables or {}),
            cwd=log.parent,
        )
        try:
            yield process
        except BaseException:
            print(f"{log.name} ended with:", log.read_text(errors="replace")[-TAIL:], sep="\n")
            raise
        finally:
            process.terminate()
            try:
                process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of those that it has started."""
    ticks = 0
    for process, fields in processes():
        if process == pid or int(fields[1]) == pid:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process, its children, theirs, and so on."""
    children: dict[int, list[int]] = {}
    for process, fields in processes():
        children.setdefault(int(fields[1]), []).append(process)
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def processes() -> Iterator[tuple[int, list[str]]]:
    """Every process, with what its `stat` says behind the name: state, parent, and so on."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        yield int(stat.parent.name), fields


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
