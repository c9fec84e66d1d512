"""Importance: which features there are, how much they matter, and which are of no use."""

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from loopledger.errors import NotFound
from loopledger.evaluation.contents import contents
from loopledger.evaluation.presence import Key, Presence, Present, names
from loopledger.evaluation.report import Caution, FeatureImportance, FeatureScore
from loopledger.evaluation.spread import Sample, spreads
from loopledger.exchange.export import Extent, count_decisions, joined_decisions
from loopledger.learning.checkpoints import Models
from loopledger.learning.joining import all_traced
from loopledger.learning.learner import Learner
from loopledger.learning.training import Progress
from loopledger.learning.versions import Versions
from loopledger.log.events import DECISIONS, decode_apart
from loopledger.log.journal import Reader
from loopledger.state import State

Method = Literal["approximate", "leave-one-out"]
METHODS: tuple[Method, ...] = get_args(Method)

_BEFORE = 1_000
"""Decisions before the range that are looked through for features that it lacks."""

_FEW = 1_000
"""Decisions below which what was counted may be chance."""


def importance(
    reader: Reader,
    state: State,
    wanted: Extent,
    learner: Learner,
    models: Models,
    progress: Progress | None = None,
) -> FeatureImportance:
    """Return which features there are in a range of the log, and how much the published model goes by them.

    What is lost without them tells `loopledger.evaluation.leaving_out`.

    Args:
        reader: Of the log.
        state: Of the loop, at the log's end.
        wanted: Which decisions.
        learner: Explains the published model.
        models: Where models are kept.
        progress: Is told of decisions read, and of how many.

    Raises:
        NotFound: There is no decision in this range whose rewards are all in.

    """
    versions = Versions(reader, learner, models)
    policy = versions.event(state.published).policy if state.published else state.effective_policy
    sample = Sample(policy.decision_kind, count_decisions(reader, wanted.first - 1, wanted.last))
    presence = count_presence(reader, state, wanted, progress, sample)
    model = versions.model(state.published)
    weighed: Mapping[Key, float] = {}
    if model is not None and sample.questions:
        weighed = spreads(learner, policy, model, sample.questions)
    found = list(presence.found(_known_before(reader, wanted.first)))
    return FeatureImportance(
        loop=state.loop_id,
        first=wanted.first,
        last=wanted.last,
        decisions=presence.decisions,
        method="approximate",
        reward=None,
        namespaces=_scored((one for one in found if one.feature is None), weighed),
        features=_scored((one for one in found if one.feature is not None), weighed),
        cautions=tuple(_cautions(presence, weighed, model, sample)),
    )


def count_presence(
    reader: Reader,
    state: State,
    wanted: Extent,
    progress: Progress | None = None,
    sample: Sample | None = None,
) -> Presence:
    """Return what appears in the decisions of a range that can be learned from.

    Raises:
        NotFound: There is none.

    """
    presence = Presence(_late(reader, wanted))
    for joined in joined_decisions(reader, state, wanted, progress):
        if joined.skipped is None:
            presence.add(joined.seq, contents(joined.context))
            if sample is not None:
                sample.offer(joined)
    if not presence.decisions:
        raise NotFound("there is no decision in this range that can be learned from and has all its rewards")
    return presence


def _late(reader: Reader, wanted: Extent) -> int:
    """Return where the last quarter of a range begins."""
    before = count_decisions(reader, 0, wanted.first - 1)
    inside = count_decisions(reader, wanted.first - 1, wanted.last)
    record = reader.nth(DECISIONS, before + max(1, inside * 3 // 4))
    return record.seq if record is not None else wanted.last + 1


def _known_before(reader: Reader, first: int) -> list[Key]:
    """Return the features of the last decisions before a range."""
    count = count_decisions(reader, 0, first - 1)
    record = reader.nth(DECISIONS, max(1, count - _BEFORE + 1)) if count else None
    if record is None:
        return []
    found: dict[Key, None] = {}
    for traced in all_traced(reader, record.seq, first - 1):
        found |= dict.fromkeys(names(decode_apart(traced.body, traced.seq)[1]))
    return list(found)


def _scored(found: Iterable[Present], weighed: Mapping[Key, float]) -> tuple[FeatureScore, ...]:
    entries = list(found)
    most = max((weighed.get((one.namespace, one.feature), 0.0) for one in entries), default=0.0)
    scores = [
        FeatureScore(
            namespace=one.namespace,
            feature=one.feature,
            score=100 * weighed.get((one.namespace, one.feature), 0.0) / most if most else 0.0,
            reward_without=None,
            present=one.share,
            values=one.values,
            remark=one.remark,
        )
        for one in entries
    ]
    return tuple(sorted(scores, key=lambda one: (-one.score, one.namespace, one.feature or "")))


def _cautions(
    presence: Presence, weighed: Mapping[Key, float], model: bytes | None, sample: Sample
) -> Iterable[Caution]:
    if model is None:
        yield Caution("no-model", "There is no model yet, so no feature matters to it: every score is 0.")
    elif not sample.questions:
        yield Caution(
            "other-decisions",
            "No decision here is of the kind that the model decides: every score is 0.",
        )
    elif not any(weighed.values()):
        yield Caution("no-spread", "The model finds all actions alike: every score is 0.")
    else:
        yield Caution(
            "approximate",
            f"Scores are read off the published model, on {len(sample.questions):,} of its questions: they "
            "say what it goes by, not what it earns by it. Features that say the same share their score.",
        )
    if presence.decisions < _FEW:
        yield Caution(
            "few-decisions",
            f"Only {presence.decisions:,} decisions were counted: what is rare may be chance.",
        )
    if presence.crowded:
        yield Caution(
            "too-many-names",
            "There are more feature names or values than are followed, so some are not listed: names that "
            "are made of data, such as ids or dates, should be values.",
        )
