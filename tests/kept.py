"""Learning processes that serve one ledger after the other, for tests of what is not about them."""

import os
from typing import ClassVar

from loopledger.adapters.vw.workers import Worker, Workers

_MOST = 4


class KeptWorkers(Workers):
    """Takes the processes that others have done with, and leaves them its own when it is closed."""

    _kept: ClassVar[list[Worker]] = []
    _keeper = os.getpid()

    def _take(self):
        if not self._idle and self._kept and os.getpid() == self._keeper:
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
