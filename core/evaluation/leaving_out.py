"""Leaving out: how much less would have been earned without a feature, learned again without it.

As Personalizer did it. The policy in force is judged progressively over the range, once with everything
and once without each feature, from blank each time. The two are compared decision by decision, so that
what both have in common cancels out.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import sqrt
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
from msgspec.structs import replace

from loopledger.errors import LearnerFailed
from loopledger.evaluation.cases import Floats
from loopledger.evaluation.judging import judge
from loopledger.evaluation.material import Material, gather
from loopledger.evaluation.presence import Key
from loopledger.evaluation.report import Caution, FeatureImportance, FeatureScore
from loopledger.evaluation.schedule import Schedule, schedule
from loopledger.evaluation.weighing import weigh
from loopledger.exchange.export import Extent
from loopledger.learning.learner import Learner
from loopledger.learning.training import Progress
from loopledger.log.journal import Reader
from loopledger.policy import LearningPolicy
from loopledger.state import State

MOST = 30
"""Namespaces, and features, that are left out one by one; the others are left out together."""

_SURELY = 1.96
"""Standard errors by which a loss must be above zero to count: 2.5 % of useless features seem of use."""

_OWN = ("i", "constant")

_T = TypeVar("_T")
RunAll = Callable[[Sequence[Callable[[], _T]]], Iterable[_T]]


class Loss(NamedTuple):
    """What is lost without some features.

    Attributes:
        reward: The estimated average reward without them.
        surely: What is lost, if that is more than chance; 0 if not.

    """

    reward: float
    surely: float


def leave_one_out(
    reader: Reader,
    state: State,
    wanted: Extent,
    learner: Learner,
    approximate: FeatureImportance,
    *,
    scratch: Path,
    run: RunAll[Loss | None],
    progress: Progress | None = None,
) -> FeatureImportance:
    """Return how much each feature matters: what is lost without it.

    Args:
        reader: Of the log.
        state: Of the loop, at the log's end.
        wanted: Which decisions.
        learner: Learns and answers.
        approximate: The features that there are, with scores that say which to look at first.
        scratch: An empty folder for what is read from the log, about as large as that.
        run: Does the work, side by side if it can.
        progress: Is told of decisions judged, and of how many in all.

    Raises:
        LearnerFailed: The engine died or hung twice at the same work.

    """
    policy = state.effective_policy
    material = gather(reader, state, policy.decision_kind, wanted.first, wanted.last, scratch)
    try:
        plan = schedule(reader, material, wanted.last)
        single, others = _apart(approximate)
        groups = [*({key} for key in single), *([set(others)] if others else [])]
        told = _Told(progress, material.decisions * (1 + len(groups)))
        whole = _Judged(material, scratch / "whole")
        if not whole.judge(plan, learner, policy, told):
            return replace(approximate, method="leave-one-out", cautions=(_no_support(),))
        losses = list(run([partial(_loss, whole, group, plan, learner, policy, told) for group in groups]))
    finally:
        material.discard()
        (scratch / "whole").unlink(missing_ok=True)
    found = dict(zip(single, losses, strict=False))
    rest = losses[-1] if others else None
    return replace(
        approximate,
        method="leave-one-out",
        reward=whole.value,
        namespaces=_scored(approximate.namespaces, found, None),
        features=_scored(approximate.features, found, rest),
        cautions=(*_kept(approximate), *_cautions(found, others, rest)),
    )


class _Told:
    """Adds up what is told from several threads."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total = progress, total
        self._done, self._guard = 0, Lock()

    def add(self, count: int) -> None:
        with self._guard:
            self._done += count
            if self._progress:
                self._progress(min(self._done, self._total), self._total)


class _Judged:
    """The policy with all features: its weights, kept in a file, to compare others with.

    Args:
        material: The decisions.
        path: Where the weights go: two numbers for each decision.

    Attributes:
        material: The decisions.
        weight: The sum of the weights.
        value: The self-normalized estimate.

    """

    def __init__(self, material: Material, path: Path) -> None:
        self.material = material
        self._path = path
        self.weight = 0.0
        self.value = 0.0

    def judge(self, plan: Schedule, learner: Learner, policy: LearningPolicy, told: _Told) -> bool:
        """Judge it; return whether anything is known of what it would earn."""
        rewards = 0.0
        with self._path.open("wb") as file:
            for cases, answers in judge(self.material, plan, learner, policy):
                weighed = weigh(cases, answers)
                pair = _pair(
                    weighed.by_decision(weighed.weight), weighed.by_decision(weighed.weight * weighed.reward)
                )
                pair.tofile(file)
                self.weight += float(pair[:, 0].sum())
                rewards += float(pair[:, 1].sum())
                told.add(len(pair))
        if self.weight <= 0:
            return False
        self.value = rewards / self.weight
        return True

    def compare(
        self, other: Material, plan: Schedule, learner: Learner, policy: LearningPolicy, told: _Told
    ) -> Loss:
        """Return what is lost with other material, which has the same decisions.

        Both estimates are self-normalized; their difference's standard error follows from what each
        decision moves them by (the delta method, A. B. Owen, "Monte Carlo theory, methods and
        examples", 9.2).
        """
        products, sums = np.zeros((4, 4)), np.zeros(4)
        with self._path.open("rb") as file:
            for cases, answers in judge(other, plan, learner, policy):
                weighed = weigh(cases, answers)
                without = _pair(
                    weighed.by_decision(weighed.weight), weighed.by_decision(weighed.weight * weighed.reward)
                )
                whole = np.fromfile(file, np.float64, without.size).reshape(without.shape)
                both = np.hstack((whole, without))
                products += both.T @ both
                sums += both.sum(axis=0)
                told.add(len(both))
        if sums[2] <= 0:
            return Loss(0.0, 0.0)
        value = float(sums[3] / sums[2])
        moves = np.array([-self.value / self.weight, 1 / self.weight, value / sums[2], -1 / sums[2]])
        error = sqrt(max(float(moves @ products @ moves), 0.0))
        loss = self.value - value
        return Loss(value, loss if loss > _SURELY * error else 0.0)


def _loss(
    whole: _Judged, group: set[Key], plan: Schedule, learner: Learner, policy: LearningPolicy, told: _Told
) -> Loss | None:
    """Return what is lost without a group of features; none where the engine cannot learn without it."""
    material = whole.material.rewritten(partial(without, group))
    try:
        return whole.compare(material, plan, learner, policy, told)
    except LearnerFailed:
        return None


def _pair(weight: Floats, reward: Floats) -> Floats:
    return np.column_stack((weight, reward))


def without(group: set[Key], context: bytes) -> bytes:
    """Return a context without some features and namespaces, wherever they stand."""
    whole: dict[str, Any] = msgspec.json.decode(context)
    for name in ("_multi", "_slots"):
        if name in whole:
            whole[name] = [_example(one, group) for one in whole[name]]
    return msgspec.json.encode(_example(whole, group))


def _example(example: dict[str, Any], group: set[Key]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for namespace, value in example.items():
        left = value if namespace.startswith("_") else _left(namespace, value, group)
        if left is not None:
            made[namespace] = left
    return made


def _left(namespace: str, value: Any, group: set[Key]) -> Any:
    """Return what is left of a namespace's object or array; None if that is nothing at all."""
    if isinstance(value, list):
        if any(isinstance(one, dict) for one in value):
            return [_left(namespace, one, group) if isinstance(one, dict) else one for one in value]
        return None if (namespace, None) in group else value
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for name, one in value.items():
        if name.startswith("_") or (namespace, name) == _OWN:
            made[name] = one
        elif isinstance(one, dict | list):
            inside = _left(name, one, group)
            if inside is not None:
                made[name] = inside
        elif (namespace, None) not in group and (namespace, name) not in group:
            made[name] = one
    return made


def _apart(approximate: FeatureImportance) -> tuple[list[Key], list[Key]]:
    """Return what is left out one by one, and the features that are left out together."""
    there = [one for one in approximate.namespaces if one.present > 0]
    namespaces = [(one.namespace, None) for one in there[:MOST]]
    features = [(one.namespace, one.feature) for one in approximate.features if one.present > 0]
    return [*namespaces, *features[:MOST]], features[MOST:]


def _scored(
    scores: Iterable[FeatureScore], found: dict[Key, Loss | None], rest: Loss | None
) -> tuple[FeatureScore, ...]:
    """Return scores from what is lost, 100 for the most. What was not left out alone shares its group's."""
    entries = list(scores)
    alone = {(one.namespace, one.feature): found.get((one.namespace, one.feature)) for one in entries}
    most = max((loss.surely for loss in alone.values() if loss is not None), default=0.0)
    together = 0.0 if rest is None else min(rest.surely, most)
    highest = max((one.score for one in entries if (one.namespace, one.feature) not in found), default=0.0)
    made: list[FeatureScore] = []
    for one in entries:
        key = (one.namespace, one.feature)
        loss = alone[key]
        if key in found:
            score = 100 * (loss.surely / most) if loss is not None and most else 0.0
        else:
            share = one.score / highest if highest else 0.0
            score = 100 * share * together / most if most else 0.0
        made.append(replace(one, score=score, reward_without=None if loss is None else loss.reward))
    return tuple(sorted(made, key=lambda one: (-one.score, one.namespace, one.feature or "")))


def _kept(approximate: FeatureImportance) -> list[Caution]:
    """Return what the approximate method said of the features themselves."""
    return [one for one in approximate.cautions if one.about in {"few-decisions", "too-many-names"}]


def _no_support() -> Caution:
    return Caution(
        "no-support",
        "The policy in force would never have done what was done, so what it earns without a feature is"
        " unknown: every score is 0.",
    )


def _cautions(found: dict[Key, Loss | None], others: Sequence[Key], rest: Loss | None) -> Iterable[Caution]:
    failed = [key for key, loss in found.items() if loss is None]
    if failed:
        yield Caution(
            "not-learned",
            f"Without {len(failed):,} of them the engine could not learn; their score is 0.",
        )
    if not any(loss.surely for loss in found.values() if loss is not None):
        yield Caution(
            "nothing-lost",
            "Without any single one, no less would surely have been earned: others say the same, or there"
            " are too few decisions to tell.",
        )
    if others:
        lost = "nothing is surely lost: they score 0"
        if rest is not None and rest.surely:
            lost = f"{rest.surely:.4g} is lost, which they share by what the approximate method says"
        yield Caution(
            "left-out-together",
            f"Only the {MOST} most promising features were left out one by one. Without the other"
            f" {len(others):,} together, {lost}.",
        )
