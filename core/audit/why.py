"""Why: one decision's whole life, from the request to the models that learned from it."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain

import msgspec

from loopledger.audit.recompute import again
from loopledger.deciding.draw import number_for, uniform, uniform_hash
from loopledger.deciding.question import Question, questions
from loopledger.errors import NotFound
from loopledger.learning.checkpoints import Models
from loopledger.learning.joining import Joined, Label, join
from loopledger.learning.learner import Learner, Scorer, Weight, opened
from loopledger.learning.replay import state_at
from loopledger.learning.training import Progress, without
from loopledger.learning.versions import Versions
from loopledger.log.chain import Record
from loopledger.log.events import DECISIONS, ModelTrained, Ranked, Rewarded, SlotRanking, SlotsRanked, decode
from loopledger.log.journal import Outcome, Reader, Traced
from loopledger.policy import LearningPolicy
from loopledger.state import State


class Choice(msgspec.Struct, frozen=True):
    """One action of a decision, or of a slot of it.

    Attributes:
        id: The action.
        probability: With which it could be drawn.
        weights: Its features with what the model had learned for them, what mattered most first.

    """

    id: str
    probability: float
    weights: tuple[Weight, ...] = ()


class Drawn(msgspec.Struct, frozen=True):
    """How one action was drawn.

    Attributes:
        slot: The slot, if the decision has any.
        action: What the caller was told to show.
        chosen: What the model chose; another one only outside Online mode.
        number: The uniform number that decided, made of event id and loop id; none for a decision
            that was made elsewhere.
        explored: Whether another action had a larger probability.
        choices: All that was offered, the chosen one first.
        excluded: Ids of actions that were not offered.

    """

    slot: str | None
    action: str
    chosen: str
    number: float | None
    explored: bool
    choices: tuple[Choice, ...]
    excluded: tuple[str, ...]


class Came(msgspec.Struct, frozen=True):
    """A reward or an activation that came for the decision.

    Attributes:
        seq: Its place in the log.
        at: When, UTC in microseconds since 1970.
        kind: ``Rewarded`` or ``Activated``.
        value: Of a reward.
        slot: Of a reward, if it names one.
        key: The caller's idempotency key, if any.
        counts: Whether it joined.
        reason: Why not, if so.

    """

    seq: int
    at: int
    kind: str
    value: float | None
    slot: str | None
    key: str | None
    counts: bool
    reason: str | None


class Later(msgspec.Struct, frozen=True):
    """What another version says to the same context.

    Attributes:
        version: The version.
        what: Why it is shown.
        probabilities: Of the actions, in the order of the decision's choices for this slot.
        slot: The slot, if the decision has any. It is asked about the actions that the slots before
            it really left, whatever this version would have put there: about those it was offered.

    """

    version: int
    what: str
    probabilities: tuple[float, ...]
    slot: str | None = None


class Why(msgspec.Struct, frozen=True):
    """One decision's whole life.

    Attributes:
        loop: The loop's name.
        event_id: The decision's id.
        seq: Its place in the log.
        at: When it was made, UTC in microseconds since 1970.
        context: Context and actions exactly as the model saw them.
        learning_mode: In force.
        deferred: Whether it counts only once it is activated.
        model_version: The version that was asked; 0 when there was none.
        policy: In force, or that of the version.
        drawn: What was drawn, for each slot.
        holds: Whether computing it again gives the same; none if that takes another engine, or if
            it was decided elsewhere.
        origin: The id of the model that decided elsewhere, if the decision was imported.
        evaluation: The id of the evaluation that had put the policy in force, if one had.
        came: What came for it.
        closes_at: When its window closes, UTC in microseconds since 1970.
        labels: What it teaches, for each slot, as far as is known by now.
        skipped: Why nothing is learned from it, if so.
        learned_in: The versions that were made from it.
        later: What other versions say to the same context, each for every slot.

    """

    loop: str
    event_id: str
    seq: int
    at: int
    context: msgspec.Raw
    learning_mode: str
    deferred: bool
    model_version: int
    policy: LearningPolicy
    drawn: tuple[Drawn, ...]
    holds: bool | None
    came: tuple[Came, ...]
    closes_at: int
    labels: tuple[Label, ...]
    skipped: str | None
    learned_in: tuple[int, ...]
    later: tuple[Later, ...]
    origin: str | None = None
    evaluation: str | None = None


def why(
    reader: Reader,
    learner: Learner,
    checkpoints: Models,
    event_id: str,
    progress: Progress | None = None,
) -> Why:
    """Return a decision's whole life, computed from the log.

    Args:
        reader: Of the log.
        learner: Answers and explains with the models of then and later.
        checkpoints: Where models are kept.
        event_id: The decision's id.
        progress: Is told of decisions learned again where models are not kept, and of how many.

    Raises:
        NotFound: No decision has this id.

    """
    record = reader.decisions([event_id]).get(event_id)
    if record is None:
        raise NotFound(f"no decision has the event id {event_id!r}")
    traced = None if record.erased else _traced(reader, record)
    if traced is None:
        raise NotFound(f"the decision {event_id!r} (event {record.seq}) was erased: only its hash is left")
    decision = decode(record.body, record.seq)
    if not isinstance(decision, Ranked | SlotsRanked):
        raise NotFound(f"event {record.seq} is no decision")
    then, now = state_at(reader, record.seq), state_at(reader, reader.head().seq)
    joined = join(traced)
    learned_in = _learned_in(reader, record.seq, decision.kind)
    versions = Versions(reader, learner, checkpoints, progress)
    asked = decision.model_version
    made = versions.event(asked) if asked else None
    policy = made.policy if made else then.effective_policy
    questioned = list(questions(decision))
    weights: list[dict[str, list[Weight]]] = [{} for _ in questioned]
    if made:
        explained = learner.explain(policy, versions.model(asked), [each.context for each in questioned])
        weights = [
            dict(zip(each.actions, one, strict=True)) for each, one in zip(questioned, explained, strict=True)
        ]
    same = None if decision.elsewhere else _same(decision, event_id, versions.scorer(asked), then)
    if not same and made and made.engine != learner.engine:
        same = None
    drawn = _drawn(decision, event_id, then, weights)
    return Why(
        loop=then.loop_id,
        event_id=event_id,
        seq=record.seq,
        at=record.at,
        context=msgspec.Raw(bytes(decision.context)),
        learning_mode=decision.learning_mode,
        deferred=decision.deferred,
        model_version=decision.model_version,
        policy=policy,
        drawn=drawn,
        holds=same,
        came=_came(traced, joined),
        closes_at=record.at + decision.reward_wait,
        labels=joined.labels,
        skipped=joined.skipped or _left_out(reader, record.seq, now),
        learned_in=learned_in,
        later=_later(decision, list(zip(questioned, drawn, strict=True)), versions, learned_in, now),
        origin=None if isinstance(decision.origin, msgspec.UnsetType) else decision.origin,
        evaluation=then.because if policy == then.effective_policy else None,
    )


def _traced(reader: Reader, record: Record) -> Traced | None:
    """Return a decision with its outcomes; none if it is no decision, or is erased at this moment."""
    found = (reader.traced(kind, record.seq, record.seq) for kind in DECISIONS)
    return next(chain.from_iterable(found), None)


def _same(decision: Ranked | SlotsRanked, event_id: str, scorer: Scorer | None, then: State) -> bool:
    with opened(scorer):
        return again(
            decision, event_id, scorer, partial(number_for, uniform_hash, uniform_hash(then.loop_id))
        )


def _drawn(
    decision: Ranked | SlotsRanked,
    event_id: str,
    then: State,
    weights: Sequence[Mapping[str, Sequence[Weight]]],
) -> tuple[Drawn, ...]:
    online = decision.learning_mode == "Online"
    if isinstance(decision, Ranked):
        offered = decision.offered
        number = (
            None if decision.elsewhere else number_for(uniform_hash, uniform_hash(then.loop_id), event_id)
        )
        choices = _choices(offered, decision, weights[0])
        shown = decision.chosen if online else offered[0]
        return (_one(None, shown, decision.chosen, number, choices, decision.excluded),)
    found: list[Drawn] = []
    for slot, learned in zip(decision.slots, weights, strict=True):
        choices = _choices(decision.actions, slot, learned)
        number = None if decision.elsewhere else uniform(uniform_hash(event_id + slot.slot))
        shown = slot.chosen if online else decision.actions[slot.baseline]
        found.append(_one(slot.slot, shown, slot.chosen, number, choices, slot.excluded))
    return tuple(found)


def _choices(
    offered: Sequence[str], ranking: Ranked | SlotRanking, weights: Mapping[str, Sequence[Weight]]
) -> list[Choice]:
    return [
        Choice(offered[position], probability, _most_first(weights.get(offered[position], ())))
        for position, probability in zip(ranking.ranked, ranking.probabilities, strict=True)
    ]


def _one(
    slot: str | None,
    shown: str,
    chosen: str,
    number: float | None,
    choices: Sequence[Choice],
    excluded: tuple[str, ...],
) -> Drawn:
    explored = choices[0].probability < max(choice.probability for choice in choices)
    return Drawn(slot, shown, chosen, number, explored, tuple(choices), excluded)


def _most_first(weights: Sequence[Weight]) -> tuple[Weight, ...]:
    return tuple(sorted(weights, key=lambda weight: -abs(weight.contribution)))


def _came(traced: Traced, joined: Joined) -> tuple[Came, ...]:
    reasons = {unjoined.seq: unjoined.reason for unjoined in joined.unjoined}
    return tuple(_arrival(outcome, reasons.get(outcome.seq)) for outcome in traced.outcomes)


def _arrival(outcome: Outcome, reason: str | None) -> Came:
    event = decode(outcome.body, outcome.seq)
    value, slot, key = (event.value, event.slot, event.key) if isinstance(event, Rewarded) else (None,) * 3
    return Came(outcome.seq, outcome.at, outcome.kind, value, slot, key, reason is None, reason)


def _learned_in(reader: Reader, seq: int, kind: str) -> tuple[int, ...]:
    """Return the versions whose step covers a decision: one for each line of models that learned it."""
    found: list[int] = []
    for record in reader.records(first=seq, kinds=("ModelTrained",)):
        event = decode(record.body, record.seq)
        if isinstance(event, ModelTrained) and event.first is not None and event.last is not None:
            covers = event.first <= seq <= event.last and event.policy.decision_kind == kind
            if covers and seq not in without(reader, event.left_out):
                found.append(event.version)
    return tuple(found)


def _left_out(reader: Reader, seq: int, now: State) -> str | None:
    return f"left out since event {now.left_out}" if seq in without(reader, now.left_out) else None


def _later(
    decision: Ranked | SlotsRanked,
    asked: Sequence[tuple[Question, Drawn]],
    versions: Versions,
    learned_in: Sequence[int],
    now: State,
) -> tuple[Later, ...]:
    wanted: dict[int, str] = {}
    for version in learned_in:
        wanted[version] = "learned from it"
    if now.published:
        both = wanted.get(now.published)
        wanted[now.published] = f"{both}, answers now" if both else "answers now"
    wanted.pop(decision.model_version, None)
    found: list[Later] = []
    for version, what in wanted.items():
        if versions.event(version).policy.decision_kind != decision.kind:
            continue
        scorer = versions.scorer(version)
        with opened(scorer):
            for question, drawn in asked:
                answer = question.answer(scorer, decision.minimum_probability)
                by_name = dict(zip(question.actions, answer, strict=True))
                likely = tuple(by_name[choice.id] for choice in drawn.choices)
                found.append(Later(version, what, likely, question.slot))
    return tuple(found)
