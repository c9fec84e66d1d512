"""What is asked of an evaluation, checked before anything is read."""

from typing import NamedTuple

from loopledger.deciding.request import whole_number
from loopledger.errors import InvalidRequest
from loopledger.evaluation.request import Candidate, EvaluationRequest
from loopledger.learning.replay import state_at, version_event
from loopledger.log.events import DECISIONS, DecisionKind
from loopledger.log.journal import Reader
from loopledger.policy import LearningPolicy, check_policy
from loopledger.state import State

RESERVED = ("Online", "Baseline", "Random")
_LONGEST = 256
_ALL = 2**62
_FARTHEST = 1e12
_NARROWEST = 1e-9


class Named(NamedTuple):
    """A candidate, checked.

    Attributes:
        name: It is called so.
        policy: It learns by, or its version was made under; exploration written in.
        version: If it is one that stays as it is.

    """

    name: str
    policy: LearningPolicy
    version: int | None


class Asked(NamedTuple):
    """A request, checked.

    Attributes:
        request: The request.
        state: Of the loop at the log's end.
        then: Of the loop at the range's end.
        since: When the range begins, UTC in microseconds since 1970.
        until: When it ends.
        kind: Of the decisions that are judged.
        decisions: How many of that kind there are in the range.
        other: How many of the other kind, which are not judged.
        candidates: In the order in which they were asked for.

    """

    request: EvaluationRequest
    state: State
    then: State
    since: int
    until: int
    kind: DecisionKind
    decisions: int
    other: int
    candidates: tuple[Named, ...]


def check_request(reader: Reader, request: EvaluationRequest) -> Asked:
    """Return what is asked.

    Raises:
        InvalidRequest: Names the field that cannot be used.
        NotFound: A version does not exist.

    """
    head = reader.head()
    first, last = whole_number("first", request.first), whole_number("last", request.last)
    if not 1 <= first <= last <= head.seq:
        raise InvalidRequest(
            "first" if first > last or first < 1 else "last",
            f"the range must lie within the log, from event 1 to {head.seq}, and not end before it begins",
        )
    _check_rewards(request.reward_range)
    state, then = state_at(reader, head.seq), state_at(reader, last)
    candidates = tuple(
        _candidate(reader, state, f"candidates[{place}]", candidate)
        for place, candidate in enumerate(request.candidates)
    )
    _check_names(candidates)
    counts: dict[DecisionKind, int] = {kind: _count(reader, kind, first, last) for kind in DECISIONS}
    kind = _kind(candidates, counts, then)
    if not counts[kind]:
        raise InvalidRequest(
            "first", "the range holds no decision that could be judged: choose a longer one, or a later one"
        )
    (other,) = (counts[name] for name in DECISIONS if name != kind)
    begin = reader.record(first)
    return Asked(
        request, state, then, begin.at if begin else 0, then.at, kind, counts[kind], other, candidates
    )


def _candidate(reader: Reader, state: State, field: str, candidate: Candidate) -> Named:
    if not 0 < len(candidate.name) <= _LONGEST or not candidate.name.strip():
        raise InvalidRequest(f"{field}.name", f"must have 1 to {_LONGEST} characters")
    if (candidate.policy is None) == (candidate.version is None):
        raise InvalidRequest(field, "must have either a policy or a version")
    if candidate.policy is None:
        version = whole_number(f"{field}.version", candidate.version)
        _, event = version_event(reader, version)
        return Named(candidate.name, event.policy, version)
    try:
        policy = check_policy(candidate.policy)
    except InvalidRequest as error:
        raise InvalidRequest(f"{field}.{error.field}", error.problem) from None
    return Named(candidate.name, policy.with_exploration(state.settings.exploration_percentage), None)


def _check_names(candidates: tuple[Named, ...]) -> None:
    taken = {name.casefold() for name in RESERVED}
    for place, candidate in enumerate(candidates):
        if candidate.name.casefold() in taken:
            raise InvalidRequest(
                f"candidates[{place}].name",
                f"is taken: {', '.join(RESERVED)} are always judged, and no two are called alike; "
                "give it another name",
            )
        taken.add(candidate.name.casefold())


def _check_rewards(reward_range: tuple[float, float] | None) -> None:
    if reward_range is None:
        return
    least, most = reward_range
    if not (-_FARTHEST <= least < most <= _FARTHEST and most - least >= _NARROWEST):
        raise InvalidRequest(
            "reward_range",
            f"must be two numbers from {-_FARTHEST:g} to {_FARTHEST:g}, the smaller one first, and at least "
            f"{_NARROWEST:g} apart: scale the rewards, or name what they can be",
        )


def _count(reader: Reader, kind: DecisionKind, first: int, last: int) -> int:
    span = reader.span(kind, first - 1, last, _ALL)
    return span.decisions if span else 0


def _kind(candidates: tuple[Named, ...], counts: dict[DecisionKind, int], then: State) -> DecisionKind:
    """Return the kind of decisions that is judged: the candidates' or, without any, what there is most of."""
    kinds: set[DecisionKind] = {candidate.policy.decision_kind for candidate in candidates}
    if len(kinds) > 1:
        raise InvalidRequest(
            "candidates", "must all decide one action, or all several slots: evaluate them apart"
        )
    if not kinds:
        own = then.policy.decision_kind
        one, several = DECISIONS
        return own if counts[one] == counts[several] else one if counts[one] > counts[several] else several
    (kind,) = kinds
    if not counts[kind] and any(counts.values()):
        raise InvalidRequest(
            "candidates",
            "decide one action where all decisions of the range fill several slots, or the other way round",
        )
    return kind
