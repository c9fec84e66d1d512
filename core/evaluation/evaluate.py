"""Evaluating: what Online, Baseline, Random and some candidates would have earned over a range of the log."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from loopledger.errors import InvalidRequest, LearnerFailed
from loopledger.evaluation.asking import RESERVED, Asked, check_request
from loopledger.evaluation.cautions import about_range
from loopledger.evaluation.declared import Declared
from loopledger.evaluation.judging import FixedVersion, Judgeable, Own, judge
from loopledger.evaluation.material import Material, gather
from loopledger.evaluation.remarks import learned_inside, remarks
from loopledger.evaluation.report import Bounds, Caution, Evaluation, Judged, Source
from loopledger.evaluation.request import EvaluationRequest
from loopledger.evaluation.rewards import learn_rewards
from loopledger.evaluation.schedule import Schedule, schedule
from loopledger.evaluation.tally import FINEST, Tally
from loopledger.learning.checkpoints import Models
from loopledger.learning.learner import Learner
from loopledger.learning.replay import rebuild
from loopledger.learning.training import Progress
from loopledger.log.journal import Reader

Work = Callable[[], Judged]
Run = Callable[[Sequence[Work]], Iterable[Judged]]
"""Does some work, side by side or not, and returns what comes of it in the same order."""

_USUAL_RANGE = (0.0, 1.0)


def one_by_one(works: Sequence[Work]) -> Iterator[Judged]:
    """Do one thing after another."""
    return (work() for work in works)


def evaluate(
    reader: Reader,
    learner: Learner,
    request: EvaluationRequest,
    *,
    scratch: Path,
    models: Models | None = None,
    run: Run = one_by_one,
    progress: Progress | None = None,
) -> Evaluation:
    """Return what policies would have earned; nothing in the loop changes.

    A candidate that the engine refuses, or whose worker dies twice, is reported as failed; the others
    are judged all the same.

    Args:
        reader: Of the log.
        learner: Answers and learns.
        request: What is asked.
        scratch: An empty folder for what is read from the log, about as large as that.
        models: Where versions are kept, to rebuild those that are judged from.
        run: Judges policies, side by side if it can.
        progress: Is told how much is done, and of how much: decisions, each time they are gone through.

    Raises:
        InvalidRequest: The range holds nothing to judge, or a candidate cannot be one; names the field.
        NotFound: A version does not exist.
        LogDamaged: The log does not hold what was committed.

    """
    asked = check_request(reader, request)
    told = _Told(progress, asked.decisions, len(RESERVED) + len(asked.candidates) + 2)
    with ExitStack() as stack:
        material = gather(
            reader,
            asked.state,
            asked.kind,
            request.first,
            request.last,
            scratch,
            warm=request.warm,
            progress=told.part(0),
        )
        stack.callback(material.discard)
        if not material.decisions:
            reasons = ", ".join(f"{count} {why}" for why, count in material.left_out.items())
            raise InvalidRequest("first", f"the range holds no decision that can be judged ({reasons})")
        plan = schedule(reader, material, request.last)
        seen = material.reward_range
        declared = Declared(material.least_probability, request.reward_range or _wide(_USUAL_RANGE, seen))
        cautions = remarks(reader, asked, plan)
        cautions += _learn_rewards(material, plan, learner, asked, declared.reward_range)
        told.part(1)(1, 1)
        entries = _entries(reader, learner, asked, models)
        policies = tuple(
            run(
                [
                    partial(_judged, entry, material, plan, learner, declared, told.part(number))
                    for number, entry in enumerate(entries, start=2)
                ]
            )
        )
    online, _, fixed = policies[: len(RESERVED)]
    inside = declared._replace(reward_range=_wide(declared.reward_range, seen))
    cautions += about_range(online.overall.sums, fixed.over_time, inside)
    return Evaluation(
        loop=asked.state.loop_id,
        first=request.first,
        last=request.last,
        since=asked.since,
        until=asked.until,
        decisions=material.decisions,
        left_out=material.left_out,
        minute_width=FINEST,
        reward_range=inside.reward_range,
        minimum_probability=inside.minimum_probability,
        policies=policies,
        cautions=tuple(cautions),
    )


def _wide(reward_range: Bounds, seen: Bounds) -> Bounds:
    return min(reward_range[0], seen[0]), max(reward_range[1], seen[1])


class _Entry(NamedTuple):
    """What is judged, with what its report begins with."""

    name: str
    source: Source
    judged: Judgeable
    arguments: str = ""
    version: int | None = None
    learned_inside: int = 0
    cautions: tuple[Caution, ...] = ()


class _Told:
    """Adds up what several works tell of their progress, from several threads.

    Args:
        progress: Is told of all of it.
        each: How much one of them has to do.
        count: How many there are.

    """

    def __init__(self, progress: Progress | None, each: int, count: int) -> None:
        self._progress = progress
        self._done = [0] * count
        self._each = each
        self._guard = Lock()

    def part(self, number: int) -> Progress:
        """Return what one of them tells."""

        def tell(done: int, total: int) -> None:
            with self._guard:
                self._done[number] = self._each * done // max(1, total)
                whole = sum(self._done)
            if self._progress:
                self._progress(whole, self._each * len(self._done))

        return tell


def _entries(reader: Reader, learner: Learner, asked: Asked, models: Models | None) -> list[_Entry]:
    own: tuple[Own, ...] = ("Online", "Baseline", "Random")
    entries = [_Entry(name, name, name) for name in own]
    for name, policy, version in asked.candidates:
        if version is None:
            entries.append(_Entry(name, "Custom", policy, policy.arguments))
        else:
            judged = FixedVersion(policy, rebuild(reader, learner, version, models))
            inside, remarked = learned_inside(reader, asked, version)
            entries.append(_Entry(name, "Version", judged, policy.arguments, version, inside, remarked))
    return entries


def _learn_rewards(
    material: Material, plan: Schedule, learner: Learner, asked: Asked, reward_range: Bounds
) -> list[Caution]:
    """Add a reward model that sees features as the loop does, and say so if there is none."""
    policies = [asked.then.policy, *(candidate.policy for candidate in asked.candidates)]
    fitting = [policy for policy in policies if policy.decision_kind == asked.kind]
    if not fitting:
        return []
    try:
        learn_rewards(material, plan, learner, fitting[0], reward_range)
    except LearnerFailed as error:
        return [
            Caution(
                "no-reward-model", f"No reward model could be learned ({error}): nothing is doubly robust."
            )
        ]
    return []


def _judged(
    entry: _Entry,
    material: Material,
    plan: Schedule,
    learner: Learner,
    declared: Declared,
    progress: Progress,
) -> Judged:
    def tally() -> Tally:
        return Tally(minimum_probability=declared.minimum_probability, reward_range=declared.reward_range)

    counted, failed = tally(), None
    try:
        for cases, answers in judge(material, plan, learner, entry.judged, progress=progress):
            counted.add(cases, answers)
    except LearnerFailed as error:
        counted, failed = tally(), str(error)
        progress(1, 1)
    return Judged(
        name=entry.name,
        source=entry.source,
        arguments=entry.arguments,
        version=entry.version,
        overall=counted.estimate(),
        slots=counted.slots(material.slots) if material.slots else (),
        over_time=counted.points(),
        verdict=None if failed else counted.verdict(entry.name),
        cautions=(*entry.cautions, *counted.cautions(learned_inside=entry.learned_inside))
        if not failed
        else (),
        failed=failed,
    )
