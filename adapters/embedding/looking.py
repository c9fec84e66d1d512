"""Reading one loop's log: what everything that looks at a loop has in common."""

from collections.abc import Generator
from contextlib import closing, contextmanager

from loopledger.adapters.place import Place
from loopledger.adapters.system_clock import SystemClock
from loopledger.clock import Clock
from loopledger.learning.learner import Learner
from loopledger.log.journal import Reader
from loopledger.log.whole import check_whole


class Looking:
    """Reads one loop.

    Args:
        name: The loop's name.
        place: Where it is kept.
        learner: Rebuilds models.
        clock: Tells what time it is; by default the machine's.

    """

    def __init__(self, name: str, place: Place, learner: Learner, clock: Clock | None = None) -> None:
        self.name = name
        self.place = place
        self._learner = learner
        self._clock = clock or SystemClock()

    @contextmanager
    def _reading(self) -> Generator[Reader]:
        """Open the log, once it is clear that nothing was cut off and that its index of kinds is whole."""
        with closing(self.place.store.reader()) as reader:
            check_whole(reader)
            yield reader
