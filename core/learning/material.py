"""What a step is about to learn from: whether it is what was recorded."""

from loopledger.errors import LogDamaged
from loopledger.learning.joining import EARLY
from loopledger.learning.training import Step
from loopledger.log.events import VERSIONS, LoopCreated, ModelTrained, SettingsChanged, decode
from loopledger.log.journal import Reader


def check_material(reader: Reader, step: Step) -> None:
    """Refuse to learn what is not what was recorded: a new model would carry it for ever.

    Raises:
        LogDamaged: Names the first event that was changed, or cannot be found.

    """
    if step.first is None or step.last is None:
        return
    first = _early(reader, step.parent, step.first)
    last = _reach(reader, step.first, step.last)
    for _ in reader.records(first, last):
        pass  # reading is checking
    lost = reader.unindexed(first, last)
    if lost is not None:
        raise LogDamaged(
            f"event {lost} cannot be found by its kind or its event id: an index is damaged", lost
        )


def _early(reader: Reader, parent: int, first: int) -> int:
    """Return from which event on rewards may count for a decision, less what was checked with the parent."""
    begins = reader.last_until(_at(reader, first) - EARLY) + 1
    made = reader.nth(VERSIONS, parent) if parent else None
    before = decode(made.body, made.seq) if made is not None else None
    if isinstance(before, ModelTrained) and before.first is not None and before.last is not None:
        begins = max(begins, _reach(reader, before.first, before.last) + 1)
    return min(begins, first)


def _reach(reader: Reader, first: int, last: int) -> int:
    """Return up to which event rewards may count for the decisions between two events."""
    return reader.last_until(_at(reader, last) + _longest_wait(reader, first, last))


def _at(reader: Reader, seq: int) -> int:
    record = reader.record(seq)
    if record is None:
        raise LogDamaged(f"event {seq} is missing", seq)
    return record.at


def _longest_wait(reader: Reader, first: int, last: int) -> int:
    """Return the longest reward wait, in microseconds, that was in force between two events."""
    longest = 0
    for record in reader.records(last=last, kinds=("LoopCreated", "SettingsChanged")):
        event = decode(record.body, record.seq)
        if isinstance(event, LoopCreated | SettingsChanged):
            wait = event.settings.reward_wait
            longest = wait if record.seq < first else max(longest, wait)
    return longest
