"""Dictionaries of a living log: when they are made, and that erasing leaves nothing in them."""

import asyncio
import sqlite3
from contextlib import closing

import msgspec
import pytest
from learned import tamper
from support import Bench, context_of, on_disk, ranked

from loopledger.adapters.sqlite import dictionaries
from loopledger.adapters.sqlite.async_reader import open_async_reader
from loopledger.adapters.sqlite.bodies import COMPRESSED, ERASED, PLAIN
from loopledger.adapters.sqlite.store import SqliteStore
from loopledger.audit.verify import verify
from loopledger.commands import ChangeSettings, Rank, Reward
from loopledger.errors import LogDamaged, LoopInUse
from loopledger.log.chain import Head, check, head_of, seal
from loopledger.log.events import Rewarded
from loopledger.settings import Settings

SECRET = "a-name-that-nobody-may-know"


def decision(number, topic="football", **context):
    """Return a decision about three actions that repeat; of its context only the hour does."""
    actions = {name: {"topic": topic, "text": f"all about {name} and {topic}"} for name in "abc"}
    return ranked(
        context=msgspec.Raw(context_of({"hour": number % 3, "who": f"u{number}", **context}, actions))
    )


def grow(journal, events, by=16):
    """Append decisions, each with a reward, so many events in a transaction."""
    head, records = journal.head(), []
    for number, event in enumerate(events):
        for one in (event, Rewarded(1.0)):
            records.append(seal(head, 0, one, f"e{head.seq}-{number}"))
            head = head_of(records[-1])
    for start in range(0, len(records), by):
        journal.append(records[start : start + by])
    return records


@pytest.fixture
def path(tmp_path):
    return tmp_path / "loop" / "log.db"


@pytest.fixture
def journal(path):
    journal = SqliteStore(path.parent).writer()
    journal.compress(True)
    yield journal
    journal.close()


def ask(path, question):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchall()


def contents(path):
    return [content for (content,) in ask(path, "SELECT content FROM dictionaries ORDER BY number")]


def everything(path, journal):
    """Return all that anybody can get out of a log: its files' bytes, and every body."""
    journal._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    bodies = b"".join(record.body for record in journal.records())
    files = b"".join(file.read_bytes() for file in path.parent.glob("log.db*"))
    return bodies + files + "".join(contents(path)).encode()


def test_it_makes_the_log_small(path, journal):
    records = grow(journal, map(decision, range(300)))
    assert list(journal.records()) == records
    assert list(check(journal.stored(1, len(records)), Head())) == records
    ((codec, size),) = ask(
        path, "SELECT DISTINCT codec, max(length(body)) FROM events WHERE kind = 'Ranked' AND seq > 300"
    )
    assert (codec, size < 80) == (COMPRESSED, True)
    assert len(records[400].body) > 600
    assert ask(path, "SELECT DISTINCT codec, typeof(body) FROM events WHERE kind = 'Rewarded'") == [
        (PLAIN, "text")
    ]


def test_a_dictionary_is_a_function_of_the_log(tmp_path):
    found = set()
    for by in (1, 16, 64):
        folder = tmp_path / str(by)
        journal = SqliteStore(folder).writer()
        journal.compress(True)
        grow(journal, map(decision, range(64)), by)
        if by == 16:
            journal.close()
            journal = SqliteStore(folder).writer()
            journal.compress(True)
        grow(journal, [decision(64)])
        journal.close()
        found.add(tuple(contents(folder / "log.db")))
    assert len(found) == 1
    assert len(found.pop()) == 1


def test_when_bodies_change_another_dictionary_is_made(path, journal, monkeypatch):
    monkeypatch.setattr(dictionaries, "_EVERY", 256)
    old = grow(journal, map(decision, range(128)))
    new = grow(journal, (decision(number, "weather") for number in range(300)))
    assert len(contents(path)) > 1
    assert "weather" not in contents(path)[0]
    assert "football" not in contents(path)[-1]
    assert list(journal.records()) == old + new


def test_a_dictionary_is_for_a_stretch_of_the_log_only(path, journal, monkeypatch):
    monkeypatch.setattr(dictionaries, "_EVERY", 128)
    monkeypatch.setattr(dictionaries, "_STRETCH", 256)
    records = grow(journal, map(decision, range(640)))
    firsts = [first for (first,) in ask(path, "SELECT first FROM dictionaries ORDER BY number")]
    assert firsts == [129, 385, 641, 897, 1153]
    assert list(journal.records()) == records


def test_where_nothing_repeats_there_is_none(path, journal):
    grow(journal, (Rewarded(float(number)) for number in range(500)))
    assert contents(path) == []


def test_it_is_turned_on_and_off_in_a_living_loop(tmp_path):
    bench = Bench(on_disk(tmp_path), settings=Settings(reward_wait_time=60.0))
    place = tmp_path / "bench" / "log.db"

    def live(first, count):
        for number in range(first, first + count):
            bench.do(Rank(f"e{number}", True, context_of({"hour": number}), ("a", "b", "c"), (), False))
            bench.do(Reward(f"e{number}", 1.0))

    live(0, 20)
    for number, on in enumerate([True, False, True], start=1):
        bench.do(ChangeSettings({"compression": on}))
        live(100 * number, 70)
        bench.reopen()
        live(100 * number + 80, 5)
    bench.clock.advance(60)
    bench.train()
    codecs = [codec for (codec,) in ask(place, "SELECT codec FROM events WHERE kind = 'Ranked'")]
    assert codecs == [PLAIN] * 20 + [COMPRESSED] * 75 + [PLAIN] * 75 + [COMPRESSED] * 75
    verification = verify(bench.place.store.reader(), bench.learner, bench.place.checkpoints)
    assert verification.findings.problems == ()
    assert (verification.findings.decisions, verification.findings.versions) == (245, 1)
    bench.loop.close()


def test_asynchronous_readers_know_the_dictionaries(path, journal, monkeypatch):
    monkeypatch.setattr(dictionaries, "_EVERY", 128)
    monkeypatch.setattr(dictionaries, "_STRETCH", 128)
    records = grow(journal, map(decision, range(300)))

    async def read(**wanted):
        async with open_async_reader(path) as reader:
            return [record async for record in reader.records(**wanted)]

    assert asyncio.run(read()) == records
    assert asyncio.run(read(kinds=("Ranked", "Rewarded"), first=400)) == records[399:]


def erase(journal, *seqs):
    head = journal.head()
    journal.append([seal(head, 0, Rewarded(0.0))], [(seq, seq) for seq in seqs])


def test_what_many_erased_decisions_had_in_common_is_gone(path, journal):
    """It is in the dictionary, because it repeats; and nowhere once they are erased."""
    records = grow(journal, (decision(n, **({"town": SECRET} if n % 9 == 0 else {})) for n in range(250)))
    seqs = [record.seq for record in records if SECRET.encode() in record.body]
    assert SECRET in contents(path)[-1]
    numbers = ask(path, "SELECT number FROM dictionaries")
    erase(journal, *seqs[:-1])
    assert ask(path, "SELECT number FROM dictionaries") == numbers  # it stands in one yet
    assert SECRET in contents(path)[-1]
    erase(journal, seqs[-1])
    assert SECRET.encode() not in everything(path, journal)
    assert "football" in contents(path)[-1]
    left = list(journal.records())
    assert [one.erased for one in left[:-2]] == [one.seq in seqs for one in records]
    assert [one for one in left if not one.erased][:-2] == [one for one in records if one.seq not in seqs]
    more = grow(journal, map(decision, range(20)))
    assert list(journal.records())[-40:] == more
    assert ask(path, "SELECT DISTINCT codec FROM events WHERE kind = 'Ranked' AND seq > 510") == [
        (COMPRESSED,)
    ]


def test_an_action_that_was_only_offered_to_the_erased(path, journal):
    records = grow(journal, (decision(n, SECRET if n in range(30, 50) else "football") for n in range(150)))
    assert SECRET in contents(path)[0]
    erase(journal, *(record.seq for record in records if SECRET.encode() in record.body))
    assert SECRET.encode() not in everything(path, journal)
    assert [one.body for one in journal.records(kinds=("Ranked",)) if not one.erased]


def test_what_is_erased_is_found_at_any_depth(path, journal):
    def deep(number):
        town = {"town": SECRET} if number % 5 == 0 else {}
        return decision(number, home={"b": {"c": {**town, "n": number}, "x": number}})

    records = grow(journal, map(deep, range(150)))
    assert SECRET in contents(path)[0]
    erase(journal, *(record.seq for record in records if SECRET.encode() in record.body))
    assert SECRET.encode() not in everything(path, journal)
    assert '"n":' in contents(path)[0]


def test_everything_is_erased(path, journal):
    records = grow(journal, (decision(n, SECRET) for n in range(150)))
    journal.append([seal(journal.head(), 0, Rewarded(0.0))], [(1, records[-1].seq)])
    assert SECRET.encode() not in everything(path, journal)
    assert b"all about" not in everything(path, journal)
    assert ask(path, "SELECT DISTINCT codec FROM events WHERE seq <= 300") == [(ERASED,)]
    grow(journal, map(decision, range(10)))


def test_of_several_dictionaries_each_forgets(path, journal, monkeypatch):
    monkeypatch.setattr(dictionaries, "_EVERY", 128)
    monkeypatch.setattr(dictionaries, "_STRETCH", 128)
    records = grow(journal, (decision(n, **({"town": SECRET} if n % 7 == 0 else {})) for n in range(400)))
    assert sum(SECRET in content for content in contents(path)) > 2
    seqs = [record.seq for record in records if SECRET.encode() in record.body]
    while seqs:
        erase(journal, *seqs[:5])
        seqs = seqs[5:]
    assert SECRET.encode() not in everything(path, journal)
    list(journal.records())


def test_who_reads_meanwhile_goes_on(path, journal):
    records = grow(journal, (decision(n, **({"town": SECRET} if n % 9 == 0 else {})) for n in range(400)))
    with closing(SqliteStore(path.parent).reader()) as reader:
        read = reader.records()
        assert next(read) == records[0]
        erase(journal, *(record.seq for record in records if SECRET.encode() in record.body))
        rest = list(read)
    assert [one.seq for one in rest] == list(range(2, len(records) + 2))
    with closing(SqliteStore(path.parent).reader()) as reader:
        assert sum(one.erased for one in reader.records()) == 45


def test_nothing_of_it_is_left_when_the_writer_dies_while_erasing(path, journal):
    records = grow(journal, (decision(n, **({"town": SECRET} if n % 9 == 0 else {})) for n in range(150)))
    execute = journal._connection
    seqs = [(record.seq, record.seq) for record in records if SECRET.encode() in record.body]
    head = journal.head()
    before = ask(path, "SELECT * FROM dictionaries")
    execute.execute(
        "CREATE TEMP TRIGGER no BEFORE DELETE ON dictionaries BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(LoopInUse):
        journal.append([seal(head, 0, Rewarded(0.0))], seqs)
    assert ask(path, "SELECT * FROM dictionaries") == before
    assert list(journal.records()) == records


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE dictionaries SET content = replace(content, 'football', 'footbaLL')", "dictionary 1 is not"),
        ("UPDATE dictionaries SET sha256 = zeroblob(32)", "dictionary 1 is not"),
        ("DELETE FROM dictionaries", None),
    ],
)
def test_a_damaged_dictionary_is_found_and_the_event_named(path, journal, change, fault):
    records = grow(journal, map(decision, range(150)))
    tamper(path, change)
    first = ask(path, "SELECT seq FROM events WHERE kind = 'Ranked' AND seq > 128")[0][0]
    with closing(SqliteStore(path.parent).reader()) as reader:
        assert reader.record(1) == records[0]
        assert reader.record(first + 1) == records[first]
        with pytest.raises(LogDamaged, match=f"event {first} cannot be read: dictionary 1") as caught:
            list(reader.records())
        assert caught.value.seq == first
        assert [one.split(":")[0] for one in reader.faults(deep=False)] == (
            [f"{fault} what was stored"] if fault else []
        )


def test_a_body_stored_with_another_dictionary_is_found(path, journal):
    grow(journal, map(decision, range(150)))
    tamper(path, "UPDATE events SET body = CAST(x'00000000' || substr(body, 5) AS BLOB) WHERE seq = 201")
    with closing(SqliteStore(path.parent).reader()) as reader, pytest.raises(LogDamaged, match="event 201"):
        reader.record(201)


def test_a_writer_that_was_overtaken_keeps_no_dictionary(path, journal):
    records = grow(journal, map(decision, range(64)))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE writer SET epoch = epoch + 1")
    with pytest.raises(LoopInUse):
        journal.append([seal(head_of(records[-1]), 0, decision(1), "late")])
    assert contents(path) == []


def test_what_the_rules_refuse(journal):
    grow(journal, map(decision, range(100)))
    erase(journal, 5)
    execute = journal._connection.execute
    for refused in (
        "UPDATE dictionaries SET content = '[]'",
        "UPDATE events SET codec = 0, body = x'00' WHERE seq = 151",
        "UPDATE events SET codec = 2, body = 'text' WHERE seq = 151",
        "UPDATE events SET codec = 3, body = x'00' WHERE seq = 151",
        "UPDATE events SET codec = 2, body = x'00' WHERE seq = 5",
        "UPDATE events SET codec = 2, body = x'00' WHERE seq = 2",
        "UPDATE events SET codec = 2, body = x'00', at = at + 1 WHERE seq = 151",
        "UPDATE events SET codec = 2, body = x'00', digest = x'00' WHERE seq = 151",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            execute(refused)
