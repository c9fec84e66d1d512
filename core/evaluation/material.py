"""Material: what candidates are judged by and learn from, read from the log once for all of them.

It is kept in files: lines as the learner gets them, and columns beside them. What is held in memory
does not grow with the log.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from loopledger.deciding.context import one_line
from loopledger.evaluation.cases import Cases, Floats32
from loopledger.exchange.cooked import learning_line
from loopledger.learning.joining import Joined, join
from loopledger.learning.learner import Taught
from loopledger.learning.training import Progress, closed_until, without
from loopledger.log.events import Decision, DecisionKind, Ranked, SlotsRanked
from loopledger.log.journal import Reader
from loopledger.state import State

_TOGETHER = 2_000
_EVERY = 2**62

_DECISION = np.dtype(
    [
        ("seq", "i8"),
        ("at", "i8"),
        ("closes", "i8"),  # when its window does
        ("elsewhere", "?"),
        ("minimum", "f8"),
        ("learned", "?"),
        ("imitated", "?"),  # what is learned from it is whether the model chose the baseline
        ("text", "i8"),  # where its line begins; its context alone if nothing is learned from it
        ("size", "i8"),
        ("context", "i8"),  # where its context begins
        ("context_size", "i8"),
        ("case", "i8"),
        ("cases", "i8"),
        ("offer", "i8"),  # how many actions were offered before, in all cases together
        ("offered", "i8"),
    ]
)
_CASE = np.dtype(
    [
        ("seq", "i8"),
        ("at", "i8"),
        ("slot", "i8"),
        ("offered", "i8"),
        ("position", "i8"),
        ("baseline", "i8"),
        ("propensity", "f8"),
        ("reward", "f8"),
        ("explored", "?"),
    ]
)

Table = NDArray[Any]


class Case(NamedTuple):
    """One row of `loopledger.evaluation.cases.Cases`."""

    seq: int
    at: int
    slot: int
    offered: int
    position: int
    baseline: int
    propensity: float
    reward: float
    explored: bool


class Material:
    """Joined decisions of one kind, in log order, from a scratch folder.

    Attributes:
        kind: Of the decisions.
        judged_from: Seq of the first event of the range; decisions before it are only learned.
        decisions: How many are judged.
        left_out: How many of the range are not, by reason.
        least_probability: The least with which any of their actions might have been taken, if it was drawn.
        reward_range: The least and the most reward among them.
        slots: The id that a slot had at each place when that place first came; none without slots.
        has_rewards: Whether a reward model was added (`loopledger.evaluation.rewards`).

    """

    def __init__(self, folder: Path, kind: DecisionKind, judged_from: int) -> None:
        self._folder = folder
        self.kind: DecisionKind = kind
        self.judged_from = judged_from
        self.decisions = 0
        self.left_out: dict[str, int] = {}
        self.least_probability = 1.0
        self.reward_range = (math.inf, -math.inf)
        self.slots: tuple[str, ...] = ()
        self.has_rewards = False
        self._offers_before: int | None = None
        self._rewrite: Callable[[bytes], bytes] | None = None

    def rewritten(self, rewrite: Callable[[bytes], bytes]) -> "Material":
        """Return the same decisions with other contexts, without a reward model.

        Args:
            rewrite: Returns a context, as JSON on one line, for another one with as many actions and slots.

        """
        other = copy(self)
        other._rewrite = rewrite  # noqa: SLF001 - one of its own kind
        other.has_rewards = False
        return other

    def __len__(self) -> int:
        size = self.path("decisions").stat().st_size
        return size // _DECISION.itemsize

    def decided(self, first: int, last: int) -> Table:
        """Return the rows of decisions from one place to before another."""
        return np.fromfile(
            self.path("decisions"), _DECISION, max(0, last - first), offset=first * _DECISION.itemsize
        )

    def column(self, name: str) -> Table:
        """Return one column of all decisions, from the file as it is used."""
        rows: Table = np.memmap(self.path("decisions"), _DECISION, "r") if len(self) else self.decided(0, 0)
        return np.asarray(rows)[name]

    def cases(self, decided: Table) -> Cases:
        """Return the cases of consecutive decisions."""
        first = int(decided["case"][0])
        count = int(decided["case"][-1] + decided["cases"][-1]) - first
        rows = np.fromfile(self.path("cases"), _CASE, count, offset=first * _CASE.itemsize)
        return Cases(*(rows[name].copy() for name in Cases._fields))

    def rewards(self, decided: Table) -> Floats32 | None:
        """Return what a reward model says of each action of consecutive decisions, if there is one."""
        if not self.has_rewards:
            return None
        if self._offers_before is None:
            first = int(np.searchsorted(self.column("seq"), self.judged_from))
            self._offers_before = int(self.decided(first, first + 1)["offer"][0])
        first = int(decided["offer"][0])
        count = int(decided["offer"][-1] + decided["offered"][-1]) - first
        place = (first - self._offers_before) * np.dtype(np.float32).itemsize
        return np.fromfile(self.path("rewards"), np.float32, count, offset=place)

    def lines(self, first: int, last: int, what: Taught = "policy") -> Iterator[bytes]:
        """Yield what is learned from decisions from one place to before another, a line each."""
        for rows, text in self._texts(first, last):
            learned = rows[rows["learned"] & (~rows["imitated"] | (what == "policy"))]
            begins = learned["text"] - rows["text"][0]
            ends = begins + learned["size"]
            if self._rewrite is None:
                for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
                    yield text[begin:end]
                continue
            inside = learned["context"] - rows["text"][0]
            after = inside + learned["context_size"]
            places = (column.tolist() for column in (begins, inside, after, ends))
            for begin, first_of, last_of, end in zip(*places, strict=True):
                yield text[begin:first_of] + self._rewrite(text[first_of:last_of]) + text[last_of:end]

    def contexts(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the contexts of decisions from one place to before another, a line each."""
        for rows, text in self._texts(first, last):
            begins = rows["context"] - rows["text"][0]
            for begin, end in zip(begins.tolist(), (begins + rows["context_size"]).tolist(), strict=True):
                context = text[begin:end]
                yield (context if self._rewrite is None else self._rewrite(context)) + b"\n"

    def _texts(self, first: int, last: int) -> Iterator[tuple[Table, bytes]]:
        with self.path("text").open("rb") as file:
            for begin in range(first, last, _TOGETHER):
                rows = self.decided(begin, min(begin + _TOGETHER, last))
                start, end = int(rows["text"][0]), int(rows["text"][-1] + rows["size"][-1])
                file.seek(start)
                yield rows, file.read(end - start)

    def count(self, decision: Decision, cases: Sequence[Case]) -> None:
        """Count a decision as judged."""
        self.decisions += 1
        rewards = [case.reward for case in cases]
        self.reward_range = (min(self.reward_range[0], *rewards), max(self.reward_range[1], *rewards))
        least = min(case.propensity for case in cases)
        if decision.learning_mode == "Online" and 0.0 < decision.minimum_probability <= least:
            # Before there was a model, all actions were alike.
            least = decision.minimum_probability if decision.model_version else least
        self.least_probability = min(self.least_probability, least)

    def discard(self) -> None:
        """Delete the files."""
        for file in self._folder.glob(f"{self.kind}.*"):
            file.unlink()

    def path(self, name: str) -> Path:
        """Return where a part is kept."""
        return self._folder / f"{self.kind}.{name}"


def gather(
    reader: Reader,
    state: State,
    kind: DecisionKind,
    first: int,
    last: int,
    folder: Path,
    *,
    warm: bool = False,
    progress: Progress | None = None,
) -> Material:
    """Read material from the log.

    Args:
        reader: Of the log.
        state: Of the loop at the log's end.
        kind: Of the decisions.
        first: Seq of the first event of the range.
        last: Seq of the last.
        folder: Where the files go.
        warm: Whether what comes before the range is there to be learned.
        progress: Is told of decisions read, and of how many there are.

    Raises:
        LogDamaged: The log does not hold what was committed.

    """
    closed = max(state.closed_through, closed_until(state, reader, state.at))
    begin, end = 1 if warm else first, min(last, closed)
    total = _decisions(reader, kind, begin - 1, end)
    material = Material(folder, kind, first)
    counts = Counter[str]()
    read = seen = 0
    with _Writer(material) as writer:
        omitted = without(reader, state.left_out)
        for traced in reader.traced(kind, begin, end):
            joined = join(traced)
            inside = traced.seq >= first
            read += 1
            seen += inside
            why = "left out of learning" if traced.seq in omitted else _unjudged(joined)
            if why is None:
                cases = writer.add(joined)
                if inside:
                    material.count(joined.decision, cases)
            elif inside:
                counts[why] += 1
            if progress and read % _TOGETHER == 0:
                progress(read, total)
        material.slots = tuple(writer.slots)
    if progress:
        progress(1, 1)
    counts["erased"] = _decisions(reader, kind, first - 1, end) - seen
    counts["window still open"] = _decisions(reader, kind, max(first - 1, end), last)
    material.left_out = {why: count for why, count in sorted(counts.items()) if count}
    return material


def _decisions(reader: Reader, kind: DecisionKind, after: int, until: int) -> int:
    span = reader.span(kind, after, until, _EVERY) if until > after else None
    return span.decisions if span else 0


def _unjudged(joined: Joined) -> str | None:
    """Return why a decision is not judged, if so.

    Outside Online mode the caller's own action was taken whatever its probability was.
    """
    if joined.skipped == "never drawn" and joined.decision.learning_mode != "Online":
        return None
    return joined.skipped


class _Writer:
    """Writes decisions, a few thousand at a time."""

    def __init__(self, material: Material) -> None:
        self._files = {name: material.path(name).open("wb") for name in ("decisions", "cases", "text")}
        self._rows: list[tuple[object, ...]] = []
        self._cases: list[Case] = []
        self._text: list[bytes] = []
        self._size = 0
        self._count = 0
        self._offered = 0
        self.slots: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        for file in self._files.values():
            file.close()

    def add(self, joined: Joined) -> list[Case]:
        """Write one decision, and return its cases."""
        decision = joined.decision
        context = one_line(joined.context)
        line = learning_line(joined)
        text = context + b"\n" if line is None else line
        # In a learner's line the context is the last thing but the brace and the line's end; or the
        # first, where outcomes follow.
        if isinstance(decision, SlotsRanked):
            cases, begins = _slot_cases(joined, decision), len(b'{"c":')
        else:
            cases, begins = [_case(joined, decision)], len(text) - len(context) - len(b"}\n")
        if line is None:
            begins = 0
        offered = sum(case.offered for case in cases)
        self._rows.append(
            (
                joined.seq,
                joined.at,
                joined.at + decision.reward_wait,
                decision.elsewhere,
                decision.minimum_probability,
                line is not None,
                decision.learning_mode == "Apprentice",
                self._size,
                len(text),
                self._size + begins,
                len(context),
                self._count,
                len(cases),
                self._offered,
                offered,
            )
        )
        self._cases += cases
        self._text.append(text)
        self._size += len(text)
        self._count += len(cases)
        self._offered += offered
        if isinstance(decision, SlotsRanked):
            self.slots += [slot.slot for slot in decision.slots[len(self.slots) :]]
        if len(self._rows) >= _TOGETHER:
            self._flush()
        return cases

    def _flush(self) -> None:
        np.array(self._rows, _DECISION).tofile(self._files["decisions"])
        np.array(self._cases, _CASE).tofile(self._files["cases"])
        self._files["text"].writelines(self._text)
        self._rows, self._cases, self._text = [], [], []


def _case(joined: Joined, decision: Ranked) -> Case:
    (label,) = joined.labels
    online = decision.learning_mode == "Online"
    return Case(
        joined.seq,
        joined.at,
        0,
        len(decision.actions) - len(decision.excluded),
        label.position if online else 0,
        0,
        label.probability if online else 1.0,
        label.original_reward,
        online,
    )


def _slot_cases(joined: Joined, decision: SlotsRanked) -> list[Case]:
    online = decision.learning_mode == "Online"
    taken: set[int] = set()
    cases: list[Case] = []
    for place, (label, slot) in enumerate(zip(joined.labels, decision.slots, strict=True)):
        position = slot.baseline if decision.learning_mode == "Apprentice" else label.position
        left = [
            action
            for action, name in enumerate(decision.actions)
            if name not in slot.excluded and action not in taken
        ]
        taken.add(position)
        cases.append(
            Case(
                joined.seq,
                joined.at,
                place,
                len(left),
                position,
                slot.baseline,
                label.probability if online else 1.0,
                label.original_reward,
                online,
            )
        )
    return cases
