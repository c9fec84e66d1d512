"""The learning lag: what a loop could have learned and has not yet."""

import msgspec

from loopledger.learning.training import closed_until
from loopledger.log.journal import Reader
from loopledger.state import State

MOST = 100_000
"""Up to how many waiting decisions are counted: enough to see that something is wrong."""


class Lag(msgspec.Struct, frozen=True):
    """How far learning is behind.

    Attributes:
        waiting: Decisions that are not learned yet, windows still open included; at most `MOST`.
        oldest: When the oldest of those was made whose window has closed, UTC in microseconds since
            1970; none if all of them are learned.

    """

    waiting: int
    oldest: int | None


def learning_lag(state: State, reader: Reader, now: int) -> Lag:
    """Return how far learning is behind; a few look-ups in indexes, however long the log is."""
    kind, learned = state.policy.decision_kind, state.line.learned_through
    waiting = reader.span(kind, learned, state.seq, MOST)
    if waiting is None:
        return Lag(0, None)
    closed = max(state.closed_through, closed_until(state, reader, now))
    record = reader.record(waiting.first) if waiting.first <= closed else None
    return Lag(waiting.decisions, record.at if record else None)
