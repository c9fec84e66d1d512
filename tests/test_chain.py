import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from loopledger.errors import LogDamaged
from loopledger.log.chain import GENESIS, Head, Record, check, head_of, seal
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
