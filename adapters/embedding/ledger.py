"""The blocking face of the Python API."""

import weakref
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from loopledger.adapters.backup.manifest import Backup
from loopledger.adapters.backup.restoring import Restored, Wish, restore_backup
from loopledger.adapters.backup.taking import take_backup
from loopledger.adapters.embedding.building import (
    Policy,
    as_policy,
    as_settings,
)
from loopledger.adapters.embedding.directory import Directory
from loopledger.adapters.embedding.history import import_history
from loopledger.adapters.embedding.loop import Loop
from loopledger.adapters.embedding.moments import Moment, instant
from loopledger.adapters.lasting import make_folder
from loopledger.adapters.place import check_name
from loopledger.adapters.ready import default_policy
from loopledger.adapters.signed_model import opened_model
from loopledger.adapters.system_clock import SystemClock
from loopledger.clock import Clock
from loopledger.deciding.request import whole_number
from loopledger.errors import Conflict, InvalidRequest
from loopledger.exchange.history import HistoryReport
from loopledger.health import Diagnosis
from loopledger.learning.training import Progress
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings


class Ledger:
    """A data folder with its loops, opened for writing. Use it in a `with` statement.

    Args:
        folder: The data folder; ``":memory:"`` keeps nothing beyond this object.
        clock: Tells the time; a `SimulatedClock` lets days pass in seconds.
        workers: How many learning processes may be at work at a time; by default one a core.
        open_loops: How many loops may be open at a time; those least used are closed for others.
        most_waiting: How many commands may wait at one loop before it says `Overloaded`.

    Raises:
        InvalidRequest: The folder cannot be made, or a number is less than 1.

    """

    def __init__(
        self,
        folder: str | Path = "loopledger-data",
        *,
        clock: Clock | None = None,
        workers: int | None = None,
        open_loops: int = 256,
        most_waiting: int = 4096,
    ) -> None:
        for field, number in (
            ("workers", 1 if workers is None else workers),
            ("open_loops", open_loops),
            ("most_waiting", most_waiting),
        ):
            if whole_number(field, number) < 1:
                raise InvalidRequest(field, "must be at least 1")
        place = None if str(folder) == ":memory:" else _data_folder(folder)
        self.directory = Directory(
            place,
            clock or SystemClock(),
            workers=workers,
            open_loops=open_loops,
            most_waiting=most_waiting,
        )
        self._close = weakref.finalize(self, self.directory.close)

    def create(self, name: str, *, policy: Policy | None = None, settings: Settings | None = None) -> Loop:
        """Make a loop.

        Args:
            name: A plain file name of at most 64 characters.
            policy: By default the one that Personalizer began with.
            settings: By default those of `Settings`.

        Raises:
            Conflict: There is one of that name.
            InvalidRequest: The name, the policy or the settings cannot be used.

        """
        self.directory.create(
            name,
            Settings() if settings is None else as_settings(settings),
            default_policy() if policy is None else as_policy(policy),
        )
        return Loop(self, self.directory, name)

    def loop(
        self,
        name: str,
        *,
        create: bool = False,
        policy: Policy | None = None,
        settings: Settings | None = None,
    ) -> Loop:
        """Return a loop, opened; one that had stopped at a failure is opened afresh.

        Args:
            name: Of the loop.
            create: Whether to make it if there is none,
            policy: with this policy
            settings: and these settings. Both are of a loop that is made: one that is there keeps its
                own, and `Loop.change_policy` and `Loop.change_settings` change them.

        Raises:
            NotFound: There is no such loop.
            LoopInUse: Another process has it open.
            LogDamaged: Its log does not hold what was committed to it.

        """
        check_name(name)
        if create and not self.directory.has(name):
            try:
                return self.create(name, policy=policy, settings=settings)
            except Conflict:
                if not self.directory.has(name):
                    raise  # else somebody else was quicker to make it
        self.directory.get(name, afresh=True)
        return Loop(self, self.directory, name)

    def import_history(
        self,
        name: str,
        files: Iterable[str | Path],
        *,
        policy: Policy | None = None,
        settings: Settings | None = None,
        progress: Progress | None = None,
        strict: bool = False,
    ) -> HistoryReport:
        """Make a loop out of Personalizer's cooked logs.

        It trains when it is opened, by itself or with `Loop.train`.

        Args:
            name: Of the new loop: a plain file name of at most 64 characters.
            files: Logs with a line of JSON for each decision, also in gzip, in their order.
            policy: By default the one that Personalizer began with, for the kind of decision that
                comes first.
            settings: By default those of `Settings`.
            progress: Is told of bytes read, and of how many there are.
            strict: Whether a line that cannot be taken ends it; by default such lines are left out.

        Raises:
            Conflict: There is a loop of that name: history goes only into a new one.
            InvalidRequest: Something cannot be used, or there is no decision in the files.

        """
        return import_history(
            self.directory,
            name,
            files,
            None if policy is None else as_policy(policy),
            Settings() if settings is None else as_settings(settings),
            progress,
            strict=strict,
        )

    def policy_of(self, model: bytes, *, trust: str | None = None) -> LearningPolicy:
        """Return the learning policy that a model from outside was made under.

        The arguments and errors are those of `Loop.import_model`.
        """
        return self.directory.learner.policy_of(opened_model(model, trust))

    def loops(self) -> list[str]:
        """Return the names of the loops."""
        return self.directory.names()

    def doctor(self, *names: str) -> Diagnosis:
        """Return what is wrong, or might go wrong, with this machine and some loops, or all if none is named.

        Nothing is changed; a small file is made in the data folder, to time the disk, and removed.

        Args:
            names: Of the loops.

        Raises:
            NotFound: There is no such loop.

        """
        return self.directory.diagnose(names)

    def backup(
        self,
        out: str | Path,
        *names: str,
        keys: bool = True,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Backup:
        """Copy some loops, or all if none is named, into a folder that is there whole or not at all.

        Each log is copied as it is at one moment, and its chain is checked in the copy; whoever
        writes to it, here or in another process, goes on meanwhile (docs/backup.md).

        Args:
            out: The folder to make, outside the data folder.
            names: Of the loops.
            keys: Whether what is secret of a server comes along: its keys (their hashes), the key pair
                that signs models, the address of a log mirror.
            force: Whether to replace a backup that is there.
            progress: Is told of what is done, in thousandths.

        Raises:
            NotFound: There is no such loop, or none at all.
            Conflict: There is a folder of that name.
            InvalidRequest: The backup cannot be made there, or the ledger is in memory.
            LogDamaged: A log does not hold, so that no copy of it would.
            LoopledgerError: A log cannot be copied.

        """
        data, now = self.directory.folder, int(self.directory.clock.now())
        if data is None:
            raise InvalidRequest("folder", "is in memory, and a backup copies files: open a folder")
        return take_backup(data, names, out, now, keys=keys, force=force, progress=progress)

    def restore(
        self,
        source: str | Path,
        *names: str,
        time: Moment | None = None,
        seq: int | None = None,
        called: str | None = None,
        chain_only: bool = False,
        keys: bool = True,
        progress: Progress | None = None,
    ) -> list[Restored]:
        """Put some loops of a backup, or all if none is named, into this data folder.

        Everything is checked as `Loop.verify` does before a loop is there; if something does not
        hold, none is.

        Args:
            source: The backup's folder.
            names: Of the loops.
            time: As they were at this time; or
            seq: after this event of the one loop that is named; with neither of them, whole.
            called: Another name for the one loop that is named, so that it can stand beside the one
                that goes on. It draws as before: a log keeps the name that it was made under.
            chain_only: Whether to check the chain only, and neither models nor decisions.
            keys: Whether the server's keys come back for loops that never had one here, and the key
                pair that signs models if there is none here.
            progress: Is told of what is done, in thousandths.

        Raises:
            InvalidRequest: The source is no backup, or an argument cannot be used.
            NotFound: There is no such loop in it, or it did not exist at that moment.
            Conflict: There is a loop of that name here, or what there was at that moment was erased since.
            BackupDamaged: Something in the backup does not hold.

        """
        wish = Wish(instant(time), seq, called, chain_only, keys)
        return restore_backup(self.directory, _source(source), names, wish, progress)

    def close(self) -> None:
        """Carry out what waits, and close every loop."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _data_folder(folder: str | Path) -> Path:
    try:
        place = Path(folder).absolute()  # a program may go to another folder meanwhile
        make_folder(place)
    except (OSError, TypeError, ValueError) as error:
        raise InvalidRequest("folder", f"cannot be used as a data folder: {error}") from error
    return place


def _source(source: object) -> Path:
    if not isinstance(source, str | Path):
        raise InvalidRequest("source", f"must be a folder's name (got {type(source).__name__})")
    return Path(source)
