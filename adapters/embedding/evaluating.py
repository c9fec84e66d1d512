"""Evaluating: from what somebody asks for to a report."""

import math
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import NamedTuple

from loopledger.adapters.embedding.building import Policy, as_policy
from loopledger.adapters.embedding.exporting import Bound, between
from loopledger.adapters.place import Place
from loopledger.deciding.request import check_id, whole_number
from loopledger.errors import InvalidRequest, LearnerFailed, LoopledgerError, NotFound
from loopledger.evaluation.report import Evaluation
from loopledger.evaluation.request import Candidate, EvaluationRequest
from loopledger.learning.checkpoints import Checkpoints, recover
from loopledger.learning.learner import Learner
from loopledger.learning.replay import version_event
from loopledger.learning.training import Progress
from loopledger.log.events import DECISIONS, DecisionKind
from loopledger.log.journal import Reader
from loopledger.state import State

Policies = Iterable[Policy] | Mapping[str, Policy]
"""Learning policies as callers give them."""

_OWN = ("Online", "Baseline", "Random")
_LONGEST_NAME = 256


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
    kinds = _kinds(reader, within.first, within.last)
    candidates = (
        *_learning(asked.policies, state, learner, kinds),
        *_versions(asked.versions, reader, kinds),
    )
    names = [*_OWN, *(candidate.name for candidate in candidates)]
    if len(set(names)) < len(names):
        raise InvalidRequest(
            "policies", "two are called alike, or as Online, Baseline or Random: a mapping gives other names"
        )
    return EvaluationRequest(
        first=within.first,
        last=within.last,
        candidates=candidates,
        warm=bool(asked.warm),
        reward_range=_range(asked.reward_range),
    )


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
    raise NotImplementedError


def name_of(request: EvaluationRequest) -> str:
    """Return what an evaluation is called if nobody says otherwise: after what is judged."""
    names = [candidate.name for candidate in request.candidates] or list(_OWN)
    return ", ".join(names)[:_LONGEST_NAME]


def _kinds(reader: Reader, first: int, last: int) -> set[DecisionKind]:
    """Return the kinds of decision that there are to judge.

    Raises:
        InvalidRequest: There is none.

    """
    spans = {kind: reader.span(kind, first - 1, last, 1) if first <= last else None for kind in DECISIONS}
    if not any(spans.values()):
        raise InvalidRequest("since", "there is no decision in this range: choose another, or wait for some")
    found = {
        kind
        for kind, span in spans.items()
        if span and any(not record.erased for record in reader.records(span.first, last, (kind,)))
    }
    if not found:
        raise InvalidRequest(
            "since", "all decisions in this range were erased, and only their hashes are left: choose another"
        )
    return found


def _learning(
    policies: object, state: State, learner: Learner, kinds: set[DecisionKind]
) -> Iterator[Candidate]:
    if isinstance(policies, Mapping):
        given = [(str(name), as_policy(policy)) for name, policy in policies.items()]
    elif isinstance(policies, Iterable) and not isinstance(policies, str | bytes):
        given = [(policy.name, policy) for policy in map(as_policy, policies)]
    else:
        raise InvalidRequest(
            "policies", f"must be a list of learning policies (got {type(policies).__name__})"
        )
    for position, (name, policy) in enumerate(given):
        field = f"policies[{position}]"
        check_id(f"{field}.name", name, state.settings.limits)
        _check_kind(field, policy.decision_kind, kinds)
        try:
            learner.probe(policy.with_exploration(state.settings.exploration_percentage))
        except LearnerFailed as error:
            raise InvalidRequest(f"{field}.arguments", f"are refused: {error}") from None
        yield Candidate(name=name, policy=policy)


def _versions(versions: object, reader: Reader, kinds: set[DecisionKind]) -> Iterator[Candidate]:
    if not isinstance(versions, Iterable) or isinstance(versions, str | bytes):
        raise InvalidRequest("versions", f"must be a list of numbers (got {type(versions).__name__})")
    for position, given in enumerate(versions):
        field = f"versions[{position}]"
        version = whole_number(field, given)
        _, event = version_event(reader, version)
        _check_kind(field, event.policy.decision_kind, kinds)
        yield Candidate(name=f"version {version}", version=version)


def _check_kind(field: str, kind: DecisionKind, kinds: set[DecisionKind]) -> None:
    if kind not in kinds:
        one = "decides one action, and all decisions in this range are for several slots"
        several = "decides several slots, and all decisions in this range are for one action"
        raise InvalidRequest(field, f"{one if kind == 'Ranked' else several}: leave it out")


def _range(given: object) -> tuple[float, float] | None:
    if given is None:
        return None
    try:
        low, high = map(float, given)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InvalidRequest("reward_range", "must be two numbers, the least reward and the most")
    return low, high
