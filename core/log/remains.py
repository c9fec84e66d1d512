"""What is left after erasing: the models that are kept in the log, and where bodies are gone."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from loopledger.errors import LogDamaged
from loopledger.log.chain import Record
from loopledger.log.events import TRAFFIC, VERSIONS, Erased, ModelKept, ModelTrained, Run, decode
from loopledger.log.journal import Reader


class Remains:
    """The versions that cannot be learned again, because what they learned from is erased.

    Args:
        reader: Of the log.

    Attributes:
        kept: Those whose bytes are kept in the log.
        lost: Those whose bytes are not.

    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._seqs: dict[int, int] = {}
        self.lost: set[int] = set()
        for record in reader.records(kinds=("Erased",)):
            event = decode(record.body, record.seq)
            if isinstance(event, Erased):
                first = record.seq - len(event.kept)
                self._seqs |= {version: first + place for place, version in enumerate(event.kept)}
                self.lost |= set(event.lost)
        self.kept = frozenset(self._seqs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remains) and (self.kept, self.lost) == (other.kept, other.lost)

    __hash__ = None  # type: ignore[assignment]

    def within_reach(self, version: int) -> bool:
        """Tell whether a version can be made from what the log holds: nothing on the way is lost."""
        while version and version not in self.kept:
            if version in self.lost:
                return False
            record = self._reader.nth(VERSIONS, version)
            event = decode(record.body, record.seq) if record is not None else None
            version = event.parent if isinstance(event, ModelTrained) else 0
        return True

    def model(self, version: int) -> bytes:
        """Return the bytes of a version that is kept in the log.

        Raises:
            LogDamaged: The event that should hold them does not.

        """
        seq = self._seqs[version]
        record = self._reader.record(seq)
        event = decode(record.body, seq) if record is not None else None
        if not isinstance(event, ModelKept) or event.version != version:
            raise LogDamaged(f"event {seq} should hold the bytes of version {version}, and does not", seq)
        return event.model


def unkept(reader: Reader) -> Iterator[ModelTrained]:
    """Yield the versions that were trained here and whose bytes are not in the log, in order."""
    remains = Remains(reader)
    for record in reader.records(kinds=("ModelTrained",)):
        event = decode(record.body, record.seq)
        if isinstance(event, ModelTrained) and event.version not in remains.kept | remains.lost:
            yield event


def versions_of(reader: Reader, touched: dict[str, list[int]]) -> list[int]:
    """Return the versions whose own steps cover some decisions, and whose bytes are not in the log yet."""
    found: list[int] = []
    for event in unkept(reader):
        if event.first is not None and event.last is not None:
            seqs = touched[event.policy.decision_kind]
            if bisect_left(seqs, event.first) < bisect_right(seqs, event.last):
                found.append(event.version)
    return found


class Gone:
    """Where the bodies are erased, as the log's own events say.

    Args:
        reader: Of the log.

    """

    def __init__(self, reader: Reader) -> None:
        runs: list[Run] = []
        for record in reader.records(kinds=("Erased",)):
            event = decode(record.body, record.seq)
            if isinstance(event, Erased):
                runs += event.runs
        runs.sort()
        self._firsts = [first for first, _ in runs]
        self._lasts: list[int] = []
        for _, last in runs:
            self._lasts.append(max(last, self._lasts[-1]) if self._lasts else last)

    def first_of(self, seq: int) -> int:
        """Return where the stretch begins that an event stands in; itself if it stands in none."""
        place = bisect_right(self._firsts, seq)
        return self._firsts[place - 1] if place and self._lasts[place - 1] >= seq else seq

    def last_of(self, seq: int) -> int:
        """Return where the stretch ends that an event stands in; itself if it stands in none."""
        place = bisect_right(self._firsts, seq)
        return max(seq, self._lasts[place - 1]) if place else seq

    def covers(self, record: Record) -> bool:
        """Tell whether an event's body should be gone."""
        place = bisect_right(self._firsts, record.seq)
        return place > 0 and self._lasts[place - 1] >= record.seq and record.kind in TRAFFIC
