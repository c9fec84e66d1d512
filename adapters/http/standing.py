"""How an evaluation stands, in the words of each version."""

from collections.abc import Iterator

from loopledger.adapters.embedding.evaluating import check_evaluation
from loopledger.adapters.embedding.optimizing import check_optimization
from loopledger.adapters.http.call import Call
from loopledger.adapters.http.errors import Refusal
from loopledger.adapters.http.versions import Version
from loopledger.errors import Conflict, LoopledgerError
from loopledger.evaluation.register import EvaluationRecord
from loopledger.evaluation.report import Evaluation

_EARLIER = {
    "Succeeded": "completed",
    "Running": "pending",
    "Failed": "failed",
    "Canceled": "failed",
    "NotSubmitted": "notSubmitted",
    "OptimalPolicyApplied": "optimalPolicyApplied",
    "OnlinePolicyRetained": "onlinePolicyRetained",
}
_FIRST = {"OptimalPolicyApplied": "completed", "OnlinePolicyRetained": "completed"}
_NOTHING = "There was nothing to look at between these times: no decision, or only erased ones."


def status_of(call: Call, record: EvaluationRecord) -> str:
    """Return the status of an evaluation as the caller's version names it."""
    status: str = record.status
    if status == "Running" and call.house.jobs.waits(call.loop.name, record.id):
        status = "NotSubmitted"
    if call.version is Version.V2022:
        return status
    return (_FIRST if call.version is Version.V1_0 else {}).get(status) or _EARLIER[status]


def range_of(record: EvaluationRecord) -> tuple[int, int]:
    """Return from when to when an evaluation was asked for, or what the seqs that were asked for are about.

    Times are UTC in microseconds since 1970.
    """
    request, report = record.request, record.report
    since, until = request.since, request.until
    if isinstance(report, Evaluation):
        since, until = since or report.since, until or report.until
    return since or 0, record.at if until is None else until


def description(record: EvaluationRecord) -> str | None:
    """Return what there is to say of an evaluation: why it failed, or what it says and when to doubt it."""
    return " ".join(_sentences(record)) or None


def _sentences(record: EvaluationRecord) -> Iterator[str]:
    if record.reason:
        yield _sentence(record.reason)
    report = record.report
    if report is None:
        if record.status == "Succeeded":
            yield _NOTHING
        return
    for caution in report.cautions:
        yield _sentence(caution.says)
    for policy in report.policies if isinstance(report, Evaluation) else ():
        if policy.failed is not None:
            yield _sentence(f"{policy.name} could not be judged: {policy.failed}")
        elif policy.verdict is not None and policy.verdict.judgement != "itself":
            yield _sentence(policy.verdict.says)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def check_computable(*, search: bool = False) -> None:
    """Make sure that the packages are here that evaluations, and perhaps searches, are computed with.

    Raises:
        Refusal: They are not.

    """
    try:
        (check_optimization if search else check_evaluation)()
    except LoopledgerError as error:
        raise Refusal("NotImplemented", str(error)) from None


async def refusal_of_conflict(call: Call, evaluation_id: str, code: str, error: Conflict) -> Refusal:
    """Return why nothing could be begun: there is one of that id, or there are too many.

    Args:
        call: The call.
        evaluation_id: As the log would have it.
        code: For one that is there already.
        error: What the loop said.

    """
    if any(one.id == evaluation_id for one in await call.loop.evaluations()):
        return Refusal(code, about=call.name)
    return Refusal("429", str(error), headers=((b"retry-after", b"10"),))
