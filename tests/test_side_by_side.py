"""Work side by side: all of it, in its order, and a failure is the caller's."""

import pytest

from loopledger.adapters.side_by_side import side_by_side


def test_what_comes_of_it_stands_in_its_order():
    assert side_by_side([lambda number=number: number**2 for number in range(50)]) == [
        n**2 for n in range(50)
    ]
    assert side_by_side([]) == []


def test_a_failure_is_the_callers():
    def fails():
        raise KeyError("no")

    with pytest.raises(KeyError):
        side_by_side([lambda: 1, fails, lambda: 2])
