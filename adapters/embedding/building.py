"""From what callers say to commands, checked in the caller's own thread."""

from collections.abc import Iterable
from uuid import uuid4

from loopledger.commands import Rank, RankSlots
from loopledger.context import build_context
from loopledger.policy import LearningPolicy, policy_from
from loopledger.request import Actions, Features, Slots, check_excluded, check_id, read_actions, read_slots
from loopledger.settings import Limits

Policy = LearningPolicy | dict[str, str]
"""A learning policy as callers give it."""


def rank_command(
    limits: Limits,
    context: Features,
    actions: Actions,
    *,
    event_id: str | None,
    excluded: Iterable[str],
    deferred: bool,
) -> Rank:
    """Return the command for a Rank.

    Raises:
        InvalidRequest: Names the field that cannot be used.

    """
    listed = read_actions(actions, limits)
    ids = tuple([action.id for action in listed])
    left_out = check_excluded("excluded", excluded, ids) if excluded else ()
    offered = [action for action in listed if action.id not in left_out] if left_out else listed
    body = build_context(context, offered, limits)
    return Rank(_event_id(event_id, limits), event_id is not None, body, ids, left_out, bool(deferred))


def rank_slots_command(
    limits: Limits,
    context: Features,
    actions: Actions,
    slots: Slots,
    *,
    event_id: str | None,
    deferred: bool,
) -> RankSlots:
    """Return the command for a multi-slot Rank.

    Raises:
        InvalidRequest: Names the field that cannot be used.

    """
    listed = read_actions(actions, limits)
    ids = tuple([action.id for action in listed])
    read = read_slots(slots, ids, limits)
    body = build_context(context, listed, limits, read)
    terms = tuple(terms for _, terms in read)
    return RankSlots(_event_id(event_id, limits), event_id is not None, body, ids, terms, bool(deferred))


def as_policy(policy: Policy) -> LearningPolicy:
    """Return a checked learning policy.

    Raises:
        InvalidRequest: It is none, or not allowed.

    """
    return policy_from(
        {"name": policy.name, "arguments": policy.arguments} if isinstance(policy, LearningPolicy) else policy
    )


def _event_id(event_id: str | None, limits: Limits) -> str:
    if event_id is None:
        return uuid4().hex
    check_id("event_id", event_id, limits)
    return event_id
