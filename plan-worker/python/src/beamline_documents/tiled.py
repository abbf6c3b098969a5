"""Runs for a Tiled server, written by the `TiledWriter` of bluesky-tiled-plugins."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

import httpx
from bluesky_tiled_plugins.writing.tiled_writer import TiledWriter
from tiled.client import from_uri
from tiled.client.container import Container
from tiled.client.utils import ClientError

from .runs import Document
from .target import BeginAnew, Refusal, RunRefused, Unreachable

# Rows that are written at once: those of a run that is under way as they come.
LIVE = 1
WHOLE = 10_000
# What says nothing about the run.
PASSING = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)


class Tiled:
    """Writes each run as a `BlueskyRun`. The API key is in `TILED_API_KEY`, as for every client.

    A writer knows what it has written of its run. Without it, after a restart or a failure, what is
    there of the run is removed and the run is written anew; a run that is whole there stays.
    """

    name = "tiled"

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client: Container | None = None
        # Those of the runs under way; `None` for one that is there.
        self._writers: dict[str, TiledWriter | None] = {}

    def send(self, run: str, documents: Sequence[Document]) -> Sequence[Refusal]:
        """Delivers documents; see `Target`."""
        begins, ends = documents[0][0] == "start", documents[-1][0] == "stop"
        if not begins and run not in self._writers:
            raise BeginAnew
        try:
            if begins:
                self._writers[run] = self._writer(run, WHOLE if ends else LIVE)
            writer = self._writers[run]
            if writer:
                for name, doc in documents:
                    writer(name, doc)
        except Exception as error:
            self._writers.pop(run, None)
            raise _meaning(error) from error
        if ends:
            del self._writers[run]
        return ()

    def close(self) -> None:
        """Ends the connection."""
        if self._client is not None:
            self._client.context.close()

    def _writer(self, run: str, batch: int) -> TiledWriter | None:
        if self._client is None:
            self._client = from_uri(self._uri)
        if run in self._client:
            there = self._client[run]
            if "stop" in there.metadata:
                return None
            # Files that belong to it stay: only what was written here goes.
            there.delete(recursive=True, external_only=False)
        return TiledWriter(self._client, batch_size=batch)


def _meaning(error: Exception) -> Exception:
    """Whether it is the server that fails, or this run that cannot be written."""
    if isinstance(error, httpx.TransportError | OSError):
        return Unreachable(str(error) or type(error).__name__)
    if isinstance(error, ClientError | httpx.HTTPStatusError):
        status = error.response.status_code
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in PASSING:
            return Unreachable(str(error))
    return RunRefused(f"{type(error).__name__}: {error}")
