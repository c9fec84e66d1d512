"""What is asked to be computed: the bodies that say it, read and checked."""

from typing import Annotated

import msgspec
from msgspec import Meta

from loopledger.adapters.embedding.moments import microseconds
from loopledger.adapters.http.errors import Refusal, refused
from loopledger.adapters.http.policy import PolicyContract, check_contract
from loopledger.errors import InvalidRequest
from loopledger.evaluation.asking import RESERVED
from loopledger.policy import LearningPolicy, policy_from

_MOST_POLICIES = 10
_LONGEST = 256

_Name = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": _LONGEST})]
_Time = Annotated[str, Meta(extra_json_schema={"examples": ["2026-09-01T00:00:00Z"]})]


class EvaluationContract(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body that asks for an evaluation."""

    name: _Name
    start_time: _Time
    end_time: _Time
    policies: Annotated[list[PolicyContract], Meta(extra_json_schema={"maxItems": _MOST_POLICIES})]
    enable_offline_experimentation: bool | None = None
    enable_policy_optimization: bool | None = None


class FeatureImportanceContract(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body that asks which features matter."""

    name: _Name
    start_time: _Time
    end_time: _Time


class PolicyReferenceContract(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body that names a policy of an evaluation."""

    evaluation_id: str
    policy_name: str


def check_range(contract: EvaluationContract | FeatureImportanceContract, code: str) -> None:
    """Refuse a name or times that cannot be.

    Args:
        contract: What was sent.
        code: The error code for times in the wrong order.

    Raises:
        InvalidRequest: Names the field.
        Refusal: It ends before it begins.

    """
    if not 0 < len(contract.name) <= _LONGEST:
        raise InvalidRequest("name", f"must have 1 to {_LONGEST} characters")
    if moment("endTime", contract.end_time) < moment("startTime", contract.start_time):
        raise Refusal(code, "endTime: must not be before startTime", target="endTime")


def moment(field: str, said: str) -> int:
    """Return a time in microseconds since 1970.

    Raises:
        InvalidRequest: It is no time.

    """
    try:
        return microseconds(said)
    except (InvalidRequest, OverflowError):
        raise InvalidRequest(field, "must be a time in ISO 8601, such as 2026-09-01T00:00:00Z") from None


def custom_policies(contract: EvaluationContract) -> dict[str, LearningPolicy]:
    """Return the learning policies of a contract by their names.

    Raises:
        Refusal: There are too many, two are called alike, or one cannot be used.

    """
    if len(contract.policies) > _MOST_POLICIES:
        raise Refusal("MaximumEvaluationCustomPoliciesExceeded", target="policies")
    taken = {name.casefold() for name in RESERVED}
    policies = {}
    for place, given in enumerate(contract.policies):
        target = f"policies[{place}]"
        if given.name.casefold() in taken:
            raise Refusal(
                "DuplicateCustomPolicyNames",
                f"{target}.name: is taken; {', '.join(RESERVED)} are always judged",
                target=f"{target}.name",
            )
        taken.add(given.name.casefold())
        check_contract(given)
        try:
            policies[given.name] = policy_from({"name": given.name, "arguments": given.arguments})
        except InvalidRequest as error:
            raise refused(error, "InvalidPolicyConfiguration") from None
    return policies
