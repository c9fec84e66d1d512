from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopledger.adapters.embedding.moments import microseconds, stretch, text
from loopledger.errors import InvalidRequest

AT = 1_795_293_000_000_000


@pytest.mark.parametrize(
    "moment",
    [
        AT,
        "2026-11-21T20:30:00Z",
        "2026-11-21T20:30:00",
        "2026-11-21 20:30",
        "2026-11-21T21:30:00+01:00",
        "2026-11-21T20:30:00.000000+00:00",
        "20261121T203000Z",
        datetime(2026, 11, 21, 20, 30),
        datetime(2026, 11, 21, 20, 30, tzinfo=UTC),
        datetime(2026, 11, 21, 15, 30, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_ways_to_say_a_moment(moment):
    assert microseconds(moment) == AT


def test_a_day_is_its_beginning_in_utc():
    assert microseconds("2026-11-21") == AT - int(20.5 * 3600) * 1_000_000


def test_no_microsecond_is_lost():
    assert microseconds("2026-11-21T20:30:00.000001Z") == AT + 1
    assert microseconds("1969-12-31T23:59:59.999999Z") == -1
    assert text(AT + 1) == "2026-11-21T20:30:00.000001Z"


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_text_is_read_back(at):
    assert microseconds(text(at)) == at


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "20:30", "2026-11-21T25:00", "1700000000", "\x00"]
)
def test_text_that_is_no_moment(text):
    with pytest.raises(InvalidRequest, match="ISO 8601") as caught:
        microseconds(text)
    assert caught.value.field == "time"


@pytest.mark.parametrize("number", [5, -5, 1_795_293_000, 1_795_293_000_000], ids=repr)
def test_numbers_that_are_no_microseconds(number):
    with pytest.raises(InvalidRequest, match="microseconds since 1970; so small a number") as caught:
        microseconds(number)
    assert caught.value.field == "time"


def test_a_stretch_ends_after_it_begins():
    assert stretch(AT, AT) == (AT, AT)
    assert stretch(None, AT) == (None, AT)
    assert stretch(AT, None) == (AT, None)
    with pytest.raises(InvalidRequest, match="comes after until") as caught:
        stretch(AT, "2026-11-21T20:29:59Z")
    assert caught.value.field == "since"


@pytest.mark.parametrize("moment", [None, 1.5, True, date(2026, 11, 21), b"2026-11-21", ["2026"]], ids=repr)
def test_other_things_are_named(moment):
    with pytest.raises(InvalidRequest, match=type(moment).__name__) as caught:
        microseconds(moment)
    assert caught.value.field == "time"
