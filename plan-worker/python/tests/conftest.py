"""Queue sides for tests, and workers of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from queue_side import QueueSide, Worker

Start = Callable[..., Worker]


@pytest.fixture
def queue() -> Iterator[QueueSide]:
    with QueueSide() as queue:
        yield queue


@pytest.fixture
def start(queue: QueueSide, tmp_path: Path) -> Iterator[Start]:
    """Starts a worker; it is gone when the test is over."""
    with ExitStack() as stack:

        def start(**variables: str) -> Worker:
            return stack.enter_context(Worker(queue, tmp_path, **variables))

        yield start


@pytest.fixture
def worker(queue: QueueSide, start: Start) -> Worker:
    """A worker whose environment is open, with the simulated profile."""
    worker = start()
    queue.open()
    return worker


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[QueueSide, Worker]]:
    with QueueSide() as queue, Worker(queue, tmp_path_factory.mktemp("shared")) as worker:
        queue.open()
        yield queue, worker


@pytest.fixture
def resting(shared: tuple[QueueSide, Worker]) -> tuple[QueueSide, Worker]:
    """An open worker that tests share, each with items of its own; nothing was heard yet."""
    queue, worker = shared
    queue.forget()
    return queue, worker
