"""What a verification finds, and how its work is cut into pieces that can be done side by side."""

import msgspec

from loopledger.checkpoints import Checkpoints
from loopledger.erasing import Remains
from loopledger.events import (
    CONTROL,
    ModelImported,
    ModelTrained,
    decode,
)
from loopledger.journal import Reader
from loopledger.state import State, evolve


class Problem(msgspec.Struct, frozen=True, order=True):
    """Something that does not hold.

    Attributes:
        seq: The event.
        what: What is wrong with it.

    """

    seq: int
    what: str


class Served(msgspec.Struct, frozen=True):
    """A stretch of the log in which one version answered."""

    version: int
    first: int
    last: int


class Segment(msgspec.Struct, frozen=True):
    """Versions that can be checked without any other segment.

    Attributes:
        start: The version that it begins with, whose bytes are kept; 0 for none.
        versions: The versions in the order in which they are made.
        served: Where they answered.
        learned: How many decisions each of the versions learns from.

    """

    start: int
    versions: tuple[int, ...]
    served: tuple[Served, ...]
    learned: tuple[int, ...] = ()

    @property
    def effort(self) -> int:
        """About how much there is to do: decisions to learn, and events to look at."""
        return sum(self.learned) + sum(stretch.last - stretch.first + 1 for stretch in self.served)

    def decisions_of(self, version: int) -> int:
        """Return how many decisions a version learns from."""
        return self.learned[self.versions.index(version)] if version in self.versions else 0


class Findings(msgspec.Struct, frozen=True):
    """What came out of one part of a verification.

    Attributes:
        events: Events whose chain was checked.
        versions: Model versions that were rebuilt with the same bytes.
        decisions: Decisions that were computed again with the same outcome.
        other_decisions: Decisions that were computed again with another outcome.
        erased: Events whose bodies are gone, as the log itself says.
        unchecked_versions: Versions that cannot be made again here, because another engine made
            them or one before them, or because what they learned from is erased.
        unchecked_decisions: Decisions that need a version of another engine, or are erased.
        imported_decisions: Decisions that were made elsewhere: only their labels, and what was
            learned from them, can be checked.
        problems: What does not hold.

    """

    events: int = 0
    versions: int = 0
    decisions: int = 0
    other_decisions: int = 0
    unchecked_versions: int = 0
    unchecked_decisions: int = 0
    erased: int = 0
    imported_decisions: int = 0
    problems: tuple[Problem, ...] = ()

    def plus(self, other: "Findings") -> "Findings":
        """Return both together."""
        return Findings(
            self.events + other.events,
            self.versions + other.versions,
            self.decisions + other.decisions,
            self.other_decisions + other.other_decisions,
            self.unchecked_versions + other.unchecked_versions,
            self.unchecked_decisions + other.unchecked_decisions,
            self.erased + other.erased,
            self.imported_decisions + other.imported_decisions,
            tuple(sorted({*self.problems, *other.problems})),
        )


class Verification(msgspec.Struct, frozen=True):
    """The outcome of verifying a loop.

    Attributes:
        loop: Its name.
        head: The seq of the last event.
        digest: The last event's digest, in hexadecimal digits.
        engine: What the models were rebuilt with.
        findings: What was checked and what does not hold.
        since: The first event that was checked.
        at: The time of the last event, UTC in microseconds since 1970.

    """

    loop: str
    head: int
    digest: str
    engine: str
    findings: Findings
    since: int = 1
    at: int = 0

    @property
    def holds(self) -> bool:
        """Whether everything that could be checked holds."""
        return not self.findings.problems

    @property
    def first_problem(self) -> Problem | None:
        """The first event that does not hold."""
        return min(self.findings.problems, default=None)


_PIECE = 20_000
"""The most events of a stretch that one segment checks."""


def segments(
    reader: Reader, checkpoints: Checkpoints, since: int = 1, until: int | None = None
) -> list[Segment]:
    """Return how the versions and decisions of a log can be checked side by side.

    A line of versions is cut behind every version whose bytes are kept.

    Args:
        reader: Of the log.
        checkpoints: Where models are kept.
        since: The first event to check; versions that were made before are taken as they are.
        until: The last event to check; by default the log's last, which may move meanwhile.

    """
    until = reader.head().seq if until is None else until
    trained: dict[int, ModelTrained | ModelImported] = {}
    old: set[int] = set()
    served: list[Served] = []
    state: State | None = None
    begun = 1
    for record in reader.records(last=until, kinds=CONTROL):
        before = state.published if state else 0
        state = evolve(state, record)
        if state.published != before:
            served.append(Served(before, begun, record.seq))
            begun = record.seq + 1
        if record.kind in {"ModelTrained", "ModelImported"}:
            event = decode(record.body, record.seq)
            if isinstance(event, ModelTrained | ModelImported):
                trained[event.version] = event
                if record.seq < since:
                    old.add(event.version)
    if state is not None:
        served.append(Served(state.published, begun, until))
    recent = [
        Served(stretch.version, max(stretch.first, since), stretch.last)
        for stretch in served
        if stretch.last >= since
    ]
    kept = {version for version in trained if checkpoints.load_model(version) is not None}
    return _cut(trained, old, recent, {0, *old, *kept, *Remains(reader).kept})


def _cut(
    trained: dict[int, ModelTrained | ModelImported],
    old: set[int],
    served: list[Served],
    kept: set[int],
) -> list[Segment]:
    found = [
        Segment(stretch.version, (), (piece,))
        for stretch in served
        if stretch.version in kept
        for piece in _pieces(stretch)
    ]
    lines: dict[int, list[int]] = {}
    for version, event in trained.items():
        if version in old:
            continue
        parent = event.parent if isinstance(event, ModelTrained) else 0
        line = [*lines.pop(parent, [parent]), version]
        if version in kept:
            found.append(_segment(line, trained, served, kept))
        else:
            lines[version] = line
    found.extend(_segment(line, trained, served, kept) for line in lines.values())
    return found


def _pieces(stretch: Served) -> list[Served]:
    return [
        Served(stretch.version, first, min(first + _PIECE - 1, stretch.last))
        for first in range(stretch.first, stretch.last + 1, _PIECE)
    ]


def _segment(
    line: list[int],
    trained: dict[int, ModelTrained | ModelImported],
    served: list[Served],
    kept: set[int],
) -> Segment:
    versions = tuple(line[1:])
    inside = set(versions) - kept
    stretches = tuple(stretch for stretch in served if stretch.version in inside)
    events = [trained[version] for version in versions]
    learned = tuple(event.decisions if isinstance(event, ModelTrained) else 0 for event in events)
    return Segment(line[0], versions, stretches, learned)
