"""Rank and multi-slot Rank."""

import msgspec

from loopledger.adapters.http.call import JSON, Call, Reply
from loopledger.answers import RankedAction
from loopledger.errors import LoopledgerError

_encoder = msgspec.json.Encoder()


class RankResponse(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The answer to a Rank, with Personalizer's names for its fields."""

    ranking: list[RankedAction]
    event_id: str
    reward_action_id: str


class FeatureScore(msgspec.Struct, frozen=True):
    """What a feature, or features together, did for an action: the more the better."""

    name: str
    score: float


class Explanation(msgspec.Struct, frozen=True):
    """What the model made of an action's features, what mattered most first."""

    id: str
    features: list[FeatureScore]


class ExplainedRankResponse(RankResponse, frozen=True, gc=False):
    """The answer to a Rank of a loop whose configuration asks for explanations."""

    inference_explanation: list[Explanation]


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
    call.metrics.ranked([decision.explored])
    response = RankResponse(decision.ranking, decision.event_id, decision.action)
    if call.house.explaining.get(call.loop.name):
        response = await _explained(call, response)
    return Reply(201, _encoder.encode(response), (JSON,))


async def rank_slots(call: Call) -> Reply:
    """Choose an action for each slot."""
    decision = await call.loop.rank_slots_json(call.body)
    call.metrics.ranked(decision.explored)
    slots = [SlotResponse(slot.slot, slot.action) for slot in decision.slots]
    return Reply(201, _encoder.encode(MultiSlotRankResponse(slots, decision.event_id)), (JSON,))


async def _explained(call: Call, response: RankResponse) -> RankResponse:
    """Return an answer with what the model made of the features of the action to show.

    The decision is in the log by then: what cannot be explained is answered all the same.
    """
    try:
        (drawn,) = (await call.loop.why(response.event_id)).drawn
    except LoopledgerError:
        return response
    scores = [
        # The model estimates a cost, of which less is better.
        FeatureScore(weight.feature, -weight.contribution)
        for choice in drawn.choices
        if choice.id == response.reward_action_id
        for weight in choice.weights
    ]
    return ExplainedRankResponse(
        response.ranking,
        response.event_id,
        response.reward_action_id,
        [Explanation(response.reward_action_id, scores)],
    )
