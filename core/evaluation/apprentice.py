"""Apprentice: how well the model imitates its caller, and when it can go Online."""

from collections import deque
from collections.abc import Iterator

import msgspec

from loopledger.clock import SECOND
from loopledger.errors import NotFound
from loopledger.evaluation.readiness import Readiness, readiness
from loopledger.evaluation.stretch import Case, Counting, Stretch
from loopledger.exchange.export import Extent, count_decisions, joined_decisions
from loopledger.learning.joining import Joined
from loopledger.learning.training import Progress
from loopledger.log.events import Ranked
from loopledger.log.journal import Reader
from loopledger.state import State

BATCH = 1_000
"""Cases in a batch: Personalizer's `ApprenticeMetricsBatchSize`."""

_DAY = 24 * 60 * 60 * SECOND
_MOST_SLOTS = 100
"""Slots that are counted one by one; those that appear later are only in the whole."""


class SlotRecord(msgspec.Struct, frozen=True):
    """One slot of multi-slot decisions, over the whole range and lately."""

    slot: str
    whole: Stretch
    recent: Stretch


class Apprentice(msgspec.Struct, frozen=True, kw_only=True):
    """How well the model imitates its caller. Cases are decisions or, where there are slots, slots.

    Attributes:
        loop: The loop's name.
        first: Seq of the first event of the range.
        last: Seq of the last one whose rewards are all in.
        decisions: How many decisions of the range were made in Apprentice mode and count.
        left_out: How many did not count, by reason.
        readiness: Whether it is safe to go Online.
        recent: The last cases.
        whole: All of them.
        batches: A thousand cases each, the last one maybe fewer.
        days: By days, in UTC.
        slots: For each slot, in the order in which slots first appear.

    """

    loop: str
    first: int
    last: int
    decisions: int
    left_out: dict[str, int]
    readiness: Readiness
    recent: Stretch
    whole: Stretch
    batches: tuple[Stretch, ...]
    days: tuple[Stretch, ...]
    slots: tuple[SlotRecord, ...] = ()


def apprentice(
    reader: Reader, state: State, wanted: Extent, recent: int = BATCH, progress: Progress | None = None
) -> Apprentice:
    """Return how well the model imitated its caller in a range of the log.

    The log is read once, and nothing of it is kept but the last cases.

    Args:
        reader: Of the log.
        state: Of the loop, at the log's end.
        wanted: Which decisions: those whose rewards are all in.
        recent: How many cases the last ones are.
        progress: Is told of decisions read, and of how many.

    Raises:
        NotFound: No decision of the range was made in Apprentice mode.

    """
    counted = _Counted(recent)
    seen = decisions = 0
    left_out: dict[str, int] = {"open window": wanted.left_out}
    for joined in joined_decisions(reader, state, wanted, progress):
        seen += 1
        reason = _reason(joined)
        if reason is not None:
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        decisions += 1
        for slot, case in _cases(joined):
            counted.add(slot, case)
    left_out["erased"] = count_decisions(reader, wanted.first - 1, wanted.last) - seen
    whole, lately = counted.whole.stretch(), counted.lately()
    if whole is None or lately is None:
        raise NotFound(_none(left_out))
    slots = tuple(counted.by_slot())
    batches = tuple(counted.batches())
    ready = readiness(lately, min(recent, BATCH), batches, [(one.slot, one.recent) for one in slots])
    return Apprentice(
        loop=state.loop_id,
        first=wanted.first,
        last=wanted.last,
        decisions=decisions,
        left_out={reason: count for reason, count in left_out.items() if count},
        readiness=ready,
        recent=lately,
        whole=whole,
        batches=batches,
        days=tuple(counted.days()),
        slots=slots,
    )


def _reason(joined: Joined) -> str | None:
    if joined.decision.learning_mode != "Apprentice":
        return f"made in {joined.decision.learning_mode} mode"
    return "left out of learning" if joined.skipped == "left out" else joined.skipped


def _none(left_out: dict[str, int]) -> str:
    others = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)
    there = f" (there are others: {others})" if others else ""
    return (
        f"no decision of this range was made in Apprentice mode and has all its rewards{there}; "
        "the setting learning_mode turns Apprentice mode on"
    )


def _cases(joined: Joined) -> Iterator[tuple[str | None, Case]]:
    decision = joined.decision
    if isinstance(decision, Ranked):
        label = joined.labels[0]
        matched = label.position == 0
        yield None, Case(joined.seq, joined.at, matched, label.original_reward, max(decision.probabilities))
        return
    for slot, label in zip(decision.slots, joined.labels, strict=True):
        matched = label.position == slot.baseline
        likeliest = max(slot.probabilities)
        yield slot.slot, Case(joined.seq, joined.at, matched, label.original_reward, likeliest)


class _Counted:
    """Cases, counted in every way at once."""

    def __init__(self, recent: int) -> None:
        self.whole = Counting()
        self._recent = recent
        self._last: deque[Case] = deque(maxlen=recent)
        self._batch = Counting()
        self._batches: list[Stretch] = []
        self._day = Counting()
        self._date = 0
        self._days: list[Stretch] = []
        self._slots: dict[str, tuple[Counting, deque[Case]]] = {}

    def add(self, slot: str | None, case: Case) -> None:
        """Count one more."""
        self.whole.add(case)
        self._last.append(case)
        if self._batch.events == BATCH:
            self._batch = _closed(self._batch, self._batches)
        self._batch.add(case)
        if case.at // _DAY != self._date:
            self._date = case.at // _DAY
            self._day = _closed(self._day, self._days)
        self._day.add(case)
        if slot is None or (slot not in self._slots and len(self._slots) >= _MOST_SLOTS):
            return
        counting, last = self._slots.setdefault(slot, (Counting(), deque(maxlen=self._recent)))
        counting.add(case)
        last.append(case)

    def lately(self) -> Stretch | None:
        """Return the last cases."""
        return Counting(self._last).stretch()

    def batches(self) -> list[Stretch]:
        """Return the batches, with the one that is not full."""
        return [*self._batches, *_one(self._batch)]

    def days(self) -> list[Stretch]:
        """Return the days."""
        return [*self._days, *_one(self._day)]

    def by_slot(self) -> Iterator[SlotRecord]:
        """Yield the slots."""
        for slot, (counting, last) in self._slots.items():
            whole, lately = counting.stretch(), Counting(last).stretch()
            if whole is not None and lately is not None:
                yield SlotRecord(slot, whole, lately)


def _closed(counting: Counting, into: list[Stretch]) -> Counting:
    into.extend(_one(counting))
    return Counting()


def _one(counting: Counting) -> list[Stretch]:
    stretch = counting.stretch()
    return [] if stretch is None else [stretch]
