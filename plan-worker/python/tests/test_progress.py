"""How far a plan is, by the documents and statuses that tell of it."""

from __future__ import annotations

import pytest
from beamline_worker.progress import Progress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Status:
    """As much of a status as is watched."""

    def watch(self, watcher) -> None:
        self.moved = watcher


class Broken:
    def watch(self, watcher) -> None:
        raise RuntimeError("not today")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    progress = Progress(clock)
    progress.begins("one")
    progress("start", {"uid": "run", "num_points": 5})
    progress("descriptor", {"uid": "base", "name": "baseline"})
    progress("descriptor", {"uid": "main", "name": "primary"})
    return progress


def point(progress: Progress, clock: Clock, number: int, after: float = 2.0) -> None:
    clock.now += after
    progress("event", {"descriptor": "main", "seq_num": number})


def test_the_pace_so_far_tells_when_the_plan_ends(progress, clock):
    now = progress.now()
    assert (now.points_done, now.points_expected, now.time_left_s) == (0, 5, None)
    progress("event", {"descriptor": "base", "seq_num": 1})
    point(progress, clock, 1)
    point(progress, clock, 2)
    assert (progress.now().points_done, progress.now().time_left_s) == (2, 6.0)
    clock.now += 1
    assert progress.now().time_left_s == 5.0
    clock.now += 1000
    assert progress.now().time_left_s == 0
    progress.ends()
    assert progress.now() is None


def test_neither_a_pause_nor_a_point_taken_again_changes_the_pace(progress, clock):
    point(progress, clock, 1)
    point(progress, clock, 2)
    progress.pauses()
    assert progress.now().time_left_s is None
    point(progress, clock, 2, after=500)
    assert (progress.now().points_done, progress.now().time_left_s) == (2, 6.0)
    point(progress, clock, 3)
    assert (progress.now().points_done, progress.now().time_left_s) == (3, 4.0)


def test_pages_count_their_points_and_the_newest_run_counts(progress, clock):
    clock.now += 6
    progress("event_page", {"descriptor": "main", "seq_num": [1, 2, 3]})
    assert (progress.now().points_done, progress.now().time_left_s) == (3, 4.0)
    progress("start", {"uid": "inner"})
    assert (progress.now().points_done, progress.now().points_expected) == (0, None)


def test_what_moves_is_told_while_the_plan_waits_for_it(progress):
    status = Status()
    progress.waits_for([status, object(), Broken()])
    assert progress.now().moving == []
    status.moved(name="m", initial=1, current=2.0, target=5, unit="mm", fraction=0.75)
    (moving,) = progress.now().moving
    assert (moving.name, moving.unit, moving.target, moving.fraction) == ("m", "mm", 5, 0.25)
    status.moved(name="m", current="half way")
    assert progress.now().moving[0].fraction is None
    progress.waits_for(None)
    status.moved(name="m", current=5)
    assert progress.now().moving == []
