"""Computing what was asked for in the background: an evaluation, a search, or which features matter."""

import msgspec
from msgspec.structs import replace

from loopledger.adapters.embedding.account_view import AccountView
from loopledger.adapters.embedding.evaluating import evaluated
from loopledger.adapters.embedding.optimizing import optimized
from loopledger.adapters.place import Place
from loopledger.clock import SimulatedClock
from loopledger.errors import InvalidRequest, NotFound
from loopledger.evaluation.importance import Method
from loopledger.evaluation.report import Caution, Evaluation, FeatureImportance
from loopledger.evaluation.request import EvaluationRequest, FeatureImportanceRequest
from loopledger.learning.learner import Learner
from loopledger.learning.training import Progress
from loopledger.log.evaluation_events import Report


class Task(msgspec.Struct, frozen=True):
    """What is to be computed.

    Attributes:
        loop: The loop's name.
        now: When it was asked for, UTC in microseconds since 1970.
        request: What is asked.
        importance: Whether an evaluation looks at which features matter too.

    """

    loop: str
    now: int
    request: EvaluationRequest | FeatureImportanceRequest
    importance: bool = False


def computed(place: Place, learner: Learner, task: Task, tell: Progress) -> Report | None:
    """Return the report of a task; none where there is nothing to report of.

    Args:
        place: Where the loop is kept.
        learner: Learns and answers.
        task: What is to be computed.
        tell: Is told how much is done, and of how much; what it raises ends it.

    """
    request = task.request
    if isinstance(request, FeatureImportanceRequest):
        return _importance(place, learner, task, request.method, tell)
    report = _evaluated(place, learner, request, tell)
    if not task.importance:
        return report
    return replace(report, importance=_importance(place, learner, task, "approximate", tell))


def without_search(request: EvaluationRequest) -> EvaluationRequest:
    """Return the same request, but for the search: candidates begin blank."""
    return replace(request, search=None, warm=False)


def _evaluated(place: Place, learner: Learner, request: EvaluationRequest, tell: Progress) -> Evaluation:
    """Return what an evaluation comes to; with too little to search, it says so and does without."""
    if request.search is None:
        return evaluated(place, learner, request, tell)
    try:
        # Nothing is remembered: the same may be asked for twice, and both go on side by side.
        return optimized(place, learner, request, remember=False, progress=tell)
    except InvalidRequest as error:
        report = evaluated(place, learner, without_search(request), tell)
        said = f"No better policy was searched for: {error.problem}."
        return replace(report, cautions=(*report.cautions, Caution("no-search", said)))


def _importance(
    place: Place, learner: Learner, task: Task, method: Method, tell: Progress
) -> FeatureImportance | None:
    first, last = task.request.first, task.request.last
    if last < first:
        return None
    view = AccountView(task.loop, place, learner, SimulatedClock(task.now))
    try:
        return view.features(first, last, method=method, progress=tell)
    except NotFound:
        return None
