"""How far the runs were delivered to one target: a journal of lines, beside the runs.

Losing its newest lines means that documents are delivered twice, never that they are not.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TextIO

LOG = logging.getLogger(__name__)

FOLDER = ".published"
# How long to wait between two looks at whether another publisher has ended, in seconds.
PATIENCE = 1.0


class State(StrEnum):
    """How the delivery of a run stands."""

    UNDER_WAY = "under way"
    # Everything up to its stop document.
    SENT = "sent"
    # The target takes no more of it, ever.
    REFUSED = "refused"


@dataclass
class Journal:
    """What the lines say."""

    since: str = ""
    marks: dict[str, tuple[int, State]] = field(default_factory=dict)


def path_of(runs: Path, target: str) -> Path:
    """Where the journal of a target is."""
    return runs / FOLDER / f"{target}.jsonl"


def read(path: Path) -> Journal:
    """What a journal says; nothing when there is none."""
    journal = Journal()
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return journal
    for line in text.splitlines():
        try:
            since_or_run, offset, state = json.loads(line)
            if state == "since":
                journal.since = str(since_or_run)
            else:
                journal.marks[str(since_or_run)] = (int(offset), State(state))
        except (ValueError, TypeError):
            # The power failed while it was written.
            LOG.warning("%s has a line that is none: %.80s", path, line)
    return journal


def note(path: Path, run: str, offset: int, state: State) -> None:
    """Adds a line to a journal that another process may have open."""
    with path.open("a", encoding="utf-8") as file:
        file.write(_line(run, offset, state))


class Bookmarks:
    """The journal of one target, in the hands of the one process that delivers to it."""

    def __init__(self, runs: Path, target: str, since: str = "") -> None:
        """Waits until no other process has it.

        A target that is new here gets the runs of `since` and later; without it those of yesterday.
        """
        self._path = path_of(runs, target)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self._path.with_suffix(".lock"))
        journal = read(self._path)
        self.since = journal.since or since or _yesterday()
        self._marks = journal.marks
        self._journal = self._begin_anew()

    def offset(self, run: str) -> int | None:
        """Where delivery goes on, `None` when nothing of the run is to be delivered any more."""
        offset, state = self._marks.get(run, (0, State.UNDER_WAY))
        return offset if state is State.UNDER_WAY else None

    def note(self, run: str, offset: int, state: State = State.UNDER_WAY) -> None:
        """Remembers how far a run was delivered."""
        self._marks[run] = (offset, state)
        self._journal.write(_line(run, offset, state))
        self._journal.flush()

    def close(self) -> None:
        """Leaves it to the next one."""
        self._journal.close()
        os.close(self._lock)

    def _begin_anew(self) -> TextIO:
        """Writes the journal with one line for each run, and leaves it open for more."""
        draft = self._path.with_suffix(".new")
        with draft.open("w", encoding="utf-8") as file:
            file.writelines(self._lines())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        return self._path.open("a", encoding="utf-8")

    def _lines(self) -> Iterator[str]:
        yield _line(self.since, 0, "since")
        for run, (offset, state) in self._marks.items():
            yield _line(run, offset, state)


def _line(run: str, offset: int, state: str) -> str:
    return json.dumps([run, offset, str(state)]) + "\n"


def _yesterday() -> str:
    return (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told:
                LOG.info("waiting for another publisher, which has locked %s", path)
                told = True
            time.sleep(PATIENCE)
        except OSError as error:
            LOG.warning("%s cannot be locked, two publishers would not notice: %s", path, error)
            return descriptor
        else:
            return descriptor
