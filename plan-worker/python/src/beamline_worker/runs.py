"""The runs of the running plan."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from .outbox import Reports
from .protocol.reports import RunEntry, Runs

LOG = logging.getLogger(__name__)


class RunList:
    """Gathers the runs of a plan from its documents, and reports every change."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._runs: dict[str, RunEntry] = {}

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        """Takes note of a document."""
        if name == "start":
            uid = str(doc["uid"])
            self._runs[uid] = RunEntry(uid, _scan_id(doc.get("scan_id")))
            LOG.info("New run was open: %r", uid)
        elif name == "stop" and (uid := str(doc["run_start"])) in self._runs:
            status = str(doc["exit_status"])
            self._runs[uid] = replace(self._runs[uid], is_open=False, exit_status=status)
            LOG.info("Run was closed: %r", uid)
        else:
            return
        self._reports.send(Runs(list(self._runs.values())))

    @property
    def uids(self) -> list[str]:
        """Uids in the order in which the runs were opened."""
        return list(self._runs)

    @property
    def exit_statuses(self) -> set[str | None]:
        """How they ended, those that did."""
        return {run.exit_status for run in self._runs.values()}

    @property
    def scan_ids(self) -> list[int]:
        """Scan ids in the same order."""
        return [run.scan_id for run in self._runs.values()]


def _scan_id(value: object) -> int:
    """A profile may number its scans as it likes; what is no number is said as 0."""
    try:
        return int(str(value))
    except (TypeError, ValueError):
        return 0
