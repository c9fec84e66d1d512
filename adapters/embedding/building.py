"""From what callers say to commands, checked in the caller's own thread."""

import os
from collections.abc import Iterable
from itertools import islice

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
    event_id: str,
    named: bool,
    excluded: Iterable[str],
    deferred: bool,
) -> Rank:
    """Return the command for a Rank.

    Args:
        limits: How much it may hold.
        context: As the caller gives it.
        actions: As the caller gives them.
        event_id: The caller's, or a new one.
        named: Whether it is the caller's.
        excluded: As the caller gives them.
        deferred: Whether it counts only once it is activated.

    Raises:
        InvalidRequest: Names the field that cannot be used.

    """
    ids, features = read_actions(actions, limits)
    return ranked_command(
        limits,
        context,
        ids,
        features,
        event_id=event_id,
        named=named,
        excluded=excluded,
        deferred=deferred,
    )


def ranked_command(
    limits: Limits,
    context: Features,
    ids: tuple[str, ...],
    features: list[Features],
    *,
    event_id: str,
    named: bool,
    excluded: Iterable[str],
    deferred: bool,
) -> Rank:
    """Return the command for a Rank whose actions were read; the arguments are those of `rank_command`."""
    if named:
        check_id("event_id", event_id, limits)
    left_out = check_excluded("excluded", excluded, ids) if excluded else ()
    if left_out:
        kept = [at for at, name in enumerate(ids) if name not in left_out]
        body = build_context(context, [ids[at] for at in kept], [features[at] for at in kept], limits)
    else:
        body = build_context(context, ids, features, limits)
    return Rank(event_id, named, body, ids, left_out, bool(deferred))


def rank_slots_command(
    limits: Limits,
    context: Features,
    actions: Actions,
    slots: Slots,
    *,
    event_id: str,
    named: bool,
    deferred: bool,
) -> RankSlots:
    """Return the command for a multi-slot Rank; the arguments are those of `rank_command`.

    Raises:
        InvalidRequest: Names the field that cannot be used.

    """
    ids, features = read_actions(actions, limits)
    read = read_slots(slots, ids, limits)
    body = build_context(context, ids, features, limits, read)
    terms = tuple(terms for _, terms in read)
    if named:
        check_id("event_id", event_id, limits)
    return RankSlots(event_id, named, body, ids, terms, bool(deferred))


def as_policy(policy: Policy) -> LearningPolicy:
    """Return a checked learning policy.

    Raises:
        InvalidRequest: It is none, or not allowed.

    """
    return policy_from(
        {"name": policy.name, "arguments": policy.arguments} if isinstance(policy, LearningPolicy) else policy
    )


class EventIds:
    """Makes event ids: 32 hexadecimal digits, those of the time first, the others random.

    Ids that come in order are written next to each other in the log's index; random ones would
    touch a page of it each. Random bytes are fetched in bulk, because fetching them lets go of
    the interpreter's lock.
    """

    def __init__(self) -> None:
        self._random = iter("")

    def next(self, now: int) -> str:
        """Return a new event id.

        Args:
            now: UTC in microseconds since 1970.

        """
        digits = "".join(islice(self._random, 20))
        if len(digits) < 20:  # noqa: PLR2004 - ten bytes
            self._random = iter(os.urandom(5000).hex())
            digits = "".join(islice(self._random, 20))
        return f"{now // 1000 & 0xFFFFFFFFFFFF:012x}{digits}"
