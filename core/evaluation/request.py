"""What can be asked of a log: which policies, over which range."""

from typing import Literal, NamedTuple

import msgspec

from loopledger.policy import LearningPolicy


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be judged beside Online, Baseline and Random.

    Exactly one of `policy` and `version` is given.

    Attributes:
        name: It is called so in the report; no two are called alike.
        policy: A learning policy, which learns as it goes, beginning with a blank model.
        version: A model version of the loop, which stays as it is.

    """

    name: str
    policy: LearningPolicy | None = None
    version: int | None = None


class Range(NamedTuple):
    """Which decisions are judged: from one seq to another, both included."""

    first: int
    last: int


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """A wish to search for a better learning policy.

    Attributes:
        held_out: The share of the decisions, the last ones, that the search never sees.
        seed: What chance begins with; a search with the same seed and range goes on where it stopped.
        trials: How many policies are tried at most; none for as many as time allows.
        budget: Seconds that it may take; none for as long as the trials need.

    """

    held_out: float = 0.25
    seed: int = 0
    trials: int | None = None
    budget: float | None = None


class EvaluationRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An evaluation of learning policies.

    Attributes:
        first: Seq of the first event of the range.
        last: Seq of the last.
        candidates: What is judged beside Online, Baseline and Random.
        warm: Whether candidates first learn what comes before the range, as the loop itself had.
        reward_range: The least and the most that a reward can be; intervals are computed for it. None
            for the range of the rewards that are allowed by most loops, 0 to 1, widened to what was seen.
        since: The time that the range was asked from, UTC in microseconds since 1970; none if it was a seq.
        until: The time that it was asked to.
        search: Whether a better policy is searched for in the first part of the range, and how. Everything
            is judged on the rest, after learning what comes before.

    """

    first: int
    last: int
    candidates: tuple[Candidate, ...] = ()
    warm: bool = False
    reward_range: tuple[float, float] | None = None
    since: int | None = None
    until: int | None = None
    search: Search | None = None


class FeatureImportanceRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A look at which features matter.

    Attributes:
        first: Seq of the first event of the range.
        last: Seq of the last.
        method: ``leave-one-out`` learns again without each of them; ``approximate`` reads the model.
        since: The time that the range was asked from, UTC in microseconds since 1970; none if it was a seq.
        until: The time that it was asked to.

    """

    first: int
    last: int
    method: Literal["leave-one-out", "approximate"] = "leave-one-out"
    since: int | None = None
    until: int | None = None
