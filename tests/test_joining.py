import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support import ranked

from loopledger.learning.aggregation import aggregate
from loopledger.learning.joining import EARLY, Unjoined, join
from loopledger.log.events import Activated, Rewarded, SlotRanking, SlotsRanked, encode
from loopledger.log.journal import Outcome, Traced

AT = 1_000_000_000
WAIT = 600_000_000


def reward(seq, after, value, slot=None, key=None):
    return Outcome(seq, AT + after, "Rewarded", encode(Rewarded(value=value, slot=slot, key=key)))


def activation(seq, after):
    return Outcome(seq, AT + after, "Activated", encode(Activated()))


def joined(*outcomes, decision=None, **changes):
    return join(Traced(10, AT, "e", encode(decision or ranked(**changes)), list(outcomes)))


def test_the_reward_of_the_chosen_action():
    example = joined(reward(11, 1, 0.7))
    (label,) = example.labels
    assert (label.position, label.probability, label.reward, label.rewards) == (1, 0.5, 0.7, (0.7,))
    assert example.activated
    assert example.skipped is None


def test_nothing_gives_the_default_that_was_in_force():
    assert joined(default_reward=-0.25).labels[0].reward == -0.25


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (WAIT - 1, None),
        (WAIT, "late"),
        (WAIT + 1, "late"),
        (0, None),
        (-EARLY + 1, None),
        (-EARLY, "early"),
        (-EARLY - 1, "early"),
    ],
)
def test_edges_of_the_window(after, reason):
    example = joined(reward(11, after, 1.0))
    assert example.labels[0].reward == (1.0 if reason is None else 0.0)
    assert example.unjoined == (() if reason is None else (Unjoined(11, reason),))


def test_earliest_is_by_time_then_by_place():
    assert joined(reward(11, 5, 0.1), reward(12, 3, 0.2), reward(13, 3, 0.3)).labels[0].reward == 0.2


def test_a_key_counts_once():
    example = joined(
        reward(11, 1, 0.5, key="k"),
        reward(12, 2, 0.5, key="k"),
        reward(13, 3, 0.5, key="other"),
        reward(14, 4, 0.5),
        reward_aggregation="sum",
    )
    assert example.labels[0].reward == 1.5
    assert example.unjoined == (Unjoined(12, "repeated"),)


def test_a_key_outside_the_window_does_not_use_up_the_key():
    example = joined(reward(9, -EARLY, 0.9, key="k"), reward(11, 1, 0.5, key="k"))
    assert example.labels[0].reward == 0.5


def test_deferred_decisions_need_an_activation_in_time():
    assert joined(reward(11, 1, 1.0), deferred=True).skipped == "not activated"
    assert joined(reward(11, 1, 1.0), activation(12, WAIT), deferred=True).skipped == "not activated"
    example = joined(reward(11, 1, 1.0), activation(12, WAIT - 1), deferred=True)
    assert example.skipped is None
    assert example.labels[0].rewards == (1.0,)
    assert joined(activation(11, -1), deferred=True).labels[0].reward == 0.0


def test_an_apprentice_learns_to_imitate():
    other = joined(reward(11, 1, 0.4), learning_mode="Apprentice").labels[0]
    assert (other.reward, other.original_reward) == (0.0, 0.4)
    same = joined(
        reward(11, 1, 0.4),
        learning_mode="Apprentice",
        ranked=(0, 1, 2),
        probabilities=(0.5, 0.25, 0.25),
        chosen="a",
    ).labels[0]
    assert (same.reward, same.original_reward) == (1.0, 0.4)


def test_what_could_never_be_drawn_is_not_learned():
    example = joined(learning_mode="LoggingOnly", ranked=(0, 1, 2), probabilities=(0.0, 1.0, 0.0), chosen="a")
    assert example.skipped == "never drawn"


@pytest.mark.parametrize(
    ("probability", "skipped"),
    [(0.0, "never drawn"), (2.0**-24, "never drawn"), (2.0**-23, None), (0.5, None)],
)
def test_what_can_just_be_drawn_is_learned(probability, skipped):
    assert joined(probabilities=(probability, 0.25, 0.25)).skipped == skipped
    slots = slots_ranked().slots
    for at in range(2):
        rare = [
            replace(slot, probabilities=(probability, 0.5)) if slot is slots[at] else slot for slot in slots
        ]
        assert joined(decision=replace(slots_ranked(), slots=tuple(rare))).skipped == skipped


def test_rewards_may_come_two_minutes_early():
    assert EARLY == 120_000_000  # of the old logs, too: what they teach hangs on it


def test_a_reward_for_a_slot_of_a_decision_without_slots():
    assert joined(reward(11, 1, 1.0, slot="s")).unjoined == (Unjoined(11, "no such slot"),)


def slots_ranked(baselines=(0, 0), **changes):
    plain = ranked(**changes)
    slots = tuple(
        SlotRanking(
            slot=name,
            baseline=baseline,
            excluded=(),
            ranked=(at, 2),
            probabilities=(0.5, 0.5),
            chosen="ab"[at],
        )
        for at, (name, baseline) in enumerate(zip("st", baselines, strict=True))
    )
    values = {name: getattr(plain, name) for name in SlotsRanked.__struct_fields__ if name != "slots"}
    return SlotsRanked(**values, slots=slots)


def test_rewards_of_slots_are_apart():
    example = joined(
        reward(11, 1, 0.5, slot="t"),
        reward(12, 2, 0.25, slot="t"),
        reward(13, 3, 1.0),
        reward(14, 4, 1.0, slot="x"),
        decision=slots_ranked(reward_aggregation="sum", default_reward=-1.0),
    )
    assert [(label.slot, label.position, label.reward) for label in example.labels] == [
        ("s", 0, -1.0),
        ("t", 1, 0.75),
    ]
    assert example.unjoined == (Unjoined(13, "no such slot"), Unjoined(14, "no such slot"))


@pytest.mark.parametrize("baselines", [(0, 0), (1, 1), (2, 2), (0, 1), (2, 0)])
def test_an_apprentice_with_slots(baselines):
    labels = joined(decision=slots_ranked(baselines, learning_mode="Apprentice")).labels
    assert [label.position for label in labels] == [0, 1]
    assert [label.reward for label in labels] == [
        float(at == baseline) for at, baseline in enumerate(baselines)
    ]


def test_one_activation_is_for_all_slots():
    assert joined(decision=slots_ranked(deferred=True)).skipped == "not activated"
    assert joined(activation(11, 1), decision=slots_ranked(deferred=True)).skipped is None


rewards = st.lists(
    st.tuples(
        st.integers(-2 * EARLY, 2 * WAIT),
        st.sampled_from([0.0, 0.25, 0.5, 1.0, -1.0]),
        st.sampled_from([None, "k", "l"]),
    ),
    max_size=8,
)


@given(rewards, st.sampled_from(["earliest", "sum", "average", "median", "min", "max"]))
def test_joining_depends_on_times_and_places_only(came, how):
    came = sorted(came, key=lambda one: one[0])
    outcomes = [reward(11 + at, after, value, key=key) for at, (after, value, key) in enumerate(came)]
    expected, seen = [], set()
    for after, value, key in came:
        if -EARLY < after < WAIT and key not in seen:
            expected.append(value)
            seen |= {key} - {None}
    example = joined(*outcomes, reward_aggregation=how, default_reward=0.125)
    assert example.labels[0].reward == aggregate(expected, how, 0.125)
    assert len(example.unjoined) + len(expected) == len(came)
