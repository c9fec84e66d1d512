"""The operations: which path and method names which, since when, and what it answers to errors."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, NoReturn

from loopledger.adapters.http import (
    applying,
    configuration,
    evaluations,
    events,
    importances,
    logs,
    model,
    policy,
    rank,
)
from loopledger.adapters.http.address import ANY
from loopledger.adapters.http.call import Call, Reply
from loopledger.adapters.http.errors import Refusal
from loopledger.adapters.http.versions import Version

_SMALL = 8 * 1_048_576
_LARGE = 512 * 1_048_576


class Operation(NamedTuple):
    """An operation.

    Attributes:
        name: What the specification calls it.
        carry_out: Does it.
        since: The first version that has it.
        invalid: The error code for a request that cannot be used.
        failed: The error code for a learner that cannot answer.
        largest: Most bytes of a body.
        quick: Whether it should be answered in a moment; what takes long is not given up half done.
        until: The last version that has it.

    """

    name: str
    carry_out: Callable[[Call], Awaitable[Reply]]
    since: Version = Version.V1_0
    invalid: str = "BadRequest"
    failed: str = "InternalServerError"
    largest: int = _SMALL
    quick: bool = False
    until: Version = Version.V2022

    def there_in(self, version: Version) -> bool:
        """Tell whether a version has it."""
        return self.since <= version <= self.until


Path = tuple[str, ...]


async def _not_yet(_: Call) -> NoReturn:
    raise Refusal(
        "NotImplemented", "loopledger does not have this operation yet; docs/compatibility.md lists all"
    )


_P1, _P2, _P3, _2022 = Version.PREVIEW_1, Version.PREVIEW_2, Version.PREVIEW_3, Version.V2022

OPERATIONS: dict[Path, dict[str, Operation]] = {
    ("rank",): {
        "POST": Operation(
            "Rank", rank.rank, invalid="InvalidRankRequest", failed="ModelRankingError", quick=True
        )
    },
    ("events", ANY, "reward"): {
        "POST": Operation("Events_Reward", events.reward, invalid="InvalidRewardRequest", quick=True)
    },
    ("events", ANY, "activate"): {
        "POST": Operation("Events_Activate", events.activate, invalid="InvalidEventIdToActivate", quick=True)
    },
    ("multislot", "rank"): {
        "POST": Operation(
            "MultiSlot_Rank", rank.rank_slots, _P1, "InvalidRankRequest", "ModelRankingError", quick=True
        )
    },
    ("multislot", "events", ANY, "reward"): {
        "POST": Operation(
            "MultiSlotEvents_Reward", events.reward_slots, _P1, "InvalidRewardRequest", quick=True
        )
    },
    ("multislot", "events", ANY, "activate"): {
        "POST": Operation(
            "MultiSlotEvents_Activate", events.activate, _P1, "InvalidEventIdToActivate", quick=True
        )
    },
    ("configurations", "service"): {
        "GET": Operation("ServiceConfiguration_Get", configuration.get_configuration),
        "PUT": Operation(
            "ServiceConfiguration_Update",
            configuration.put_configuration,
            invalid="InvalidServiceConfiguration",
        ),
    },
    ("configurations", "policy"): {
        "GET": Operation("Policy_Get", policy.get_policy),
        "PUT": Operation("Policy_Update", policy.put_policy, invalid="InvalidPolicyConfiguration"),
        "DELETE": Operation("Policy_Reset", policy.delete_policy),
    },
    ("model",): {
        "GET": Operation("Model_Get", model.get_model),
        "PUT": Operation("Model_Import", model.put_model, _P3, "InvalidModelImportFormat", largest=_LARGE),
        "DELETE": Operation("Model_Reset", model.delete_model),
    },
    ("model", "properties"): {"GET": Operation("Model_GetProperties", model.get_model_properties)},
    ("logs",): {"DELETE": Operation("Log_Delete", logs.delete_logs)},
    ("logs", "properties"): {"GET": Operation("Log_GetProperties", logs.get_log_properties)},
    ("configurations", "applyfromevaluation"): {
        "POST": Operation(
            "ServiceConfiguration_ApplyFromEvaluation", applying.apply_from_evaluation, _P1, "InvalidRequest"
        )
    },
    ("evaluations",): {
        "GET": Operation("Evaluations_List", evaluations.list_evaluations, invalid="InvalidRequest"),
        "POST": Operation(
            "Evaluations_Create",
            evaluations.post_evaluation,
            invalid="InvalidEvaluationContract",
            until=_P3,
        ),
    },
    ("evaluations", ANY): {
        "GET": Operation("Evaluations_Get", evaluations.get_evaluation, invalid="InvalidRequest"),
        "PUT": Operation(
            "Evaluations_Create", evaluations.put_evaluation, _2022, "InvalidEvaluationContract"
        ),
        "DELETE": Operation("Evaluations_Delete", evaluations.delete_evaluation),
    },
    ("featureimportances",): {
        "GET": Operation("FeatureImportances_List", importances.list_importances, _2022, "InvalidRequest")
    },
    ("featureimportances", ANY): {
        "GET": Operation("FeatureImportances_Get", importances.get_importance, _2022),
        "PUT": Operation("FeatureImportances_Create", importances.put_importance, _2022, "InvalidContract"),
        "DELETE": Operation("FeatureImportances_Delete", importances.delete_importance, _2022),
    },
    ("logs", "interactions"): {"POST": Operation("Log_Interactions", _not_yet, _P2)},
    ("logs", "observations"): {"POST": Operation("Log_Observations", _not_yet, _P2)},
}


def operation_at(path: Path, version: Version, method: str) -> Operation:
    """Return the operation that a path and a method name.

    Raises:
        Refusal: The version has none there, or not with this method.

    """
    there = OPERATIONS.get(path, {})
    found = there.get(method) or (there.get("GET") if method == "HEAD" else None)
    if found is not None and found.there_in(version):
        return found
    allowed = [name for name, operation in there.items() if operation.there_in(version)]
    if not allowed:
        raise Refusal("ResourceNotFound", "there is no such operation in this version of the API")
    raise Refusal("405", headers=((b"allow", ", ".join(allowed).encode()),))
