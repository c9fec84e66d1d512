"""How the work of a verification is cut into pieces that can be done side by side."""

import msgspec

from loopledger.learning.checkpoints import Checkpoints
from loopledger.log.events import CONTROL, ModelImported, ModelTrained, decode
from loopledger.log.journal import Reader
from loopledger.log.remains import Remains
from loopledger.state import State, evolve


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
        learned: How many decisions each of the versions learns from, as often as it does.

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
        """Return how many decisions a version learns from, as often as it does."""
        return self.learned[self.versions.index(version)] if version in self.versions else 0


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
    learned = tuple(one.decisions * one.passes if isinstance(one, ModelTrained) else 0 for one in events)
    return Segment(line[0], versions, stretches, learned)
