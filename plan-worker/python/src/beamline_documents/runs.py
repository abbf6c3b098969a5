"""The files of the runs, `<date in UTC>/<run uid>.jsonl`: which there are and what is new."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Name and content, as a callback of bluesky has them.
Document = tuple[str, dict[str, Any]]

DAY = re.compile(r"\d{4}-\d\d-\d\d")
# What is read at once, at most; a longer document is read alone.
MOST_BYTES = 4 << 20
MOST_DOCUMENTS = 1000


@dataclass(frozen=True, order=True)
class Run:
    """The file of one run."""

    day: str
    uid: str

    @property
    def key(self) -> str:
        """What it is called in bookmarks."""
        return f"{self.day}/{self.uid}"


@dataclass
class Piece:
    """What is new in the file of a run."""

    documents: list[Document] = field(default_factory=list)
    # Where the next piece begins.
    end: int = 0
    # Places of lines that are no documents.
    damaged: list[int] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether nothing comes after it."""
        return bool(self.documents) and self.documents[-1][0] == "stop"


class Runs:
    """The folder that a worker keeps its runs in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def days(self) -> list[str]:
        """The days that have runs, from the first to the last; none while there is no folder."""
        try:
            with os.scandir(self.folder) as entries:
                return sorted(entry.name for entry in entries if DAY.fullmatch(entry.name))
        except FileNotFoundError:
            return []

    def of(self, day: str) -> Iterator[Run]:
        """The runs that began on that day, in no order."""
        with os.scandir(self.folder / day) as entries:
            for entry in entries:
                if entry.name.endswith(".jsonl"):
                    yield Run(day, entry.name.removesuffix(".jsonl"))

    def changed(self, day: str) -> float:
        """When a run of that day began last."""
        return (self.folder / day).stat().st_mtime

    def find(self, uid: str) -> Run | None:
        """The run of that uid."""
        for day in reversed(self.days()):
            run = Run(day, uid)
            if self._path(run).is_file():
                return run
        return None

    def size(self, run: Run) -> int:
        """Length of its file; 0 when somebody has removed it."""
        try:
            return self._path(run).stat().st_size
        except FileNotFoundError:
            return 0

    def began(self, run: Run) -> float:
        """Time of its start document; 0 when that cannot be read yet."""
        documents = self.read(run, 0, most=1).documents
        return float(documents[0][1].get("time", 0.0)) if documents else 0.0

    def read(self, run: Run, offset: int, most: int = MOST_DOCUMENTS) -> Piece:
        """What follows on `offset`: whole lines only, the last one may be in the making."""
        piece = Piece(end=offset)
        with self._path(run).open("rb") as file:
            file.seek(offset)
            while len(piece.documents) < most and piece.end - offset < MOST_BYTES:
                line = file.readline()
                if not line.endswith(b"\n"):
                    break
                document = _document(line)
                if document:
                    piece.documents.append(document)
                else:
                    piece.damaged.append(piece.end)
                piece.end += len(line)
        return piece

    def _path(self, run: Run) -> Path:
        return self.folder / run.day / f"{run.uid}.jsonl"


def _document(line: bytes) -> Document | None:
    try:
        name, doc = json.loads(line)
    except (ValueError, TypeError):
        return None
    return (name, doc) if isinstance(name, str) and isinstance(doc, dict) else None
