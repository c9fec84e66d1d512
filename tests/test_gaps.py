"""What SQLite leaves of rows between a page's rows when it moves them: erasing overwrites that, too."""

import random  # noqa: TID251 - seeded, and outside the loop
import shutil
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing

import pytest
from support import GREEDY, Bench
from test_loop import rank

from loopledger.adapters.place import in_folder
from loopledger.adapters.sqlite import gaps, journal
from loopledger.adapters.sqlite.gaps import clear_gaps
from loopledger.settings import Settings

DECISIONS = 600
pytestmark = pytest.mark.faults


def gaps_of(path):
    """Return what is in the gaps of all leaves of tables, by page, zeros left out."""
    whole = path.read_bytes()
    (size,) = struct.unpack_from(">H", whole, 16)
    found = {}
    for begin in range(size, len(whole), size):
        page = whole[begin : begin + size]
        if page[0] == 13:
            rows, first = struct.unpack_from(">HH", page, 3)
            left = page[8 + 2 * rows : first].replace(b"\0", b"")
            if left:
                found[begin // size + 1] = left
    return found


def secret(number, chance):
    name = f"secret-{number}-" + "".join(chance.choices("abcdefghij", k=chance.randrange(5, 400)))
    return rank(f"e{number}", context={"who": name, "hour": number % 24})


def made(folder, *, compression, seed=1):
    chance = random.Random(seed)
    settings = Settings(model_update_frequency=0, compression=compression)
    bench = Bench(in_folder(folder / "bench"), settings=settings, policy=GREEDY)
    for number in range(DECISIONS):
        bench.do(secret(number, chance))
    order = [f"e{number}" for number in range(DECISIONS)]
    chance.shuffle(order)
    return bench, [order[first : first + 40] for first in range(0, DECISIONS, 40)]


@pytest.mark.parametrize("compression", [False, True])
def test_nothing_that_was_erased_is_left_in_any_page_whatever_was_erased_before(tmp_path, compression):
    bench, portions = made(tmp_path, compression=compression)
    log = bench.place.folder / "log.db"
    for portion in portions:
        bench.erase(*portion)
        assert gaps_of(log) == {}
        bench.do(rank(f"after-{portion[0]}"))  # nothing that the writer remembers comes back
    assert gaps_of(log) == {}
    bench.loop.close()
    assert gaps_of(log) == {}
    assert [
        path for path in bench.place.folder.rglob("*") if path.is_file() and b"secret" in path.read_bytes()
    ] == []
    with closing(sqlite3.connect(log)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("compression", [False, True])
def test_without_it_something_would_be_left(tmp_path, monkeypatch, compression):
    monkeypatch.setattr(journal, "clear_gaps", lambda _: None)
    bench, portions = made(tmp_path, compression=compression)
    for portion in portions:
        bench.erase(*portion)
    bench.loop.close()
    assert gaps_of(bench.place.folder / "log.db")


def test_a_writer_that_died_before_is_made_up_for(tmp_path, monkeypatch):
    bench, portions = made(tmp_path, compression=True)
    monkeypatch.setattr(type(bench.loop._journal), "_checkpoint", lambda _: None)
    for portion in portions:
        bench.erase(*portion)
    copied = shutil.copytree(bench.place.folder, tmp_path / "died" / "bench")
    monkeypatch.undo()
    bench.loop.close()
    in_folder(copied).store.writer().close()
    assert gaps_of(copied / "log.db") == {}
    assert b"secret" not in (copied / "log.db").read_bytes()


def test_a_reader_that_was_in_the_way_is_gone_when_the_loop_is_closed(tmp_path):
    bench, portions = made(tmp_path, compression=True)
    reader = bench.place.store.reader()
    reader._connection.execute("BEGIN")
    reader._connection.execute("SELECT * FROM events").fetchone()
    for portion in portions:
        bench.erase(*portion)
    reader._connection.execute("COMMIT")
    reader.close()
    bench.loop.close()
    assert gaps_of(bench.place.folder / "log.db") == {}


def test_where_it_cannot_be_done_the_first_cause_is_said(tmp_path):
    with pytest.raises(OSError, match=r"cannot be overwritten: .*No such file"):
        clear_gaps(tmp_path / "log.db")


def test_what_is_no_leaf_of_a_table_is_left_alone():
    leaf = bytearray(b"\r\0\0\0\1\0\x20\0" + b"\0\x20" + b"x" * 22 + b"y" * 32)
    assert gaps._gap(bytes(leaf)) == (10, 32)
    for kind in (0, 2, 5, 10):
        assert gaps._gap(bytes([kind]) + leaf[1:]) == (0, 0)
    assert gaps._gap(bytes(leaf[:8]) + b"\0\x10" + leaf[10:]) == (0, 0)  # a row that begins in the gap
    assert gaps._gap(b"\r\0") == (0, 0)


def test_the_program_needs_nothing_of_the_package(tmp_path):
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", gaps.__file__, str(tmp_path / "log.db")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "loopledger" not in "".join(line for line in done.stderr.splitlines() if "import time" in line)
