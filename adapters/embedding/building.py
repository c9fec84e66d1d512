"""From what callers say to commands, checked in the caller's own thread."""

import os
from collections.abc import Iterable
from itertools import count

import msgspec

from loopledger.clock import Clock
from loopledger.commands import Rank, RankSlots
from loopledger.deciding.context import build_context
from loopledger.deciding.known_actions import known_actions, known_context, worth_looking
from loopledger.deciding.rank_json import has_slots, read_apart, read_rank, read_rank_slots
from loopledger.deciding.request import (
    Actions,
    Features,
    Slot,
    Slots,
    check_actions,
    check_excluded,
    check_id,
    read_actions,
    read_slots,
)
from loopledger.errors import InvalidRequest
from loopledger.policy import LearningPolicy, policy_from
from loopledger.settings import Limits, Settings, settings_from

Named = tuple[str, bool]
"""A decision's id, and whether it is the caller's, so that it may be in the log already."""

Policy = LearningPolicy | dict[str, str]
"""A learning policy as callers give it."""


def rank_command(
    limits: Limits,
    named: Named,
    context: Features,
    actions: Actions,
    excluded: Iterable[str],
    deferred: bool,
) -> Rank:
    """Return the command for a Rank.

    Args:
        limits: How much it may hold.
        named: The decision's id.
        context: As the caller gives it.
        actions: As the caller gives them.
        excluded: As the caller gives them.
        deferred: Whether it counts only once it is activated.

    Raises:
        InvalidRequest: Names the field that cannot be used.

    """
    ids, features = read_actions(actions, limits)
    return _rank_command(limits, named, context, ids, features, excluded, deferred)


def json_command(limits: Limits, ids: "EventIds", request: bytes | str) -> Rank:
    """Return the command for a Rank that comes as JSON.

    Raises:
        InvalidRequest: Names the field that cannot be used.

    """
    return _known_command(limits, ids, request) or _unknown_command(limits, ids, request)


def _known_command(limits: Limits, ids: "EventIds", request: bytes | str) -> Rank | None:
    """Do it quickly for a request in which nothing is unusual, as almost all are."""
    read = read_apart(request) if worth_looking(limits) else None
    known = None if read is None else known_actions(read.actions, limits)
    if read is None or known is None:
        return None
    actions = check_actions(tuple([action.id for action in known]), limits)
    named = ids.named(read.event_id, limits)
    left_out: tuple[str, ...] = ()
    if read.excluded_actions:
        left_out = check_excluded("excluded", read.excluded_actions, actions)
        known = [action for action in known if action.id not in left_out]
    context = known_context(read.context_features, known, limits)
    if context is None:
        return None
    apart = tuple([action.seen for action in known])
    return Rank(*named, context, actions, left_out, bool(read.defer_activation), apart)


def _unknown_command(limits: Limits, ids: "EventIds", request: bytes | str) -> Rank:
    read = read_rank(request)
    actions = check_actions(tuple([action.id for action in read.actions]), limits)
    features: list[Features] = [action.features for action in read.actions]
    named = ids.named(read.event_id, limits)
    excluded = read.excluded_actions or ()
    return _rank_command(
        limits, named, read.context_features, actions, features, excluded, bool(read.defer_activation)
    )


def rank_slots_command(
    limits: Limits, named: Named, context: Features, actions: Actions, slots: Slots, deferred: bool
) -> RankSlots:
    """Return the command for a multi-slot Rank; the arguments are those of `rank_command`.

    Raises:
        InvalidRequest: Names the field that cannot be used.

    """
    ids, features = read_actions(actions, limits)
    return _rank_slots_command(limits, named, context, ids, features, slots, deferred)


def json_slots_command(limits: Limits, ids: "EventIds", request: bytes | str) -> RankSlots:
    """Return the command for a multi-slot Rank that comes as JSON.

    Raises:
        InvalidRequest: Names the field that cannot be used.

    """
    read = read_rank_slots(request)
    actions = check_actions(tuple([action.id for action in read.actions]), limits)
    features: list[Features] = [action.features for action in read.actions]
    slots = [
        Slot(slot.id, slot.features, slot.excluded_actions or (), slot.baseline_action) for slot in read.slots
    ]
    named = ids.named(read.event_id, limits)
    deferred = bool(read.defer_activation)
    return _rank_slots_command(limits, named, read.context_features, actions, features, slots, deferred)


def either_command(limits: Limits, ids: "EventIds", request: bytes | str) -> Rank | RankSlots:
    """Return the command for a Rank that comes as JSON, for several slots if it has ``slots``.

    Raises:
        InvalidRequest: Names the field that cannot be used.

    """
    return (json_slots_command if has_slots(request) else json_command)(limits, ids, request)


def _rank_slots_command(
    limits: Limits,
    named: Named,
    context: Features,
    ids: tuple[str, ...],
    features: list[Features],
    slots: Slots,
    deferred: bool,
) -> RankSlots:
    read = read_slots(slots, ids, limits)
    body = build_context(context, ids, features, limits, read)
    return RankSlots(*named, body, ids, tuple([terms for _, terms in read]), _truth(deferred))


def _rank_command(
    limits: Limits,
    named: Named,
    context: Features,
    ids: tuple[str, ...],
    features: list[Features],
    excluded: Iterable[str],
    deferred: bool,
) -> Rank:
    nothing = isinstance(excluded, tuple) and not excluded
    left_out = () if nothing else check_excluded("excluded", excluded, ids)
    if left_out:
        kept = [at for at, name in enumerate(ids) if name not in left_out]
        body = build_context(context, [ids[at] for at in kept], [features[at] for at in kept], limits)
    else:
        body = build_context(context, ids, features, limits)
    return Rank(*named, body, ids, left_out, _truth(deferred))


def _truth(deferred: object) -> bool:
    if not isinstance(deferred, bool):  # a text such as "no" would count as true
        raise InvalidRequest("deferred", f"must be True or False (got {type(deferred).__name__})")
    return deferred


def as_policy(policy: Policy) -> LearningPolicy:
    """Return a checked learning policy.

    Raises:
        InvalidRequest: It is none, or not allowed.

    """
    return policy_from(
        {"name": policy.name, "arguments": policy.arguments} if isinstance(policy, LearningPolicy) else policy
    )


def as_settings(settings: object) -> Settings:
    """Return checked settings.

    Raises:
        InvalidRequest: They are none, or one of them is out of its limits.

    """
    if not isinstance(settings, Settings):
        raise InvalidRequest("settings", f"must be Settings(...) (got {type(settings).__name__})")
    try:
        values = msgspec.to_builtins(settings)
    except TypeError as error:
        raise InvalidRequest("settings", str(error)) from None
    return settings_from(values)


class EventIds:
    """Makes event ids: 32 hexadecimal digits, first the time, then what no other maker has, then a count.

    Ids that come in order are written next to each other in the log's index; random ones would
    touch a page of it each.

    Args:
        clock: Tells the time.

    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._maker = os.urandom(6).hex()
        self._count = count()

    def named(self, event_id: str | None, limits: Limits) -> Named:
        """Return a decision's id: the caller's, checked, or a new one.

        Raises:
            InvalidRequest: The caller's cannot be an id.

        """
        if event_id is None:
            millisecond = int(self._clock.now()) // 1000
            return f"{millisecond:012x}{self._maker}{next(self._count) & 0xFFFFFFFF:08x}", False
        return check_id("event_id", event_id, limits), True
