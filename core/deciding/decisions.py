"""Rank and multi-slot Rank: from a request to a decision that can be logged and computed again."""

import msgspec
from msgspec import Raw

from loopledger.answers import Decision, SlotsDecision
from loopledger.commands import Rank, RankSlots
from loopledger.deciding.ranking import rank_actions
from loopledger.deciding.request import check_count
from loopledger.deciding.slots import rank_all_slots
from loopledger.errors import Conflict, InvalidRequest
from loopledger.facts import Decided, Facts
from loopledger.log.chain import Record
from loopledger.log.events import Ranked, SlotRanking, SlotsRanked, decode
from loopledger.state import State


def rank(state: State, command: Rank, facts: Facts) -> Decided:
    """Return the decision that a Rank comes to, or the recorded one if this is its repetition."""
    if command.named:
        recorded = facts.decision(command.event_id)
        if recorded is not None:
            return _ranked_before(command, recorded)
    if state.policy.multi_slot:
        raise InvalidRequest("rank", "this loop's learning policy decides several slots: use rank_slots")
    settings = state.settings
    check_count(command.actions, settings.limits)  # which may have changed since it was made
    ranking = rank_actions(
        facts.scorer,
        command.context,
        len(command.actions) - len(command.excluded),
        facts.number_for(command.event_id),
        settings.minimum_probability,
        settings.learning_mode,
        command.apart,
    )
    excluded = command.excluded
    offered = command.actions if not excluded else [name for name in command.actions if name not in excluded]
    ranked = Ranked(
        context=Raw(command.context),
        actions=command.actions,
        excluded=excluded,
        ranked=ranking.ranked,
        probabilities=ranking.probabilities,
        chosen=offered[ranking.ranked[0]],
        model_version=state.published,
        learning_mode=settings.learning_mode,
        deferred=command.deferred,
        minimum_probability=settings.minimum_probability,
        reward_wait=settings.reward_wait,
        default_reward=settings.default_reward,
        reward_aggregation=settings.reward_aggregation,
    )
    return Decided((ranked,), Decision(command.event_id, ranked), command.event_id)


def _ranked_before(command: Rank, recorded: Record) -> Decided:
    _check_there(command.event_id, recorded)
    ranked = decode(recorded.body, recorded.seq)
    if not (
        isinstance(ranked, Ranked)
        and ranked.actions == command.actions
        and ranked.excluded == command.excluded
        and ranked.deferred == command.deferred
        and _same_json(ranked.context, command.context)
    ):
        raise _taken(command.event_id)
    return Decided((), Decision(command.event_id, ranked))


def rank_slots(state: State, command: RankSlots, facts: Facts) -> Decided:
    """Return the decision that a multi-slot Rank comes to, or the recorded one if this is its repetition."""
    if command.named:
        recorded = facts.decision(command.event_id)
        if recorded is not None:
            return _slots_ranked_before(command, recorded)
    if not state.policy.multi_slot:
        raise InvalidRequest("rank_slots", "this loop's learning policy decides one action: use rank")
    settings = state.settings
    check_count(command.actions, settings.limits)  # which may have changed since it was made
    rankings = rank_all_slots(
        facts.scorer,
        command.context,
        command.slots,
        event_id=command.event_id,
        minimum_probability=settings.minimum_probability,
        mode=settings.learning_mode,
    )
    slots = tuple(
        SlotRanking(
            slot=slot.id,
            baseline=slot.baseline,
            excluded=slot.excluded,
            ranked=ranking.ranked,
            probabilities=ranking.probabilities,
            chosen=command.actions[ranking.ranked[0]],
        )
        for slot, ranking in zip(command.slots, rankings, strict=True)
    )
    ranked = SlotsRanked(
        context=Raw(command.context),
        actions=command.actions,
        slots=slots,
        model_version=state.published,
        learning_mode=settings.learning_mode,
        deferred=command.deferred,
        minimum_probability=settings.minimum_probability,
        reward_wait=settings.reward_wait,
        default_reward=settings.default_reward,
        reward_aggregation=settings.reward_aggregation,
    )
    return Decided((ranked,), SlotsDecision(command.event_id, ranked), command.event_id)


def _slots_ranked_before(command: RankSlots, recorded: Record) -> Decided:
    _check_there(command.event_id, recorded)
    ranked = decode(recorded.body, recorded.seq)
    if not (
        isinstance(ranked, SlotsRanked)
        and ranked.actions == command.actions
        and ranked.deferred == command.deferred
        and [(slot.slot, slot.baseline, slot.excluded) for slot in ranked.slots]
        == [(slot.id, slot.baseline, slot.excluded) for slot in command.slots]
        and _same_json(ranked.context, command.context)
    ):
        raise _taken(command.event_id)
    return Decided((), SlotsDecision(command.event_id, ranked))


def _same_json(left: Raw, right: bytes) -> bool:
    return bytes(left) == right or msgspec.json.decode(left) == msgspec.json.decode(right)


def _check_there(event_id: str, recorded: Record) -> None:
    if recorded.erased:
        raise Conflict(f"event_id {event_id!r} belongs to a decision that was erased; use a new id")


def _taken(event_id: str) -> Conflict:
    return Conflict(f"event_id {event_id!r} is in the log with another request; use a new id")
