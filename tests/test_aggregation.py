import pytest

from loopledger.learning.aggregation import aggregate


@pytest.mark.parametrize(
    ("how", "expected"),
    [("earliest", 0.5), ("sum", 1.0), ("average", 0.25), ("median", 0.3), ("min", -0.1), ("max", 0.5)],
)
def test_aggregations(how, expected):
    assert aggregate([0.5, 0.3, 0.3, -0.1], how, 9.0) == pytest.approx(expected)


@pytest.mark.parametrize("how", ["earliest", "sum", "average", "median", "min", "max"])
def test_nothing_gives_the_default(how):
    assert aggregate([], how, -0.5) == -0.5


def test_largest_of_negative_rewards_is_negative():
    assert aggregate([-1.0, -0.5], "max", 0.0) == -0.5
    assert aggregate([0.0, 0.0], "max", -1.0) == 0.0


def test_median_of_two_is_between():
    assert aggregate([0.0, 1.0], "median", 9.0) == 0.5


def test_sum_does_not_depend_on_the_order():
    values = [0.1] * 10 + [1e-9, 0.7]
    assert aggregate(values, "sum", 0.0) == aggregate(values[::-1], "sum", 0.0)
