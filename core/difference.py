"""What is different between two versions, or two moments, of one loop."""

from collections.abc import Sequence
from typing import Any

import msgspec

from loopledger.checkpoints import Models
from loopledger.errors import Conflict
from loopledger.events import Ranked, decode
from loopledger.journal import Reader
from loopledger.learner import Learner, Scorer, Weight, opened
from loopledger.policy import LearningPolicy
from loopledger.ranking import likely
from loopledger.replay import state_at, version_event
from loopledger.settings import Settings
from loopledger.training import Progress
from loopledger.versions import Versions

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
    """An action's probability in the context of one decision, as two models give it."""

    event_id: str
    action: str
    first: float
    second: float


class Difference(msgspec.Struct, frozen=True):
    """What is different between two sides.

    Attributes:
        first: One side.
        second: The other.
        settings: Settings that differ.
        contexts: How many of the loop's most recent decisions both models were asked about.
        other_best: The share of them for which another action is the most probable.
        probabilities: The largest moves of probabilities.
        weights: The largest moves of weights, among features of these decisions.

    """

    first: Side
    second: Side
    settings: tuple[Changed, ...]
    contexts: int
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
        Conflict: One of the sides decides several slots.
        ReplayMismatch: A model cannot be made again.

    """
    if first.policy.multi_slot or second.policy.multi_slot:
        raise Conflict("models that decide several slots cannot be compared yet")
    recent = _recent(reader)
    versions = Versions(reader, learner, checkpoints, progress)
    contexts = [bytes(ranked.context) for _, ranked in recent[-_EXPLAINED:]]
    answers: list[list[list[float]]] = []
    weights: list[dict[str, Weight]] = []
    for side in (first, second):
        answers.append(_answers(versions.scorer(side.version), side, recent))
        weights.append(_weights(learner, side, versions.model(side.version), contexts))
    moves = [
        ProbabilityMove(event_id, name, one[at], other[at])
        for (event_id, ranked), one, other in zip(recent, *answers, strict=True)
        for at, name in enumerate(ranked.offered)
    ]
    moves.sort(key=lambda move: -abs(move.second - move.first))
    others = sum(_best(one) != _best(other) for one, other in zip(*answers, strict=True))
    return Difference(
        first=first,
        second=second,
        settings=_changed(first.settings, second.settings),
        contexts=len(recent),
        other_best=others / len(recent) if recent else 0.0,
        probabilities=tuple(move for move in moves[:_SHOWN] if move.first != move.second),
        weights=_weight_moves(*weights),
    )


def _recent(reader: Reader) -> list[tuple[str, Ranked]]:
    head = reader.head().seq
    width = CONTEXTS
    while True:
        first = max(1, head - width)
        records = [one for one in reader.records(first=first, kinds=("Ranked",)) if not one.erased]
        if len(records) >= CONTEXTS or first == 1:
            break
        width *= 4
    decoded = [(record.event_id or "", decode(record.body, record.seq)) for record in records[-CONTEXTS:]]
    return [(event_id, event) for event_id, event in decoded if isinstance(event, Ranked)]


def _answers(scorer: Scorer | None, side: Side, recent: Sequence[tuple[str, Ranked]]) -> list[list[float]]:
    least = side.settings.minimum_probability
    with opened(scorer):
        return [likely(scorer, bytes(ranked.context), len(ranked.ranked), least) for _, ranked in recent]


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
