"""How bodies are stored: whatever goes in comes out, or an error that names the event."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopledger.adapters.sqlite.bodies import COMPRESSED, PLAIN, Bodies, Compressor
from loopledger.errors import LogDamaged

WORDS = b'{"kind":"Ranked","actions":["sports","politics"],"chosen":"politics"}'
BODY = b"[" + b",".join([WORDS] * 9) + b"]"


def row(number, content):
    return number, 1, 1, content, sha256(content).digest()


def knowing(number, content):
    bodies = Bodies()
    bodies.learn(number, row(number, content))
    return bodies


@given(st.binary(max_size=3000), st.binary(min_size=8, max_size=500), st.integers(1, 50), st.booleans())
def test_what_was_stored_comes_back(piece, content, times, with_dictionary):
    body = piece * times
    number = 7 if with_dictionary else 0
    codec, stored = Compressor(number, content if number else b"").stored(body)
    assert len(stored) <= len(body)
    assert knowing(7, content).body(codec, stored, 1) == body


def test_what_is_short_or_does_not_shrink_stays_as_it_is():
    noise = b"".join(sha256(bytes([number])).digest() for number in range(20))
    for body in (b"", b'{"kind":"Ranked"}', noise):
        assert Compressor().stored(body) == (PLAIN, body)


def test_a_dictionary_of_the_same_makes_it_small():
    alone, with_it = Compressor(), Compressor(1, BODY)
    assert alone.stored(BODY)[0] == with_it.stored(BODY)[0] == COMPRESSED
    assert with_it.size([BODY]) < 40 < alone.size([BODY])


def test_which_dictionaries_are_needed():
    (one, plain, other) = (Compressor(number, WORDS).stored(BODY) for number in (1, 0, 2))
    bodies = knowing(1, WORDS)
    assert bodies.unknown([one, plain, other, (PLAIN, BODY), (COMPRESSED, None)]) == {2}


@given(st.data(), st.booleans())
def test_damage_is_found_or_changes_nothing(data, with_dictionary):
    codec, stored = Compressor(1, WORDS).stored(BODY) if with_dictionary else Compressor().stored(BODY)
    place = data.draw(st.integers(0, len(stored) - 1))
    damaged = bytearray(stored)
    damaged[place] ^= data.draw(st.integers(1, 255))
    cut = bytes(damaged[: data.draw(st.sampled_from([place, len(stored)]))])
    try:
        # What is as long as it should be is left to the chain.
        assert len(knowing(1, WORDS).body(codec, cut, 9)) == len(BODY)
    except LogDamaged as error:
        said = error
    else:
        return
    assert (said.seq, "event 9 " in str(said)) == (9, True)


@pytest.mark.parametrize(
    "stored", [None, b"", bytes(8), b"\x00\x00\x00\x00\xff\xff\xff\xffrubbish", 7, "text"]
)
def test_what_no_writer_stored(stored):
    with pytest.raises(LogDamaged, match="event 5 is not what was recorded"):
        Bodies().body(COMPRESSED, stored, 5)


def test_a_body_is_not_read_further_than_it_should_go():
    _, stored = Compressor().stored(bytes(50_000_000))
    short = stored[:4] + (1000).to_bytes(4, "big") + stored[8:]
    with pytest.raises(LogDamaged, match="event 2"):
        Bodies().body(COMPRESSED, short, 2)


@pytest.mark.parametrize(
    "found",
    [None, (*row(3, WORDS)[:3], WORDS[:-1], sha256(WORDS).digest()), (*row(3, WORDS)[:3], None, None)],
    ids=["missing", "changed", "rubbish"],
)
def test_a_dictionary_that_is_not_what_was_stored(found):
    codec, stored = Compressor(3, WORDS).stored(BODY)
    bodies = Bodies()
    bodies.learn(3, found)
    with pytest.raises(LogDamaged, match="event 4 cannot be read: dictionary 3") as caught:
        bodies.body(codec, stored, 4)
    assert caught.value.seq == 4
