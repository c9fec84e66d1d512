"""The learning policy of a loop: read, changed and set back."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from loopledger.adapters.http.bodies import read
from loopledger.adapters.http.call import Call, Reply, json_reply
from loopledger.adapters.http.errors import Refusal, refused
from loopledger.adapters.http.service import read_service
from loopledger.adapters.ready import ready_policy
from loopledger.errors import InvalidRequest, NotFound
from loopledger.policy import LearningPolicy, policy_from

_DAY = 86_400 * 1_000_000
_LONGEST_NAME, _LONGEST_ARGUMENTS = 256, 1024


class PolicyContract(msgspec.Struct, frozen=True):
    """The body of a policy."""

    # Described, and checked elsewhere.
    name: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": _LONGEST_NAME})]
    arguments: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": _LONGEST_ARGUMENTS})]


_decoder = msgspec.json.Decoder(PolicyContract)


async def get_policy(call: Call) -> Reply:
    """Return the policy in force."""
    return json_reply(200, await call.loop.policy())


async def put_policy(call: Call) -> Reply:
    """Put another policy in force; the past is learned again under it, beside the model that answers."""
    try:
        given = read(_decoder, call.body)
    except InvalidRequest as error:
        raise refused(error, "InvalidPolicyContract") from None
    check_contract(given)
    policy = policy_from({"name": given.name, "arguments": given.arguments})
    return await _change(call, policy)


def check_contract(given: PolicyContract) -> None:
    """Refuse a policy that is too long for Personalizer.

    Raises:
        Refusal: It is.

    """
    if len(given.name) > _LONGEST_NAME or len(given.arguments) > _LONGEST_ARGUMENTS:
        raise Refusal("InvalidPolicyContract", "a name has at most 256 characters, and arguments 1,024")


async def delete_policy(call: Call) -> Reply:
    """Go back to the policy that a Personalizer resource began with."""
    slots = (await call.loop.policy()).multi_slot
    return await _change(
        call, ready_policy("personalizer-default-slots" if slots else "personalizer-default")
    )


async def _change(call: Call, policy: LearningPolicy) -> Reply:
    async with call.house.changing:
        service = await asyncio.to_thread(read_service, call.house.folder, call.loop.name)
        if policy.multi_slot and (await call.loop.settings()).auto_optimization:
            raise Refusal("ProblemTypeIncompatibleWithAutoOptimization")
        if policy == await call.loop.policy():
            pass  # nothing is learned again for a policy that is there
        elif service.model_retrain_days:
            since = int(call.house.clock.now()) - service.model_retrain_days * _DAY
            try:
                await call.loop.relearn(policy, since=datetime.fromtimestamp(since // 1_000_000, UTC))
            except NotFound:  # nothing was logged since then
                await call.loop.change_policy(policy, relearn=False)
        else:
            await call.loop.change_policy(policy)
    return json_reply(200, policy)
