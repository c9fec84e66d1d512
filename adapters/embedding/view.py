"""Looking at a loop without writing to it; it may be open elsewhere meanwhile."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from msgspec.structs import replace

from loopledger.adapters.embedding.moments import Moment, microseconds
from loopledger.adapters.place import Place
from loopledger.adapters.verifier import side_by_side
from loopledger.checkpoints import recover
from loopledger.errors import NotFound
from loopledger.learner import Learner
from loopledger.reports import Entry, Model, Status, entry, model_as_of, status
from loopledger.training import Progress
from loopledger.verification import Verification
from loopledger.verify import verify


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
        """Yield the log's events, read a page at a time: all, or those of some kinds or of one event id."""
        with closing(self.place.store.reader()) as reader:
            for record in reader.records(first, last, kinds, event_id):
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
