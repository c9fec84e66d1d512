import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopledger.deciding.draw import float32, float32s
from loopledger.deciding.ranking import even, front, order_by_probability, rank_actions, usable
from loopledger.errors import LearnerFailed


class Fixed:
    def __init__(self, scores):
        self.scores = scores

    def score(self, context, actions=()):
        return self.scores

    def score_slots(self, context):
        raise AssertionError

    def close(self):
        pass


def rank(scores, number=0.0, minimum=0.0, mode="Online", count=None):
    scorer = None if scores is None else Fixed(float32s(scores))
    return rank_actions(scorer, b"{}", count or len(scores), number, minimum, mode)


def test_without_a_model_all_are_alike():
    ranking = rank(None, count=4, number=0.6)
    assert ranking.ranked == (2, 1, 0, 3)
    assert ranking.probabilities == (0.25,) * 4


def test_one_swap_and_not_a_rotation():
    assert front([5, 6, 7, 8], [0.4, 0.3, 0.2, 0.1], 2).ranked == (7, 6, 5, 8)
    assert front([5, 6, 7, 8], [0.4, 0.3, 0.2, 0.1], 2).probabilities == (0.2, 0.3, 0.4, 0.1)
    assert front([5, 6], [0.5, 0.5], 0).ranked == (5, 6)


def test_the_most_probable_comes_first_and_ties_keep_their_order():
    assert order_by_probability([0.05, 0.85, 0.05, 0.05]) == ([1, 0, 2, 3], [0.85, 0.05, 0.05, 0.05])


def test_the_number_decides():
    scores = [0.05, 0.85, 0.05, 0.05]
    assert rank(scores, 0.5).ranked == (1, 0, 2, 3)
    explored = rank(scores, 0.99)
    assert explored.ranked == (3, 0, 2, 1)
    assert explored.probabilities == pytest.approx((0.05, 0.05, 0.05, 0.85))


def test_logging_only_keeps_the_callers_order():
    ranking = rank([0.05, 0.85, 0.1], 0.5, mode="LoggingOnly")
    assert ranking.ranked == (0, 1, 2)
    assert ranking.probabilities == pytest.approx((0.05, 0.85, 0.1))


def test_apprentice_draws_as_online_does():
    assert rank([0.1, 0.9], 0.5, mode="Apprentice") == rank([0.1, 0.9], 0.5)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([1.0, 1.0, 1.0, 1.0], [0.25] * 4),  # regcbopt gives 1 to every tied action
        ([-3.0, 1.0, 1.0, 1.0], [0.0, 1 / 3, 1 / 3, 1 / 3]),  # squarecb --elim before it has learned
        ([-0.5, 1.5], [0.0, 1.0]),
        ([-0.25, 0.5, 0.75], [0.0, 0.4, 0.6]),
        ([-0.5, 0.5, 0.5], [0.0, 0.5, 0.5]),
        ([float("nan"), 0.5], [0.0, 1.0]),
        ([float("nan"), float("nan")], [0.5, 0.5]),
        ([0.0, 0.0], [0.5, 0.5]),
        ([float("inf"), 1.0], [0.0, 1.0]),
    ],
)
def test_answers_that_are_no_probabilities(answer, expected):
    assert usable(answer, len(answer), 0.0) == pytest.approx(expected, abs=1e-7)


def test_more_or_fewer_answers_than_actions_are_an_error():
    for answer in ([], [1.0], [0.5, 0.25, 0.25]):
        with pytest.raises(LearnerFailed):
            usable(answer, 2, 0.0)


def test_minimum_probability_is_mixed_in_only_where_it_is_missing():
    enough = float32s([0.8, 0.1, 0.1])
    assert usable(enough, 3, 0.05) is enough
    just = [0.75, 0.25]
    assert usable(just, 2, 0.25) is just
    mixed = usable([1.0, 0.0, 0.0, 0.0], 4, 0.01)
    assert mixed == float32s([0.97, 0.01, 0.01, 0.01])


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=20),
    st.floats(0, 0.025),
    st.floats(0, 1, exclude_max=True, width=32),
)
def test_every_answer_becomes_a_distribution_with_support(answer, minimum, number):
    probabilities = usable(answer, len(answer), minimum)
    assert len(probabilities) == len(answer)
    assert min(probabilities) >= 0.0
    assert sum(probabilities) == pytest.approx(1.0, abs=2e-4)
    assert min(probabilities) >= float32(minimum) * 0.999
    ranking = rank_actions(Fixed(answer), b"", len(answer), number, minimum, "Online")
    assert sorted(ranking.ranked) == list(range(len(answer)))
    assert ranking.probabilities[0] > 0.0


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20).filter(any))
def test_what_are_probabilities_already_stays_as_it_is_to_the_last_bit(weights):
    answer = float32s([weight / sum(weights) for weight in weights])
    assert usable(answer, len(answer), 0.0) is answer


def test_even_is_in_32_bits():
    assert even(3) == [float32(1 / 3)] * 3
