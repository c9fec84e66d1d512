"""Rewards and activations of decisions, for one action and for several slots."""

import asyncio

import msgspec

from loopledger.adapters.http.bodies import read
from loopledger.adapters.http.call import NO_CONTENT, Call, Reply
from loopledger.deciding.request import check_id
from loopledger.errors import InvalidRequest


class RewardRequest(msgspec.Struct, frozen=True, gc=False):
    """The body of a reward."""

    value: float


class SlotReward(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The reward of one slot."""

    slot_id: str
    value: float


class MultiSlotRewardRequest(msgspec.Struct, frozen=True):
    """The body of rewards for several slots."""

    reward: list[SlotReward]


_reward = msgspec.json.Decoder(RewardRequest)
_slot_rewards = msgspec.json.Decoder(MultiSlotRewardRequest)


async def reward(call: Call) -> Reply:
    """Take a reward. An unknown event id is fine: its decision may be on the way."""
    await call.loop.reward(call.name, read(_reward, call.body).value)
    call.metrics.rewards += 1
    return NO_CONTENT


async def reward_slots(call: Call) -> Reply:
    """Take rewards for several slots: all of them, or none if one of them cannot be used."""
    rewards = read(_slot_rewards, call.body).reward
    settings = await call.loop.settings()
    low, high = settings.reward_range
    check_id("event_id", call.name, settings.limits)
    for at, given in enumerate(rewards):
        check_id(f"reward[{at}].slotId", given.slot_id, settings.limits)
        if not low <= given.value <= high:
            raise InvalidRequest(f"reward[{at}].value", f"a reward must lie between {low:g} and {high:g}")
    # Asked together, they are committed together.
    await asyncio.gather(*(call.loop.reward(call.name, one.value, slot=one.slot_id) for one in rewards))
    call.metrics.rewards += len(rewards)
    return NO_CONTENT


async def activate(call: Call) -> Reply:
    """Take note that a deferred decision took effect. What a body says does not matter."""
    await call.loop.activate(call.name)
    call.metrics.activations += 1
    return NO_CONTENT
