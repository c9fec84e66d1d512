"""Evaluating: from what somebody asks for to a report."""

import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.util import find_spec
from typing import NamedTuple

from loopledger.adapters.embedding.building import Policy, as_policy
from loopledger.adapters.embedding.exporting import Bound, between
from loopledger.adapters.place import Place
from loopledger.adapters.scratch import Scratch, sweep
from loopledger.adapters.side_by_side import side_by_side
from loopledger.deciding.request import whole_number
from loopledger.errors import InvalidRequest, LearnerFailed, LoopledgerError, NotFound
from loopledger.evaluation.asking import RESERVED, check_request
from loopledger.evaluation.report import Evaluation
from loopledger.evaluation.request import Candidate, EvaluationRequest
from loopledger.learning.checkpoints import Checkpoints, recover
from loopledger.learning.learner import Learner
from loopledger.learning.training import Progress
from loopledger.log.events import DECISIONS
from loopledger.log.journal import Reader
from loopledger.policy import LearningPolicy

Policies = Iterable[Policy] | Mapping[str, Policy]
"""Learning policies as callers give them."""

_CANDIDATE = re.compile(r"candidates\[(\d+)\](.*)")
NOTHING = "loop"
"""What is at fault where a whole loop has nothing to judge; where a range has nothing, it is ``since``."""

_ARGUMENTS = {"candidates": "policies", "first": "since", "last": "until"}


class Asked(NamedTuple):
    """What somebody wants to be evaluated, as `Loop.evaluate` takes it."""

    policies: Policies
    versions: Iterable[int]
    since: Bound
    until: Bound
    warm: bool
    reward_range: tuple[float, float] | None


def check_evaluation() -> None:
    """Make sure that evaluations can be computed here.

    Raises:
        LoopledgerError: They cannot.

    """
    if find_spec("numpy") is None or find_spec("scipy") is None:
        raise LoopledgerError("an evaluation needs numpy and scipy: pip install 'loopledger[evaluation]'")


def evaluation_request(
    reader: Reader, checkpoints: Checkpoints, learner: Learner, asked: Asked
) -> EvaluationRequest:
    """Return what somebody asks for, checked.

    Args:
        reader: Of the log.
        checkpoints: What is kept beside it.
        learner: Tries the policies.
        asked: What somebody asks for.

    Raises:
        InvalidRequest: Names the argument that cannot be used, or says that there is nothing to judge.
        NotFound: There is no such loop or version.

    """
    state = recover(reader, checkpoints)
    if state is None:
        raise NotFound("the log is empty: the loop was never created")
    within = between(reader, state, asked.since, asked.until)
    if not any(_decisions(reader, within.first, within.last)):
        if asked.since is None and asked.until is None:
            raise InvalidRequest(NOTHING, "has no decision yet that could be judged: wait for some")
        raise InvalidRequest("since", "there is no decision in this range: choose another, or wait for some")
    request = EvaluationRequest(
        first=within.first,
        last=within.last,
        candidates=(*_learning(asked.policies), *_versions(asked.versions)),
        warm=bool(asked.warm),
        reward_range=_range(asked.reward_range),
    )
    with _as_given(request):
        checked = check_request(reader, request)
    if all(record.erased for record in reader.records(request.first, request.last, (checked.kind,))):
        raise InvalidRequest(
            "since", "all decisions of this range were erased, and only their hashes are left: choose another"
        )
    for candidate in checked.candidates:
        if candidate.version is None:
            _probe(learner, candidate.policy)
    return request


def evaluated(
    place: Place, learner: Learner, request: EvaluationRequest, progress: Progress | None
) -> Evaluation:
    """Return what an evaluation comes to.

    Args:
        place: Where the loop is kept.
        learner: Learns and answers as each candidate would have.
        request: What is asked.
        progress: Is told how much is done, and of how much.

    """
    from loopledger.evaluation.evaluate import evaluate  # noqa: PLC0415 - an extra

    sweep()
    with (
        Scratch() as scratch,
        closing(place.store.reader()) as reader,
        _as_given(request),
    ):
        return evaluate(
            reader,
            learner,
            request,
            scratch=scratch,
            models=place.checkpoints,
            run=side_by_side,
            progress=progress,
        )


def name_of(request: EvaluationRequest, longest: int) -> str:
    """Return what an evaluation is called if nobody says otherwise: after what is judged."""
    names = [candidate.name for candidate in request.candidates] or list(RESERVED)
    return ", ".join(names)[:longest].strip()


def _decisions(reader: Reader, first: int, last: int) -> Iterator[object]:
    for kind in DECISIONS if first <= last else ():
        yield reader.span(kind, first - 1, last, 1)


@contextmanager
def _as_given(request: EvaluationRequest) -> Generator[None]:
    """Name the arguments that a request was made from, not its own fields."""
    try:
        yield
    except InvalidRequest as error:
        policies = sum(candidate.version is None for candidate in request.candidates)
        raise InvalidRequest(_argument(error.field, policies), error.problem) from None


def _argument(field: str, policies: int) -> str:
    found = _CANDIDATE.fullmatch(field)
    if found is None:
        return _ARGUMENTS.get(field, field)
    place, of = int(found[1]), found[2]
    return f"policies[{place}]{of}" if place < policies else f"versions[{place - policies}]"


def _probe(learner: Learner, policy: LearningPolicy) -> None:
    try:
        learner.probe(policy)
    except LearnerFailed as error:
        raise InvalidRequest("policies", f"the arguments of one of them are refused: {error}") from None


def _learning(policies: object) -> Iterator[Candidate]:
    if isinstance(policies, Mapping):
        for name, policy in policies.items():
            yield Candidate(name=str(name), policy=as_policy(policy))
    elif isinstance(policies, Iterable) and not isinstance(policies, str | bytes):
        for policy in map(as_policy, policies):
            yield Candidate(name=policy.name, policy=policy)
    else:
        raise InvalidRequest(
            "policies", f"must be a list of learning policies (got {type(policies).__name__})"
        )


def _versions(versions: object) -> Iterator[Candidate]:
    if not isinstance(versions, Iterable) or isinstance(versions, str | bytes):
        raise InvalidRequest("versions", f"must be a list of numbers (got {type(versions).__name__})")
    for position, given in enumerate(versions):
        version = whole_number(f"versions[{position}]", given)
        yield Candidate(name=f"version {version}", version=version)


def _range(given: object) -> tuple[float, float] | None:
    if given is None:
        return None
    try:
        low, high = map(float, given)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        raise InvalidRequest("reward_range", "must be two numbers, the least reward and the most") from None
    return low, high
