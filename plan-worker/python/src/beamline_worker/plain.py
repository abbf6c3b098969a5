"""Values of any kind as values that JSON has."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass

import numpy as np

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


def plain(value: object) -> Plain:
    """`value` as JSON can carry it: NaN and infinities as null, what has no counterpart as text."""
    match value:
        case None | bool():
            return value
        # A subclass, such as a member of an enumeration, becomes what it stands for.
        case str():
            return str.__str__(value)
        case int():
            return int(value)
        case float():
            return float(value) if math.isfinite(value) else None
        case np.ndarray() | np.generic():
            return plain(value.tolist())
        case Mapping():
            return {str(key): plain(one) for key, one in value.items()}
        case list() | tuple() | AbstractSet():
            return [plain(one) for one in value]
        case bytes():
            return value.decode("utf-8", "replace")
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    return str(value)


def strict_json(value: object) -> str:
    """`value` as JSON, whatever is in it: no NaN, no lone surrogate."""
    text = json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode("utf-8")
