"""The beamlines that tests work on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from local_beamline import Beamline, end


@pytest.fixture(scope="session")
def beamline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beamline]:
    """A running beamline that tests share and leave as they found it."""
    one = Beamline(tmp_path_factory.mktemp("shared") / "state")
    try:
        yield one.start()
    finally:
        end(one)


@pytest.fixture(scope="session")
def registry(beamline: Beamline) -> Iterator[httpx.Client]:
    """The registry of the shared beamline."""
    with httpx.Client(base_url=beamline.url("registry"), timeout=30) as client:
        yield client


@pytest.fixture
def own_beamline(tmp_path: Path) -> Iterator[Beamline]:
    """A beamline for one test, not started yet."""
    one = Beamline(tmp_path / "state")
    try:
        yield one
    finally:
        end(one)
