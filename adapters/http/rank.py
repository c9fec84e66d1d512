"""Rank and multi-slot Rank."""

import msgspec

from loopledger.adapters.http.call import JSON, Call, Reply
from loopledger.answers import RankedAction

_encoder = msgspec.json.Encoder()


class RankResponse(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The answer to a Rank, with Personalizer's names for its fields."""

    ranking: list[RankedAction]
    event_id: str
    reward_action_id: str


class SlotResponse(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """What a slot gets."""

    id: str
    reward_action_id: str


class MultiSlotRankResponse(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The answer to a multi-slot Rank."""

    slots: list[SlotResponse]
    event_id: str


async def rank(call: Call) -> Reply:
    """Choose an action. The body goes to the loop as it came: it is read once."""
    decision = await call.loop.rank_json(call.body)
    response = RankResponse(decision.ranking, decision.event_id, decision.action)
    return Reply(201, _encoder.encode(response), (JSON,))


async def rank_slots(call: Call) -> Reply:
    """Choose an action for each slot."""
    decision = await call.loop.rank_slots_json(call.body)
    slots = [SlotResponse(slot.slot, slot.action) for slot in decision.slots]
    return Reply(201, _encoder.encode(MultiSlotRankResponse(slots, decision.event_id)), (JSON,))
