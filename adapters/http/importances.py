"""Feature importances: asked for, listed, read, deleted. In the log they are evaluations of another kind."""

from functools import partial

import msgspec
from msgspec import UNSET, UnsetType

from loopledger.adapters.embedding.beginning import Wanted, begin_importance
from loopledger.adapters.embedding.moments import text
from loopledger.adapters.http.bodies import read
from loopledger.adapters.http.call import NO_CONTENT, Call, Reply, json_reply
from loopledger.adapters.http.contracts import FeatureImportanceContract, check_range
from loopledger.adapters.http.errors import Refusal
from loopledger.adapters.http.paging import page
from loopledger.adapters.http.standing import (
    check_computable,
    description,
    range_of,
    refusal_of_conflict,
    status_of,
)
from loopledger.errors import Conflict, NotFound
from loopledger.evaluation.register import EvaluationRecord
from loopledger.evaluation.report import FeatureImportance as Report
from loopledger.evaluation.request import FeatureImportanceRequest

_PREFIX = "features/"
_LONGEST = 256
_WHOLE = 100.0

_decoder = msgspec.json.Decoder(FeatureImportanceContract)


class FeatureScore(msgspec.Struct, frozen=True, rename="camel"):
    """How much a feature matters: 1 for the one that matters most."""

    namespace: str
    feature_name: str
    score: float


class FeatureImportanceDetails(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A feature importance without its scores."""

    id: str
    name: str
    start_time: str
    end_time: str
    creation_time: str
    status: str


class FeatureImportance(FeatureImportanceDetails, frozen=True, kw_only=True, rename="camel"):
    """A feature importance, what matters most first."""

    feature_scores: list[FeatureScore] | UnsetType = UNSET
    description: str | UnsetType = UNSET


class FeatureImportances(msgspec.Struct, frozen=True, rename="camel"):
    """A page of feature importances, the latest first."""

    value: list[FeatureImportanceDetails]
    next_link: str | UnsetType = UNSET


async def list_importances(call: Call) -> Reply:
    """Return the feature importances, the latest first."""
    details = [FeatureImportanceDetails(**_details(call, one)) for one in (await _all(call))[::-1]]
    shown, more = page(call, details)
    return json_reply(200, FeatureImportances(list(shown), UNSET if more is None else more))


async def put_importance(call: Call) -> Reply:
    """Ask which features matter, under an id of the caller's."""
    contract = read(_decoder, call.body)
    check_range(contract, "InvalidContract")
    wanted = Wanted(contract.name, {}, contract.start_time, contract.end_time)
    check_computable()
    logged = _logged(call.name)
    if call.name in {_shown(one) for one in await _all(call)}:
        raise Refusal("FeatureImportanceAlreadyExists", about=call.name)
    try:
        await call.house.jobs.submit(
            call.loop.name, partial(begin_importance, evaluation_id=logged, wanted=wanted)
        )
    except Conflict as error:
        raise await refusal_of_conflict(call, logged, "FeatureImportanceAlreadyExists", error) from None
    return Reply(200)


async def get_importance(call: Call) -> Reply:
    """Return a feature importance with its scores."""
    record = await call.loop.evaluation(await _found(call))
    report = record.report
    scores: list[FeatureScore] | UnsetType = UNSET
    if isinstance(report, Report):
        scores = [
            FeatureScore(one.namespace, one.feature or "", min(one.score / _WHOLE, 1.0))
            for one in report.features
        ]
    return json_reply(
        200,
        FeatureImportance(
            **_details(call, record), feature_scores=scores, description=description(record) or UNSET
        ),
    )


async def delete_importance(call: Call) -> Reply:
    """Do not show a feature importance any more; one that still runs is dropped."""
    logged = await _found(call)
    try:
        await call.loop.delete_evaluation(logged)
    except NotFound:  # somebody else was quicker
        raise Refusal("FeatureImportanceNotFound") from None
    return NO_CONTENT


def _logged(given: str) -> str:
    """Return the id that a feature importance has in the log, where evaluations have ids too.

    Personalizer kept the two apart: either may have an id that the other has.
    """
    return _PREFIX + given if len(_PREFIX + given) <= _LONGEST else given


def _shown(record: EvaluationRecord) -> str:
    return record.id.removeprefix(_PREFIX)


async def _all(call: Call) -> list[EvaluationRecord]:
    records = await call.loop.evaluations()
    return [one for one in records if isinstance(one.request, FeatureImportanceRequest)]


async def _found(call: Call) -> str:
    """Return the id in the log of the feature importance that is asked for.

    Raises:
        Refusal: There is none of that id.

    """
    for one in await _all(call):
        if _shown(one) == call.name:
            return one.id
    raise Refusal("FeatureImportanceNotFound")


def _details(call: Call, record: EvaluationRecord) -> dict[str, str]:
    since, until = range_of(record)
    return {
        "id": _shown(record),
        "name": record.name,
        "start_time": text(since),
        "end_time": text(until),
        "creation_time": text(record.at),
        "status": status_of(call, record),
    }
