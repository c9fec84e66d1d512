"""Looking at a loop without writing to it; it may be open elsewhere meanwhile."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple, get_args

from msgspec.structs import replace

from loopledger.adapters.embedding.moments import Moment, microseconds
from loopledger.adapters.place import Place
from loopledger.adapters.verifier import side_by_side
from loopledger.checkpoints import recover
from loopledger.errors import InvalidRequest, NotFound
from loopledger.events import AnyEvent
from loopledger.learner import Learner
from loopledger.reports import Entry, Model, Status, entry, model_as_of, status
from loopledger.request import whole_number
from loopledger.training import Progress
from loopledger.verification import Verification
from loopledger.verify import verify

KINDS: tuple[str, ...] = tuple(kind.__name__ for kind in get_args(AnyEvent))
"""Every kind of event."""


class LoopView:
    """Reads one loop.

    Args:
        name: The loop's name.
        place: Where it is kept.
        learner: Rebuilds models.

    """

    def __init__(self, name: str, place: Place, learner: Learner) -> None:
        self.name = name
        self.place = place
        self._learner = learner

    def status(self) -> Status:
        """Return how the loop stands."""
        with closing(self.place.store.reader()) as reader:
            state = recover(reader, self.place.checkpoints)
            if state is None:
                raise NotFound("the log is empty: the loop was never created")
            return replace(status(reader, state), name=self.name)

    def model(
        self,
        version: int | None = None,
        *,
        time: Moment | None = None,
        seq: int | None = None,
        progress: Progress | None = None,
    ) -> Model:
        """Return a model version, rebuilt from the log if its bytes are not kept.

        Args:
            version: Its number; or
            time: a time at which it was published; or
            seq: a place in the log at which it was published. With none of them: the one published now.
            progress: Is told of decisions learned again, and of how many.

        Raises:
            NotFound: There is no such version, or was no model then.
            ReplayMismatch: It does not rebuild to what was recorded.

        """
        with closing(self.place.store.reader()) as reader:
            return model_as_of(
                reader,
                self._learner,
                self.place.checkpoints,
                version=version,
                at=None if time is None else microseconds(time),
                seq=seq,
                progress=progress,
            )

    def log(
        self,
        *,
        first: int = 1,
        last: int | None = None,
        kinds: Sequence[str] | None = None,
        event_id: str | None = None,
    ) -> Iterator[Entry]:
        """Yield the log's events, read a page at a time: all, or those of some kinds or of one event id.

        Raises:
            InvalidRequest: There cannot be such events.

        """
        return self._log(excerpt(first, last, kinds, event_id))

    def _log(self, wanted: "Excerpt") -> Iterator[Entry]:
        with closing(self.place.store.reader()) as reader:
            for record in reader.records(*wanted):
                yield entry(record)

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Verification:
        """Check the chain, rebuild every model version, and compute every decision again.

        Args:
            progress: Is told how much is done, and of how much.

        """
        with closing(self.place.store.reader()) as reader:
            run = None if self.place.folder is None else side_by_side(self.place.folder)
            found = verify(reader, self._learner, self.place.checkpoints, run=run, progress=progress)
            return replace(found, loop=self.name)


class Excerpt(NamedTuple):
    """What somebody wants to read of a log."""

    first: int
    last: int | None
    kinds: tuple[str, ...] | None
    event_id: str | None


def excerpt(first: object, last: object, kinds: object, event_id: object) -> Excerpt:
    """Return what somebody wants to read of a log, checked.

    Raises:
        InvalidRequest: There cannot be such events.

    """
    if kinds is not None:
        if isinstance(kinds, str | bytes) or not isinstance(kinds, Iterable):
            raise InvalidRequest("kinds", f"must be a list of kinds (got {type(kinds).__name__})")
        kinds = tuple(kinds)
        if not set(KINDS).issuperset(kinds):
            raise InvalidRequest("kinds", f"must be among {', '.join(KINDS)}")
    if event_id is not None and not isinstance(event_id, str):
        raise InvalidRequest("event_id", f"must be a string (got {type(event_id).__name__})")
    return Excerpt(
        whole_number("first", first), None if last is None else whole_number("last", last), kinds, event_id
    )
