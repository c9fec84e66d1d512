"""Spread: how far each feature moves actions apart, read off a model's weights."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Raw
from msgspec.structs import replace

from loopledger.deciding.question import Question, questions
from loopledger.evaluation.contents import contents, spelt
from loopledger.evaluation.presence import Key
from loopledger.learning.joining import Joined
from loopledger.learning.learner import Learner, Weight
from loopledger.log.events import DecisionKind
from loopledger.policy import LearningPolicy

_CONTEXTS = 200
"""Questions that are looked at."""

_WORK = 1_000_000
"""Terms that the engine may have to write out for them, if every feature met every other."""

_TOGETHER = 50


class Sample:
    """Keeps some of the decisions that go past, evenly spread.

    Args:
        kind: Of the decisions that the model decides.
        decisions: How many will go past.

    """

    def __init__(self, kind: DecisionKind, decisions: int) -> None:
        self._kind = kind
        self._every = max(1, decisions // _CONTEXTS)
        self._passed = 0
        self._work = 0
        self.questions: list[Question] = []

    def offer(self, joined: Joined) -> None:
        """Keep a decision if its turn has come and there is room for it."""
        self._passed += 1
        turn = self._passed % self._every == 1 % self._every
        if not turn or joined.decision.kind != self._kind or len(self.questions) >= _CONTEXTS:
            return
        work = _terms(joined.context)
        if self.questions and self._work + work > _WORK:
            return
        self._work += work
        self.questions += questions(replace(joined.decision, context=Raw(joined.context)))


def spreads(
    learner: Learner, policy: LearningPolicy, model: bytes, asked: Sequence[Question]
) -> dict[Key, float]:
    """Return how far each feature, and each namespace, moves actions apart, on average over questions.

    A feature adds to an action's score what its own weight and those of all interactions it takes
    part in add; without it, all of that would be gone. What it moves apart is the distance between the
    action it adds most to and the one it adds least to. What is the same for all actions moves nothing.

    Args:
        learner: Explains the model.
        policy: Under which the model was made.
        model: Its bytes.
        asked: The questions.

    """
    total: dict[Key, float] = {}
    for start in range(0, len(asked), _TOGETHER):
        some = asked[start : start + _TOGETHER]
        explained = learner.explain(policy, model, [question.context for question in some])
        for question, actions in zip(some, explained, strict=True):
            for key, spread in _one(question.context, actions):
                total[key] = total.get(key, 0.0) + spread
    return {key: spread / len(asked) for key, spread in total.items()}


def _one(context: bytes, actions: Sequence[Sequence[Weight]]) -> Iterator[tuple[Key, float]]:
    known = dict(_spelt(context))
    added = [_added(weights, known) for weights in actions]
    for key in dict.fromkeys(key for one in added for key in one):
        values = [one.get(key, 0.0) for one in added]
        yield key, max(values) - min(values)


def _added(weights: Iterable[Weight], known: dict[str, Key]) -> dict[Key, float]:
    """Return what each feature, and each namespace, added to one action's score."""
    added: dict[Key, float] = {}
    for weight in weights:
        if not weight.weight:
            continue
        parts = [known[part] for part in _parts(weight.feature, known)]
        for key in dict.fromkeys([*parts, *((namespace, None) for namespace, _ in parts)]):
            added[key] = added.get(key, 0.0) + weight.contribution
    return added


def _parts(feature: str, known: dict[str, Key]) -> Iterator[str]:
    """Yield the known features of an interaction; their own names may hold what joins them."""
    pieces = feature.split("^")
    start = 0
    while start < len(pieces):
        for end in range(len(pieces), start, -1):
            part = "^".join(pieces[start:end])
            if part in known:
                yield part
                start = end
                break
        else:
            start += 1


def _spelt(context: bytes) -> Iterator[tuple[str, Key]]:
    held = contents(context)
    for groups in (held.shared, *held.actions, *held.slots):
        for namespace, items in groups:
            for item in items:
                for name in spelt(namespace, item):
                    yield name, (namespace, item[0])


def _terms(context: bytes) -> int:
    """Return about how many terms an explanation of a context can have."""
    held = contents(context)

    def features(groups: Iterable[tuple[str, tuple[object, ...]]]) -> int:
        return sum(len(items) for _, items in groups)

    shared = features(held.shared)
    return sum((shared + features(groups)) ** 2 for groups in held.actions) * max(1, len(held.slots))
