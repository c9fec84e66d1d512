"""What a loop says about itself: its status and its models."""

from typing import Any

import msgspec

from loopledger.learning.checkpoints import Checkpoints
from loopledger.learning.learner import Learner
from loopledger.learning.replay import rebuild, version_as_of, version_event
from loopledger.learning.training import Progress
from loopledger.log.chain import Record
from loopledger.log.events import DECISIONS, ModelTrained
from loopledger.log.journal import Reader
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings
from loopledger.state import State


class Model(msgspec.Struct, frozen=True):
    """A model version, with its bytes.

    Attributes:
        version: Its number.
        parent: The version it was made from; 0 for none.
        policy: The policy it was made under, exploration written in.
        first: Seq of the first decision it learned in its own step, if any.
        last: Seq of the last.
        examples: How many it learned from in its own step.
        sha256: Of its bytes, in hexadecimal digits.
        engine: What made it.
        seq: The event that recorded it.
        data: Its bytes, a VowpalWabbit model.

    """

    version: int
    parent: int
    policy: LearningPolicy
    first: int | None
    last: int | None
    examples: int
    sha256: str
    engine: str
    seq: int
    data: bytes

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the bytes as plain values."""
        described: dict[str, Any] = msgspec.to_builtins(self)
        del described["data"]
        return {**described, "size": len(self.data)}

    def __repr__(self) -> str:
        return f"Model(version={self.version}, sha256={self.sha256[:16]}…, {len(self.data)} bytes)"


class Status(msgspec.Struct, frozen=True):
    """How a loop stands.

    Attributes:
        name: Its name.
        events: How many events its log holds.
        counts: How many of each kind.
        at: When the last event came, UTC in microseconds since 1970.
        digest: The last event's digest, in hexadecimal digits.
        policy: In force.
        settings: In force.
        published: The version that decisions use; 0 for none.
        versions: How many versions there are.
        learned_through: Seq up to which decisions were learned.
        waiting_decisions: Decisions after that: windows still open, or not trained yet.
        size: Bytes of the log on disk; 0 where it is kept in memory.

    """

    name: str
    events: int
    counts: dict[str, int]
    at: int
    digest: str
    policy: LearningPolicy
    settings: Settings
    published: int
    versions: int
    learned_through: int
    waiting_decisions: int
    size: int = 0

    @property
    def bytes_per_decision(self) -> float:
        """The log's bytes over the number of decisions, with all that belongs to them; 0 for none."""
        decisions = sum(self.counts.get(kind, 0) for kind in DECISIONS)
        return self.size / decisions if decisions else 0.0


class Entry(msgspec.Struct, frozen=True):
    """An event of the log, for reading.

    Attributes:
        seq: Its place.
        at: When, UTC in microseconds since 1970.
        kind: What happened.
        event_id: The decision it belongs to, if any.
        body: The rest, as JSON; null if it was erased.

    """

    seq: int
    at: int
    kind: str
    event_id: str | None
    body: msgspec.Raw

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return decoded


def entry(record: Record) -> Entry:
    """Return an event of the log for reading."""
    return Entry(record.seq, record.at, record.kind, record.event_id, msgspec.Raw(record.body or b"null"))


def status(reader: Reader, state: State) -> Status:
    """Return how a loop stands."""
    kind = state.policy.decision_kind
    waiting = reader.span(kind, state.line.learned_through, state.seq, state.seq + 1)
    return Status(
        state.loop_id,
        state.seq,
        dict(sorted(reader.counts().items())),
        state.at,
        state.digest.hex(),
        state.policy,
        state.settings,
        state.published,
        state.versions,
        state.line.learned_through,
        waiting.decisions if waiting else 0,
        reader.size(),
    )


def model_as_of(
    reader: Reader,
    learner: Learner,
    checkpoints: Checkpoints,
    *,
    version: int | None = None,
    at: int | None = None,
    seq: int | None = None,
    progress: Progress | None = None,
) -> Model:
    """Return a version, or the one that was published at a time or a seq, rebuilt if it is not kept.

    Raises:
        NotFound: There is no such version, or was no model then.
        ReplayMismatch: It does not rebuild to what was recorded.

    """
    wanted = version_as_of(reader, version=version, at=at, seq=seq)
    made_at, event = version_event(reader, wanted)
    data = rebuild(reader, learner, wanted, checkpoints, progress)
    trained = event if isinstance(event, ModelTrained) else None
    return Model(
        wanted,
        trained.parent if trained else 0,
        event.policy,
        trained.first if trained else None,
        trained.last if trained else None,
        trained.examples if trained else 0,
        event.sha256,
        event.engine,
        made_at,
        data,
    )
