"""Everything that is printed or logged, for the console of the queue as well."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from typing import TextIO

from .outbox import Reports
from .protocol.reports import Console

# Characters of one report: a longer text becomes several.
PIECE = 64 << 10


class Tee(io.TextIOBase):
    """Says what is written to the queue server, and with `echo` writes it to a stream as well."""

    def __init__(self, stream: TextIO, reports: Reports, echo: bool = True) -> None:
        self._stream = stream
        self._reports = reports
        self._echo = echo

    def write(self, text: str) -> int:
        """Writes `text`; nobody reading the stream any more is no reason to fail."""
        if self._echo:
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(text)
        for start in range(0, len(text), PIECE):
            self._reports.send(Console(text[start : start + PIECE]))
        return len(text)

    def flush(self) -> None:
        """Flushes the stream."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """It is not: the console of the queue moves no cursor."""
        return False

    def fileno(self) -> int:
        """That of the stream."""
        return self._stream.fileno()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def capture(reports: Reports, echo: bool = True) -> None:
    """Sends from now on what this process prints and logs, in the lines of bluesky-queueserver.

    Without `echo` it is in the terminal of this process no more: the queue server shows it in its.
    """
    sys.stdout = Tee(sys.stdout, reports, echo)
    sys.stderr = Tee(sys.stderr, reports, echo)
    lines = logging.Formatter("[%(levelname).1s %(asctime)s %(name)s] %(message)s")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(lines)
    logging.getLogger().addHandler(handler)
    for name in ("beamline_worker", "bluesky_queueserver"):
        logging.getLogger(name).setLevel(logging.INFO)
