"""Every model that a loop ever had: what it came from, and when it answered."""

from collections.abc import Iterable
from hashlib import sha256

import msgspec

from loopledger.learning.checkpoints import Models
from loopledger.log.chain import Record
from loopledger.log.events import CONTROL, ModelImported, ModelTrained, decode
from loopledger.log.journal import Reader
from loopledger.log.remains import Remains
from loopledger.policy import LearningPolicy
from loopledger.state import State, evolve


class Service(msgspec.Struct, frozen=True):
    """A stretch of the log in which one version answered.

    Attributes:
        first: Seq of the event that published it.
        last: Seq of the event that put another in its place; none if it still answers.
        since: When it was published, UTC in microseconds since 1970.
        until: When another took its place; none if it still answers.

    """

    first: int
    last: int | None
    since: int
    until: int | None


class ModelVersion(msgspec.Struct, frozen=True):
    """A model version, without its bytes.

    Attributes:
        version: Its number.
        parent: The version it was made from; 0 for none.
        imported: Whether it came from outside.
        policy: The policy it was made under, exploration written in.
        first: Seq of the first decision it learned in its own step, if any.
        last: Seq of the last.
        decisions: How many decisions that step covers.
        examples: How many of them it learned from.
        sha256: Of its bytes, in hexadecimal digits.
        size: Of the model, in bytes.
        engine: What made it.
        seq: The event that recorded it.
        at: When that was, UTC in microseconds since 1970.
        kept: Whether its bytes are at hand; otherwise they are made again from an earlier version.
        served: When it answered.
        passes: How often it learned its examples.
        evaluation: The id of the evaluation that had put its policy in force, if one had.

    """

    version: int
    parent: int
    imported: bool
    policy: LearningPolicy
    first: int | None
    last: int | None
    decisions: int
    examples: int
    sha256: str
    size: int
    engine: str
    seq: int
    at: int
    kept: bool
    served: tuple[Service, ...]
    passes: int = 1
    evaluation: str | None = None


def lineage(reader: Reader, checkpoints: Models) -> list[ModelVersion]:
    """Return all model versions of a log in their order."""
    made: list[tuple[Record, ModelTrained | ModelImported, str | None]] = []
    served: dict[int, list[Service]] = {}
    state: State | None = None
    for record in reader.records(kinds=CONTROL):
        before = state.published if state else 0
        state = evolve(state, record)
        event = decode(record.body, record.seq)
        if isinstance(event, ModelTrained | ModelImported):
            made.append((record, event, state.because))
        if state.published != before:
            if before:
                served[before].append(_ended(served[before].pop(), record))
            if state.published:
                begun = Service(record.seq, None, record.at, None)
                served.setdefault(state.published, []).append(begun)
    remains = Remains(reader)
    return [
        msgspec.structs.replace(
            _described(record, event, checkpoints, served.get(event.version, ()), remains),
            evaluation=because,
        )
        for record, event, because in made
    ]


def _ended(service: Service, record: Record) -> Service:
    return Service(service.first, record.seq, service.since, record.at)


def _described(
    record: Record,
    event: ModelTrained | ModelImported,
    checkpoints: Models,
    served: Iterable[Service],
    remains: Remains,
) -> ModelVersion:
    trained = event if isinstance(event, ModelTrained) else None
    kept = checkpoints.load_model(event.version)
    return ModelVersion(
        version=event.version,
        parent=trained.parent if trained else 0,
        imported=trained is None,
        policy=event.policy,
        first=trained.first if trained else None,
        last=trained.last if trained else None,
        decisions=trained.decisions if trained else 0,
        examples=trained.examples if trained else 0,
        sha256=event.sha256,
        size=event.size if isinstance(event, ModelTrained) else len(event.model),
        engine=event.engine,
        seq=record.seq,
        at=record.at,
        kept=isinstance(event, ModelImported)
        or event.version in remains.kept
        or (kept is not None and sha256(kept).hexdigest() == event.sha256),
        served=tuple(served),
        passes=trained.passes if trained else 1,
    )
