"""Whether a log is all there, as far as that can be told without reading all of it."""

from loopledger.log.chain import Head, check, check_end, head_of
from loopledger.log.journal import Reader

_TAIL = 256


def committed_end(reader: Reader) -> Head:
    """Return the end of a log, once it is clear that it ends where its writer left it.

    Raises:
        LogDamaged: It does not.

    """
    committed = reader.committed()  # first: a writer that is at work only adds to it
    last = reader.record(committed.seq) if committed.seq else None
    head = head_of(last) if last else reader.head()
    check_end(head, committed)
    return head


def check_tail(reader: Reader) -> None:
    """Refuse a log whose last events do not hold together.

    Raises:
        LogDamaged: Names the first of them that was changed, moved, or is missing.

    """
    tail = reader.tail(_TAIL)
    before = reader.record(tail[0].seq - 1) if tail else None
    for _ in check(tail, head_of(before) if before else Head()):
        pass


def check_whole(reader: Reader, *, kinds: bool = True) -> None:
    """Refuse a log from which something is missing.

    Args:
        reader: Of the log.
        kinds: Whether events will be looked for by their kinds, so that this index must be whole.

    Raises:
        LogDamaged: It does not end where its writer left it, or the index does not fit the events.

    """
    committed_end(reader)
    if kinds:
        reader.counts()
