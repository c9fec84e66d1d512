"""Searching: many learning policies are tried on a part of the log, several at a time.

What is tried depends on what came of earlier waves of trials only, never on which of several was done
first: a search that was interrupted goes on as if it had not been.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from loopledger.evaluation.material import Material
from loopledger.evaluation.outcome import Outcome, SearchProgress, standing
from loopledger.evaluation.schedule import Schedule, Training
from loopledger.evaluation.trial import Bench, try_policy
from loopledger.policy import LearningPolicy

Attempts = Sequence[Callable[[], Outcome | None]]
RunTrials = Callable[[Attempts], Iterable[Outcome | None]]
"""Makes some attempts, side by side or not, and returns what comes of them in the same order."""

_BATCHES = 40


class Proposal(NamedTuple):
    """A policy that is to be tried.

    Attributes:
        number: Of the trial.
        policy: The policy.

    """

    number: int
    policy: LearningPolicy


class Proposer(Protocol):
    """Says what to try next, out of what came of the trials before; it may remember them for long.

    Attributes:
        width: How many trials are a wave. It stays the same for all of a search.

    """

    width: int

    def earlier(self) -> list[Outcome]:
        """Return what is remembered, in the order of the trials."""
        ...

    def wave(self) -> list[Proposal]:
        """Return the next wave, or what is left of one whose trials were not all told of."""
        ...

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Remember what came of some trials."""
        ...


def search(
    bench: Bench,
    proposer: Proposer,
    *,
    trials: int,
    run: RunTrials,
    tell: SearchProgress,
) -> list[Outcome]:
    """Return what came of trying policies, in the order of the trials.

    Args:
        bench: What they are tried on, and until when.
        proposer: Says what to try.
        trials: How many at most, earlier ones included.
        run: Makes attempts, side by side if it can.
        tell: Is told after each wave how the search stands; what it raises ends the search.

    """
    outcomes = proposer.earlier()
    tell(standing(outcomes))
    while len(outcomes) < trials and not bench.enough():
        wave = proposer.wave()
        begin = wave[0].number // proposer.width * proposer.width
        before = [outcome for outcome in outcomes if outcome.number < begin]
        made = run([partial(try_policy, bench, *one, before) for one in wave[: trials - len(outcomes)]])
        done = [outcome for outcome in made if outcome is not None]
        proposer.tell(done)
        outcomes = sorted([*outcomes, *done], key=lambda outcome: outcome.number)
        tell(standing(outcomes))
    return outcomes


def thinned(plan: Schedule, material: Material, batches: int = _BATCHES) -> Schedule:
    """Return a schedule with fewer and larger batches, for a search that is to be quick.

    All policies learn a little later by it than in production. What a search finds is judged again
    by the loop's own schedule.
    """
    seqs = material.column("seq")
    least = max(1, len(seqs) // batches)
    kept, known = list[Training](), 0
    for training in plan.trainings:
        learned = bisect_right(seqs, training.last)
        if learned - known >= least:
            kept.append(training)
            known = learned
    return plan._replace(trainings=tuple(kept))
