"""A reward model: what reward each action would have got, for doubly robust scores.

M. Dudík, J. Langford, L. Li, "Doubly robust policy evaluation and learning", ICML 2011. It learns as
candidates do, from the past only, in the loop's batches: a score is then as good as any without it
however wrong the model is, and narrower where it is right. It is shared by all candidates.
"""

from collections.abc import Iterator

import numpy as np

from loopledger.errors import LearnerFailed
from loopledger.evaluation.cases import Floats32
from loopledger.evaluation.material import Material, Table
from loopledger.evaluation.report import Bounds
from loopledger.evaluation.schedule import Schedule, stretches
from loopledger.evaluation.working import chunks, models, twice
from loopledger.learning.learner import Learner
from loopledger.policy import LearningPolicy


def learn_rewards(
    material: Material,
    plan: Schedule,
    learner: Learner,
    policy: LearningPolicy,
    reward_range: Bounds,
) -> None:
    """Add a reward model to material; to that of several slots none, whose engine has none.

    Args:
        material: The decisions.
        plan: When candidates learn.
        learner: Learns and answers.
        policy: Whose view of the features it has: its namespaces and interactions.
        reward_range: What it says is cut to this.

    Raises:
        LearnerFailed: The engine died or hung twice at the same work.

    """
    if policy.multi_slot or not material.decisions:
        return
    with material.path("rewards").open("wb") as file:
        for rewards in _foretold(material, plan, learner, policy):
            np.clip(rewards, *reward_range).astype(np.float32).tofile(file)
    material.has_rewards = True


def _foretold(
    material: Material, plan: Schedule, learner: Learner, policy: LearningPolicy
) -> Iterator[Floats32]:
    for stretch, model in models(learner, policy, material, stretches(plan, material), "rewards"):
        for first, rows in chunks(material, stretch):
            yield _rewards(learner, policy, model, material, first, rows)


def _rewards(
    learner: Learner, policy: LearningPolicy, model: bytes | None, material: Material, first: int, rows: Table
) -> Floats32:
    if model is None:
        return np.zeros(int(rows["offered"].sum()), np.float32)
    scores = twice(
        lambda: learner.answers(policy, model, material.contexts(first, first + len(rows)), "rewards")
    )
    if not np.array_equal(np.asarray(scores.counts), rows["offered"]):
        raise LearnerFailed("the reward model answered for more or fewer actions than there are")
    return -np.asarray(scores.probabilities, np.float32)
