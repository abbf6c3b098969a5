"""The command line: follow the runs, deliver once, tell how it stands, deliver again."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import start_http_server

from . import bookmarks
from .bookmarks import Bookmarks, State
from .forwarder import Forwarder
from .runs import Run, Runs
from .settings import Settings, SettingsError, add_flags
from .target import RunRefused, Target, Unreachable

LOG = logging.getLogger(__name__)

# Seconds for what is left when it is told to end.
DRAIN = 10.0
# How long a target that is down is waited for when it is delivered to once, in seconds.
PATIENCE = 20.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    given = _parser().parse_args(arguments)
    try:
        settings = Settings.of(given)
        run: Callable[[Settings, argparse.Namespace], int] = given.run
        return run(settings, given)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2


def follow(settings: Settings, _given: argparse.Namespace) -> int:
    """Delivers what comes until it is told to end."""
    targets = _some(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if settings.metrics:
        host, port = settings.metrics
        try:
            start_http_server(port, host)
        except OSError as error:
            LOG.warning("no metrics on %s:%d: %s", host, port, error)

    failed = threading.Event()

    def deliver(name: str, make: Callable[[], Target]) -> None:
        try:
            forwarder = _forwarder(settings, name, make)
            forwarder.follow(stop)
            forwarder.close()
        except Exception:
            # Such as a folder that cannot be written to. Who has started this sees that it ended.
            LOG.exception("%s: cannot be delivered to", name)
            failed.set()
            stop.set()

    # Daemons: one that waits for another process or for its target does not hold up the end.
    threads = [
        threading.Thread(target=deliver, args=one, name=one[0], daemon=True)
        for one in targets.items()
    ]
    for thread in threads:
        thread.start()
    LOG.info("publishing %s to %s", settings.runs_dir, ", ".join(targets))
    stop.wait()
    end = time.monotonic() + DRAIN
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0.0))
        if thread.is_alive():
            LOG.warning("%s: the next publisher delivers what is left", thread.name)
    return int(failed.is_set())


def once(settings: Settings, given: argparse.Namespace) -> int:
    """Delivers what is there; fails when something is left."""
    all_done = True
    for name, make in _some(settings).items():
        forwarder = _forwarder(settings, name, make)
        all_done &= forwarder.finish(given.patience)
        forwarder.close()
    return int(not all_done)


def status(settings: Settings, _given: argparse.Namespace) -> int:
    """Tells of every target that there is a bookmark for how it stands."""
    runs = Runs(settings.runs_dir)
    for path in sorted((settings.runs_dir / bookmarks.FOLDER).glob("*.jsonl")):
        journal = bookmarks.read(path)
        pending, length = 0, 0
        for run in _all(runs, journal.since):
            offset, state = journal.marks.get(run.key, (0, State.UNDER_WAY))
            left = runs.size(run) - offset
            if state is State.UNDER_WAY and left > 0:
                pending, length = pending + 1, length + left
        print(
            f"{path.stem}: since {journal.since}, {length} bytes of {pending} runs to be delivered"
        )
        for key, (_, state) in journal.marks.items():
            if state is State.REFUSED:
                print(f"  refused: {key}")
    return 0


def replay(settings: Settings, given: argparse.Namespace) -> int:
    """Delivers runs once more, beside a publisher that follows."""
    runs = Runs(settings.runs_dir)
    wanted = list(_wanted(runs, given.runs, settings.since))
    failed = 0
    for name, make in _some(settings).items():
        target = make()
        try:
            for run in wanted:
                failed += not _again(settings, runs, run, target)
        except Unreachable as error:
            failed += 1
            print(f"{name}: {error}", file=sys.stderr)
        finally:
            target.close()
    return int(failed > 0)


def _again(settings: Settings, runs: Runs, run: Run, target: Target) -> bool:
    """Delivers a run from its beginning; whether everything was taken."""
    offset, count, refused, ended = 0, 0, 0, False
    while (piece := runs.read(run, offset)).end > offset:
        offset, ended = piece.end, piece.ended
        if not piece.documents:
            continue
        try:
            refused += len(target.send(run.uid, piece.documents))
        except RunRefused as error:
            print(f"{target.name}: {run.uid}: {error}", file=sys.stderr)
            return False
        count += len(piece.documents)
    print(f"{target.name}: {run.uid}: {count - refused} documents, {refused} refused")
    journal = bookmarks.path_of(settings.runs_dir, target.name)
    if ended and journal.exists():
        bookmarks.note(journal, run.key, offset, State.SENT)
    return not refused


def _wanted(runs: Runs, uids: Sequence[str], since: str) -> Iterator[Run]:
    if not uids:
        if not since:
            raise SettingsError("name runs, or a day with --since")
        yield from sorted(_all(runs, since), key=runs.began)
    for uid in uids:
        run = runs.find(uid)
        if run is None:
            raise SettingsError(f"there is no run {uid} in {runs.folder}")
        yield run


def _all(runs: Runs, since: str) -> Iterable[Run]:
    return (run for day in runs.days() if day >= since for run in runs.of(day))


def _some(settings: Settings) -> dict[str, Callable[[], Target]]:
    targets = settings.targets()
    if not targets:
        raise SettingsError("name a target: --zmq, --kafka or --tiled")
    return targets


def _forwarder(settings: Settings, name: str, make: Callable[[], Target]) -> Forwarder:
    marks = Bookmarks(settings.runs_dir, name, settings.since)
    return Forwarder(make(), Runs(settings.runs_dir), marks)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="beamline-documents", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for run in (follow, once, status, replay):
        command = commands.add_parser(run.__name__, help=run.__doc__, description=run.__doc__)
        command.set_defaults(run=run)
        add_flags(command)
        if run is once:
            command.add_argument(
                "--patience", type=float, default=PATIENCE, help="seconds for a target that is down"
            )
        if run is replay:
            command.add_argument("runs", nargs="*", help="uids; without any, all --since a day")
    return parser
