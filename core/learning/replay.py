"""Replay: any state and any model version that the loop ever had, made again from its log."""

from hashlib import sha256

from msgspec.structs import replace

from loopledger.deciding.request import whole_number
from loopledger.errors import LogDamaged, NotFound, ReplayMismatch
from loopledger.learning.checkpoints import Models
from loopledger.learning.learner import Learner
from loopledger.learning.training import Progress, fold, step_of
from loopledger.log.events import CONTROL, VERSIONS, ModelImported, ModelTrained, decode
from loopledger.log.journal import Reader
from loopledger.log.remains import Remains
from loopledger.state import State
from loopledger.state import replay as replay_events

Version = ModelTrained | ModelImported


def version_event(reader: Reader, version: int) -> tuple[int, Version]:
    """Return the event that made a version, and its seq.

    Raises:
        NotFound: There is no such version.

    """
    record = reader.nth(VERSIONS, version) if version > 0 else None
    if record is None:
        raise NotFound(f"there is no model version {version}")
    event = decode(record.body, record.seq)
    if not isinstance(event, ModelTrained | ModelImported) or event.version != version:
        raise LogDamaged(f"event {record.seq} should be model version {version} and is not", record.seq)
    return record.seq, event


def state_at(reader: Reader, seq: int) -> State:
    """Return the state as it was when an event had just been logged.

    Raises:
        NotFound: The log does not hold that event.

    """
    record = reader.record(seq)
    state = None if record is None else replay_events(reader.records(last=seq, kinds=CONTROL))
    if record is None or state is None:
        raise NotFound(f"there is no event {seq}")
    return replace(state, seq=record.seq, at=record.at, digest=record.digest)


def first_from(reader: Reader, at: int) -> int:
    """Return the seq of the first event from a time on (microseconds since 1970); it may be yet to come."""
    return reader.last_until(at - 1) + 1


def seq_at(reader: Reader, at: int | None = None, seq: int | None = None) -> int:
    """Return the seq that is meant: the last event at a time, or itself; without either, the log's end.

    Args:
        reader: Of the log.
        at: A time, UTC in microseconds since 1970.
        seq: A place in the log.

    Raises:
        NotFound: The loop did not exist at that time.
        InvalidRequest: The seq is no whole number.

    """
    if at is not None:
        last = reader.last_until(at)
        if not last:
            raise NotFound("the loop was made only after that time")
        return last
    return reader.head().seq if seq is None else whole_number("seq", seq)


def version_as_of(
    reader: Reader, *, version: int | None = None, at: int | None = None, seq: int | None = None
) -> int:
    """Return the version that is meant: itself, or the one that was published at a time or a seq.

    Args:
        reader: Of the log.
        version: A version's number.
        at: A time, UTC in microseconds since 1970.
        seq: A place in the log; with none of the three, its end.

    Raises:
        NotFound: There was no model then, or no such version.
        InvalidRequest: A number is none.

    """
    if version is not None:
        version = whole_number("version", version)
        version_event(reader, version)
        return version
    published = state_at(reader, seq_at(reader, at, seq)).published
    if not published and at is None and seq is None:
        raise NotFound("no model is published: every action has the same probability; training makes one")
    if not published:
        raise NotFound("no model was published at that moment: every action had the same probability")
    return published


def rebuild(
    reader: Reader,
    learner: Learner,
    version: int,
    checkpoints: Models | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Return a version's bytes, made again from the nearest earlier version that is kept.

    Every step on the way is compared with the log.

    Args:
        reader: Of the log.
        learner: Folds the steps.
        version: The version that is wanted.
        checkpoints: Where versions are kept; without them it starts from the beginning.
        progress: Is told of decisions learned again, and of how many.

    Raises:
        NotFound: There is no such version.
        ReplayMismatch: A step does not give the model that was recorded.
        LearnerFailed: The engine refused, died or hung.

    """
    while True:
        remains = Remains(reader)
        try:
            return _rebuilt(reader, learner, version, checkpoints, progress, remains)
        except ReplayMismatch:
            # What it learned from may have been erased while it was read; then its bytes are kept.
            if Remains(reader) == remains:
                raise


def _rebuilt(
    reader: Reader,
    learner: Learner,
    version: int,
    checkpoints: Models | None,
    progress: Progress | None,
    remains: Remains,
) -> bytes:
    missing: list[tuple[int, ModelTrained]] = []
    model: bytes | None = None
    wanted = version
    while wanted:
        seq, event = version_event(reader, wanted)
        if isinstance(event, ModelImported):
            model = _same(event.model, event, seq, learner.engine)
            break
        kept = checkpoints.load_model(wanted) if checkpoints else None
        if kept is not None and sha256(kept).hexdigest() == event.sha256:
            model = kept
            break
        if wanted in remains.kept:
            model = _same(remains.model(wanted), event, seq, learner.engine)
            break
        missing.append((seq, event))
        wanted = event.parent
    total = sum(event.decisions for _, event in missing)
    done = 0
    for seq, event in reversed(missing):
        tell = _after(done, total, progress) if progress else None
        folded = fold(step_of(event), model, reader, learner, tell)
        model = _same(folded.model, event, seq, learner.engine)
        done += event.decisions
        if progress:
            progress(done, total)
    if model is None:
        raise NotFound(f"there is no model version {version}")
    return model


def _after(before: int, total: int, progress: Progress) -> Progress:
    """Return what tells of a part's progress as the whole's."""
    return lambda done, _part: progress(before + done, total)


def _same(model: bytes, event: Version, seq: int, engine: str) -> bytes:
    digest = sha256(model).hexdigest()
    if digest != event.sha256:
        other = "" if event.engine == engine else f"; it was made by {event.engine}, and this is {engine}"
        raise ReplayMismatch(
            f"event {seq}: model version {event.version} should have SHA-256 {event.sha256[:16]}… "
            f"and replays to {digest[:16]}…{other}",
            seq,
        )
    return model
