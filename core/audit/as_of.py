"""A loop as it was at one moment, and what it would have answered then."""

import msgspec

from loopledger.answers import Decision, SlotsDecision
from loopledger.batch import Batch
from loopledger.commands import Rank, RankSlots
from loopledger.decide import decide
from loopledger.deciding.draw import uniform_hash
from loopledger.errors import InvalidRequest, LogDamaged
from loopledger.learning.checkpoints import Models
from loopledger.learning.learner import Learner, opened
from loopledger.learning.replay import state_at
from loopledger.learning.training import Progress
from loopledger.learning.versions import Versions
from loopledger.log.events import DECISIONS
from loopledger.log.journal import Reader
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings
from loopledger.state import State


class AsOf(msgspec.Struct, frozen=True):
    """A loop at one moment.

    Attributes:
        loop: Its name.
        seq: The last event of that moment.
        at: When that event came, UTC in microseconds since 1970.
        digest: Its digest, in hexadecimal digits: the chain's head at that moment.
        settings: In force.
        policy: In force.
        published: The version that answered; 0 for none.
        versions: How many versions there were.
        learned_through: Seq up to which decisions were learned.
        decisions: How many decisions there were.
        learned_decisions: How many of them were learned, or never will be by this line of models.
        waiting_decisions: The others: windows still open, or not trained yet.

    """

    loop: str
    seq: int
    at: int
    digest: str
    settings: Settings
    policy: LearningPolicy
    published: int
    versions: int
    learned_through: int
    decisions: int
    learned_decisions: int
    waiting_decisions: int


def as_of(reader: Reader, seq: int) -> AsOf:
    """Return a loop as it was when an event had just been logged.

    Raises:
        NotFound: The log does not hold that event.

    """
    state = state_at(reader, seq)
    learned = _decisions(reader, state.line.learned_through)
    decisions = _decisions(reader, seq)
    return AsOf(
        loop=state.loop_id,
        seq=seq,
        at=state.at,
        digest=state.digest.hex(),
        settings=state.settings,
        policy=state.policy,
        published=state.published,
        versions=state.versions,
        learned_through=state.line.learned_through,
        decisions=decisions,
        learned_decisions=learned,
        waiting_decisions=decisions - learned,
    )


def rank_as_of(
    reader: Reader,
    learner: Learner,
    checkpoints: Models,
    state: State,
    command: Rank | RankSlots,
    progress: Progress | None = None,
) -> Decision | SlotsDecision:
    """Return what a loop would have answered in a state that it had; nothing is logged.

    The same event id gets the same draw as it got, or would have got, from the loop.

    Args:
        reader: Of the log.
        learner: Answers with the model of that moment.
        checkpoints: Where models are kept.
        state: Of that moment.
        command: The request; an event id that is in the log is not looked up.
        progress: Is told of decisions learned again, and of how many.

    Raises:
        InvalidRequest: The request does not fit the policy of that moment.
        ReplayMismatch: The model of that moment cannot be made again.

    """
    several = isinstance(command, RankSlots)
    if several != state.policy.multi_slot:
        way_out = "one action: leave its slots out" if several else "several slots: give it slots"
        raise InvalidRequest(
            "request", f"does not fit the learning policy of that moment, which decides {way_out}"
        )
    scorer = Versions(reader, learner, checkpoints, progress).scorer(state.published)
    with opened(scorer):
        batch = Batch(reader, state.head, state.at, scorer, uniform_hash(state.loop_id), learner.hash_id)
        answer = decide(state, msgspec.structs.replace(command, named=False), batch).answer
    if not isinstance(answer, Decision | SlotsDecision):
        raise LogDamaged("a Rank came to something else than a decision")
    return answer


def _decisions(reader: Reader, until: int) -> int:
    spans = [reader.span(kind, 0, until, until + 1) for kind in DECISIONS]
    return sum(span.decisions for span in spans if span is not None)
