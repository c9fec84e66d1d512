"""Jobs: what takes longer than a request may wait is carried out beside them, a few at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from loopledger.adapters.embedding.async_ledger import AsyncLedger
from loopledger.adapters.embedding.beginning import Beginning
from loopledger.adapters.embedding.loop import Loop
from loopledger.diagnostics import diagnostics
from loopledger.errors import Conflict, LoopledgerError, LoopStopped
from loopledger.evaluation.evaluator import Begun

_GRACE = 10.0
_STOPPED = "the server was stopped before it was done; ask for it again"


class Jobs:
    """Carries out evaluations, in the order in which they were asked for.

    Every one of them is in its loop's log before it waits here. What is not done when the server
    ends is recorded as failed: by this if there is time, otherwise when the loop is opened next.

    Args:
        ledger: The loops.
        at_once: How many are computed at a time.

    """

    def __init__(self, ledger: AsyncLedger, at_once: int) -> None:
        self._ledger = ledger
        self._pool = ThreadPoolExecutor(at_once, "loopledger-jobs")
        self._waiting: set[tuple[str, Begun]] = set()
        self._stopped = False

    async def submit(self, name: str, begin: Callable[[Loop], Beginning]) -> None:
        """Record a job, and carry it out as soon as its turn comes.

        Args:
            name: The loop's name.
            begin: Records it.

        Raises:
            LoopledgerError: It could not be recorded.

        """
        await asyncio.to_thread(self._submit, name, begin)

    def waits(self, name: str, evaluation_id: str) -> bool:
        """Tell whether a job has not had its turn yet."""
        return any(loop == name and begun.evaluation == evaluation_id for loop, begun in list(self._waiting))

    async def close(self) -> None:
        """End what is under way and what waits, and record that, as far as a few seconds allow."""
        self._stopped = True
        await asyncio.wait([asyncio.create_task(asyncio.to_thread(self._pool.shutdown))], timeout=_GRACE)

    def _submit(self, name: str, begin: Callable[[Loop], Beginning]) -> None:
        if self._stopped:
            raise LoopStopped(_STOPPED)
        beginning = begin(self._ledger.ledger.loop(name))
        job = name, beginning.begun
        self._waiting.add(job)
        try:
            self._pool.submit(self._carry_out, job, beginning)
        except RuntimeError:  # the server has just begun to end
            self._carry_out(job, beginning)

    def _carry_out(self, job: tuple[str, Begun], beginning: Beginning) -> None:
        self._waiting.discard(job)
        log = diagnostics(loop=job[0])
        try:
            beginning.carry_out(self._tell)
        except Conflict:
            log.info("evaluation deleted", evaluation=beginning.begun.evaluation)
        except LoopledgerError:
            pass  # the loop's log says why
        except Exception:  # the next job must not suffer
            log.exception("evaluation failed", evaluation=beginning.begun.evaluation)

    def _tell(self, _done: int, _total: int) -> None:
        if self._stopped:
            raise LoopStopped(_STOPPED)
