"""Which learning policy an evaluation comes down to, when one of its policies is to be put in force."""

from loopledger.errors import Conflict, NotFound
from loopledger.evaluation.register import EvaluationRecord
from loopledger.evaluation.report import Evaluation, Judged
from loopledger.evaluation.request import EvaluationRequest
from loopledger.policy import LearningPolicy


def policy_to_apply(record: EvaluationRecord, name: str) -> LearningPolicy | None:
    """Return the learning policy that is called so in an evaluation; none for Online, which is in force.

    Args:
        record: The evaluation, with its report.
        name: As the policy is called in it.

    Raises:
        NotFound: Nothing is called so in it.
        Conflict: It has no result yet, or what is called so is no learning policy that could be used.

    """
    report = record.report
    if not isinstance(report, Evaluation):
        what = "is not done yet" if record.status == "Running" else "has no policies"
        raise Conflict(f"this evaluation {what}: there is nothing to apply (it is {record.status})")
    judged = next((one for one in report.policies if one.name == name), None)
    if judged is None:
        there = ", ".join(one.name for one in report.policies)
        raise NotFound(f"no policy is called so in this evaluation; there are {there}")
    return None if judged.source == "Online" else _learning_policy(record, judged)


def _learning_policy(record: EvaluationRecord, judged: Judged) -> LearningPolicy:
    if judged.failed is not None:
        raise Conflict(f"this policy could not be judged, so it is not applied: {judged.failed}")
    if judged.version is not None:
        raise Conflict(f"this is a model version: `rollback` to version {judged.version} lets it decide")
    if judged.source in {"Baseline", "Random"}:
        raise Conflict(
            "this is no learning policy; the caller's own choice is taken in the learning mode LoggingOnly"
            if judged.source == "Baseline"
            else "this is no learning policy; --epsilon 1 in one gives every action the same probability"
        )
    request = record.request
    if isinstance(request, EvaluationRequest):
        for candidate in request.candidates:
            if candidate.name == judged.name and candidate.policy is not None:
                return candidate.policy  # without the exploration that was written in for the judgement
    return LearningPolicy(judged.name, judged.arguments)
