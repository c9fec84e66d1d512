"""What takes processes of its own elsewhere, with fewer of them: for tests that are not about them."""

import os
from contextlib import closing, suppress
from typing import ClassVar

from loopledger.adapters.embedding.computing import computed
from loopledger.adapters.place import in_folder
from loopledger.adapters.vw.learner import VwLearner
from loopledger.adapters.vw.workers import Worker, Workers
from loopledger.errors import LoopledgerError

_MOST = 4


class KeptWorkers(Workers):
    """Takes the processes that others have done with, and leaves them its own when it is closed."""

    _kept: ClassVar[list[Worker]] = []
    _keeper = os.getpid()

    def _take(self):
        if not self._idle and os.getpid() == self._keeper:
            with suppress(IndexError):  # nobody has left one
                worker = self._kept.pop()
                worker._patience = self._patience
                worker._connection.settimeout(self._patience)
                self._idle.append(worker)
        return super()._take()

    def close(self):
        with self._guard:
            while self._idle and len(self._kept) < _MOST and os.getpid() == self._keeper:
                self._kept.append(self._idle.pop())
        super().close()

    @classmethod
    def end(cls):
        """End those that nobody has taken."""
        while cls._kept:
            cls._kept.pop().close()


def computed_here(folder, task, keep_on):
    """Return what `computed_apart` does, and fail as it does."""
    with closing(VwLearner()) as learner:
        try:
            return computed(in_folder(folder), learner, task, lambda *_: keep_on())
        except LoopledgerError as error:
            raise LoopledgerError(str(error)) from None
