import math

import mmh3
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loopledger.deciding.draw import RESOLUTION, float32, float32s, number_for, sample, uniform, uniform_hash

PROBABILITIES = float32s([0.85, 0.05, 0.05, 0.05])


@given(st.text())
def test_hash_is_murmur3(text):
    text = text.encode("utf-8", "ignore").decode()
    assert uniform_hash(text) == mmh3.hash(text, signed=False)


@pytest.mark.parametrize(
    ("app", "event", "event_hash", "app_hash", "number", "index"),
    [
        ("", "event_id", 1209832024, 0, 0.3334975242614746, 0),
        ("", "id", 2557905889, 0, 0.9219815731048584, 2),
        ("my-app", "event_id", 1209832024, 1047512935, 0.9931221008300781, 3),
        ("my-app", "0074434d3a3a46529f65de8a59631939", 1150911955, 1047512935, 0.6904317140579224, 0),
    ],
)
def test_vectors_of_rlclientlib(app, event, event_hash, app_hash, number, index):
    assert uniform_hash(event) == event_hash
    assert uniform_hash(app) == app_hash
    assert uniform(uniform_hash(event) + uniform_hash(app)) == number
    assert sample(PROBABILITIES, number)[0] == index


def test_vector_of_a_slot_tag():
    assert uniform_hash("event_idslot_1") == 641244926
    assert uniform(641244926) == 0.9602123498916626


def test_seed_is_not_cut_to_32_bits():
    assert uniform(2**32 + 5) != uniform(5)


@given(st.integers(0, 2**33))
def test_numbers_are_in_range_and_on_the_grid(seed):
    number = uniform(seed)
    assert 0.0 <= number < 1.0
    assert (number / RESOLUTION).is_integer()


def test_the_grid_is_as_fine_as_is_said():
    assert any(uniform(seed) / RESOLUTION % 2 == 1 for seed in range(100))
    assert RESOLUTION == 0.00000011920928955078125


@given(st.text(st.characters(codec="utf-8")), st.integers(0, 2**32 - 1))
def test_the_number_of_a_decision_comes_of_both_hashes(event_id, loop_seed):
    number = number_for(uniform_hash, loop_seed, event_id)
    assert number == uniform(mmh3.hash(event_id, signed=False) + loop_seed)


weights = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60)


@given(weights, st.integers(0, 2**23 - 1))
@example([2.0**-149], 2**23 - 1)  # the product is rounded up to the whole
@example([2.0**-149, 0.0], 2**23 - 1)
@example([0.0, 2.0**-149], 2**23 - 1)
@example([0.5, 0.5], 2**22)
@example([0.25, 0.0, 0.75], 2**21)
@example([0.0, 0.0, 0.0], 0)
def test_sample_follows_the_reference_step_by_step(probabilities, step):
    number = step * RESOLUTION
    total = 0.0
    for probability in probabilities:
        total = float32(total + probability)
    index, scaled = sample(probabilities, number)
    if total == 0.0:
        assert (index, scaled) == (0, [1.0] + [0.0] * (len(probabilities) - 1))
        return
    target, running, expected = min(float32(total * number), total), 0.0, len(probabilities) - 1
    for place, probability in enumerate(probabilities):
        running = float32(running + probability)
        if running > target:
            expected = place
            break
    assert index == expected
    assert scaled == [float32(probability / total) for probability in probabilities]


def test_frequencies_follow_the_probabilities():
    drawn = [sample(PROBABILITIES, uniform(uniform_hash(f"event-{i}")))[0] for i in range(20_000)]
    for index, probability in enumerate(PROBABILITIES):
        spread = math.sqrt(probability * (1 - probability) / 20_000)
        assert abs(drawn.count(index) / 20_000 - probability) < 4.5 * spread
