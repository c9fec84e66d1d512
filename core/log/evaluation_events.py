"""The bodies of the log's events about evaluations: asked for, reported, ended, deleted."""

from typing import Literal

from loopledger.evaluation.report import Evaluation, FeatureImportance
from loopledger.evaluation.request import EvaluationRequest, FeatureImportanceRequest
from loopledger.log.event import Event

Request = EvaluationRequest | FeatureImportanceRequest
Report = Evaluation | FeatureImportance

Ending = Literal["Succeeded", "Failed", "Canceled", "OptimalPolicyApplied", "OnlinePolicyRetained"]
"""How an evaluation ended, in Personalizer's words; the last two are for automatic optimization."""


class EvaluationRequested(Event, frozen=True):
    """An evaluation, or a look at which features matter, was asked for and begun.

    Attributes:
        evaluation: Its id, which no other one has that is not deleted.
        name: What people call it.
        request: What was asked.
        automatic: Whether the loop's own schedule asked for it.
        optimizes: Whether a better learning policy is searched for.

    """

    evaluation: str
    name: str
    request: Request
    automatic: bool = False
    optimizes: bool = False


class EvaluationReported(Event, frozen=True):
    """What an evaluation came to; the event that ends it comes right after."""

    evaluation: str
    report: Report


class EvaluationEnded(Event, frozen=True):
    """An evaluation is over.

    Attributes:
        evaluation: Its id.
        status: How it ended.
        reason: Why it failed or was canceled.
        reported: Seq of the event that holds its report; 0 for none.
        policy: The name of the best learning policy that was found, if one was searched for.

    """

    evaluation: str
    status: Ending
    reason: str | None = None
    reported: int = 0
    policy: str | None = None


class EvaluationDeleted(Event, frozen=True):
    """An evaluation is not to be shown any more, and is dropped if it still runs; its events stay."""

    evaluation: str
