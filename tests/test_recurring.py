"""What is kept of texts that come again: always what would be made of them, and never too much."""

from hypothesis import given
from hypothesis import strategies as st

from loopledger.recurring import Recurring

texts = st.lists(st.sampled_from([b"%d" % number for number in range(12)]), max_size=4, unique=True)


def made(text):
    return None if text == b"7" else text * 2


@given(st.lists(texts, max_size=120), st.integers(0, 6), st.integers(1, 9))
def test_what_is_found_is_what_would_be_made(calls, most, rest):
    gone = []
    recurring = Recurring(made, most=most, longest=1, rest=rest, let_go=gone.extend)
    for call in calls:
        found = recurring.find(call)
        assert found is None or found == [made(text) for text in call]
        # What a call was given is in use until the next one.
        assert found is None or not set(found) & set(gone)
        assert len(recurring) <= most
        gone.clear()


def test_what_comes_again_is_kept_from_the_second_time_on():
    asked = []
    recurring = Recurring(lambda text: asked.append(text) or text, most=4, longest=3)
    assert recurring.find([b"a", b"b"]) is None
    assert asked == []
    assert recurring.find([b"a", b"b"]) == [b"a", b"b"]
    assert recurring.find([b"b", b"a"]) == [b"b", b"a"]
    assert asked == [b"a", b"b"]
    for _ in range(3):
        assert recurring.find([b"long"]) is None
    assert asked == [b"a", b"b"]


def test_everything_is_let_go_once():
    gone = []
    recurring = Recurring(made, most=2, longest=1, rest=3, let_go=gone.extend)
    for text in [b"1", b"2", b"3", b"4"] * 20:
        recurring.find([text])
    assert len(recurring) <= 2
    kept = len(recurring)
    before = len(gone)
    recurring.clear()
    assert len(gone) == before + kept
    assert len(recurring) == 0
    recurring.clear()
    assert len(gone) == before + kept


def test_new_ones_get_room_when_the_old_ones_do_not_come_any_more():
    recurring = Recurring(made, most=2, longest=1, rest=10)
    for text in (b"1", b"2"):
        for _ in range(2):
            recurring.find([text])
    for _ in range(30):
        recurring.find([b"3"])
    assert recurring.find([b"3"]) == [b"33"]


def test_where_texts_never_come_again_it_is_seldom_looked_for_them():
    recurring = Recurring(made, most=4, longest=9)
    looks = 0
    for number in range(2_000):
        if not recurring.idle():
            looks += 1
            recurring.find([b"%d" % number])
    assert looks < 250
    while recurring.find([b"again"]) is None:
        pass
    assert not recurring.idle()


def test_what_comes_again_finds_room_soon_after_much_that_did_not():
    recurring = Recurring(bytes.decode, most=100, longest=9, rest=400)
    for number in range(5_000):
        text = b"%d" % (number // 2)  # each of them twice, and never again
        if not recurring.idle():
            recurring.find([text])
    assert len(recurring) == 100
    found = 0
    for _ in range(3 * 400):
        if not recurring.idle():
            found += recurring.find([b"a", b"b"]) is not None
    assert found > 300
