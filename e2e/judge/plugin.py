"""Known differences, as a pytest plugin: a test that is listed has to fail, and one that passes all
the same is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

# The fixtures that the suite of the HTTP server takes from the other one want this one beside them.
from bluesky_queueserver.manager.tests.common import re_manager_factory as re_manager_factory

HERE = Path(__file__).parent


def exceptions() -> dict[str, str]:
    """Tests that are known to fail, by `file::name[parameters]` or `file::name`, and why."""
    known = {}
    for line in (HERE / "exceptions.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, reason = line.partition("  ")
            known[name] = reason.strip()
    return known


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is known to fail."""
    known = exceptions()
    for item in items:
        file = item.path.name
        for name in (item.name, getattr(item, "originalname", item.name)):
            if (reason := known.get(f"{file}::{name}")) is not None:
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
                break
