"""Accounts of an apprentice and of features in the async face of the Python API."""

from loopledger.adapters.embedding.exporting import Bound
from loopledger.adapters.embedding.loop import Loop
from loopledger.adapters.embedding.threads import Threads
from loopledger.evaluation.apprentice import BATCH, Apprentice
from loopledger.evaluation.importance import Method
from loopledger.evaluation.report import FeatureImportance
from loopledger.learning.training import Progress


class AsyncAccounts:
    """Gives account of a loop; the methods are those of `Loop`."""

    def __init__(self, threads: Threads, loop: Loop) -> None:
        self.name = loop.name
        self._threads = threads
        self._blocking = loop

    async def apprentice(
        self,
        *,
        since: Bound = None,
        until: Bound = None,
        recent: int = BATCH,
        progress: Progress | None = None,
    ) -> Apprentice:
        """Return how well the model imitates its caller, as `Loop.apprentice` does."""
        return await self._threads.run_long(
            self._blocking.apprentice, since=since, until=until, recent=recent, progress=progress
        )

    async def features(
        self,
        since: Bound = None,
        until: Bound = None,
        *,
        method: Method = "approximate",
        progress: Progress | None = None,
    ) -> FeatureImportance:
        """Return which features there are and how much they matter, as `Loop.features` does."""
        return await self._threads.run_long(
            self._blocking.features, since, until, method=method, progress=progress
        )
