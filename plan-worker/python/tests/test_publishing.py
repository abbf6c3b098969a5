"""What is delivered when, to a target that is at hand; the real ones are in `test_targets.py`."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from beamline_documents import command
from beamline_documents.bookmarks import Bookmarks, path_of
from beamline_documents.forwarder import Forwarder
from beamline_documents.runs import Document, Runs
from beamline_documents.target import BeginAnew, Refusal, RunRefused, Unreachable
from left_runs import LeftRun, left_run


class Recorder:
    """Takes documents, and fails as it is told to."""

    name = "recorder"

    def __init__(self) -> None:
        self.taken: list[Document] = []
        self.fault: Exception | None = None
        self.dislikes = ""

    def send(self, run: str, documents: Sequence[Document]) -> Sequence[Refusal]:
        if self.fault:
            raise self.fault
        refused = [at for at, (name, _) in enumerate(documents) if name == self.dislikes]
        self.taken += [one for at, one in enumerate(documents) if at not in refused]
        return [Refusal(at, "not of this kind") for at in refused]

    def close(self) -> None:
        """Has nothing to end."""

    def uids(self) -> list[str]:
        return [doc["uid"] for _, doc in self.taken]


class Publisher:
    """A life of a publisher that delivers to a recorder."""

    def __init__(self, folder: Path, target: Recorder, since: str = "") -> None:
        self.forwarder = Forwarder(target, Runs(folder), Bookmarks(folder, target.name, since))

    def __enter__(self) -> Forwarder:
        return self.forwarder

    def __exit__(self, *_: object) -> None:
        self.forwarder.close()


def uids(*runs: LeftRun) -> list[str]:
    return [doc["uid"] for run in runs for _, doc in run.documents]


def test_documents_are_delivered_as_they_come_each_once_over_restarts(tmp_path):
    target, run = Recorder(), LeftRun(tmp_path)
    with Publisher(tmp_path, target) as publisher:
        assert publisher.try_step() == 1
        assert target.taken == run.documents
        assert publisher.try_step() == 0
        run.measure(1.0)
        assert publisher.try_step() == 1
    run.measure(2.0)
    run.end()
    later = left_run(tmp_path)
    with Publisher(tmp_path, target) as publisher:
        assert publisher.finish(10)
    assert target.uids() == uids(run, later)


def test_half_a_line_waits_for_its_other_half(tmp_path):
    target, run = Recorder(), left_run(tmp_path)
    [file] = tmp_path.glob("2*/*.jsonl")
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    with Publisher(tmp_path, target) as publisher:
        publisher.try_step()
        assert target.uids() == uids(run)[:-1]
        file.write_bytes(whole)
        publisher.try_step()
    assert target.uids() == uids(run)


def test_what_a_target_does_not_take_now_it_gets_later_and_the_log_says_so_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    target, run = Recorder(), left_run(tmp_path)
    target.fault = Unreachable("nobody is there")
    with Publisher(tmp_path, target) as publisher:
        assert publisher.try_step() is None
        assert publisher.try_step() is None
        assert not publisher.finish(0)
        assert publisher.behind() == sum(one.stat().st_size for one in tmp_path.glob("2*/*.jsonl"))
        target.fault = None
        assert publisher.finish(10)
    assert target.uids() == uids(run)
    said = [record.getMessage() for record in caplog.records]
    assert said.count("recorder: takes no documents, they wait on disk: nobody is there") == 1
    assert said[-1] == "recorder: takes documents again"


def test_a_target_that_has_forgotten_gets_the_run_from_its_beginning(tmp_path):
    target, run = Recorder(), LeftRun(tmp_path)
    with Publisher(tmp_path, target) as publisher:
        publisher.try_step()
        run.measure(1.0)
        target.fault = BeginAnew()
        publisher.try_step()
        target.fault = None
        publisher.try_step()
    assert target.uids() == uids(run)[:2] + uids(run)


def test_what_is_refused_is_said_and_keeps_nothing_else_back(tmp_path, caplog, capsys):
    target, run = Recorder(), left_run(tmp_path, values=1)
    target.dislikes = "event"
    with Publisher(tmp_path, target) as publisher:
        assert publisher.finish(10)
        names = [name for name, _ in target.taken]
        assert names == ["start", "descriptor", "stop"]
        assert f"refuses event {run.documents[2][1]['uid']} of run {run.uid}" in caplog.text
        bad = left_run(tmp_path)
        target.fault = RunRefused("no such run")
        publisher.try_step()
        target.fault = None
        good = left_run(tmp_path)
        assert publisher.finish(10)
    assert f"refuses run {bad.uid}: no such run" in caplog.text
    assert (
        target.uids()[3:]
        == [uid for uid in uids(good) if uid != good.documents[2][1]["uid"]][:2] + uids(good)[-1:]
    )
    assert command.main(["status", "--runs-dir", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "recorder: since" in said
    assert f"{bad.uid}" in said.split("refused: ")[1]


def test_a_line_that_is_no_document_is_said_and_passed_over(tmp_path, caplog):
    target, run = Recorder(), left_run(tmp_path)
    [file] = tmp_path.glob("2*/*.jsonl")
    first, *others = file.read_text().splitlines(keepends=True)
    file.write_text("".join([first, "garbage\n", *others]))
    with Publisher(tmp_path, target) as publisher:
        assert publisher.finish(10)
    assert target.uids() == uids(run)
    assert f"at byte {len(first)} there is no document" in caplog.text


def test_a_new_target_begins_with_yesterday_or_the_day_that_is_said(tmp_path):
    old = tmp_path / "2020-02-02"
    old.mkdir()
    lines = [["start", {"uid": "old", "time": 1.0}], ["stop", {"uid": "s", "run_start": "old"}]]
    (old / "old.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    target, run = Recorder(), left_run(tmp_path)
    with Publisher(tmp_path, target) as publisher:
        assert publisher.finish(10)
    assert target.uids() == uids(run)
    # It is remembered: what is said later counts for new targets.
    with Publisher(tmp_path, target, since="2020-01-01") as publisher:
        assert publisher.finish(10)
    assert target.uids() == uids(run)
    path_of(tmp_path, "recorder").unlink()
    with Publisher(tmp_path, target, since="2020-01-01") as publisher:
        assert publisher.finish(10)
    assert target.uids()[-len(uids(run)) - 2 :] == ["old", "s", *uids(run)]


def test_a_second_publisher_of_a_target_waits_for_the_first(tmp_path):
    target, run = Recorder(), left_run(tmp_path)
    second: list[Forwarder] = []
    with Publisher(tmp_path, target) as publisher:
        waiting = threading.Thread(
            target=lambda: second.append(Publisher(tmp_path, target).forwarder), daemon=True
        )
        waiting.start()
        assert publisher.finish(10)
        assert not second
    waiting.join(30)
    assert second[0].finish(10)
    second[0].close()
    assert target.uids() == uids(run)


def test_what_is_left_at_the_end_is_delivered_first(tmp_path):
    target, run = Recorder(), left_run(tmp_path)
    stop = threading.Event()
    stop.set()
    with Publisher(tmp_path, target) as publisher:
        publisher.follow(stop)
    assert target.uids() == uids(run)


def test_a_publisher_that_cannot_keep_bookmarks_ends_and_says_so(tmp_path, caplog, monkeypatch):
    (tmp_path / ".published").write_text("in the way")
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    flags = ["--runs-dir", str(tmp_path), "--zmq", "127.0.0.1:9"]
    assert command.main(["follow", *flags]) == 1
    assert "zmq: cannot be delivered to" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["follow"], "BEAMLINE_WORKER_RUNS_DIR is missing"),
        (["follow", "--runs-dir", "."], "name a target: --zmq, --kafka or --tiled"),
        (["once", "--runs-dir", ".", "--kafka", "k:1"], "BEAMLINE_PUBLISH_KAFKA_TOPIC is missing"),
        (["replay", "--runs-dir", ".", "nobody", "--zmq", "h:1"], "there is no run nobody in ."),
        (["replay", "--runs-dir", ".", "--zmq", "h:1"], "name runs, or a day with --since"),
    ],
)
def test_settings_that_are_missing_are_named(arguments, fault, capsys):
    assert command.main(arguments) == 2
    assert capsys.readouterr().err.strip() == fault
