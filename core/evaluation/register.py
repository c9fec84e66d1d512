"""The evaluations of a loop, as its log tells of them."""

from typing import Literal

import msgspec
from msgspec.structs import replace

from loopledger.errors import LogDamaged, NotFound
from loopledger.log.evaluation_events import (
    Ending,
    EvaluationDeleted,
    EvaluationEnded,
    EvaluationReported,
    EvaluationRequested,
    Report,
    Request,
)
from loopledger.log.events import PolicyChanged, RelearningBegun, decode
from loopledger.log.journal import Reader

_KINDS = ("EvaluationDeleted", "EvaluationEnded", "EvaluationRequested")


class Applied(msgspec.Struct, frozen=True):
    """A learning policy that was put in force because of an evaluation.

    Attributes:
        seq: The event that did it.
        at: When, UTC in microseconds since 1970.
        policy: The policy's name.

    """

    seq: int
    at: int
    policy: str


class EvaluationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluation that a loop's log tells of.

    Attributes:
        id: Its id.
        name: What people call it.
        status: ``Running``, or how it ended.
        seq: The event that asked for it.
        at: When that was, UTC in microseconds since 1970.
        request: What was asked.
        automatic: Whether the loop's own schedule asked for it.
        optimizes: Whether a better learning policy was searched for.
        ended: When it ended, UTC in microseconds since 1970; none if it has not.
        reason: Why it failed or was canceled.
        policy: The name of the best learning policy that was found, if one was searched for.
        reported: Seq of the event that holds its report; 0 for none.
        report: What it came to; none in a list.
        applied: What was put in force because of it.

    """

    id: str
    name: str
    status: Literal["Running"] | Ending
    seq: int
    at: int
    request: Request
    automatic: bool
    optimizes: bool
    ended: int | None = None
    reason: str | None = None
    policy: str | None = None
    reported: int = 0
    report: Report | None = None
    applied: tuple[Applied, ...] = ()


def register(reader: Reader) -> dict[str, EvaluationRecord]:
    """Return the evaluations that are not deleted, by their ids, in the order in which they were asked for.

    They come without their reports, and without what was applied.
    """
    found: dict[str, EvaluationRecord] = {}
    for record in reader.records(kinds=_KINDS):
        event = decode(record.body, record.seq)
        match event:
            case EvaluationRequested():
                found[event.evaluation] = EvaluationRecord(
                    id=event.evaluation,
                    name=event.name,
                    status="Running",
                    seq=record.seq,
                    at=record.at,
                    request=event.request,
                    automatic=event.automatic,
                    optimizes=event.optimizes,
                )
            case EvaluationEnded():
                found[event.evaluation] = replace(
                    found[event.evaluation],
                    status=event.status,
                    ended=record.at,
                    reason=event.reason,
                    policy=event.policy,
                    reported=event.reported,
                )
            case EvaluationDeleted():
                del found[event.evaluation]
            case _:
                raise LogDamaged(f"event {record.seq} should tell of an evaluation, and does not", record.seq)
    return found


def evaluations(reader: Reader) -> list[EvaluationRecord]:
    """Return the evaluations that are not deleted, without their reports, in the order of their requests."""
    found = register(reader)
    for record in reader.records(kinds=("PolicyChanged", "RelearningBegun")):
        event = decode(record.body, record.seq)
        if not isinstance(event, PolicyChanged | RelearningBegun) or event.evaluation is None:
            continue
        of = found.get(event.evaluation)
        if of is not None and of.seq < record.seq:  # else an earlier one with this id, which was deleted
            applied = Applied(record.seq, record.at, event.policy.name)
            found[of.id] = replace(of, applied=(*of.applied, applied))
    return list(found.values())


def evaluation(reader: Reader, evaluation_id: object) -> EvaluationRecord:
    """Return an evaluation with its report.

    Raises:
        NotFound: There is none of that id.

    """
    for one in evaluations(reader):
        if one.id == evaluation_id:
            return replace(one, report=_report(reader, one)) if one.reported else one
    raise NotFound("there is no evaluation with this id; `evaluations` lists those that there are")


def _report(reader: Reader, of: EvaluationRecord) -> Report:
    record = reader.record(of.reported)
    event = decode(record.body, of.reported) if record is not None else None
    if not isinstance(event, EvaluationReported) or event.evaluation != of.id:
        raise LogDamaged(f"event {of.reported} should hold the report of an evaluation, and does not")
    return event.report
