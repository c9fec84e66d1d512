"""Looking at a loop without disturbing whoever has it open: what `loop` judges."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from loopledger.adapters.doctor import loop as judge
from loopledger.adapters.place import in_folder
from loopledger.adapters.sqlite.lock import is_held
from loopledger.adapters.vw.arguments import engine
from loopledger.clock import SECOND
from loopledger.errors import LoopledgerError, NotFound
from loopledger.health import Finding
from loopledger.learning.checkpoints import Checkpoints, kept_state, lost, recover
from loopledger.learning.replay import version_event
from loopledger.log.events import Decision, decode
from loopledger.log.journal import Reader
from loopledger.log.whole import check_tail
from loopledger.reports import Status, status

_OLD = 60 * SECOND
_FILES = ("log.db", "log.db-wal", "models", "state.json")


def examine(folder: Path, now: int, failure: str | None = None) -> Iterator[Finding]:
    """Yield what there is to say of a loop.

    Args:
        folder: The loop's folder.
        now: The time, UTC in microseconds since 1970.
        failure: Why its last automatic training failed, where that is known.

    """
    subject = f"loop {folder.name}"
    try:
        held, pid = is_held(folder / "writer.lock")
        if held:
            yield judge.held(subject, pid)
        yield from _files(subject, folder, is_held=held)
        yield from _log(subject, folder, now, failure, is_held=held)
    except LoopledgerError as error:
        yield judge.unreadable(subject, folder.name, str(error))
    except (OSError, sqlite3.Error) as error:
        yield Finding(
            "problem",
            subject,
            f"it cannot be looked at: {error}",
            "see whether this user may read and write its folder, and whether the disk is sound",
        )


def left_behind(folder: Path, now: int) -> list[str]:
    """Return what interrupted work has left in a folder for longer than any work takes."""
    names = ("*.new", "models/*.new", ".creating-*")
    found = (path for name in names for path in folder.glob(name))
    return sorted(str(path.relative_to(folder)) for path in found if now - _changed(path) > _OLD)


def _files(subject: str, folder: Path, *, is_held: bool) -> Iterator[Finding]:
    log = folder / "log.db"
    there = {name: _size(folder / name) for name in _FILES if (folder / name).exists()}
    yield from judge.sizes(subject, there, is_held=is_held)
    yield from judge.rights(
        subject,
        writable=os.access(folder, os.W_OK | os.X_OK) and os.access(log, os.W_OK),
        mode=log.stat().st_mode,
        reachable=all(place.stat().st_mode & 0o001 for place in (folder, folder.parent)),
    )


def _log(subject: str, folder: Path, now: int, failure: str | None, *, is_held: bool) -> Iterator[Finding]:
    place = in_folder(folder)
    with closing(place.store.reader()) as reader:
        for fault in reader.faults(deep=False):
            yield judge.unreadable(subject, folder.name, fault)
        check_tail(reader)
        yield from _state(subject, folder.name, reader, place.checkpoints)
        state = recover(reader, place.checkpoints)
        if state is None:
            raise NotFound("the log is empty: the loop was never created")
        found = status(reader, state)
        yield judge.contents(subject, found)
        yield from judge.clock(subject, found.at, now)
        yield from _models(subject, folder / "models", reader)
        versions = {version for version in (found.published, found.versions) if version}
        made = {version: version_event(reader, version)[1].engine for version in sorted(versions)}
        yield from judge.engines(subject, made, engine())
        oldest = _oldest(reader, found)
        yield from judge.waiting(subject, found, oldest, now, failure, is_held=is_held)


def _state(subject: str, name: str, reader: Reader, checkpoints: Checkpoints) -> Iterator[Finding]:
    kept = kept_state(checkpoints)
    cut = lost(kept, reader.head())
    if cut:
        yield judge.unreadable(subject, name, cut)
    record = reader.record(kept.seq) if kept else None
    yield from judge.kept_state(
        subject,
        there=checkpoints.load_state() is not None,
        readable=kept is not None,
        fits=kept is not None and (record is None or record.digest == kept.digest),
    )


def _models(subject: str, folder: Path, reader: Reader) -> Iterator[Finding]:
    kept = sorted(folder.glob("*.vw"))
    damaged = [path.name for path in kept if not _as_recorded(path, reader)]
    yield from judge.models(subject, len(kept), damaged)


def _as_recorded(path: Path, reader: Reader) -> bool:
    try:
        _, event = version_event(reader, int(path.stem))
        return sha256(path.read_bytes()).hexdigest() == event.sha256
    except FileNotFoundError:
        return True  # the writer has just stopped keeping it
    except (ValueError, NotFound):
        return False


def _oldest(reader: Reader, found: Status) -> int | None:
    """Return when the window of the oldest unlearned decision closes."""
    span = reader.span(found.policy.decision_kind, found.learned_through, found.events, 1)
    record = reader.record(span.first) if span else None
    decision = decode(record.body, record.seq) if record and not record.erased else None
    return record.at + decision.reward_wait if record and isinstance(decision, Decision) else None


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(_size(inside) for inside in path.iterdir())
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _changed(path: Path) -> int:
    try:
        return path.lstat().st_mtime_ns // 1000
    except FileNotFoundError:
        return 2**63
