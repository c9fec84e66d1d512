"""Optimizing: a better learning policy is searched for on one part of the log, and judged on the rest.

The best of many looks better than it is on the data that it was chosen by. So the last part of the
range is held out: the search never reads it, and only one policy, the winner, goes on to it. What it
is estimated to earn there is as honest as any evaluation (the validation set approach: T. Hastie,
R. Tibshirani, J. Friedman, "The Elements of Statistical Learning", 7.2).
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from loopledger.errors import InvalidRequest
from loopledger.evaluation.asking import Asked, check_request
from loopledger.evaluation.declared import Declared
from loopledger.evaluation.evaluate import Run, evaluate
from loopledger.evaluation.material import Material, gather
from loopledger.evaluation.outcome import Outcome, SearchProgress, best, standing, tried
from loopledger.evaluation.report import Caution, Evaluation, Judged, Searched
from loopledger.evaluation.request import Candidate, EvaluationRequest, Search
from loopledger.evaluation.schedule import schedule
from loopledger.evaluation.search import Proposer, RunTrials, search, thinned
from loopledger.evaluation.space import Space, space
from loopledger.evaluation.trial import Bench
from loopledger.learning.checkpoints import Models
from loopledger.learning.learner import Learner
from loopledger.learning.namespaces import namespaces
from loopledger.learning.training import Progress
from loopledger.log.journal import Reader
from loopledger.policy import LearningPolicy

OWN = "policy in force"
"""What the loop's own policy is called, judged from blank like the others."""

WINNER = "optimized"
"""What the best policy that was found is called."""

FEWEST_DECISIONS = 100
"""The least decisions that both parts must hold."""

_USUAL_RANGE = (0.0, 1.0)
_LOOKED_AT = 1_000
_SHOWN = 5
_FEW_TRIALS = 20
_ALL = 2**62


class Means(NamedTuple):
    """What a search is carried out with.

    Attributes:
        proposer: Returns what says what to try, for a space, and policies that are tried first.
        ready: Policies that are tried whatever the space is.
        enough: Whether there is no more time to try anything.
        run_trials: Makes attempts, side by side if it can.
        run: Judges policies in the end, side by side if it can.
        tell: Is told how the search stands.

    """

    proposer: Callable[[Space, Sequence[LearningPolicy]], Proposer]
    ready: Sequence[LearningPolicy]
    enough: Callable[[], bool]
    run_trials: RunTrials
    run: Run
    tell: SearchProgress


def optimize(
    reader: Reader,
    learner: Learner,
    request: EvaluationRequest,
    means: Means,
    *,
    scratch: Path,
    models: Models | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Return what the best policy that is found would have earned; nothing in the loop changes.

    The report is about the part that was held out; the policy in force and the best one found are
    among its policies. If nothing did better where it was searched, the latter is missing.

    Args:
        reader: Of the log.
        learner: Answers and learns.
        request: What is asked, a search among it.
        means: What the search is carried out with.
        scratch: An empty folder for what is read from the log, about as large as that.
        models: Where versions are kept.
        progress: Is told how much of the last judgement is done, and of how much; what it raises ends
            everything.

    Raises:
        InvalidRequest: There is too little to search, or a candidate cannot be one; names the field.
        NotFound: A version does not exist.
        LogDamaged: The log does not hold what was committed.

    """
    wanted = request.search or Search()
    asked = check_request(reader, request)
    own = Candidate(name=OWN, policy=asked.state.policy)
    if asked.state.policy.decision_kind != asked.kind:
        raise InvalidRequest(
            "policies",
            "the range holds decisions of another kind than the policy in force makes: choose another range",
        )
    check_request(reader, replace(request, candidates=(own, *request.candidates)))
    cut = _cut(reader, asked, wanted)
    outcomes, searched = _searched(reader, learner, asked, means, wanted, cut, scratch)
    found = _better(outcomes)
    candidates = (own, *request.candidates, *(() if found is None else (found,)))
    report = evaluate(
        reader,
        learner,
        replace(request, first=cut + 1, candidates=candidates, warm=True, search=None),
        scratch=scratch,
        models=models,
        run=means.run,
        progress=progress,
    )
    return replace(
        report,
        policies=tuple([_marked(judged, searched) for judged in report.policies]),
        cautions=(*report.cautions, *_cautions(searched)),
        searched=searched,
    )


def _searched(
    reader: Reader,
    learner: Learner,
    asked: Asked,
    means: Means,
    wanted: Search,
    cut: int,
    scratch: Path,
) -> tuple[list[Outcome], Searched]:
    """Return what came of the search, which reads nothing after the cut."""
    first, state = asked.request.first, asked.state
    material = gather(reader, state, asked.kind, first, cut, scratch)
    try:
        _check_enough(material.decisions, "the part that is searched")
        least, most = asked.request.reward_range or _USUAL_RANGE
        seen = material.reward_range
        declared = Declared(material.least_probability, (min(least, seen[0]), max(most, seen[1])))
        bench = Bench(
            material=material,
            plan=thinned(schedule(reader, material, cut), material),
            learner=learner,
            declared=declared,
            exploration=state.settings.exploration_percentage,
            enough=means.enough,
        )
        made = space(
            namespaces(reader, _LOOKED_AT),
            multi_slot=state.policy.multi_slot,
            exploration=bench.exploration,
            reward_range=declared.reward_range,
        )
        given = [policy for policy in means.ready if policy.decision_kind == asked.kind]
        asked_for = [one.policy for one in asked.candidates if one.version is None]
        proposer = means.proposer(made, [state.policy, *asked_for, *given])
        outcomes = search(
            bench, proposer, trials=wanted.trials or _ALL, run=means.run_trials, tell=means.tell
        )
        return outcomes, _summary(outcomes, material, wanted, first, cut)
    finally:
        material.discard()


def _cut(reader: Reader, asked: Asked, wanted: Search) -> int:
    """Return the seq of the last decision that the search may see."""
    searched = round(asked.decisions * (1 - wanted.held_out))
    _check_enough(searched, "the part that is searched")
    _check_enough(asked.decisions - searched, "the part that is held out")
    span = reader.span(asked.kind, asked.request.first - 1, asked.request.last, searched)
    if span is None:
        raise InvalidRequest("since", "the range holds no decision that could be judged")
    return span.last


def _check_enough(decisions: int, what: str) -> None:
    if decisions < FEWEST_DECISIONS:
        raise InvalidRequest(
            "since",
            f"{what} holds {decisions} decisions; with fewer than {FEWEST_DECISIONS} only chance would be"
            " found: choose a longer range, or wait for more",
        )


def _better(outcomes: Sequence[Outcome]) -> Candidate | None:
    """Return the best policy, unless that is the one in force, which was tried first."""
    winner = best(outcomes)
    if winner is None or winner.number == 0:
        return None
    return Candidate(name=WINNER, policy=LearningPolicy(WINNER, winner.arguments))


def _summary(
    outcomes: Sequence[Outcome], material: Material, wanted: Search, first: int, cut: int
) -> Searched:
    judged = sorted(
        (outcome for outcome in outcomes if outcome.ended == "judged"),
        key=lambda outcome: (-outcome.score, outcome.number),
    )
    own = next((outcome for outcome in outcomes if outcome.number == 0), None)
    stands = standing(outcomes)
    return Searched(
        first=first,
        last=cut,
        decisions=material.decisions,
        trials=stands.trials,
        stopped=stands.stopped,
        failed=stands.failed,
        seed=wanted.seed,
        winner=WINNER if _better(outcomes) else None,
        own=tried(own) if own is not None and own.ended != "failed" else None,
        best=tuple([tried(outcome) for outcome in judged[:_SHOWN]]),
    )


def _marked(judged: Judged, searched: Searched) -> Judged:
    """Return the winner as what it is, with what it seemed to be."""
    if judged.name != searched.winner:
        return judged
    seemed = searched.best[0]
    low, high = seemed.interval
    said = Caution(
        "optimistic-search",
        f"It was the best of {searched.trials:,} policies on the {searched.decisions:,} decisions before,"
        f" where it seemed to earn {seemed.average_reward:.4g} ({low:.4g} to {high:.4g}). The best of many"
        " looks better than it is: what it earns here, where nothing was chosen by, is what counts.",
    )
    return replace(judged, source="OfflineExperimentation", cautions=(*judged.cautions, said))


def _cautions(searched: Searched) -> Iterator[Caution]:
    if searched.winner is None:
        yield Caution(
            "nothing-better",
            f"Of {searched.trials:,} policies that were tried, none did better than the policy in"
            " force, where it was searched: keep it, or search a longer range.",
        )
    if searched.trials < _FEW_TRIALS:
        yield Caution(
            "short-search",
            f"Only {searched.trials:,} policies were tried: a longer search may find better ones. With the"
            " same range and seed it goes on where it stopped.",
        )
