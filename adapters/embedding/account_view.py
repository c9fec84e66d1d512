"""What a loop's log says of an apprentice and of features; the loop may be open elsewhere meanwhile."""

from loopledger.adapters.embedding.evaluating import check_evaluation
from loopledger.adapters.embedding.exporting import Bound, between
from loopledger.adapters.embedding.looking import Looking
from loopledger.adapters.scratch import Scratch, sweep
from loopledger.adapters.side_by_side import side_by_side
from loopledger.deciding.request import whole_number
from loopledger.errors import InvalidRequest, NotFound
from loopledger.evaluation.apprentice import BATCH, Apprentice, apprentice
from loopledger.evaluation.importance import METHODS, Method, importance
from loopledger.evaluation.report import FeatureImportance
from loopledger.exchange.export import Extent, extent
from loopledger.learning.checkpoints import recover
from loopledger.learning.training import Progress
from loopledger.log.journal import Reader
from loopledger.state import State

_MOST_RECENT = 100_000
"""Cases that are kept in memory to look at the last ones."""


class AccountView(Looking):
    """Gives account of what was imitated, and of what there is to go by."""

    def apprentice(
        self,
        *,
        since: Bound = None,
        until: Bound = None,
        recent: int = BATCH,
        progress: Progress | None = None,
    ) -> Apprentice:
        """Return how well the model imitates its caller, and whether it is safe to go Online.

        Decisions count that were made in Apprentice mode and have all their rewards. The log is read
        once, and memory does not grow with it.

        Args:
            since: Begin with this event (its seq, a whole number) or at this time (text or datetime).
            until: End with this event, or at this time.
            recent: How many of the last cases decide; Personalizer looked at 1,000.
            progress: Is told of decisions read, and of how many.

        Raises:
            NotFound: No decision of the range was made in Apprentice mode.
            InvalidRequest: Names the argument that cannot be used.

        """
        recent = whole_number("recent", recent)
        if not 1 <= recent <= _MOST_RECENT:
            raise InvalidRequest("recent", f"must lie between 1 and {_MOST_RECENT:,}")
        with self._reading() as reader:
            state = self._state(reader)
            return apprentice(reader, state, self._closed(reader, state, since, until), recent, progress)

    def features(
        self,
        since: Bound = None,
        until: Bound = None,
        *,
        method: Method = "approximate",
        progress: Progress | None = None,
    ) -> FeatureImportance:
        """Return which features there are, how much they matter, and which of them are of no use.

        Args:
            since: Begin with this event (its seq, a whole number) or at this time (text or datetime).
            until: End with this event, or at this time.
            method: ``approximate`` reads the published model, ``leave-one-out`` learns again without each:
                what is lost then, learned and judged under the policy in force.
            progress: Is told of decisions read, and of how many.

        Raises:
            NotFound: There is no decision in this range whose rewards are all in.
            InvalidRequest: Names the argument that cannot be used.

        """
        if method not in METHODS:
            raise InvalidRequest("method", f"must be one of {', '.join(METHODS)}")
        with self._reading() as reader:
            state = self._state(reader)
            wanted = self._closed(reader, state, since, until)
            if method == "approximate":
                return importance(reader, state, wanted, self._learner, self.place.checkpoints, progress)
            return self._left_out(reader, state, wanted, progress)

    def _left_out(
        self, reader: Reader, state: State, wanted: Extent, progress: Progress | None
    ) -> FeatureImportance:
        check_evaluation()
        from loopledger.evaluation.leaving_out import leave_one_out  # noqa: PLC0415 - an extra

        first = importance(reader, state, wanted, self._learner, self.place.checkpoints)
        sweep()
        with Scratch() as scratch:
            return leave_one_out(
                reader,
                state,
                wanted,
                self._learner,
                first,
                scratch=scratch,
                run=side_by_side,
                progress=progress,
            )

    def _state(self, reader: Reader) -> State:
        state = recover(reader, self.place.checkpoints)
        if state is None:
            raise NotFound("the log is empty: the loop was never created")
        return state

    def _closed(self, reader: Reader, state: State, since: Bound, until: Bound) -> Extent:
        """Return what is asked for, as far as no reward can come any more."""
        within = between(reader, state, since, until)
        now = max(state.at, int(self._clock.now()))
        return extent(reader, state, now, within.first, within.last, include_open=False)
