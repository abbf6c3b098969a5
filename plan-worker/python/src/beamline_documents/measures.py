"""What the metrics say of each target."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

DOCUMENTS = Counter("beamline_documents_published", "Documents that a target has taken", ["target"])
REFUSED = Counter(
    "beamline_documents_refused",
    "Documents that a target will never take, or that cannot be read",
    ["target"],
)
FAILURES = Counter("beamline_documents_failures", "Failed deliveries", ["target"])
UP = Gauge("beamline_documents_up", "Whether the target took documents at last", ["target"])
BEHIND = Gauge(
    "beamline_documents_behind_bytes",
    "Length of what is in the files and was not delivered yet",
    ["target"],
)
