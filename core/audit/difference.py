"""What is different between two versions, or two moments, of one loop."""

from collections.abc import Iterator, Sequence
from heapq import nlargest
from itertools import islice
from typing import Any

import msgspec

from loopledger.deciding.question import Question, questions
from loopledger.errors import Conflict
from loopledger.learning.checkpoints import Models
from loopledger.learning.learner import Learner, Weight, opened
from loopledger.learning.replay import state_at, version_event
from loopledger.learning.training import Progress
from loopledger.learning.versions import Versions
from loopledger.log.events import DecisionKind, Ranked, SlotsRanked, decode
from loopledger.log.journal import Reader
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings

CONTEXTS = 200
"""How many of the loop's most recent decisions both sides are asked about."""

_EXPLAINED = 50
_SHOWN = 20


class Side(msgspec.Struct, frozen=True):
    """One of the two that are compared.

    Attributes:
        version: The model; 0 for none.
        seq: The moment.
        at: Its time, UTC in microseconds since 1970.
        policy: The model's policy, or the one in force where there is no model.
        settings: In force.

    """

    version: int
    seq: int
    at: int
    policy: LearningPolicy
    settings: Settings


class Changed(msgspec.Struct, frozen=True):
    """A setting with its two values."""

    setting: str
    first: Any
    second: Any


class WeightMove(msgspec.Struct, frozen=True):
    """What two models have learned for one feature."""

    feature: str
    first: float
    second: float


class ProbabilityMove(msgspec.Struct, frozen=True):
    """An action's probability in the context of one decision, as two models give it.

    Attributes:
        event_id: The decision.
        action: The action.
        first: What the one side says.
        second: What the other one says.
        slot: The slot, if the decision has any.

    """

    event_id: str
    action: str
    first: float
    second: float
    slot: str | None = None


class Difference(msgspec.Struct, frozen=True):
    """What is different between two sides.

    Attributes:
        first: One side.
        second: The other.
        settings: Settings that differ.
        contexts: How many of the loop's most recent decisions both models were asked about.
        choices: How many choices these hold: one each, or one for each slot. A slot is asked about
            the actions that the slots before it really left.
        other_best: The share of these choices for which another action is the most probable.
        probabilities: The largest moves of probabilities.
        weights: The largest moves of weights, among features of these decisions.

    """

    first: Side
    second: Side
    settings: tuple[Changed, ...]
    contexts: int
    choices: int
    other_best: float
    probabilities: tuple[ProbabilityMove, ...]
    weights: tuple[WeightMove, ...]


def side_of(reader: Reader, *, version: int | None = None, seq: int) -> Side:
    """Return a version as it was made, or the loop as it was after an event.

    Args:
        reader: Of the log.
        version: The version; or
        seq: the moment.

    Raises:
        NotFound: There is no such version or event.

    """
    if version is not None:
        seq, _ = version_event(reader, version)
    state = state_at(reader, seq)
    model = state.published if version is None else version
    policy = version_event(reader, model)[1].policy if model else state.effective_policy
    return Side(model, seq, state.at, policy, state.settings)


def difference(
    reader: Reader,
    learner: Learner,
    checkpoints: Models,
    first: Side,
    second: Side,
    progress: Progress | None = None,
) -> Difference:
    """Return what is different, and how differently the two answer to what the loop was asked last.

    Raises:
        Conflict: One of the sides decides several slots, and the other one does not.
        ReplayMismatch: A model cannot be made again.

    """
    if first.policy.multi_slot != second.policy.multi_slot:
        one, other = (_named(side) for side in (first, second))
        raise Conflict(f"{one}, {other}: no request fits both, so that they cannot be compared")
    recent = _recent(reader, first.policy.decision_kind)
    versions = Versions(reader, learner, checkpoints, progress)
    contexts = [question.context for _, question in islice(_asked(recent[::-1]), _EXPLAINED)]
    answers: list[list[list[float]]] = []
    weights: list[dict[str, Weight]] = []
    for side in (first, second):
        answers.append(_answers(versions, side, recent))
        weights.append(_weights(learner, side, versions.model(side.version), contexts))
    moves = nlargest(_SHOWN, _moves(recent, *answers), key=lambda move: abs(move.second - move.first))
    others = sum(_best(one) != _best(other) for one, other in zip(*answers, strict=True))
    choices = len(answers[0])
    return Difference(
        first=first,
        second=second,
        settings=_changed(first.settings, second.settings),
        contexts=len(recent),
        choices=choices,
        other_best=others / choices if choices else 0.0,
        probabilities=tuple(move for move in moves if move.first != move.second),
        weights=_weight_moves(*weights),
    )


_Decisions = Sequence[tuple[str, Ranked | SlotsRanked]]


def _named(side: Side) -> str:
    what = f"version {side.version}" if side.version else f"policy {side.policy.name!r}"
    return f"{what} decides {'several slots' if side.policy.multi_slot else 'one action'}"


def _recent(reader: Reader, kind: DecisionKind) -> _Decisions:
    head = reader.head().seq
    width = CONTEXTS
    while True:
        first = max(1, head - width)
        records = [one for one in reader.records(first=first, kinds=(kind,)) if not one.erased]
        if len(records) >= CONTEXTS or first == 1:
            break
        width *= 4
    decoded = [(record.event_id or "", decode(record.body, record.seq)) for record in records[-CONTEXTS:]]
    return [(event_id, event) for event_id, event in decoded if isinstance(event, Ranked | SlotsRanked)]


def _asked(decisions: _Decisions) -> Iterator[tuple[str, Question]]:
    """Yield every choice of some decisions; contexts are large, and not all held at a time."""
    for event_id, decision in decisions:
        for question in questions(decision):
            yield event_id, question


def _answers(versions: Versions, side: Side, recent: _Decisions) -> list[list[float]]:
    scorer = versions.scorer(side.version)
    with opened(scorer):
        return [question.answer(scorer, side.settings.minimum_probability) for _, question in _asked(recent)]


def _moves(
    recent: _Decisions, first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]
) -> Iterator[ProbabilityMove]:
    for (event_id, question), one, other in zip(_asked(recent), first, second, strict=True):
        for name, before, after in zip(question.actions, one, other, strict=True):
            yield ProbabilityMove(event_id, name, before, after, question.slot)


def _best(probabilities: Sequence[float]) -> int:
    return probabilities.index(max(probabilities))


def _weights(
    learner: Learner, side: Side, model: bytes | None, contexts: Sequence[bytes]
) -> dict[str, Weight]:
    if model is None or not contexts:
        return {}
    return {
        weight.feature: weight
        for actions in learner.explain(side.policy, model, contexts)
        for weights in actions
        for weight in weights
    }


def _weight_moves(first: dict[str, Weight], second: dict[str, Weight]) -> tuple[WeightMove, ...]:
    nothing = Weight("", 0.0, 0.0)
    moves = [
        WeightMove(name, first.get(name, nothing).weight, second.get(name, nothing).weight)
        for name in dict.fromkeys((*first, *second))
    ]
    moves.sort(key=lambda move: (-abs(move.second - move.first), move.feature))
    return tuple(move for move in moves[:_SHOWN] if move.first != move.second)


def _changed(first: Settings, second: Settings) -> tuple[Changed, ...]:
    one, other = msgspec.to_builtins(first), msgspec.to_builtins(second)
    return tuple(Changed(name, one[name], other[name]) for name in one if one[name] != other[name])
