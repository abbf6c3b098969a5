"""Processes of the other side, ended whatever happens."""

from __future__ import annotations

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
