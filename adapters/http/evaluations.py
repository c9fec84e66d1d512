"""Offline evaluations: asked for, listed, read, deleted."""

import asyncio
import uuid
from functools import partial

import msgspec
from msgspec import UNSET, UnsetType

from loopledger.adapters.embedding.beginning import Wanted, begin_evaluation
from loopledger.adapters.embedding.moments import text
from loopledger.adapters.http.address import url_of
from loopledger.adapters.http.bodies import read
from loopledger.adapters.http.call import NO_CONTENT, Call, Reply, json_reply
from loopledger.adapters.http.contracts import EvaluationContract, check_range, custom_policies, moment
from loopledger.adapters.http.errors import Refusal, refused
from loopledger.adapters.http.paging import page, read_filter, whole
from loopledger.adapters.http.results import PolicyResult, important_features, policy_results
from loopledger.adapters.http.series import EvaluationResult, View, evaluation_result
from loopledger.adapters.http.standing import (
    check_computable,
    description,
    range_of,
    refusal_of_conflict,
    status_of,
)
from loopledger.adapters.http.versions import Version
from loopledger.errors import Conflict, InvalidRequest, NotFound
from loopledger.evaluation.register import EvaluationRecord
from loopledger.evaluation.report import Evaluation as Report
from loopledger.evaluation.request import EvaluationRequest

_FINEST, _ROLLING = 5, (60, 360, 720, 1440)
_INCOMPATIBLE = (
    "Incompatible intervalInMinutes and window parameters. Valid rolling window intervals: 60 minutes, "
    "360 minutes, 720 minutes, 1440 minutes. Valid expanding window interval: 5 minutes."
)
_FIELDS = {"evaluationType": "evaluation_type", "status": "status", "name": "name", "id": "id"}

_decoder = msgspec.json.Decoder(EvaluationContract)


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An evaluation as the versions until preview.3 show it; lists leave out what it came to."""

    id: str
    name: str
    start_time: str
    end_time: str
    job_id: str
    status: str
    policy_results: list[PolicyResult] | UnsetType = UNSET
    feature_importance: list[list[str]] | UnsetType = UNSET
    evaluation_type: str | UnsetType = UNSET
    optimal_policy: str | UnsetType = UNSET
    creation_time: str | UnsetType = UNSET


class EvaluationDetails(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An evaluation as the last version shows it, without what it came to."""

    id: str
    name: str
    start_time: str
    end_time: str
    creation_time: str
    status: str
    evaluation_type: str


class WholeEvaluation(EvaluationDetails, frozen=True, kw_only=True, rename="camel"):
    """An evaluation as the last version shows it."""

    optimal_policy: str | UnsetType = UNSET
    content: EvaluationResult | UnsetType = UNSET
    description: str | UnsetType = UNSET


class Evaluations(msgspec.Struct, frozen=True, rename="camel"):
    """A page of evaluations, the latest first."""

    value: list[EvaluationDetails]
    next_link: str | UnsetType = UNSET


async def list_evaluations(call: Call) -> Reply:
    """Return the evaluations, the latest first."""
    clauses = read_filter(call.query.get("filter", ""), list(_FIELDS))
    page(call, ())  # what cannot be is refused in every version
    records = (await _all(call))[::-1]
    if call.version is not Version.V2022:
        return json_reply(200, [_earlier(call, one) for one in records])
    details = [_details(call, one) for one in records]
    for clause in clauses:
        attribute = _FIELDS[clause.field]
        details = [one for one in details if (getattr(one, attribute) == clause.value) is clause.equal]
    shown, more = page(call, details)
    return json_reply(200, Evaluations(list(shown), UNSET if more is None else more))


async def post_evaluation(call: Call) -> Reply:
    """Ask for an evaluation under a new id, and say where it is."""
    evaluation_id = str(uuid.uuid4())
    await _begin(call, evaluation_id)
    record = await call.loop.evaluation(evaluation_id)
    location = f"{url_of(call.scope)}/{evaluation_id}"
    reply = json_reply(201, _earlier(call, record))
    return reply._replace(headers=(*reply.headers, (b"location", location.encode("latin-1"))))


async def put_evaluation(call: Call) -> Reply:
    """Ask for an evaluation under an id of the caller's."""
    await _begin(call, call.name)
    return Reply(200)


async def get_evaluation(call: Call) -> Reply:
    """Return an evaluation with what it came to."""
    view = _view(call)
    record = await found(call, call.name)
    if record.report is not None:
        check_computable()
    # Thousands of intervals may have to be computed; other requests need not wait for them.
    shown = partial(_later, view=view) if call.version is Version.V2022 else _earlier
    return json_reply(200, await asyncio.to_thread(shown, call, record))


async def delete_evaluation(call: Call) -> Reply:
    """Do not show an evaluation any more; one that still runs is dropped."""
    if call.name not in {one.id for one in await _all(call)}:
        raise Refusal("EvaluationNotFound")
    try:
        await call.loop.delete_evaluation(call.name)
    except NotFound:  # somebody else was quicker
        raise Refusal("EvaluationNotFound") from None
    return NO_CONTENT


async def found(call: Call, evaluation_id: str) -> EvaluationRecord:
    """Return an evaluation with its report.

    Raises:
        Refusal: There is none of that id.

    """
    try:
        record = await call.loop.evaluation(evaluation_id)
    except NotFound:
        raise Refusal("EvaluationNotFound") from None
    if not isinstance(record.request, EvaluationRequest):
        raise Refusal("EvaluationNotFound")
    return record


async def _all(call: Call) -> list[EvaluationRecord]:
    return [one for one in await call.loop.evaluations() if isinstance(one.request, EvaluationRequest)]


async def _begin(call: Call, evaluation_id: str) -> None:
    contract = read(_decoder, call.body)
    check_range(contract, "InvalidDateTimesInEvaluationContract")
    later = call.version is Version.V2022
    optimizes = contract.enable_policy_optimization if later else contract.enable_offline_experimentation
    wanted = Wanted(
        name=contract.name,
        policies=custom_policies(contract),
        since=contract.start_time,
        until=contract.end_time,
        optimizes=bool(optimizes),
        importance=not later,  # later there are operations of its own for it
    )
    check_computable(search=wanted.optimizes)
    try:
        await call.house.jobs.submit(
            call.loop.name, partial(begin_evaluation, evaluation_id=evaluation_id, wanted=wanted)
        )
    except Conflict as error:
        raise await refusal_of_conflict(call, evaluation_id, "EvaluationAlreadyExists", error) from None
    except InvalidRequest as error:
        if "arguments" in str(error):
            raise refused(error, "InvalidPolicyConfiguration") from None
        raise


def _view(call: Call) -> View:
    minutes = whole(call, "intervalInMinutes", _FINEST, least=1)
    kind = call.query.get("window", "Expanding").lower()
    if kind not in {"expanding", "rolling"}:
        raise Refusal("InvalidRequest", "window: must be Expanding or Rolling", target="window")
    if minutes not in (_ROLLING if kind == "rolling" else {_FINEST}):
        raise Refusal("InvalidRequest", _INCOMPATIBLE, target="intervalInMinutes")
    since, until = _moment(call, "startTime"), _moment(call, "endTime")
    if until < since and {"startTime", "endTime"} <= call.query.keys():
        raise Refusal("InvalidRequest", "endTime: must not be before startTime", target="endTime")
    return View(since, until, minutes, "rolling" if kind == "rolling" else "expanding")


def _moment(call: Call, field: str) -> int:
    if field in call.query:
        return moment(field, call.query[field])
    if call.version is Version.V2022:
        raise Refusal("InvalidRequest", f"{field}: must be given", target=field)
    return 0


def _earlier(call: Call, record: EvaluationRecord) -> Evaluation:
    version, report = call.version, record.report
    since, until = range_of(record)
    shown = Evaluation(
        id=record.id,
        name=record.name,
        start_time=text(since),
        end_time=text(until),
        job_id=record.id,
        status=status_of(call, record),
    )
    if isinstance(report, Report):
        results = policy_results(report, version, since, until)
        matters = UNSET if report.importance is None else important_features(report.importance)
        shown = msgspec.structs.replace(shown, policy_results=results, feature_importance=matters)
    if version is Version.V1_0:
        return shown
    return msgspec.structs.replace(
        shown,
        evaluation_type=_type(record),
        creation_time=text(record.at),
        optimal_policy=record.policy or UNSET,
    )


def _details(call: Call, record: EvaluationRecord) -> EvaluationDetails:
    since, until = range_of(record)
    return EvaluationDetails(
        id=record.id,
        name=record.name,
        start_time=text(since),
        end_time=text(until),
        creation_time=text(record.at),
        status=status_of(call, record),
        evaluation_type=_type(record),
    )


def _later(call: Call, record: EvaluationRecord, view: View) -> WholeEvaluation:
    report = record.report
    return WholeEvaluation(
        **msgspec.structs.asdict(_details(call, record)),
        optimal_policy=record.policy or UNSET,
        content=evaluation_result(report, view) if isinstance(report, Report) else UNSET,
        description=description(record) or UNSET,
    )


def _type(record: EvaluationRecord) -> str:
    return "Auto" if record.automatic else "Manual"
