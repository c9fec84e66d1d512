"""The desk: where commands are carried out, by one thread at a time."""

from collections.abc import Sequence
from threading import Lock

from loopledger.commands import Command
from loopledger.diagnostics import diagnostics
from loopledger.errors import LoopStopped
from loopledger.facts import Answer
from loopledger.loop import Loop, Prepared


class Desk:
    """A loop with the right to use it.

    Attributes:
        turn: Held by the thread that uses the loop.
        gate: Held while letters are put into the inbox, and while the inbox is closed: so that
            none can slip in unseen and wait for an answer for ever.
        waiting: How many commands are in the inbox.
        closed: Whether commands are refused.
        loop: The loop, once it is open.
        failure: What stopped it, if something did: the first cause.

    """

    def __init__(self) -> None:
        self.turn = Lock()
        self.gate = Lock()
        self.waiting = 0
        self.closed = False
        self.loop: Loop | None = None
        self.failure: BaseException | None = None

    def carry_out(self, commands: Sequence[Command | Prepared]) -> Sequence[Answer | Exception]:
        """Return an answer or an error for each command, for the holder of the turn.

        A failure that is nobody's answer, of the disk for example, stops the loop: what is on disk
        then, the next opening finds out. Everybody who asks hears of the first cause.
        """
        if self.failure is None and self.loop is not None:
            try:
                return self.loop.execute(commands)
            except BaseException as error:  # noqa: BLE001 - no caller may wait for ever
                self.failure = error
                with self.gate:
                    self.closed = True
                diagnostics(loop=self.loop.state.loop_id).error("loop stopped", error=repr(error))
        return [self.stopped()] * len(commands)

    @property
    def interrupted(self) -> bool:
        """Whether the program was interrupted or ended while it used the loop, which is itself sound."""
        return self.failure is not None and not isinstance(self.failure, Exception)

    def stopped(self) -> LoopStopped:
        """Return the error for whoever comes too late."""
        what = "the loop is closed" if self.failure is None else f"the loop has stopped: {self.failure!r}"
        error = LoopStopped(what)
        error.__cause__ = self.failure
        return error
