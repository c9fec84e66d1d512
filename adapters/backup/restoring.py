"""Putting loops of a backup back: checked in a place of their own, then there at once, or not at all."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from loopledger.adapters.backup.chain import check_copy
from loopledger.adapters.backup.files import read_out, take_out
from loopledger.adapters.backup.manifest import Backup, SavedLoop, read_manifest
from loopledger.adapters.backup.progress import part
from loopledger.adapters.embedding.directory import Directory
from loopledger.adapters.embedding.moments import text
from loopledger.adapters.http.keys import FILE as KEYS
from loopledger.adapters.http.keys import Hashes, put_hashes
from loopledger.adapters.http.service import FILE as SERVICE
from loopledger.adapters.lasting import sync
from loopledger.adapters.model_signer import FILE as PAIR
from loopledger.adapters.model_signer import put_pair
from loopledger.adapters.place import in_folder
from loopledger.adapters.sqlite.copying import copy_until
from loopledger.adapters.verifier import side_by_side
from loopledger.audit.verification import Findings
from loopledger.audit.verify import verify
from loopledger.errors import BackupDamaged, Conflict, InvalidRequest, LogDamaged, NotFound
from loopledger.learning.replay import seq_at, state_at
from loopledger.learning.training import Progress
from loopledger.log.chain import Head
from loopledger.log.events import Erased, decode
from loopledger.log.journal import Reader

_COPYING = 0.1
"""About so much of the time copying takes; the rest is checking."""


class Restored(msgspec.Struct, frozen=True):
    """A loop that was put back.

    Attributes:
        loop: Its name now.
        seq: Its last event.
        at: When that event came, UTC in microseconds since 1970.
        digest: That event's digest, in hexadecimal digits.
        saved: The last event in the backup; more than `seq` where a moment was asked for.
        findings: What was checked.

    """

    loop: str
    seq: int
    at: int
    digest: str
    saved: int
    findings: Findings


class Wish(NamedTuple):
    """How loops are to be put back.

    Attributes:
        at: As they were at this time, UTC in microseconds since 1970; or
        seq: after this event; with neither of them, whole.
        called: The name that a loop is to have.
        chain_only: Whether to check the chain only, and neither models nor decisions.
        keys: Whether to put back what is secret of a server, too.

    """

    at: int | None = None
    seq: int | None = None
    called: str | None = None
    chain_only: bool = False
    keys: bool = True


def restore_backup(
    directory: Directory,
    source: Path,
    names: Sequence[str],
    wish: Wish,
    progress: Progress | None,
) -> list[Restored]:
    """Put loops of a backup into a data folder that has none of their names.

    Args:
        directory: The loops of the data folder.
        source: The backup's folder.
        names: Of the loops; none for all of them.
        wish: How.
        progress: Is told of what is done, in thousandths.

    Raises:
        InvalidRequest: The source is no backup, or something cannot be used.
        NotFound: There is no such loop in it, or it did not exist at that moment.
        Conflict: There is a loop of that name, or what the moment held was erased since.
        BackupDamaged: Something in it does not hold; no loop was put back.

    """
    if wish.at is not None and wish.seq is not None:
        raise InvalidRequest("seq", "says a moment, and so does time: give one of them")
    backup = read_manifest(source)
    wanted = _wanted(backup, names)
    if len(wanted) > 1 and (wish.seq is not None or wish.called is not None):
        field = "seq" if wish.seq is not None else "called"
        raise InvalidRequest(field, "is about one loop: name the one that is meant")
    for loop in wanted:
        if directory.has(wish.called or loop.name):
            raise Conflict(
                f"there is a loop {wish.called or loop.name!r} already: move its folder away, or give the "
                "one in the backup another name (--as NAME, called=)"
            )
    found: list[Restored] = []
    with ExitStack() as stack:
        for number, loop in enumerate(wanted):
            place = stack.enter_context(directory.making(wish.called or loop.name))
            if place.folder is None:
                raise InvalidRequest("folder", "is in memory, and a backup goes to a disk: open a folder")
            tell = part(progress, number / len(wanted), 1 / len(wanted))
            found.append(_Restoring(directory, source, backup, loop, wish).into(place.folder, tell))
        if wish.keys:
            _put_keys(directory, source, backup, [loop.name for loop in wanted if wish.called is None])
    return found


def _wanted(backup: Backup, names: Sequence[str]) -> list[SavedLoop]:
    if not names:
        return list(backup.loops)
    wanted = [backup.loop(name) for name in dict.fromkeys(names)]
    if None in wanted:
        there = ", ".join(loop.name for loop in backup.loops)
        raise NotFound(f"a loop that is wanted is not in the backup; it has {there}")
    return [loop for loop in wanted if loop]


class _Restoring:
    """Puts one loop into a folder that nobody else knows yet."""

    def __init__(
        self, directory: Directory, source: Path, backup: Backup, loop: SavedLoop, wish: Wish
    ) -> None:
        self._learner = directory.learner
        self._source = source
        self._files = backup.files
        self._loop = loop
        self._wish = wish

    def into(self, folder: Path, tell: Progress) -> Restored:
        """Copy, cut off what is too new, and check what comes of it."""
        folder.mkdir()
        try:
            self._take_out("log.db", folder / "log.db")
            self._check_end(folder)
            versions = self._cut(folder, part(tell, 0, _COPYING))
            for version in self._loop.models:
                if versions is None or version <= versions:
                    name = f"models/{version:08d}.vw"
                    self._take_out(name, folder / name)
            if f"{self._loop.name}/{SERVICE}" in self._files:
                self._take_out(SERVICE, folder / SERVICE, private=True)
            findings, head = self._checked(folder, part(tell, _COPYING, 1 - _COPYING))
        except LogDamaged as error:
            raise BackupDamaged(
                f"the log of {self._loop.name} in the backup does not hold: {error}"
            ) from error
        if findings.problems:
            what = min(findings.problems).what
            raise BackupDamaged(
                f"the loop {self._loop.name} in the backup does not hold: {what}; it was not put back"
            )
        for made in (folder / "models", folder):
            if made.is_dir():
                sync(made)
        name = self._wish.called or self._loop.name
        return Restored(name, head.seq, head.at, head.digest.hex(), self._loop.seq, findings)

    def _take_out(self, name: str, target: Path, *, private: bool = False) -> None:
        path = f"{self._loop.name}/{name}"
        if path not in self._files:
            raise BackupDamaged(f"{path} is not in the backup's list of files: take another backup")
        take_out(self._source, path, self._files[path], target, private=private)

    def _check_end(self, folder: Path) -> None:
        with closing(in_folder(folder).store.reader()) as reader:
            head = reader.head()
        if (head.seq, head.digest.hex()) != (self._loop.seq, self._loop.digest):
            raise BackupDamaged(f"the log of {self._loop.name} does not end where the backup says it does")

    def _cut(self, folder: Path, tell: Progress) -> int | None:
        """Cut off the events after the moment that is wanted, and return how many versions there were."""
        if self._wish.at is None and self._wish.seq is None:
            return None
        with closing(in_folder(folder).store.reader()) as reader:
            last = self._last(reader)
            versions = state_at(reader, last).versions
            _check_not_erased(reader, last)
        log, cut = folder / "log.db", folder / "cut.db"
        if last < self._loop.seq:
            copy_until(log, cut, last, tell)
            cut.chmod(log.stat().st_mode & 0o777)
            cut.replace(log)
        return versions

    def _last(self, reader: Reader) -> int:
        try:
            return seq_at(reader, self._wish.at, self._wish.seq)
        except NotFound:
            made = next(record.at for record in reader.records(1, 1))
            raise NotFound(
                f"the loop {self._loop.name} was made only after that time, on {text(made)}: ask for a "
                "later one, or name the loops that were there"
            ) from None

    def _checked(self, folder: Path, tell: Progress) -> tuple[Findings, Head]:
        place = in_folder(folder)
        with closing(place.store.reader()) as reader:
            head = reader.head()
            if not self._wish.chain_only:
                checkpoints, run = place.checkpoints, side_by_side(folder)
                return verify(reader, self._learner, checkpoints, run=run, progress=tell).findings, head
            findings, faults = check_copy(reader, head, tell)
        if faults and not findings.problems:
            raise LogDamaged(faults[0])
        return findings, head


def _check_not_erased(reader: Reader, last: int) -> None:
    """Refuse a moment at which bodies were there that were erased after it: they cannot come back."""
    by = 0
    for record in reader.records(first=last + 1, kinds=("Erased",)):
        event = decode(record.body, record.seq)
        if isinstance(event, Erased) and any(first <= last for first, _ in event.runs):
            by = record.seq
    if by:
        raise Conflict(
            f"what was logged up to event {last} was erased in part by event {by}: ask for event {by} or a "
            "later one, or take a backup from before"
        )


def _put_keys(directory: Directory, source: Path, backup: Backup, names: Sequence[str]) -> None:
    """Put back what opens the loops, where there is nothing of it; what is there stays."""
    there = [path for path in (KEYS, PAIR) if path in backup.files]
    saved = {path: read_out(source, path, backup.files[path]) for path in there}
    if directory.folder is None:
        return
    if KEYS in saved and names:
        try:
            hashes = msgspec.json.decode(saved[KEYS], type=Hashes)
        except msgspec.DecodeError as error:
            raise BackupDamaged(f"{KEYS} in the backup cannot be read: {error}") from None
        put_hashes(directory.folder, {name: hashes[name] for name in names if name in hashes})
    if PAIR in saved:
        put_pair(directory.folder, saved[PAIR])
