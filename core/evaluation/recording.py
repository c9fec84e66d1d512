"""What is recorded of evaluations: asked for, ended, deleted. Nothing is computed here."""

from loopledger.answers import Receipt
from loopledger.commands import DeleteEvaluation, EndEvaluation, RequestEvaluation
from loopledger.deciding.request import check_id
from loopledger.errors import Conflict, InvalidRequest, NotFound
from loopledger.evaluation.register import register
from loopledger.facts import Decided, Facts
from loopledger.log.evaluation_events import (
    EvaluationDeleted,
    EvaluationEnded,
    EvaluationReported,
    EvaluationRequested,
)
from loopledger.state import State

MOST_UNDER_WAY = 16
"""The most evaluations of one loop that may be under way at a time."""

MOST_CANDIDATES = 100
"""The most candidates of one evaluation."""


def recorded(
    state: State, command: RequestEvaluation | EndEvaluation | DeleteEvaluation, facts: Facts
) -> Decided:
    """Return what is recorded of an evaluation.

    Raises:
        InvalidRequest: Names the field that cannot be used.
        Conflict: It contradicts what is recorded of others, or of this one.
        NotFound: There is none of that id.

    """
    match command:
        case RequestEvaluation():
            return _requested(state, command, facts)
        case EndEvaluation():
            return _ended(state, command, facts)
        case DeleteEvaluation():
            return _deleted(command, facts)


def _requested(state: State, command: RequestEvaluation, facts: Facts) -> Decided:
    limits = state.settings.limits
    evaluation = check_id("evaluation_id", command.evaluation, limits)
    name = check_id("name", command.name, limits)
    candidates = getattr(command.request, "candidates", ())
    if len(candidates) > MOST_CANDIDATES:
        raise InvalidRequest(
            "policies", f"may be at most {MOST_CANDIDATES} with the versions; evaluate the others apart"
        )
    if len(state.evaluations) >= MOST_UNDER_WAY:
        raise Conflict(f"{MOST_UNDER_WAY} evaluations are under way already; wait for one, or delete one")
    if evaluation in register(facts.reader):
        raise Conflict("there is an evaluation with this id already; take another id, or delete that one")
    event = EvaluationRequested(
        evaluation=evaluation,
        name=name,
        request=command.request,
        automatic=command.automatic,
        optimizes=command.optimizes,
    )
    return Decided((event,), Receipt(facts.next_seq, facts.at))


def _ended(state: State, command: EndEvaluation, facts: Facts) -> Decided:
    if command.evaluation not in state.evaluations:
        raise Conflict("the evaluation is not under way any more: it was deleted meanwhile, or has ended")
    report = command.report
    ended = EvaluationEnded(
        evaluation=command.evaluation,
        status=command.status,
        reason=command.reason,
        reported=facts.next_seq if report is not None else 0,
        policy=command.policy,
    )
    if report is None:
        return Decided((ended,), Receipt(facts.next_seq, facts.at))
    reported = EvaluationReported(evaluation=command.evaluation, report=report)
    return Decided((reported, ended), Receipt(facts.next_seq + 1, facts.at))


def _deleted(command: DeleteEvaluation, facts: Facts) -> Decided:
    if command.evaluation not in register(facts.reader):
        raise NotFound("there is no evaluation with this id; `evaluations` lists those that there are")
    return Decided((EvaluationDeleted(evaluation=command.evaluation),), Receipt(facts.next_seq, facts.at))
