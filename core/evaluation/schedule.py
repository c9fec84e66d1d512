"""What a candidate knows when: the loop's own batches and delays, taken from its log.

After an event that recorded a training, a candidate answers with what was to be known then: with a
model that learned, under its own policy, everything that the loop had learned up to there. Lines of
models that relearn the past add nothing that was not known; going back to an older version, a reset
or an imported model is about the loop's own models and takes nothing from a candidate.

Decisions that were imported, and ranges in which the loop never learned, have no such events. There
a candidate learns, every so many decisions, those whose windows have closed by then.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from loopledger.evaluation.material import Material
from loopledger.log.events import DecisionKind, ModelTrained, decode
from loopledger.log.journal import Reader

BATCH = 500
"""Decisions between two batches where the log does not say when the loop learned."""


class Training(NamedTuple):
    """From an event on, decisions up to another are known."""

    seq: int
    last: int


class Stretch(NamedTuple):
    """Decisions that a candidate answers with one model, by their places in the material.

    Attributes:
        learned: Up to which place each fold learns before, in order; none if there is nothing new.
        first: Of the decisions that are answered.
        last: The place after the last of them.

    """

    learned: tuple[int, ...]
    first: int
    last: int


class Schedule(NamedTuple):
    """When a candidate learns.

    Attributes:
        trainings: In log order.
        own: Whether any of them in the range is the loop's own.

    """

    trainings: tuple[Training, ...]
    own: bool


def schedule(reader: Reader, material: Material, last: int) -> Schedule:
    """Return when candidates learn from some material.

    Args:
        reader: Of the log.
        material: Of its range.
        last: Seq of the last event of the range.

    """
    trainings = list(_trained(reader, material.kind, last))
    own = any(training.seq >= material.judged_from for training in trainings)
    trainings += _by_count(material, imported_only=own)
    return Schedule(tuple(sorted(trainings)), own)


def stretches(
    plan: Schedule, material: Material, *, through: int | None = None, batch_at_least: int = 1
) -> Iterator[Stretch]:
    """Yield what a candidate learns and answers, in order.

    Args:
        plan: When it learns.
        material: What it learns from.
        through: Seq of the last decision that it answers; none for all.
        batch_at_least: Decisions that a batch has at least; smaller ones wait for the next.

    """
    # Looked up by halves: numpy would copy the whole column from the file for each training.
    seqs = material.column("seq")
    end = len(seqs) if through is None else bisect_right(seqs, through)
    place = bisect_left(seqs, material.judged_from)
    known, folds = 0, list[int]()
    for training in plan.trainings:
        before = min(bisect_right(seqs, training.seq), end)
        if before > place:
            yield Stretch(tuple(folds), place, before)
            place, folds = before, []
        if place >= end:
            return
        learned = bisect_right(seqs, training.last)
        if learned - known >= batch_at_least:
            folds.append(learned)
            known = learned
    if place < end:
        yield Stretch(tuple(folds), place, end)


def _trained(reader: Reader, kind: DecisionKind, last: int) -> Iterator[Training]:
    known = 0
    for record in reader.records(last=last, kinds=("ModelTrained",)):
        event = decode(record.body, record.seq)
        if not isinstance(event, ModelTrained) or event.policy.decision_kind != kind:
            continue
        if event.last is not None and event.last > known:
            known = event.last
            yield Training(record.seq, known)


def _by_count(material: Material, *, imported_only: bool) -> Iterator[Training]:
    """Yield trainings every so many decisions, each of what had closed when it began."""
    seqs, at, closes = material.column("seq"), material.column("at"), material.column("closes")
    elsewhere = material.column("elsewhere")
    closed = 0
    for place in range(BATCH, len(seqs), BATCH):
        if imported_only and not elsewhere[place]:
            continue
        now = int(at[place])
        while closed < place:
            open_ones = np.flatnonzero(closes[closed : min(closed + BATCH, place)] > now)
            if len(open_ones):
                closed += int(open_ones[0])
                break
            closed = min(closed + BATCH, place)
        if closed:
            yield Training(int(seqs[place]) - 1, int(seqs[closed - 1]))
