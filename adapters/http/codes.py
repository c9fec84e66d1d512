"""Personalizer's error codes: status, message, and the version that each came with."""

from typing import NamedTuple

from loopledger.adapters.http.versions import Version


class Code(NamedTuple):
    """What a code means: its HTTP status, its message, and since when it has been there."""

    status: int
    message: str
    since: Version = Version.V1_0


_P1, _P2, _P3, _2022 = Version.PREVIEW_1, Version.PREVIEW_2, Version.PREVIEW_3, Version.V2022

CODES = {
    "BadRequest": Code(400, "Request could not be understood by the server."),
    "InvalidServiceConfiguration": Code(400, "Invalid service configuration."),
    "InvalidLearningModeServiceConfiguration": Code(
        400,
        "Updating defaultReward, rewardWaitTime and rewardAggregation when changing learning mode from "
        "Online to Apprentice mode and vice versa is not allowed. Make the mode change and then change "
        "the additional settings with an additional API call.",
        _P1,
    ),
    "InvalidPolicyConfiguration": Code(400, "Invalid policy configuration."),
    "InvalidPolicyContract": Code(400, "Invalid policy contract."),
    "InvalidEvaluationContract": Code(400, "Invalid evaluation contract."),
    "InvalidDateTimesInEvaluationContract": Code(
        400, "Invalid evaluation contract. StartTime must be later than or equal to EndTime.", _2022
    ),
    "InvalidContract": Code(400, "Invalid contract.", _2022),
    "DuplicateCustomPolicyNames": Code(400, "Custom policy names should be unique.", _P1),
    "MaximumEvaluationCustomPoliciesExceeded": Code(
        400, "A maximum of 10 custom policies are allowed", _2022
    ),
    "EvaluationAlreadyExists": Code(400, "Evaluation with id {0} already exists.", _2022),
    "FeatureImportanceAlreadyExists": Code(400, "Feature importance with id {0} already exists.", _2022),
    "InvalidRewardRequest": Code(400, "Invalid reward request."),
    "InvalidEventIdToActivate": Code(400, "Invalid activate event request."),
    "InvalidRankRequest": Code(400, "Invalid request."),
    "InvalidRequest": Code(400, "Invalid request.", _P2),
    "InvalidRewardWaitTime": Code(400, "Reward wait time should be between 5 seconds and 2 days", _P1),
    "InvalidLogRetentionDays": Code(
        400,
        "Log Retention Days must be -1 to store indefinitely or must be at least reward wait time plus "
        "1 day (rounded up)",
        _P3,
    ),
    "InvalidModelRetrainDays": Code(
        400, "Model retrain days must be between 0 and the number of log retention days.", _2022
    ),
    "InvalidMultiSlotApiAccess": Code(
        400,
        "Multi-slot feature is currently disabled. Please follow multi-slot Personalizer documentation "
        "to update your loop settings to enable multi-slot functionality.",
        _P1,
    ),
    "InvalidModelImportSignature": Code(
        400, "Given model file is not signed or does not have a valid signature.", _P3
    ),
    "InvalidModelImportFormat": Code(400, "Given model file format is invalid.", _P3),
    "401": Code(
        401,
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a "
        "valid key for an active subscription and use a correct regional API endpoint for your resource.",
    ),
    "ProblemTypeIncompatibleWithAutoOptimization": Code(
        403, "Auto-optimization is not compatible with multi-slot personalization.", _P1
    ),
    "ResourceNotFound": Code(404, "Requested resource does not exist on the server."),
    "EvaluationNotFound": Code(404, "Offline Evaluation not found."),
    "FeatureImportanceNotFound": Code(404, "Feature importance not found.", _2022),
    "LearningSettingsNotFound": Code(404, "Learning Settings not found in evaluation.", _P1),
    "EvaluationModelNotFound": Code(404, "Model not found in evaluation.", _P1),
    "LogsPropertiesNotFound": Code(404, "Log properties not found."),
    "405": Code(405, "The method is not allowed for this resource."),
    "RequestTimeout": Code(408, "The task was canceled."),
    "ModelRankingError": Code(
        409,
        "Error while ranking actions using model. Please verify the learning settings are valid.",
        _P1,
    ),
    "Conflict": Code(409, "The request contradicts what the log already holds."),
    # Personalizer had it with status 400 in its later versions; 413 says the same to every proxy too.
    "PayloadSizeExceeded": Code(413, "Exceeds maximum allowed payload size."),
    "415": Code(415, "The encoding of the body is not supported."),
    "429": Code(429, "Too many requests are waiting. Try again a little later."),
    "InternalServerError": Code(500, "A generic error has occurred on the server."),
    "NotImplemented": Code(501, "This operation is not implemented yet."),
    "OperationNotAllowed": Code(503, "This operation is not allowed at this time."),
}

_BEFORE = {
    "EvaluationNotFound": "Evaluation not found.",
    "InvalidRankRequest": "Invalid rank request.",
}
_FALLBACK = {
    "InvalidRewardWaitTime": "InvalidServiceConfiguration",
    "InvalidLogRetentionDays": "InvalidServiceConfiguration",
    "InvalidModelRetrainDays": "InvalidServiceConfiguration",
    "InvalidDateTimesInEvaluationContract": "InvalidEvaluationContract",
    "DuplicateCustomPolicyNames": "InvalidEvaluationContract",
    "MaximumEvaluationCustomPoliciesExceeded": "InvalidEvaluationContract",
    "ModelRankingError": "InternalServerError",
}


def code_in(version: Version, name: str) -> tuple[str, Code]:
    """Return a code, or the one that stood for it in a version that did not have it, with its meaning."""
    code = CODES[name]
    if code.since > version:
        name = _FALLBACK.get(name, "BadRequest")
        code = CODES[name]
    if version is Version.V1_0 and name in _BEFORE:
        code = code._replace(message=_BEFORE[name])
    return name, code
