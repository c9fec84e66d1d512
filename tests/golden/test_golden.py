"""Logs that were written by earlier releases open, hold, and give the same models, in this one."""

import json
import shutil
import sqlite3
import sys
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import get_args

import make
import msgspec
import pytest

import loopledger
from loopledger.adapters.place import in_folder
from loopledger.adapters.sqlite.connection import connect_writer
from loopledger.adapters.sqlite.migrations import migrate
from loopledger.audit.verify import verify
from loopledger.errors import ReplayMismatch
from loopledger.learning.checkpoints import recover
from loopledger.learning.replay import rebuild
from loopledger.log.events import AnyEvent, decode

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORMATS = sorted(Path(__file__).parent.glob("format-*"))
LOOPS = [
    (folder, name) for folder in FORMATS for name in json.loads((folder / "expected.json").read_text("utf-8"))
]


@pytest.fixture(params=LOOPS, ids=lambda found: f"{found[0].name}-{found[1]}")
def golden(request, tmp_path):
    """A copy of a golden log's folder, and what is expected of it."""
    folder, name = request.param
    expected = json.loads((folder / "expected.json").read_text("utf-8"))[name]
    return shutil.copytree(folder / name, tmp_path / "data" / name), expected


@pytest.fixture
def place(golden):
    return in_folder(golden[0])


@pytest.fixture
def reader(place):
    with closing(place.store.reader()) as reader:
        yield reader


def opened(golden, ledger):
    """Open the loop at the time at which its log ends."""
    folder, expected = golden
    loop = ledger.loop(folder.name)
    ledger.directory.clock.advance((expected["status"]["at"] - ledger.directory.clock.now()) / 1e6)
    return loop


@pytest.fixture
def ledger(golden):
    clock = loopledger.SimulatedClock(make.START)
    with loopledger.open(golden[0].parent, clock=clock, workers=1) as ledger:
        yield ledger


def as_far_as_known(found, expected):
    """Leave out what a later release added: settings, for example, with their defaults."""
    if not isinstance(found, dict) or not isinstance(expected, dict):
        return found
    return {name: as_far_as_known(value, expected[name]) for name, value in found.items() if name in expected}


def test_there_is_a_golden_log_of_this_format():
    assert f"format-{loopledger.log.events.FORMAT}" in {folder.name for folder in FORMATS}


def test_the_golden_logs_hold_every_kind_of_event():
    kinds = set()
    for folder, name in LOOPS:
        assert (folder / name / "log.db").stat().st_size < 200_000
        with closing(
            sqlite3.connect(f"file:{folder / name / 'log.db'}?mode=ro&immutable=1", uri=True)
        ) as log:
            kinds |= {kind for (kind,) in log.execute("SELECT DISTINCT kind FROM events")}
    assert kinds == {kind.__name__ for kind in get_args(AnyEvent)}


def test_it_stands_as_it_stood(golden, place, reader, ledger):
    _, expected = golden
    status = json.loads(msgspec.json.encode(opened(golden, ledger).status()))
    assert as_far_as_known(status, expected["status"]) == expected["status"]
    state = recover(reader, place.checkpoints)
    assert (state.seq, state.digest.hex()) == (expected["status"]["events"], expected["status"]["digest"])


def decompressed(log, body):
    number = int.from_bytes(body[:4])
    dictionary = None
    if number:
        (content,) = log.execute("SELECT content FROM dictionaries WHERE number = ?", (number,)).fetchone()
        dictionary = zstd.ZstdDict(content.encode(), is_raw=True)
    whole = zstd.decompress(body[8:], dictionary)
    assert len(whole) == int.from_bytes(body[4:8])
    return whole.decode()


def test_the_chain_is_what_the_documentation_says(golden):
    # Nothing of loopledger is used here: anybody can check a log.
    folder, expected = golden
    digest = bytes(32)
    with closing(sqlite3.connect(folder / "log.db")) as log:
        for seq, at, kind, event_id, codec, stored, found in log.execute("SELECT * FROM events ORDER BY seq"):
            assert codec in {0, 1, 2}
            body = decompressed(log, stored) if codec == 2 else stored
            erased = codec == 1  # its hash is left
            hashed = body if erased else sha256(body.encode()).digest()
            header = json.dumps([seq, at, kind, event_id], separators=(",", ":"), ensure_ascii=False).encode()
            digest = sha256(digest + header + hashed).digest()
            assert digest == found
            assert digest.hex() == expected["digests"][str(seq)]
            assert erased or json.loads(body)["kind"] == kind
    assert digest.hex() == expected["status"]["digest"]


def test_every_event_can_be_read(reader):
    for record in reader.records():
        assert record.erased or decode(record.body, record.seq).kind == record.kind


def test_everything_holds(golden, place, reader, vw):
    _, expected = golden
    verification = verify(reader, vw, place.checkpoints)
    findings = verification.findings
    assert verification.holds, findings.problems
    counts = expected["status"]["counts"]
    assert findings.events == expected["status"]["events"]
    assert findings.versions + findings.unchecked_versions == expected["status"]["versions"]
    made = findings.decisions + findings.other_decisions + findings.unchecked_decisions
    made += findings.imported_decisions
    assert made == counts.get("Ranked", 0) + counts.get("SlotsRanked", 0)
    if {engine for *_, engine in expected["versions"]} == {vw.engine}:
        erased = [record for record in reader.records() if record.erased]
        decisions = sum(record.kind in {"Ranked", "SlotsRanked"} for record in erased)
        assert (findings.erased, findings.unchecked_decisions) == (len(erased), decisions)
        assert findings.unchecked_versions == counts.get("ModelKept", 0)


def test_every_version_is_made_again_bit_for_bit(golden, reader, vw):
    _, expected = golden
    assert len(expected["versions"]) == expected["status"]["versions"]
    for version, digest, engine in expected["versions"]:
        if engine == vw.engine:
            assert sha256(rebuild(reader, vw, version)).hexdigest() == digest
        else:
            # Another engine may make other models; if it does, that is said.
            with suppress(ReplayMismatch):
                rebuild(reader, vw, version)


def test_it_goes_on(golden, reader, ledger, vw, place):
    _, expected = golden
    loop = opened(golden, ledger)
    engines = {engine for *_, engine in expected["versions"]}
    if engines != {vw.engine}:
        pytest.skip(f"its models were made by {', '.join(engines)}, and cannot be made again by {vw.engine}")
    decisions = list(reader.records(kinds=("Ranked", "SlotsRanked")))
    answered = decode(decisions[-1].body, decisions[-1].seq).model_version
    assert loop.model(seq=decisions[-1].seq).version == loop.model().version == answered > 0
    if loop.status().policy.multi_slot:
        loop.rank_slots({}, make.ACTIONS, [loopledger.Slot("top")], event_id="new")
    else:
        loop.rank({}, make.ACTIONS, event_id="new")
    assert loop.status().events == expected["status"]["events"] + 1
    ledger.directory.clock.advance(600)
    assert loop.train() == [expected["status"]["versions"] + 1]
    assert verify(reader, vw, place.checkpoints).holds


def test_its_schema_is_that_of_a_new_log(golden, place, tmp_path):
    place.store.writer().close()
    fresh = connect_writer(tmp_path / "fresh.db")
    migrate(fresh)
    schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"
    with closing(fresh), closing(sqlite3.connect(golden[0] / "log.db")) as old:
        assert old.execute(schema).fetchall() == fresh.execute(schema).fetchall()
        assert (
            old.execute("PRAGMA user_version").fetchall() == fresh.execute("PRAGMA user_version").fetchall()
        )


@pytest.mark.parametrize(
    "folder", [one for one in FORMATS if one.name in make.STORIES], ids=lambda folder: folder.name
)
def test_the_present_release_still_decides_and_learns_as_it_did(folder, tmp_path, vw):
    # What is seen here first: a change in how features are written, how a draw is made, how rewards
    # are joined, where a step is cut, what training gives. If it is meant, it needs a word to those
    # who have logs; their old decisions must still verify.
    recorded = json.loads((folder / "expected.json").read_text("utf-8"))
    if {engine for loop in recorded.values() for *_, engine in loop["versions"]} != {vw.engine}:
        pytest.skip(f"the golden logs were made by another engine than {vw.engine}")
    make.main(tmp_path / folder.name)
    made = json.loads((tmp_path / folder.name / "expected.json").read_text("utf-8"))
    for name, loop in recorded.items():
        assert made[name]["answers"] == loop["answers"]
        assert made[name]["versions"] == loop["versions"]
        assert made[name]["status"]["counts"] == loop["status"]["counts"]
