"""The service configuration: a loop's settings under Personalizer's names, and what is kept beside them."""

import asyncio
import math
import re
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta
from msgspec.structs import asdict, replace

from loopledger.adapters.embedding.moments import microseconds, text
from loopledger.adapters.http.bodies import read
from loopledger.adapters.http.call import Call, Reply, json_reply
from loopledger.adapters.http.durations import duration, seconds_of
from loopledger.adapters.http.errors import Refusal
from loopledger.adapters.http.service import Service, read_service, write_service
from loopledger.adapters.http.versions import Version
from loopledger.errors import InvalidRequest
from loopledger.policy import LearningPolicy, words_of
from loopledger.settings import LearningMode, RewardAggregation, Settings

_SETTINGS = {
    "reward_wait_time": "reward_wait_time",
    "default_reward": "default_reward",
    "reward_aggregation": "reward_aggregation",
    "exploration_percentage": "exploration_percentage",
    "model_export_frequency": "model_update_frequency",
    "learning_mode": "learning_mode",
    "is_auto_optimization_enabled": "auto_optimization",
    "auto_optimization_frequency": "auto_optimization_frequency",
    "auto_optimization_start_date": "auto_optimization_start",
}
"""The fields that are settings of the loop."""

_SINCE = {
    "last_configuration_edit_date": Version.PREVIEW_1,
    "learning_mode": Version.PREVIEW_1,
    "is_auto_optimization_enabled": Version.PREVIEW_1,
    "auto_optimization_frequency": Version.PREVIEW_1,
    "auto_optimization_start_date": Version.PREVIEW_1,
    "model_retrain_days": Version.V2022,
    "is_inference_explainability_enabled": Version.V2022,
}
_SPANS = ("reward_wait_time", "model_export_frequency", "auto_optimization_frequency")
_BETWEEN = re.compile(r"must lie between (\S+) and (\S+)")
_CHOICES = {"learning_mode": get_args(LearningMode), "reward_aggregation": get_args(RewardAggregation)}
_REWARDING = {"reward_wait_time", "default_reward", "reward_aggregation"}
_SHORTEST_WAIT, _LONGEST_WAIT = 5.0, 172_800.0
_DAY = 86_400.0
_MOST_DAYS = 2**31 - 1
_OWN_EXPLORATION = {"first", "bag", "cover", "rnd", "softmax", "squarecb", "regcb", "synthcover"}
_EPSILON = 0.05  # VowpalWabbit's own, where a policy names none


def _described(**schema: Any) -> Meta:
    """Return what the description says of a field, which is checked elsewhere."""
    return Meta(extra_json_schema=schema)


_Span = Annotated[str, _described(examples=["PT10M", "00:10:00"])]


class ServiceConfiguration(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The body of a service configuration; a field that is left out stays as it is."""

    reward_wait_time: _Span | None = None
    default_reward: Annotated[float, _described(minimum=-1, maximum=1)] | None = None
    reward_aggregation: Annotated[str, _described(examples=list(get_args(RewardAggregation)))] | None = None
    exploration_percentage: Annotated[float, _described(minimum=0, maximum=1)] | None = None
    model_export_frequency: _Span | None = None
    log_mirror_enabled: bool | None = None
    log_mirror_sas_uri: str | None = None
    log_retention_days: Annotated[int, _described(minimum=-1, maximum=_MOST_DAYS)] | None = None
    last_configuration_edit_date: str | None = None
    learning_mode: Annotated[str, _described(enum=list(get_args(LearningMode)))] | None = None
    is_auto_optimization_enabled: bool | None = None
    auto_optimization_frequency: _Span | None = None
    auto_optimization_start_date: Annotated[str, _described(examples=["2026-09-01T00:00:00Z"])] | None = None
    model_retrain_days: Annotated[int, _described(minimum=0, maximum=_MOST_DAYS)] | None = None
    is_inference_explainability_enabled: bool | None = None


_decoder = msgspec.json.Decoder(ServiceConfiguration)


async def get_configuration(call: Call) -> Reply:
    """Return the service configuration."""
    settings, policy = await call.loop.settings(), await call.loop.policy()
    service = await asyncio.to_thread(read_service, call.house.folder, call.loop.name)
    configured = (await call.loop.dates()).configured
    values = _values(settings, policy, service)
    values["last_configuration_edit_date"] = text(configured or 0)
    kept = {name: value for name, value in values.items() if _SINCE.get(name, Version.V1_0) <= call.version}
    for name in _SPANS:
        if kept.get(name) is not None:
            kept[name] = duration(call.version, kept[name])
    return json_reply(200, ServiceConfiguration(**kept))


async def put_configuration(call: Call) -> Reply:
    """Change what is given and different. Nothing is lost by it: what was learned stays."""
    given = _read(call)
    async with call.house.changing:
        settings, policy = await call.loop.settings(), await call.loop.policy()
        service = await asyncio.to_thread(read_service, call.house.folder, call.loop.name)
        before = _values(settings, policy, service)
        changes = {name: value for name, value in given.items() if value != before[name]}
        _check(changes, before, policy)
        own = {_SETTINGS[name]: value for name, value in changes.items() if name in _SETTINGS}
        if own:
            try:
                await call.loop.change_settings(**own)
            except InvalidRequest as error:
                raise _renamed(error, call.version) from None
        beside = {name: value for name, value in changes.items() if name not in _SETTINGS}
        if beside:
            changed = replace(service, **beside)
            await asyncio.to_thread(write_service, call.house.folder, call.loop.name, changed)
            call.house.explaining[call.loop.name] = changed.is_inference_explainability_enabled
    return await get_configuration(call)


def _read(call: Call) -> dict[str, Any]:
    """Return the fields that are given and that the version has, time spans in seconds."""
    given = {
        name: value
        for name, value in asdict(read(_decoder, call.body)).items()
        if value is not None and _SINCE.get(name, Version.V1_0) <= call.version
    }
    given.pop("last_configuration_edit_date", None)  # it is ours to say
    for name in _SPANS:
        if name in given:
            given[name] = seconds_of(_camel(name), given[name])
    if "auto_optimization_start_date" in given:
        try:
            microseconds(given["auto_optimization_start_date"])
        except InvalidRequest as error:
            raise InvalidRequest("autoOptimizationStartDate", error.problem) from None
    if "reward_aggregation" in given:
        given["reward_aggregation"] = given["reward_aggregation"].lower()
    return given


def _camel(name: str) -> str:
    """Return a field's name as bodies have it."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _renamed(error: InvalidRequest, version: Version) -> InvalidRequest:
    """Return an error about a setting as one about its field, time spans as the version writes them."""
    name = next((name for name, setting in _SETTINGS.items() if setting == error.field), None)
    if name is None:
        return error
    problem = error.problem
    if name in _SPANS and (found := _BETWEEN.fullmatch(problem)):
        least, most = (duration(version, float(limit)) for limit in found.groups())
        problem = f"must lie between {least} and {most}"
    return InvalidRequest(_camel(name), problem)


def _values(settings: Settings, policy: LearningPolicy, service: Service) -> dict[str, Any]:
    """Return the values of all fields, time spans in seconds."""
    values = {field: getattr(settings, setting) for field, setting in _SETTINGS.items()}
    if settings.exploration_percentage is None:
        values["exploration_percentage"] = _exploration(policy)
    return {**values, **asdict(service)}


def _exploration(policy: LearningPolicy) -> float:
    """Return the share of exploration that a policy names by itself."""
    words = dict(words_of(policy.arguments))
    epsilon = words.get("epsilon")
    if epsilon is not None:
        return float(epsilon)
    return 0.0 if _OWN_EXPLORATION & words.keys() else _EPSILON


def _check(changes: dict[str, Any], before: dict[str, Any], policy: LearningPolicy) -> None:
    """Refuse what Personalizer refused. What stays as it is may be whatever it is."""
    after = {**before, **changes}
    modes = {before["learning_mode"], after["learning_mode"]}
    if modes == {"Online", "Apprentice"} and _REWARDING & changes.keys():
        raise Refusal("InvalidLearningModeServiceConfiguration", target="learningMode")
    wait = after["reward_wait_time"]
    if "reward_wait_time" in changes and not _SHORTEST_WAIT <= wait <= _LONGEST_WAIT:
        raise Refusal(
            "InvalidRewardWaitTime", "rewardWaitTime: must lie between PT5S and P2D", target="rewardWaitTime"
        )
    if not -1.0 <= changes.get("default_reward", 0.0) <= 1.0:
        raise InvalidRequest("defaultReward", "must lie between -1 and 1")
    if changes.get("model_export_frequency", 1.0) <= 0.0:
        raise InvalidRequest("modelExportFrequency", "must be longer than nothing, such as PT5M")
    for name, choices in _CHOICES.items():
        if changes.get(name, choices[0]) not in choices:
            raise InvalidRequest(_camel(name), f"must be one of {', '.join(choices)}")
    kept = after["log_retention_days"]
    least = math.ceil(wait / _DAY + 1)
    if (
        {"log_retention_days", "reward_wait_time"} & changes.keys()
        and kept != -1
        and not least <= kept <= _MOST_DAYS
    ):
        raise Refusal(
            "InvalidLogRetentionDays",
            f"logRetentionDays: must be -1 (for ever), or {least} to {_MOST_DAYS} here: the reward wait time "
            "and a day, rounded up",
            target="logRetentionDays",
        )
    again = after["model_retrain_days"]
    longest = _MOST_DAYS if kept == -1 else kept
    if {"model_retrain_days", "log_retention_days"} & changes.keys() and not 0 <= again <= longest:
        raise Refusal(
            "InvalidModelRetrainDays",
            f"modelRetrainDays: must be 0 (all of the log) to {longest}, which logRetentionDays allows",
            target="modelRetrainDays",
        )
    if policy.multi_slot and changes.get("is_auto_optimization_enabled"):
        raise Refusal("ProblemTypeIncompatibleWithAutoOptimization", target="isAutoOptimizationEnabled")
