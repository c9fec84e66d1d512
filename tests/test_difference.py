"""What is different between two versions, or two moments."""

import learned
import pytest

import loopledger


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    clock = loopledger.SimulatedClock(learned.START)
    settings = loopledger.Settings(model_update_frequency=0)
    policy = loopledger.LearningPolicy("p", "--cb_explore_adf --epsilon 0.2 -l 0.5 -q :i")
    with loopledger.open(tmp_path_factory.mktemp("diff"), clock=clock, workers=1) as ledger:
        loop = ledger.create("news", policy=policy, settings=settings)
        for number in range(3):
            learned.live(loop, clock, number * learned.DECISIONS)
            loop.train()
        loop.change_settings(default_reward=0.25)
        loop.change_policy(loopledger.ready_policy("squarecb"))
        loop.train()
        yield loop


def test_a_version_and_itself(loop):
    found = loop.diff(2, 2)
    assert (found.settings, found.probabilities, found.weights, found.other_best) == ((), (), (), 0.0)
    assert found.contexts == 3 * learned.DECISIONS


def test_what_the_loop_answered_is_what_is_compared(loop):
    found = loop.diff("@2", 3)
    assert found.probabilities
    assert [found.first.version, found.second.version] == [0, 3]
    for move in found.probabilities:
        answered = loop.why(move.event_id)
        (choice,) = (one for one in answered.drawn[0].choices if one.id == move.action)
        if not answered.model_version:
            assert choice.probability == move.first
    sizes = [abs(move.second - move.first) for move in found.probabilities]
    assert sizes == sorted(sizes, reverse=True)


def test_weights_have_the_names_of_features(loop):
    found = loop.diff(1, 3)
    names = {move.feature for move in found.weights}
    assert any(name.startswith("FromUrl.hour^i.id=") for name in names)
    assert all(move.first != move.second for move in found.weights)


def test_both_directions_mirror_each_other(loop):
    there, back = loop.diff(1, 4), loop.diff(4, 1)
    assert [(move.first, move.second) for move in there.weights] == [
        (move.second, move.first) for move in back.weights
    ]
    assert there.other_best == back.other_best


def test_settings_and_policies(loop):
    (changed,) = loop.diff(1, 4).settings
    assert (changed.setting, changed.first, changed.second) == ("default_reward", 0.0, 0.25)
    assert loop.diff(1, 4).second.policy.name == loopledger.ready_policy("squarecb").name


def test_moments(loop):
    before_any = loop.diff("@2", 1)
    assert (before_any.first.version, before_any.second.version) == (0, 1)
    by_time = loop.diff("2026-01-01T00:00:10Z", 1)
    assert by_time.first.version == 0
    now = loop.status()
    assert loop.diff(f"@{now.events}", now.published).weights == ()


@pytest.mark.parametrize("given", [99, 0, -1, "@", "@x", "@0", "@999999", "yesterday", True, 1.5, None])
def test_what_never_was_is_said(loop, given):
    with pytest.raises((loopledger.NotFound, loopledger.InvalidRequest)):
        loop.diff(given, 1)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A loop of three slots whose visitors changed what they like, and that then decided one action."""
    clock = loopledger.SimulatedClock(learned.START)
    settings = loopledger.Settings(model_update_frequency=0)
    with loopledger.open(tmp_path_factory.mktemp("page"), clock=clock, workers=1) as ledger:
        loop = ledger.create("page", policy=learned.SLOTS_POLICY, settings=settings)
        for number, side in enumerate(["politics", "politics", "sports"]):
            learned.live_slots(loop, clock, {"top": "music", "side": side, "foot": "weather"}, number * 40)
            loop.train()
        yield loop


@pytest.mark.slow
def test_slots_are_compared_one_by_one(page):
    found = page.diff(1, 3)
    assert (found.contexts, found.choices) == (120, 360)
    assert 0.0 < found.other_best < 1.0
    assert {move.slot for move in found.probabilities} <= {"top", "side", "foot"}
    sizes = [abs(move.second - move.first) for move in found.probabilities]
    assert sizes == sorted(sizes, reverse=True)
    assert any("_slot=1" in move.feature for move in found.weights)
    assert page.diff(2, 2).probabilities == page.diff(2, 2).weights == ()
    mirrored = page.diff(3, 1)
    assert [(move.second, move.first) for move in mirrored.weights] == [
        (move.first, move.second) for move in found.weights
    ]


def test_sides_of_different_kinds_cannot_be_compared(tmp_path):
    with loopledger.open(tmp_path, workers=1) as ledger:
        loop = ledger.create("page", policy=loopledger.ready_policy("recommended-slots"))
        assert loop.diff("@1", "@1").other_best == 0.0
        loop.change_policy(loopledger.ready_policy("recommended"))
        with pytest.raises(loopledger.Conflict, match=r"several slots, .* one action: no request fits both"):
            loop.diff("@1", "@2")
