"""The gaps in a database's pages: what was left in them of rows that have moved on is overwritten.

SQLite overwrites a row that is deleted or becomes smaller (`secure_delete`). But when it then moves the
rows beside it to another page, it leaves what they were in the gap between that page's list of rows and
its first row. If such a row is erased later, it is overwritten where it is, and not where it was. So
whenever bodies were erased, the gaps of all pages that were written get zeros.

This is a program, too, `python gaps.py DATABASE`, and imports nothing of the package to begin at once: a
process that opens and closes a file loses all locks that it has on it, SQLite's among them.

File format: https://www.sqlite.org/fileformat2.html, sections 1.6 and 4.1.
"""

import os
import struct
import subprocess
import sys
from pathlib import Path

_AHEAD = struct.Struct(">8xI20x")  # of the write-ahead log's head: the bytes of a page
_FRAME = struct.Struct(">I20x")  # of a frame's head: which page it is
_PAGE = struct.Struct(">BxxHHx")  # kind, rows, where the first row begins
_LEAF_OF_TABLE = 13


def clear_gaps(database: Path) -> None:
    """Overwrite the gaps of all pages that are in the write-ahead log.

    Nobody may write meanwhile, all of the write-ahead log must have been moved into the database, and the
    writer must not remember pages that it read before. If it is interrupted, it can be done again.

    Args:
        database: The database.

    Raises:
        OSError: The disk does not take it.

    """
    program = [sys.executable, "-I", "-S", __file__, str(database)]
    done = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        raise OSError(f"what was erased cannot be overwritten: {said or f'it ended with {done.returncode}'}")


def _clear(database: Path) -> None:
    ahead = database.with_name(f"{database.name}-wal")
    with ahead.open("rb") as file, database.open("r+b", buffering=0) as pages:
        head = file.read(_AHEAD.size)
        if len(head) < _AHEAD.size:
            return
        (size,) = _AHEAD.unpack(head)
        written: set[int] = set()
        while len(frame := file.read(_FRAME.size)) == _FRAME.size:
            written.add(_FRAME.unpack(frame)[0])
            file.seek(size, os.SEEK_CUR)
        for number in sorted(written - {0, 1}):  # the first page has no rows with bodies
            begin = (number - 1) * size
            low, high = _gap(os.pread(pages.fileno(), size, begin))
            if low < high:
                os.pwrite(pages.fileno(), bytes(high - low), begin + low)
        os.fsync(pages.fileno())


def _gap(page: bytes) -> tuple[int, int]:
    """Return where a page's gap begins and ends; nothing where it has none, or holds no rows of a table."""
    if len(page) < _PAGE.size or page[0] != _LEAF_OF_TABLE:
        return 0, 0
    _, rows, first = _PAGE.unpack_from(page)
    low, high = _PAGE.size + 2 * rows, first or 65_536
    if high > len(page) or not any(page[low:high]):
        return 0, 0
    places = struct.unpack_from(f">{rows}H", page, _PAGE.size)
    return (low, high) if min(places, default=high) >= high else (0, 0)


if __name__ == "__main__":
    _clear(Path(sys.argv[1]))
