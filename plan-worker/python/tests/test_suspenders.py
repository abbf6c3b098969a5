"""What makes plans wait, as far as no PV is needed for it."""

from __future__ import annotations

import math

import pytest
from beamline_worker.suspenders import Condition, SuspenderError, parse

RING = Condition("I", below=380, resume=395, message="no beam")
BAND = Condition("T", below=0, above=5.5)


@pytest.mark.parametrize(
    ("condition", "value", "waits", "objection"),
    [
        (RING, 385.0, False, None),
        (RING, 379.5, False, "I is 379.5, below 380: no beam"),
        (RING, 385.0, True, "I is 385, below 395: no beam"),
        (RING, 395.0, True, None),
        (RING, None, False, "I is not known: no beam"),
        (RING, math.nan, True, "I is not known: no beam"),
        (BAND, 0.0, True, None),
        (BAND, -0.5, False, "T is -0.5, below 0"),
        (BAND, 6.0, False, "T is 6, above 5.5"),
        (Condition("F", above=0, resume=-1), -0.5, True, "F is -0.5, above -1"),
        (Condition("S", state="low"), 1.0, False, None),
        (Condition("S", state="low"), 0.0, False, "S is low"),
        (Condition("S", state="high"), 2.0, True, "S is high"),
    ],
)
def test_objections_are_those_of_the_native_engine(
    condition: Condition, value: float | None, *, waits: bool, objection: str | None
) -> None:
    assert condition.objection(value, waits=waits) == objection


def test_what_the_operator_gives_is_read() -> None:
    assert parse("[]") == []
    text = '[{"pv": "I", "below": 380.0, "sleepSeconds": 30, "message": "no beam"}]'
    assert parse(text) == [Condition("I", below=380.0, sleep=30.0, message="no beam")]


@pytest.mark.parametrize("text", ["", "{}x", "[1]", '[{"below": 1}]', '[{"pv": "pva://I"}]'])
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(SuspenderError):
        parse(text)
