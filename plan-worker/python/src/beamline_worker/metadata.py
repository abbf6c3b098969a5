"""The metadata of the RunEngine, as far as it may be told."""

from __future__ import annotations

import json

from bluesky_queueserver.manager.utils import filter_dict_by_permitted_keys

from .protocol.reports import Metadata


def read(run_engine: object, keys: list[str]) -> Metadata:
    """What `keys` permit of the metadata of `run_engine`, or why there is none."""
    if run_engine is None:
        return Metadata(error="Run Engine does not exist in worker environment")
    if not hasattr(run_engine, "md"):
        return Metadata(error="Run Engine does not have a metadata attribute")
    try:
        found = filter_dict_by_permitted_keys(dict(run_engine.md), keys)
    # What a profile puts there may be anything.
    except Exception as error:  # noqa: BLE001
        reason = f"Failed to convert Run Engine metadata to dictionary: {error}"
        return Metadata(error=reason)
    try:
        json.dumps(found)
    except (TypeError, ValueError) as error:
        return Metadata(error=f"Failed to serialize RE metadata with JSON: {error}")
    return Metadata(found)
