"""Training: what is to be learned next, and the one function that learns it.

A model version is a fold step (promise P3): the parent's bytes, learning the joined examples of a
contiguous range of decisions under a policy. A running loop and a replay call the same `fold`.
Decisions are learned in log order, each after its whole window has passed, so what a range
teaches can never change.
"""

from collections.abc import Callable, Iterator
from itertools import islice

import msgspec

from loopledger.errors import LearnerFailed, LogDamaged
from loopledger.exchange.cooked import learning_line
from loopledger.learning.joining import join
from loopledger.learning.learner import Folded, Learner
from loopledger.log.events import (
    DECISIONS,
    ModelTrained,
    RelearningBegun,
    decode,
)
from loopledger.log.journal import Reader
from loopledger.policy import LearningPolicy
from loopledger.state import State

Progress = Callable[[int, int], None]
"""Is told how much is done, and of how much."""

_REPORT_EVERY = 500
_MOST_KEPT = 64 << 20  # bytes


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A fold step.

    Attributes:
        version: The version that it makes.
        parent: The version it starts from; 0 for a blank model.
        policy: Under which to learn, exploration written in.
        first: Seq of the first decision it covers; none if it covers no decision.
        last: Seq of the last decision it covers.
        decisions: How many decisions it covers.
        left_out: Seq of the event that says which of them are left out; 0 for none.
        erased: Seq of the last erasure when it was planned: what was erased since was read all the same.
        passes: How often it learns them, from the first to the last and over again.

    """

    version: int
    parent: int
    policy: LearningPolicy
    first: int | None = None
    last: int | None = None
    decisions: int = 0
    left_out: int = 0
    erased: int = 0
    passes: int = 1


def step_of(event: ModelTrained) -> Step:
    """Return the step that a logged version was made by."""
    return Step(
        version=event.version,
        parent=event.parent,
        policy=event.policy,
        first=event.first,
        last=event.last,
        decisions=event.decisions,
        left_out=event.left_out,
        passes=event.passes,
    )


def plan(state: State, reader: Reader, now: int) -> Step | None:
    """Return the next step, or none if there is nothing to learn.

    Args:
        state: Of the loop.
        reader: Of its log, everything in the state committed.
        now: The time that no later event will be dated before.

    """
    policy = state.effective_policy
    closed = max(state.closed_through, closed_until(state, reader, now))
    span = reader.span(
        policy.decision_kind, state.line.learned_through, closed, state.settings.checkpoint_interval
    )
    other_terms = state.line.newest != 0 and state.line.arguments != policy.arguments
    if span is None and not other_terms:
        return None
    return Step(
        version=state.versions + 1,
        parent=state.line.newest,
        policy=policy,
        first=span and span.first,
        last=span and span.last,
        decisions=span.decisions if span else 0,
        left_out=state.left_out,
        erased=state.erased,
        passes=state.line.passes_from(span and span.first),
    )


def closed_until(state: State, reader: Reader, now: int) -> int:
    """Return the seq up to which every decision's window has closed.

    It is the longest such prefix: where the reward wait was changed, a decision with a long
    wait holds back those after it.
    """
    closed = state.closed_through
    ends = [start - 1 for start, _ in state.waits[1:]] + [state.seq]
    for (_, wait), end in zip(state.waits, ends, strict=True):
        if end <= closed:
            continue
        until = min(reader.last_until(now - wait), end)
        if until < end:
            held_back = [reader.span(kind, max(closed, until), end, 1) for kind in DECISIONS]
            first_open = min((span.first for span in held_back if span is not None), default=None)
            if first_open is not None:
                return max(closed, first_open - 1)
        closed = max(closed, end)
    return closed


def examples(
    reader: Reader, step: Step, progress: Progress | None = None, most: int | None = None
) -> Iterator[bytes]:
    """Yield what a step learns from, a line each, in log order; over again for each pass.

    Only the first pass reads the log and joins, unless the lines are too many to be kept.

    Args:
        reader: Of the log.
        step: What to learn.
        progress: Is told of decisions read, a pass for each its share, and of how many there are.
        most: Stop every pass after so many lines.

    """
    kept: list[bytes] = []
    size = 0
    for line in islice(_read(reader, step, 0, progress), most):
        yield line
        size += len(line)
        if step.passes > 1 and size <= _MOST_KEPT:
            kept.append(line)
    for done in range(1, step.passes):
        if size <= _MOST_KEPT:
            yield from _again(kept, step, done, progress)
        else:
            yield from islice(_read(reader, step, done, progress), most)


def _read(reader: Reader, step: Step, done: int, progress: Progress | None) -> Iterator[bytes]:
    if step.first is None or step.last is None:
        return
    left_out = without(reader, step.left_out)
    traced_decisions = reader.traced(step.policy.decision_kind, step.first, step.last)
    for number, traced in enumerate(traced_decisions, start=1):
        line = None if traced.seq in left_out else learning_line(join(traced))
        if line is not None:
            yield line
        if progress and number % _REPORT_EVERY == 0:
            progress((done * step.decisions + number) // step.passes, step.decisions)


def _again(lines: list[bytes], step: Step, done: int, progress: Progress | None) -> Iterator[bytes]:
    for number, line in enumerate(lines, start=1):
        yield line
        if progress and number % _REPORT_EVERY == 0:
            progress((done * step.decisions + number) // step.passes, step.decisions)


def without(reader: Reader, seq: int) -> frozenset[int]:
    """Return the seqs of the decisions that an event leaves out of learning; none for seq 0.

    Raises:
        LogDamaged: There is no such event.

    """
    if not seq:
        return frozenset()
    record = reader.record(seq)
    event = decode(record.body, seq) if record is not None else None
    if not isinstance(event, RelearningBegun):
        raise LogDamaged(f"event {seq} should say what is left out of learning, and does not", seq)
    return frozenset(event.without)


def fold(
    step: Step,
    parent: bytes | None,
    reader: Reader,
    learner: Learner,
    progress: Progress | None = None,
) -> Folded:
    """Carry out a step: the only way to a model, in a running loop and in replay.

    Args:
        step: What to do.
        parent: The bytes of the version that it starts from; none for a blank model.
        reader: Of the log.
        learner: Does it.
        progress: Is told of decisions read, and of how many there are.

    Raises:
        LearnerFailed: The engine refused, died, hung, or answered with what cannot be right.

    """
    given = 0

    def lines() -> Iterator[bytes]:
        nonlocal given
        for line in examples(reader, step, progress):
            given += 1
            yield line

    folded = learner.fold(step.policy, parent, lines())
    if folded.examples != given:
        raise LearnerFailed(f"the engine learned {folded.examples} of {given} examples")
    if not folded.model:
        raise LearnerFailed(f"the engine made no model for version {step.version}")
    return Folded(folded.model, folded.examples // step.passes)
