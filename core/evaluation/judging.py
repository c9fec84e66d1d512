"""Judging: what a policy says to the decisions of a log, one after another.

A learning policy is judged progressively: to each decision it says with which probability it would
have taken the action that was taken, knowing what it would have known then, and learns what came of
it later, in the loop's own batches and with its delay. This is progressive validation (Blum, Kalai
and Langford, "Beating the hold-out", COLT 1999) of a counterfactual policy: no decision is judged by a
model that has seen its reward.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from loopledger.errors import LearnerFailed
from loopledger.evaluation.cases import Answers, Cases, Floats32, Whole
from loopledger.evaluation.material import Material, Table
from loopledger.evaluation.probabilities import even_for, scaled, starts_of, usable_for
from loopledger.evaluation.schedule import Schedule, stretches
from loopledger.evaluation.working import chunks, models, twice
from loopledger.learning.learner import Learner, ManyScores
from loopledger.learning.training import Progress
from loopledger.policy import LearningPolicy

Own = Literal["Online", "Baseline", "Random"]
"""What decided, the caller's own choice, and an even draw."""


class FixedVersion(NamedTuple):
    """A model version that stays as it is.

    Attributes:
        policy: Under which it was made.
        model: Its bytes.

    """

    policy: LearningPolicy
    model: bytes


Judgeable = Own | LearningPolicy | FixedVersion

Chunk = tuple[Cases, Answers]


def judge(
    material: Material,
    plan: Schedule,
    learner: Learner,
    policy: Judgeable,
    *,
    since: int = 0,
    through: int | None = None,
    batch_at_least: int = 1,
    progress: Progress | None = None,
) -> Iterator[Chunk]:
    """Yield decisions, a few thousand at a time in log order, with what a policy says to them.

    Args:
        material: The decisions; with a reward model, if doubly robust scores are wanted.
        plan: When a candidate learns.
        learner: Answers and learns.
        policy: That is judged; one of another kind than the decisions says nothing.
        since: Seq of the first decision that is yielded; earlier ones are learned all the same.
        through: Seq of the last; none for the material's end.
        batch_at_least: Decisions that a batch has at least: more than 1 is quicker, and no longer
            what would have happened in production.
        progress: Is told of decisions judged, and of how many there are.

    Raises:
        LearnerFailed: The engine refuses the policy, or died or hung twice at the same work.

    """
    done = 0
    for rows, answers in _judged(material, plan, learner, policy, since, through, batch_at_least):
        done += len(rows)
        if answers is not None:
            yield answers
        if progress:
            progress(done, material.decisions)


def _judged(
    material: Material,
    plan: Schedule,
    learner: Learner,
    policy: Judgeable,
    since: int,
    through: int | None,
    batch_at_least: int,
) -> Iterator[tuple[Table, Chunk | None]]:
    answering = stretches(plan, material, through=through, batch_at_least=batch_at_least)
    if isinstance(policy, LearningPolicy):
        answered = models(learner, policy, material, answering)
    else:
        model_throughout = policy.model if isinstance(policy, FixedVersion) else None
        answered = ((stretch, model_throughout) for stretch in answering)
    for stretch, model in answered:
        for first, rows in chunks(material, stretch):
            wanted = rows[rows["seq"] >= since]
            if not len(wanted):
                yield rows, None
                continue
            first += len(rows) - len(wanted)  # noqa: PLW2901 - what is not wanted comes first
            cases = material.cases(wanted)
            foretold = material.rewards(wanted)
            if isinstance(policy, str):
                answers = _of_own(policy, cases, foretold)
            else:
                under = policy.policy if isinstance(policy, FixedVersion) else policy
                answers = _of_model(learner, under, model, material, first, wanted, cases, foretold)
            yield rows, (cases, answers)


def _of_own(policy: Own, cases: Cases, foretold: Floats32 | None) -> Answers:
    if policy == "Online":
        return Answers(cases.propensity)  # what it got is known: no model of rewards could say it better
    if policy == "Baseline":
        probability = np.where(cases.position == cases.baseline, 1.0, 0.0)
    else:
        probability = 1.0 / cases.offered
    if foretold is None:
        return Answers(probability)
    begins = starts_of(cases.offered)
    if policy == "Baseline":
        expected = foretold[begins + cases.baseline].astype(np.float64)
    else:
        expected = np.add.reduceat(foretold, begins, dtype=np.float64) / cases.offered
    return Answers(probability, foretold[begins + cases.position].astype(np.float64), expected)


def _of_model(
    learner: Learner,
    policy: LearningPolicy,
    model: bytes | None,
    material: Material,
    first: int,
    rows: Table,
    cases: Cases,
    foretold: Floats32 | None,
) -> Answers:
    """Return what a model says to each case; without a model all actions are alike."""
    offered = cases.offered
    begins = starts_of(offered)
    if model is None:
        probabilities, places = scaled(even_for(offered), offered), np.zeros_like(begins)
    else:
        minimum = np.repeat(rows["minimum"], rows["cases"])
        answers, places = _answers(learner, policy, model, material, first, rows, cases)
        probabilities = scaled(usable_for(answers, offered, minimum), offered)
    probability = probabilities[begins + places].astype(np.float64)
    if foretold is None:
        return Answers(probability)
    expected = np.add.reduceat(probabilities * foretold, begins, dtype=np.float64)
    return Answers(probability, foretold[begins + cases.position].astype(np.float64), expected)


def _answers(
    learner: Learner,
    policy: LearningPolicy,
    model: bytes,
    material: Material,
    first: int,
    rows: Table,
    cases: Cases,
) -> tuple[Floats32, Whole]:
    """Return a model's answers, one case after another, and where among them is the action that was taken."""
    slots = policy.multi_slot

    def ask() -> ManyScores:
        contexts = material.contexts(first, first + len(rows))
        return learner.answers(policy, model, _with_taken(contexts, rows, cases) if slots else contexts)

    scores = twice(ask)
    if not np.array_equal(np.asarray(scores.counts), cases.offered):
        raise LearnerFailed("the model answered for more or fewer actions than there are")
    answers = np.asarray(scores.probabilities, np.float32)
    if not slots:
        return answers, cases.position
    positions = np.asarray(scores.positions)
    found = np.flatnonzero(positions == np.repeat(cases.position, cases.offered))
    if len(found) != len(cases.position):
        raise LearnerFailed("the model answered for other actions than the slot was offered")
    return answers, found - starts_of(cases.offered)


def _with_taken(contexts: Iterator[bytes], rows: Table, cases: Cases) -> Iterator[bytes]:
    positions = cases.position.tolist()
    begin = 0
    for context, count in zip(contexts, rows["cases"].tolist(), strict=True):
        yield b"%b %b" % (",".join(map(str, positions[begin : begin + count])).encode(), context)
        begin += count
