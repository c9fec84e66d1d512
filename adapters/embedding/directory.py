"""A directory of loops: opened on demand, the least used closed when there are too many."""

import errno
import os
import shutil
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loopledger.adapters.doctor.diagnose import diagnose
from loopledger.adapters.embedding.chores import Chores
from loopledger.adapters.embedding.session import Session
from loopledger.adapters.lasting import sync
from loopledger.adapters.place import Place, check_name, in_folder, in_memory, loop_names
from loopledger.adapters.vw.learner import VwLearner
from loopledger.clock import Clock
from loopledger.errors import Conflict, InvalidRequest, LoopledgerError, LoopStopped, NotFound
from loopledger.health import Diagnosis
from loopledger.log.events import LoopCreated
from loopledger.loop import create
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings

_IN_THE_WAY = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}


class Directory:
    """The loops of one data folder.

    Args:
        folder: The data folder; none keeps everything in memory.
        clock: Tells the time.
        workers: How many learning processes may be at work at a time.
        open_loops: How many loops may be open at a time.
        most_waiting: How many commands may wait at each.

    Attributes:
        folder: The data folder; none in memory.

    """

    def __init__(
        self, folder: Path | None, clock: Clock, *, workers: int | None, open_loops: int, most_waiting: int
    ) -> None:
        self.clock = clock
        self.learner = VwLearner(workers)
        self.chores = Chores(workers or os.cpu_count() or 1)
        self.searches = Chores(1)  # one at a time; trainings must not wait for it
        self.folder = folder
        self._memory: dict[str, Place] = {}
        self._open_loops = open_loops
        self._most_waiting = most_waiting
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._guard = threading.RLock()
        self._closed = False
        self._process = os.getpid()

    def create(self, name: str, settings: Settings, policy: LearningPolicy) -> None:
        """Make a loop.

        Raises:
            Conflict: There is one of that name.
            InvalidRequest: The name cannot be a folder's, or the engine refuses the policy.
            LoopStopped: Everything is closed.
            LoopledgerError: The disk does not take it.

        """
        self._check_process()
        check_name(name)
        created = LoopCreated(loop_id=name, settings=settings, policy=policy)
        with self._guard:
            if self._closed:
                raise LoopStopped("the ledger is closed")
            if self.has(name):
                raise Conflict(f"there is a loop {name!r} already")
            self.try_policy(policy, settings)
            if self.folder is None:
                create(self._place(name).store, self.clock, created)
            else:
                with self.new_folder(self.folder, name) as beside:
                    create(beside.store, self.clock, created)

    def try_policy(self, policy: LearningPolicy, settings: Settings) -> None:
        """Let the engine try a policy.

        Raises:
            InvalidRequest: It refuses it.

        """
        try:
            self.learner.probe(policy.with_exploration(settings.exploration_percentage))
        except LoopledgerError as error:
            raise InvalidRequest("policy.arguments", f"are refused: {error}") from None

    @contextmanager
    def making(self, name: str) -> Generator[Place]:
        """Yield a place for a new loop's log; afterwards the loop exists with all of it, or does not.

        Other loops can be used meanwhile.

        Raises:
            Conflict: There is one of that name.
            InvalidRequest: The name cannot be a folder's.
            LoopStopped: Everything is closed.

        """
        self._check_process()
        check_name(name)
        if self._closed:
            raise LoopStopped("the ledger is closed")
        if self.has(name):
            raise Conflict(f"there is a loop {name!r} already")
        if self.folder is not None:
            with self.new_folder(self.folder, name) as beside:
                yield beside
            return
        place = in_memory()
        yield place
        if self._memory.setdefault(name, place) is not place:
            raise Conflict(f"there is a loop {name!r} already")

    def has(self, name: str) -> bool:
        """Tell whether there is a loop of that name."""
        return name in self._memory if self.folder is None else (self.folder / name / "log.db").is_file()

    def names(self) -> list[str]:
        """Return the names of the loops, in order."""
        if self.folder is None:
            return sorted(self._memory)
        return loop_names(self.folder)

    def place(self, name: str) -> Place:
        """Return where a loop is kept.

        Raises:
            NotFound: There is no such loop.

        """
        check_name(name)
        if not self.has(name):
            raise NotFound(f"there is no loop {name!r}; create it first")
        return self._place(name)

    def peek(self, name: str) -> Session | None:
        """Return a loop if it is open, without waiting for anything."""
        session = self._sessions.get(name)
        if session is None or not session.inbox.alive:
            return None
        try:
            self._sessions.move_to_end(name)
        except KeyError:
            return None  # it was just closed
        return session

    def opened(self, name: str) -> Session | None:
        """Return a loop if it is open; unlike `peek` this is no use of it, which would keep it open."""
        session = self._sessions.get(name)
        return session if session is not None and session.inbox.alive else None

    @property
    def open_count(self) -> int:
        """How many loops are open."""
        return len(self._sessions)

    def get(self, name: str, *, afresh: bool = False) -> Session:
        """Return a loop, opened if need be.

        Args:
            name: Of the loop.
            afresh: Whether a loop that has stopped at a failure is opened again.

        Raises:
            NotFound: There is no such loop.
            LoopStopped: It has stopped at a failure, or everything is closed.
            LoopledgerError: It cannot be opened.

        """
        self._check_process()
        with self._guard:
            if self._closed:
                raise LoopStopped("the ledger is closed")
            session = self._sessions.get(name)
            if session is not None and session.inbox.failure is not None and (afresh or session.retired):
                self._sessions.pop(name).close()
                session = None
            if session is None:
                session = self._opened(name)
            self._sessions.move_to_end(name)
            return session

    def diagnose(self, names: Sequence[str]) -> Diagnosis:
        """Return what is wrong, or might go wrong, with this machine and some loops, or all if none is named.

        Raises:
            NotFound: There is no such loop.

        """
        for name in names:
            self.place(name)
        sessions = list(self._sessions.items())
        failures = {name: session.last_failure for name, session in sessions if session.last_failure}
        return diagnose(self.folder, names or self.names(), int(self.clock.now()), failures)

    def close(self) -> None:
        """Close every loop and end the learning processes."""
        if os.getpid() != self._process:
            return  # a fork has none of the threads that would have to be waited for
        with self._guard:
            self._closed = True
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            session.rest()
        self.learner.close()
        for session in sessions:
            session.close()
        self.chores.close()
        self.searches.close()

    def _check_process(self) -> None:
        # A fork would talk to the same learning processes, over the same sockets.
        if os.getpid() != self._process:
            raise LoopStopped("this process was forked from the one that opened the ledger; open it again")

    def _opened(self, name: str) -> Session:
        place = self.place(name)
        self._make_room()
        session = Session(
            name, place, self.learner, self.clock, self.chores, self.searches, self._most_waiting
        )
        self._sessions[name] = session
        return session

    def _make_room(self) -> None:
        """Close the loops that were not used for longest, until one more may be opened."""
        # A copy: `peek` moves sessions about without waiting for anybody.
        idle = [name for name, session in list(self._sessions.items()) if not session.busy]
        for name in idle[: max(0, len(self._sessions) + 1 - self._open_loops)]:
            session = self._sessions.pop(name)
            session.replaced = True
            session.close()

    @staticmethod
    @contextmanager
    def new_folder(folder: Path, name: str) -> Generator[Place]:
        """Make a loop's folder beside its place and move it there whole: a loop exists or it does not."""
        with _no_raw_errors():
            # Nobody else's: whoever makes a loop of the same name meanwhile must not write into this one.
            beside = folder / f".creating-{name}-{os.urandom(6).hex()}"
            try:
                yield in_folder(beside)
            except BaseException:
                shutil.rmtree(beside, ignore_errors=True)
                raise
            try:
                beside.rename(folder / name)
            except OSError as error:
                shutil.rmtree(beside, ignore_errors=True)
                if error.errno not in _IN_THE_WAY:
                    raise
                raise Conflict(f"the folder {folder / name} is in the way: {error}") from None
            try:
                sync(folder)
            except BaseException:
                # Whoever finds it there takes it for made.
                (folder / name).rename(beside)
                shutil.rmtree(beside, ignore_errors=True)
                raise

    def _place(self, name: str) -> Place:
        if self.folder is None:
            return self._memory.setdefault(name, in_memory())
        return in_folder(self.folder / name)


@contextmanager
def _no_raw_errors() -> Generator[None]:
    """Say what it means where the disk does not take a new loop.

    Raises:
        LoopledgerError: It does not.

    """
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise LoopledgerError(
            f"the loop cannot be made: {error}; see whether this user may write in the data folder, whether "
            "the disk is full, and what `loopledger doctor` finds"
        ) from error
