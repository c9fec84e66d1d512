"""Deciding: from a state and a command to events and an answer, without touching anything."""

import math
from numbers import Real

import msgspec

from loopledger.answers import Receipt
from loopledger.commands import (
    MOST_PASSES,
    Activate,
    ChangePolicy,
    ChangeSettings,
    Command,
    DeleteEvaluation,
    EndEvaluation,
    Erase,
    ImportModel,
    PlanTraining,
    PublishModel,
    Rank,
    RankSlots,
    Relearn,
    RequestEvaluation,
    ResetModel,
    RestorePolicy,
    Reward,
    Train,
)
from loopledger.deciding.decisions import rank, rank_slots
from loopledger.deciding.request import check_id, whole_number
from loopledger.errors import Conflict, InvalidRequest, NotFound
from loopledger.evaluation.recording import recorded
from loopledger.facts import Decided, Facts
from loopledger.learning.training import Step, plan, without
from loopledger.log.events import (
    VERSIONS,
    Activated,
    Erased,
    ModelImported,
    ModelKept,
    ModelPublished,
    ModelReset,
    ModelTrained,
    PolicyChanged,
    PolicyRestored,
    RelearningBegun,
    Rewarded,
    SettingsChanged,
    decode,
)
from loopledger.policy import words_of
from loopledger.settings import Settings, settings_from
from loopledger.state import State


def decide(state: State, command: Command, facts: Facts) -> Decided:
    """Return what a command comes to.

    Raises:
        InvalidRequest: The command cannot be carried out in this loop.
        Conflict: It contradicts the log.
        NotFound: It names what does not exist.
        LearnerFailed: The model does not answer.

    """
    match command:
        case Rank():
            return rank(state, command, facts)
        case Reward():
            return _reward(state, command, facts)
        case RankSlots():
            return rank_slots(state, command, facts)
        case Activate():
            event_id = check_id("event_id", command.event_id, state.settings.limits)
            return Decided((Activated(),), _receipt(facts), event_id)
        case _:
            return _govern(state, command, facts)


def _govern(  # noqa: C901, PLR0911 - one for each command
    state: State,
    command: PlanTraining
    | Train
    | ChangePolicy
    | Relearn
    | ChangeSettings
    | PublishModel
    | ImportModel
    | ResetModel
    | Erase
    | RestorePolicy
    | RequestEvaluation
    | EndEvaluation
    | DeleteEvaluation,
    facts: Facts,
) -> Decided:
    match command:
        case PlanTraining():
            return Decided((), plan(state, facts.reader, facts.at))
        case Train():
            return _train(state, command, facts)
        case ChangePolicy():
            event = PolicyChanged(
                policy=command.policy, relearn=bool(command.relearn), evaluation=command.evaluation
            )
            return Decided((event,), _receipt(facts))
        case Relearn():
            return _relearn(state, command, facts)
        case ChangeSettings():
            return _change_settings(state, command)
        case PublishModel():
            return _publish(state, command, facts)
        case ImportModel():
            return _import_model(state, command, facts)
        case ResetModel():
            return Decided((ModelReset(),), _receipt(facts))
        case Erase():
            return _erase(state, command, facts)
        case RestorePolicy():
            return _restore(state, command, facts)
        case RequestEvaluation() | EndEvaluation() | DeleteEvaluation():
            return recorded(state, command, facts)


def _reward(state: State, command: Reward, facts: Facts) -> Decided:
    limits = state.settings.limits
    event_id = check_id("event_id", command.event_id, limits)
    slot = None if command.slot is None else check_id("slot", command.slot, limits)
    value = _reward_value(command.value, state.settings)
    key = None if command.key is None else check_id("key", command.key, limits)
    if key is not None:
        for record in facts.rewards(event_id):
            if record.erased:
                continue
            before = decode(record.body, record.seq)
            if isinstance(before, Rewarded) and (before.key, before.slot) == (key, slot):
                if before.value != value:
                    raise Conflict("key: this idempotency key came with another reward before; use a new one")
                return Decided((), Receipt(record.seq, record.at))
    event = Rewarded(value=value, slot=slot, key=key)
    return Decided((event,), _receipt(facts), event_id)


def _reward_value(value: object, settings: Settings) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidRequest("value", f"a reward must be a number (got {type(value).__name__})")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    low, high = settings.reward_range
    if not low <= number <= high:
        raise InvalidRequest(
            "value", f"a reward must lie between {low:g} and {high:g}: scale it, or change reward_range"
        )
    return number


def _train(state: State, command: Train, facts: Facts) -> Decided:
    step = command.step
    learned = state.line.learned_through
    if (
        step.version != state.versions + 1
        or step.parent != state.line.newest
        or step.policy != state.effective_policy
        or step.left_out != state.left_out
        or step.erased != state.erased
        or step.passes != state.line.passes_from(step.first)
        or not _is_next(step, learned, facts)
    ):
        raise Conflict("the loop has changed since this training step was planned; plan it again")
    trained = ModelTrained(
        version=step.version,
        parent=step.parent,
        policy=step.policy,
        first=step.first,
        last=step.last,
        decisions=step.decisions,
        examples=command.examples,
        sha256=command.sha256,
        size=command.size,
        engine=command.engine,
        left_out=step.left_out,
        passes=step.passes,
    )
    # What the line before knew may have been decisions of the other kind.
    behind = facts.reader.span(
        step.policy.decision_kind, max(learned, step.last or 0), state.line.publish_from, 1
    )
    if state.follows and behind is None:
        return Decided((trained, ModelPublished(version=step.version)), _receipt(facts))
    return Decided((trained,), _receipt(facts))


def _is_next(step: Step, learned: int, facts: Facts) -> bool:
    """Tell whether a step covers what is next to be learned, and nothing else."""
    if step.first is None or step.last is None:
        return True
    span = facts.reader.span(step.policy.decision_kind, learned, step.last, step.decisions + 1)
    return span == (step.first, step.last, step.decisions)


def _relearn(state: State, command: Relearn, facts: Facts) -> Decided:
    if not 1 <= command.since <= state.seq:
        raise NotFound(f"there is no event {command.since} to learn from: the log goes from 1 to {state.seq}")
    if not 1 <= command.passes <= MOST_PASSES:
        raise InvalidRequest("passes", f"must be 1 to {MOST_PASSES}: every decision is learned so often")
    before = frozenset() if command.with_everything else without(facts.reader, state.left_out)
    begun = RelearningBegun(
        policy=command.policy or state.policy,
        since=command.since,
        without=tuple(sorted({*before, *command.without})),
        query=command.query,
        passes=command.passes,
        evaluation=command.evaluation,
    )
    return Decided((begun,), _receipt(facts))


def _change_settings(state: State, command: ChangeSettings) -> Decided:
    values = msgspec.to_builtins(state.settings)
    for name, value in command.changes.items():
        nested = isinstance(value, dict) and isinstance(values.get(name), dict)
        values[name] = {**values[name], **value} if nested else value  # type: ignore[dict-item]
    settings = settings_from(values)
    if settings.exploration_percentage is None and state.settings.exploration_percentage is not None:
        named = any(option == "epsilon" for option, _ in words_of(state.policy.arguments))
        if not named:
            raise InvalidRequest(
                "exploration_percentage",
                "must stay a number: the learning policy names no --epsilon of its own",
            )
    if settings == state.settings:
        return Decided((), settings)
    return Decided((SettingsChanged(settings=settings),), settings)


def _publish(state: State, command: PublishModel, facts: Facts) -> Decided:
    version = whole_number("version", command.version)
    record = facts.reader.nth(VERSIONS, version) if version > 0 else None
    if record is None:
        raise NotFound(f"there is no model version {version}; the newest is {state.versions}")
    event = decode(record.body, record.seq)
    if isinstance(event, ModelTrained | ModelImported) and (
        event.policy.decision_kind != state.policy.decision_kind
    ):
        raise Conflict(
            f"version {version} decides one action where the learning policy in force decides "
            "several slots, or the other way round; change the policy first"
        )
    return Decided((ModelPublished(version=version),), _receipt(facts))


def _restore(state: State, command: RestorePolicy, facts: Facts) -> Decided:
    before = state.before
    if before is None:
        raise NotFound("the learning policy was never changed: there is none to go back to")
    if before.undone != command.undone:
        raise Conflict("the learning policy was changed meanwhile; look at it, and go back again")
    event = PolicyRestored(policy=before.policy, version=before.published, undone=before.undone)
    return Decided((event,), _receipt(facts))


def _import_model(state: State, command: ImportModel, facts: Facts) -> Decided:
    if command.policy != state.effective_policy:
        raise Conflict("the learning policy was changed while the model was tried; import it again")
    imported = ModelImported(
        version=state.versions + 1,
        policy=command.policy,
        model=command.model,
        sha256=command.sha256,
        engine=command.engine,
    )
    return Decided((imported, ModelPublished(version=imported.version)), _receipt(facts))


def _erase(state: State, command: Erase, facts: Facts) -> Decided:
    if command.versions != state.versions:
        raise Conflict("a model version was made while the erasure was prepared; erase again")
    kept = [ModelKept(version=kept.version, model=kept.model, sha256=kept.sha256) for kept in command.models]
    erased = Erased(
        runs=command.runs,
        events=command.events,
        kept=tuple(model.version for model in kept),
        lost=command.lost,
    )
    return Decided((*kept, erased), _receipt(facts), erased=command.runs)


def _receipt(facts: Facts) -> Receipt:
    return Receipt(facts.next_seq, facts.at)
