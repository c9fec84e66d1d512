"""Damage in every region of log.db: all goes on as before, or one sentence says what is wrong."""

import random  # noqa: TID251 - places to damage are no decisions
import sqlite3
from contextlib import closing

import pytest
from anatomy import HEADER, regions
from quick import slow_but

PAGE = 8192


def flip(name, at, bit):
    def damage(folder):
        path = folder / name
        content = bytearray(path.read_bytes())
        content[at] ^= bit
        path.write_bytes(content)

    return damage


def overwrite(name, start, end, filler):
    def damage(folder):
        with (folder / name).open("r+b") as file:
            file.seek(start)
            file.write(filler(end - start))

    return damage


def is_index(region):
    return region.startswith("by_")


def flips(path, chance, of_each):
    """Yield damage for some places of every region."""
    for region, places in sorted(regions(path).items()):
        for _ in range(of_each):
            start, end = chance.choice(places)
            at, bit = chance.randrange(start, end), 1 << chance.randrange(8)
            yield f"{region}: byte {at}, bit {bit}", flip("log.db", at, bit), is_index(region)


def overwritten(path, chance):
    """Yield damage that wipes out one of every region."""
    for region, places in sorted(regions(path).items()):
        start, end = chance.choice(places)
        for filler in (bytes, lambda length: b"\xff" * length, chance.randbytes):
            damage = overwrite("log.db", start, end, filler)
            yield f"{region}: {start} to {end} overwritten", damage, is_index(region)


def found(ward, cases, state="closed", **more):
    return [
        f"{what}: {complaint}"
        for what, damage, lies in cases
        for complaint in ward.ask(state, damage, lies=lies, **more)
    ]


def test_the_regions_are_all_there(data):
    there = regions(data / "closed" / "news" / "log.db")
    assert {f"header, {name}" for name in HEADER} <= set(there)
    trees = ("sqlite_schema", "migrations", "writer", "events", "by_kind", "by_event_id")
    parts = ("page header", "cell pointers", "unused", "payload size", "record header")
    assert {f"{tree} leaf, {part}" for tree in trees for part in parts} <= set(there)
    assert {"events inner, child pointer", "events inner, rowid"} <= set(there)
    assert {"events overflow, next page", "events overflow, content", "events leaf, overflow pointer"} <= set(
        there
    )
    for column in ("at", "kind", "event_id", "body", "digest"):
        assert f"events leaf, {column}" in there


def test_a_bit_is_flipped_in_some_regions(ward, data):
    chance = random.Random(1)
    cases = list(flips(data / "closed" / "news" / "log.db", chance, 1))
    assert found(ward, chance.sample(cases, 30)) == []


@pytest.mark.slow
def test_a_bit_is_flipped_in_every_region(ward, data):
    cases = list(flips(data / "closed" / "news" / "log.db", random.Random(2), 3))
    assert found(ward, cases) == []


@pytest.mark.slow
def test_every_region_is_overwritten(ward, data):
    cases = list(overwritten(data / "closed" / "news" / "log.db", random.Random(3)))
    assert found(ward, cases) == []


@pytest.mark.slow
def test_what_is_compressed_and_dictionaries_are_damaged(ward, data):
    chance = random.Random(5)
    path = data / "packed" / "news" / "log.db"
    events = regions(path)
    for column in ("content", "sha256", "first"):
        assert f"dictionaries leaf, {column}" in events
    cases = [
        case
        for case in flips(path, chance, 6)
        if case[0].startswith(("events leaf, body", "dictionaries leaf", "sqlite_sequence"))
    ]
    assert found(ward, chance.sample(cases, 20), "packed") == []


@pytest.mark.slow
def test_a_bit_is_flipped_in_every_region_of_a_compressed_log(ward, data):
    cases = list(flips(data / "packed" / "news" / "log.db", random.Random(6), 3))
    assert found(ward, cases, "packed") == []


@pytest.mark.slow
def test_damage_is_no_trouble_to_those_who_explain_and_compare(ward, data):
    events = regions(data / "closed" / "news" / "log.db")
    chance = random.Random(4)
    names = [name for name in sorted(events) if name.startswith(("events leaf", "by_kind leaf"))]
    cases = []
    for region in names:
        start, end = chance.choice(events[region])
        cases.append((region, flip("log.db", chance.randrange(start, end), 8), is_index(region)))
    assert found(ward, cases, thorough=True) == []


def pages(folder):
    content = (folder / "log.db").read_bytes()
    return [content[start : start + PAGE] for start in range(0, len(content), PAGE)]


def swapped(one, other):
    def damage(folder):
        found = pages(folder)
        found[one], found[other] = found[other], found[one]
        (folder / "log.db").write_bytes(b"".join(found))

    return damage


def copied(one, other):
    def damage(folder):
        found = pages(folder)
        found[other] = found[one]
        (folder / "log.db").write_bytes(b"".join(found))

    return damage


@pytest.mark.slow
def test_pages_change_places(ward, data):
    count = len(pages(data / "closed" / "news"))
    chance = random.Random(5)
    for number in range(14):
        one, other = chance.sample(range(count), 2)
        damage = (swapped, copied)[number % 2](one, other)
        assert ward.ask("closed", damage, lies=True) == [], (one, other)


def cut(size):
    def damage(folder):
        with (folder / "log.db").open("r+b") as file:
            file.truncate(size)

    return damage


def test_the_file_is_cut_off(ward, data):
    whole = (data / "closed" / "news" / "log.db").stat().st_size
    sizes = [0, 1, 99, 100, 512, PAGE - 1, PAGE, 5 * PAGE, whole // 2, whole - PAGE, whole - 1]
    for size in sizes:
        assert ward.ask("closed", cut(size)) == [], size
        found = ward.asked("closed", cut(size))
        assert not found.holds
        assert "write" in found.errors, size


QUICK = [
    "DELETE FROM events WHERE seq = 30",
    "UPDATE events SET event_id = 'event-001' WHERE seq = 50",
    "UPDATE events SET body = '{' WHERE seq = 50",
    "UPDATE writer SET seq = seq - 1",
    "DROP TABLE migrations",
    "DROP INDEX by_kind",
]
ROWS = [
    "UPDATE events SET body = (SELECT body FROM events WHERE seq = 31) WHERE seq = 30",
    "UPDATE events SET seq = seq - 62 WHERE seq IN (30, 32); UPDATE events SET seq = -seq WHERE seq < 0",
    "DELETE FROM events WHERE seq = 30",
    "DELETE FROM events WHERE seq > 100",
    "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
    "DELETE FROM events WHERE seq < 10",
    "UPDATE events SET at = at - 1000000 WHERE seq = 50",
    "UPDATE events SET event_id = 'event-001' WHERE seq = 50",
    "UPDATE events SET kind = 'Activated' WHERE seq = 50",
    "UPDATE events SET digest = zeroblob(32) WHERE seq = 50",
    "UPDATE events SET body = '{' WHERE seq = 50",
    "UPDATE events SET body = zeroblob(9) WHERE seq = 50",
    "UPDATE writer SET seq = seq - 1",
    "UPDATE writer SET seq = seq + 1",
    "UPDATE writer SET digest = zeroblob(32)",
    "DELETE FROM writer",
    "DELETE FROM migrations",
    "UPDATE migrations SET sha256 = 'x'",
    "DROP TABLE migrations",
    "DROP TABLE writer",
    "DROP TABLE events",
    "DROP INDEX by_kind",
    "DROP INDEX by_event_id",
]


@pytest.mark.parametrize("statements", slow_but(QUICK, ROWS))
def test_rows_are_changed_moved_or_lost(ward, statements):
    def damage(folder):
        with closing(sqlite3.connect(folder / "log.db", isolation_level=None)) as connection:
            rules = connection.execute(
                "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
            ).fetchall()
            for name, _ in rules:
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements.split(";"):
                connection.execute(statement)
            for _, sql in rules if "DROP TABLE" not in statements else ():
                connection.execute(sql)

    # An event under another name is not found under its own.
    lies = "SET kind" in statements or "SET event_id" in statements
    assert ward.ask("closed", damage, lies=lies) == []
    assert not ward.asked("closed", damage).holds
