"""The eraser: erases bodies portion by portion beside a running loop, which goes on answering meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from threading import Lock

import msgspec

from loopledger.commands import Command, Erase, KeptModel
from loopledger.errors import LearnerFailed, ReplayMismatch
from loopledger.facts import Answer
from loopledger.learning.checkpoints import Checkpoints
from loopledger.learning.learner import Learner
from loopledger.learning.training import Progress
from loopledger.learning.versions import Versions
from loopledger.log.erasing import Mark, portions
from loopledger.log.journal import Reader, Store
from loopledger.log.remains import unkept, versions_of
from loopledger.loop import Prepared
from loopledger.state import State

_PORTION = 2_000
"""The most bodies in one transaction: the loop waits for it."""


class Erasure(msgspec.Struct, frozen=True):
    """What was erased.

    Attributes:
        events: Bodies that are gone.
        decisions: How many of them were decisions.
        kept: Versions whose bytes became part of the log, because what they learned from is gone.
        lost: Versions that could not be made here any more, and cannot be made anywhere now.

    """

    events: int = 0
    decisions: int = 0
    kept: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()


class Eraser:
    """Erases bodies of one loop, outside its actor.

    Args:
        store: Where the loop's log is.
        learner: Makes the models that have to be kept.
        checkpoints: Where models are kept.
        ask: Sends the loop a command and waits for the answer.
        turn: Held while it erases, so that nothing is trained meanwhile.

    """

    def __init__(
        self,
        store: Store,
        learner: Learner,
        checkpoints: Checkpoints,
        ask: Callable[[Command | Prepared], Answer],
        turn: Lock,
    ) -> None:
        self._store = store
        self._learner = learner
        self._checkpoints = checkpoints
        self._ask = ask
        self._turn = turn

    def erase(
        self,
        marks: Callable[[Reader], Iterator[Mark]],
        state: Callable[[], State],
        progress: Progress | None = None,
        *,
        force: bool = False,
    ) -> Erasure:
        """Erase what is marked. If it is interrupted, what was erased until then is, whole and recorded.

        Args:
            marks: Reads from the log what is to be erased.
            state: Tells the loop's state.
            progress: Is told up to which event it has come, and of how many.
            force: Whether to go on where a version would be lost.

        Raises:
            ReplayMismatch: A version that learned from it cannot be made here, so that it would be lost.

        """
        done = Erasure()
        with self._turn, closing(self._store.reader()) as reader:
            last = reader.head().seq
            for portion in portions(marks(reader), _PORTION):
                versions = state().versions
                kept, lost = self._models(reader, portion.touched, force=force)
                runs, events = portion.runs, portion.events
                self._ask(Erase(runs, events, tuple(kept), tuple(lost), versions))
                done = Erasure(
                    done.events + events,
                    done.decisions + portion.decisions,
                    (*done.kept, *(model.version for model in kept)),
                    (*done.lost, *lost),
                )
                if progress:
                    progress(runs[-1][1], last)
        return done

    def _models(
        self, reader: Reader, touched: dict[str, list[int]], *, force: bool
    ) -> tuple[list[KeptModel], list[int]]:
        """Return the versions that could not be made any more, and those that cannot be made now."""
        versions = Versions(reader, self._learner, self._checkpoints)
        kept: dict[int, KeptModel] = {}
        lost: set[int] = set()

        def keep(version: int) -> None:
            try:
                model = versions.model(version) or b""
            except (ReplayMismatch, LearnerFailed) as error:
                if not force:
                    raise ReplayMismatch(
                        f"version {version} learned from what is to be erased and cannot be made here "
                        f"({error}); erase it on a machine that can, or force it and lose the version",
                        getattr(error, "seq", 0),
                    ) from error
                lost.add(version)
            else:
                kept[version] = KeptModel(version, model, sha256(model).hexdigest())

        for version in versions_of(reader, touched):
            keep(version)
        if lost:
            # What was made from a lost version can only be made from what is beside the log.
            for event in unkept(reader):
                if event.parent in lost and event.version not in kept and event.version not in lost:
                    keep(event.version)
        return [kept[version] for version in sorted(kept)], sorted(lost)
