"""The dictionaries of a log: when one is made, and what must leave one when decisions are erased.

A dictionary is a function of the log: at fixed places, made of the last decisions before, if it
compresses these clearly better than the one in use. No event outside a stretch of `_STRETCH`
is stored with it, so that replacing it concerns a bounded part of the log.

It holds pieces of bodies as they are. Each of them stands in some decision that is not erased, between
its `since` and the last event that it is for. Erasing keeps that so: where the last such decision of a
piece goes, so does the dictionary, and what was stored with it is stored anew, all in the
transaction that erases.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import chain

from loopledger.adapters.sqlite import queries
from loopledger.adapters.sqlite.bodies import COMPRESSED, Compressor, number_of
from loopledger.adapters.sqlite.reader import SqliteReader
from loopledger.adapters.sqlite.repeating import content, parts, pieces, repeating, without
from loopledger.errors import LogDamaged, LoopInUse
from loopledger.log.events import Run

_FIRST = 128
_EVERY = 4096
_STRETCH = 8192
_SAMPLES = 256
_SAMPLE_BYTES = 3 * 1_048_576
_COMPARED = 32
_CLEARLY = 0.95
_PAGE = 32


class Dictionaries:
    """The dictionaries of a log that is being written to.

    Args:
        reader: Of the log, over the connection that writes.
        connection: That connection.
        epoch: The writer's.

    """

    def __init__(self, reader: SqliteReader, connection: sqlite3.Connection, epoch: int) -> None:
        self._reader = reader
        self._connection = connection
        self._epoch = epoch
        self._first = self._looked = 0
        self._compressor: Compressor | None = None

    def compressor(self, head: int) -> Compressor:
        """Return what compresses the events after a log's end; now and then, make a dictionary first.

        That reads at most 256 decisions, so it takes some hundredths of a second where they are
        large, for one commit in thousands.

        Args:
            head: The seq of the last event.

        """
        if self._compressor is None:
            self._compressor = self._newest()
        due = _due(head)
        if due > self._looked:
            self._looked = due
            self._renew(self._compressor, due, head)
        return self._compressor

    def forget(self, erased: Sequence[Run], gone: "Gone") -> None:
        """Take out of the dictionaries what stands in no decision any more; call it once bodies are erased.

        Args:
            erased: The stretches in which they were.
            gone: What stood in them.

        """
        for number, pieces_of in gone.at_risk.items():
            since, first, last = gone.stretches[number]
            left = set(pieces_of)
            # What comes after is like what was erased, and mostly still there.
            begin = min(max(since, *(run[1] for run in erased)), last)
            for low, high in ((begin, last), (since, begin)):
                for body in self._bodies(low, high) if left else ():
                    left -= parts(body)
                    if not left:
                        break
            if left:
                self._replace(number, since, first, last, left)

    def gone(self, erased: Sequence[Run]) -> "Gone":
        """Return what gathers the pieces that some stretches have in common with dictionaries."""
        found = Gone()
        for number, since, first, last in self._stretches():
            if any(run[0] <= last and since <= run[1] for run in erased):
                kept = self._reader.dictionary(number)
                if kept is not None and kept.whole():
                    found.add(number, (since, first, last), frozenset(pieces(kept.content)))
        return found

    def _newest(self) -> Compressor:
        numbers = self._reader.dictionaries()
        kept = self._reader.dictionary(numbers[-1][0]) if numbers else None
        if kept is None or not kept.whole():
            return Compressor()
        self._first, self._looked = kept.first, kept.first - 1
        return Compressor(kept.number, kept.content)

    def _renew(self, used: Compressor, due: int, head: int) -> None:
        sample = self._sample(due)
        if not sample:
            return
        bodies = [body for _, body in sample]
        found = content(repeating(bodies), bodies)
        newest = bodies[-_COMPARED:]
        better = Compressor(1, found)
        full = bool(used.number) and due - _due(self._first - 1) >= _STRETCH
        if full or better.size(newest) < _CLEARLY * used.size(newest):
            self._compressor = Compressor(self._keep(sample[0][0], head + 1, found), found)
            self._first = head + 1

    def _sample(self, due: int) -> list[tuple[int, bytes]]:
        """Return the last decisions up to a place in the log, in order."""
        found: list[tuple[int, bytes]] = []
        room, last, lowest = _SAMPLE_BYTES, due, max(due - _EVERY, 1)
        try:
            while rows := self._reader.decision_bodies(lowest, last, _PAGE, backwards=True):
                for seq, codec, stored in rows:
                    body = self._reader.body(seq, codec, stored)
                    room -= len(body)
                    if room < 0 or len(found) == _SAMPLES:
                        return found[::-1]
                    found.append((seq, body))
                last = rows[-1][0] - 1
        except LogDamaged:
            return []  # whoever reads that event is told
        return found[::-1]

    def _keep(self, since: int, first: int, found: bytes) -> int:
        values = (since, first, found, sha256(found).digest(), self._epoch)
        done = self._connection.execute(queries.KEEP_DICTIONARY, values)
        if done.rowcount != 1 or done.lastrowid is None:
            raise LoopInUse("another writer has taken over this loop")
        return done.lastrowid

    def _replace(self, number: int, since: int, first: int, last: int, gone: set[bytes]) -> None:
        """Put another dictionary in the place of one, and store anew what was stored with that."""
        kept = self._reader.dictionary(number)
        if kept is None:
            return
        left = without(kept.content, gone)
        anew = Compressor(self._keep(since, first, left), left)
        for rows in self._pages(first, last):
            changed = [
                (*anew.stored(self._reader.body(seq, codec, stored)), seq)
                for seq, codec, stored in rows
                if codec == COMPRESSED and number_of(stored) == number
            ]
            self._connection.executemany(queries.STORE_ANEW, changed)
        self._connection.execute(queries.DROP_DICTIONARY, (number,))
        self._compressor = None

    def _bodies(self, first: int, last: int) -> Iterator[bytes]:
        for seq, codec, stored in chain.from_iterable(self._pages(first, last)):
            try:
                yield self._reader.body(seq, codec, stored)
            except LogDamaged:
                continue  # it is no proof that a piece stands anywhere

    def _pages(self, first: int, last: int) -> Iterator[list[tuple[int, int, bytes]]]:
        while rows := self._reader.decision_bodies(first, last, _PAGE):
            yield rows
            first = queries.onward(rows[-1][0], first - 1) + 1

    def _stretches(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield every dictionary's number, since, first, and the last event that could need it."""
        found = self._reader.dictionaries()
        head = self._reader.head().seq
        for place, (number, since, first) in enumerate(found):
            later = (one[2] for one in found[place + 1 :] if one[2] > first)
            yield number, since, first, next(later, head + 1) - 1


class Gone:
    """What erased bodies have in common with dictionaries.

    Attributes:
        stretches: Of each dictionary that is concerned: since, first, and the last event it is for.
        at_risk: Of each, the pieces that stood in erased bodies.

    """

    def __init__(self) -> None:
        self.stretches: dict[int, tuple[int, int, int]] = {}
        self.at_risk: dict[int, set[bytes]] = {}
        self._pieces: dict[int, frozenset[bytes]] = {}

    def add(self, number: int, stretch: tuple[int, int, int], found: frozenset[bytes]) -> None:
        """Take a dictionary that is concerned."""
        self.stretches[number] = stretch
        self._pieces[number] = found

    def take(self, body: bytes) -> None:
        """Take a body that is erased."""
        if self._pieces:
            stood = parts(body)
            for number, found in self._pieces.items():
                if shared := stood & found:
                    self.at_risk.setdefault(number, set()).update(shared)


def _due(head: int) -> int:
    """Return the last place up to the log's end at which a dictionary is looked for."""
    if head >= _EVERY:
        return head - head % _EVERY
    return 1 << (head.bit_length() - 1) if head >= _FIRST else 0
