"""Model versions of a log, ready to be looked at: rebuilt if need be, and remembered for a moment."""

from loopledger.learning.checkpoints import Models
from loopledger.learning.learner import Learner, Scorer
from loopledger.learning.replay import Version, rebuild, version_event
from loopledger.learning.training import Progress
from loopledger.log.journal import Reader


class Versions:
    """Model versions by their numbers; 0 stands for no model.

    The last one is remembered, so that asking twice, or for the next one, does not start anew.

    Args:
        reader: Of the log.
        learner: Rebuilds models and makes them answer.
        kept: What is kept beside the log.
        progress: Is told of decisions learned again, and of how many.

    """

    def __init__(
        self, reader: Reader, learner: Learner, kept: Models, progress: Progress | None = None
    ) -> None:
        self._reader = reader
        self._learner = learner
        self._kept = kept
        self._progress = progress
        self._last: tuple[int, bytes] | None = None

    def load_model(self, version: int) -> bytes | None:
        """Return a version's bytes, if they are at hand."""
        if self._last is not None and self._last[0] == version:
            return self._last[1]
        return self._kept.load_model(version)

    def event(self, version: int) -> Version:
        """Return the event that made a version.

        Raises:
            NotFound: There is no such version.

        """
        return version_event(self._reader, version)[1]

    def model(self, version: int) -> bytes | None:
        """Return a version's bytes.

        Raises:
            NotFound: There is no such version.
            ReplayMismatch: It cannot be made again.

        """
        if not version:
            return None
        model = rebuild(self._reader, self._learner, version, self, self._progress)
        self._last = version, model
        return model

    def scorer(self, version: int) -> Scorer | None:
        """Return a version that answers, to be closed; the errors are those of `model`."""
        model = self.model(version)
        return None if model is None else self._learner.scorer(self.event(version).policy, model)
