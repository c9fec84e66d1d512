"""Probabilities for many decisions at once: to the last bit those of one at a time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loopledger.deciding.draw import float32, sample
from loopledger.deciding.ranking import even, order_by_probability, usable
from loopledger.evaluation.probabilities import even_for, scaled, starts_of, usable_for

numbers = st.floats(-3, 3, width=32) | st.sampled_from([0.0, 1.0, 0.25, float("nan"), float("inf")])
distributions = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=12).map(
    lambda weights: [float32(weight / (sum(weights) or 1)) for weight in weights]
)
answers = st.lists(numbers, min_size=1, max_size=12) | distributions
decisions = st.lists(st.tuples(answers, st.sampled_from([0.0, 0.001, 0.01, 1 / 30])), min_size=1, max_size=20)


def packed(rows):
    return np.array([number for row in rows for number in row], np.float32), np.array(
        [len(row) for row in rows]
    )


def one_by_one(probabilities):
    order, ordered = order_by_probability(probabilities)
    _, drawn = sample(ordered, 0.5)
    return dict(sorted(zip(order, drawn, strict=True)))


@given(decisions)
def test_usable_and_scaled_as_one_by_one(rows):
    given_answers, counts = packed([row for row, _ in rows])
    minimum = np.array([least for _, least in rows])
    made = usable_for(given_answers, counts, minimum)
    drawn = scaled(made, counts)
    for (row, least), begin, count in zip(rows, starts_of(counts).tolist(), counts.tolist(), strict=True):
        expected = usable([float32(number) for number in row], count, least)
        assert made[begin : begin + count].tolist() == expected
        assert drawn[begin : begin + count].tolist() == list(one_by_one(expected).values())


@given(st.lists(st.integers(1, 60), min_size=1, max_size=10))
def test_even_as_one_by_one(counts):
    made = even_for(np.array(counts))
    drawn = scaled(made, np.array(counts))
    assert made.tolist() == [probability for count in counts for probability in even(count)]
    assert drawn.tolist() == [one for count in counts for one in one_by_one(even(count)).values()]
