import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from loopledger.errors import LogDamaged
from loopledger.log.chain import GENESIS, Head, Record, body_hash, check, check_end, follow, head_of, seal
from loopledger.log.events import Activated, Rewarded


def log(count=12):
    head, records = Head(), []
    for number in range(count):
        event = Rewarded(value=number / 10) if number % 3 else Activated()
        records.append(seal(head, 1000 + number // 2, event, f"e{number}" if number % 2 else None))
        head = head_of(records[-1])
    return records


def test_digest_is_what_the_documentation_says():
    first, second = log(2)
    header = json.dumps([2, 1000, "Rewarded", "e1"], separators=(",", ":")).encode()
    assert first.seq == 1
    assert second.digest == sha256(first.digest + header + sha256(second.body).digest()).digest()
    header = json.dumps([1, 1000, "Activated", None], separators=(",", ":")).encode()
    assert first.digest == sha256(GENESIS + header + sha256(first.body).digest()).digest()


def test_long_bodies_hash_as_whole_bodies():
    record = seal(Head(), 1, Rewarded(value=1.0, slot="x" * 10_000))
    header = b'[1,1,"Rewarded",null]'
    assert record.digest == sha256(GENESIS + header + sha256(record.body).digest()).digest()


def test_the_chain_begins_with_zeros_at_the_beginning_of_time():
    assert bytes(32) == GENESIS
    assert Head() == Head(0, 0, GENESIS)


@pytest.mark.parametrize("size", [0, 1, 2046, 2047, 2048, 4094, 4095, 10_000])
def test_pieces_hash_as_the_whole(size):
    body = bytes(number % 251 for number in range(size))
    assert body_hash(body) == sha256(body).digest()


def test_a_whole_log_holds():
    records = log()
    assert list(check(records, Head())) == records
    assert list(check(records[5:], head_of(records[4]))) == records[5:]


def test_time_never_goes_back():
    head = head_of(seal(Head(), 5000, Activated()))
    assert seal(head, 4000, Activated()).at == 5000


def first_problem(records):
    with pytest.raises(LogDamaged) as caught:
        list(check(records, Head()))
    return caught.value.seq


CHANGES = {
    "at": lambda record: replace(record, at=record.at + 1),
    "kind": lambda record: replace(record, kind="Ranked"),
    "event_id": lambda record: replace(record, event_id="other"),
    "body": lambda record: replace(record, body=record.body.replace(b"kind", b"kinb")),
    "digest": lambda record: replace(record, digest=bytes(32)),
}


@given(st.sampled_from(sorted(CHANGES)), st.integers(0, 11))
def test_any_change_is_found_and_named(field, place):
    records = log()
    records[place] = CHANGES[field](records[place])
    assert first_problem(records) in {place + 1, place + 2}


@given(st.integers(0, 10))
def test_a_missing_event_is_found_and_named(place):
    records = log()
    del records[place]
    assert first_problem(records) == place + 1


@given(st.integers(0, 10), st.integers(0, 10))
def test_swapped_events_are_found(one, other):
    records = log()
    if one == other:
        return
    first, second = records[one], records[other]
    records[one] = Record(
        first.seq, *[getattr(second, name) for name in ("at", "kind", "event_id", "body", "digest")]
    )
    records[other] = Record(
        second.seq, *[getattr(first, name) for name in ("at", "kind", "event_id", "body", "digest")]
    )
    assert first_problem(records) == min(one, other) + 1


@given(st.integers(0, 11), st.data())
def test_one_flipped_bit_of_a_body_is_found(place, data):
    records = log()
    body = bytearray(records[place].body)
    at = data.draw(st.integers(0, len(body) * 8 - 1))
    body[at // 8] ^= 1 << at % 8
    records[place] = replace(records[place], body=bytes(body))
    assert first_problem(records) == place + 1


def said(problem):
    return problem.value.seq, str(problem.value)


@pytest.mark.parametrize(("gone", "follows"), [(1, 2), (4, 5), (7, 8)])
def test_what_is_missing_is_said(gone, follows):
    records = log()
    del records[gone - 1]
    with pytest.raises(LogDamaged) as problem:
        list(check(records, Head()))
    assert said(problem) == (gone, f"event {gone} is missing: event {follows} follows")
    with pytest.raises(LogDamaged) as problem:
        follow(records[gone - 1], None)
    assert said(problem) == (gone, f"event {gone} is missing: event {follows} follows")


def test_the_first_event_is_not_missed_by_a_number_that_there_is_not():
    with pytest.raises(LogDamaged) as problem:
        follow(log(1)[0], None)
    assert problem.value.seq == 1


def test_an_event_that_comes_twice_is_found():
    records = log()
    with pytest.raises(LogDamaged) as problem:
        list(check([*records[:5], *records[4:]], Head()))
    assert said(problem) == (6, "event 6 is missing: event 5 follows")


def test_where_a_log_ends_is_what_was_committed():
    heads = [head_of(record) for record in log()]
    check_end(heads[6], heads[6])
    check_end(heads[6], Head(heads[6].seq, 0, heads[6].digest))  # when it was is in the digest
    with pytest.raises(LogDamaged) as problem:
        check_end(heads[4], heads[6])
    assert said(problem) == (6, "the log was cut off: it ends with event 5, and 7 were committed")
    for other in (heads[5], Head(7, 0, bytes(32)), Head(7, 0, bytes([255]) * 32)):
        with pytest.raises(LogDamaged) as problem:
            check_end(heads[6], other)
        assert said(problem) == (7, "event 7 is not the last that was committed")


def test_a_body_that_is_gone_is_followed_by_its_hash():
    first, second = log(2)
    erased = replace(second, body=b"", body_sha256=body_hash(second.body))
    assert erased.erased
    assert not second.erased
    assert follow(erased, first.digest) is erased
    with pytest.raises(LogDamaged):
        follow(replace(erased, body_sha256=bytes(32)), first.digest)


@pytest.mark.parametrize("other", ["text", 5, 1.5, b"", b"short", bytearray(32)], ids=repr)
def test_whatever_a_damaged_database_holds_instead_is_damage(other):
    first, second = log(2)
    follow(second, first.digest)
    damaged = [(second, other), (replace(second, body_sha256=other, body=b""), first.digest)]
    damaged += [
        (replace(second, **{name: other}), first.digest) for name in ("kind", "event_id", "body", "digest")
    ]
    for record, previous in damaged:
        with pytest.raises(LogDamaged) as problem:
            follow(record, previous)
        assert problem.value.seq == 2
