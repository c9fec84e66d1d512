"""Putting a learning policy of an evaluation in force."""

import msgspec

from loopledger.adapters.http.bodies import read
from loopledger.adapters.http.call import NO_CONTENT, Call, Reply
from loopledger.adapters.http.contracts import PolicyReferenceContract
from loopledger.adapters.http.errors import Refusal
from loopledger.adapters.http.evaluations import found
from loopledger.errors import Conflict, NotFound
from loopledger.evaluation.applying import policy_to_apply
from loopledger.evaluation.report import Evaluation

_decoder = msgspec.json.Decoder(PolicyReferenceContract)


async def apply_from_evaluation(call: Call) -> Reply:
    """Learn the past under a policy of an evaluation, then let policy and model decide, in one step."""
    given = read(_decoder, call.body)
    record = await found(call, given.evaluation_id)
    if not isinstance(record.report, Evaluation):
        said = f"The evaluation must be completed. ({record.reason or record.status})"
        raise Refusal("InvalidRequest", said, target="evaluationId")
    try:
        policy = policy_to_apply(record, given.policy_name)
    except NotFound as error:
        raise Refusal("LearningSettingsNotFound", str(error), target="policyName") from None
    except Conflict as error:
        raise Refusal("EvaluationModelNotFound", str(error), target="policyName") from None
    if policy is not None and policy.multi_slot and (await call.loop.settings()).auto_optimization:
        raise Refusal("ProblemTypeIncompatibleWithAutoOptimization")
    await call.loop.apply_evaluation(given.evaluation_id, given.policy_name)
    return NO_CONTENT
