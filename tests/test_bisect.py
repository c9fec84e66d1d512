"""Which decisions changed what a loop answers."""

import json

import learned
import pytest

import loopledger

pytestmark = pytest.mark.slow

POLICY = loopledger.LearningPolicy("p", "--cb_explore_adf --epsilon 0.2 -l 0.5 -q :i --ignore_linear FGji")
SETTINGS = loopledger.Settings(model_update_frequency=0)


def asked(hour=1):
    actions = [{"id": name, "features": [one]} for name, one in learned.ACTIONS.items()]
    return json.dumps({"contextFeatures": [{"hour": hour}], "actions": actions})


def show(loop, clock, likes, first, count=30):
    """Let a loop decide, for people who like one action only."""
    for number in range(first, first + count):
        decision = loop.rank({"hour": 1}, learned.ACTIONS, event_id=f"e{number:03d}")
        loop.reward(decision.event_id, float(decision.action == likes))
        clock.advance(1)
    clock.advance(600)
    loop.train()


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    """A loop whose visitors liked music, and from the fifth round on politics."""
    clock = loopledger.SimulatedClock(learned.START)
    with loopledger.open(tmp_path_factory.mktemp("bisect"), clock=clock, workers=1) as ledger:
        loop = ledger.create("news", policy=POLICY, settings=SETTINGS)
        for number in range(12):
            show(loop, clock, "music" if number < 5 else "politics", number * 30)
        yield loop


def best(loop, version):
    published = {one.version: one.served[0].first for one in loop.models()}
    answer = loop.rank_as_of(asked(), seq=published[version])
    return max(answer.ranking, key=lambda action: action.probability).id


def test_the_change_is_found(loop):
    assert (best(loop, 5), best(loop, 12)) == ("music", "politics")
    found = loop.bisect(asked(), "music")
    assert (found.expected, found.instead) == ("music", "politics")
    assert (best(loop, found.before), best(loop, found.version)) == ("music", "politics")
    assert found.version == found.before + 1
    assert len(found.event_ids) == 1
    (guilty,) = found.event_ids
    assert loop.why(guilty).learned_in == (found.version,)
    assert found.first == found.last == loop.why(guilty).seq


def test_it_says_what_it_does(loop):
    said = []
    loop.bisect(asked(), "music", said.append)
    assert said[0] == "version 12 answers politics"
    assert any("between decisions" in one for one in said)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A loop of three slots; in the second one politics was liked, and from the fourth round on sports."""
    clock = loopledger.SimulatedClock(learned.START)
    policy = loopledger.LearningPolicy("p", "--ccb_explore_adf --epsilon 0.2 -l 0.5 -q is")
    with loopledger.open(tmp_path_factory.mktemp("page"), clock=clock, workers=1) as ledger:
        loop = ledger.create("page", policy=policy, settings=SETTINGS)
        for number in range(8):
            likes = {"top": "music", "side": "politics" if number < 3 else "sports", "foot": "weather"}
            learned.live_slots(loop, clock, likes, number * 40)
            loop.train()
        yield loop


def preferred(loop, version):
    """Return what a version finds the most probable, if the slots before take what it prefers for them."""
    published = {one.version: one.served[0].first for one in loop.models()}
    for number in range(100):
        answer = loop.rank_as_of(learned.slots_request(eventId=f"try-{number}"), seq=published[version])
        best = [max(slot.ranking, key=lambda action: action.probability).id for slot in answer.slots]
        if best[:2] == [slot.action for slot in answer.slots[:2]]:
            return dict(zip(("top", "side", "foot"), best, strict=True))
    raise AssertionError("nothing but exploration")


def test_the_change_in_one_slot_is_found(page):
    assert (preferred(page, 3)["side"], preferred(page, 8)["side"]) == ("politics", "sports")
    found = page.bisect(learned.slots_request(), "politics", slot="side")
    assert (found.slot, found.expected, found.instead) == ("side", "politics", "sports")
    assert preferred(page, found.before)["side"] == "politics"
    assert preferred(page, found.version)["side"] == "sports"
    (guilty,) = found.event_ids
    assert page.why(guilty).learned_in == (found.version,)


def test_a_request_for_slots(loop, page):
    request = learned.slots_request()
    with pytest.raises(loopledger.NotFound, match="answers 'music' as expected"):
        page.bisect(request, "music")  # of the first slot, unless another one is named
    with pytest.raises(loopledger.NotFound, match="no slot 'nowhere'; it has top, side, foot"):
        page.bisect(request, "music", slot="nowhere")
    with pytest.raises(loopledger.NotFound, match="no action 'weather' that it offers to slot 'side'"):
        page.bisect(request, "weather", slot="side")
    with pytest.raises(loopledger.Conflict, match="version 12 decides one action: leave"):
        loop.bisect(request, "music")
    with pytest.raises(loopledger.Conflict, match="version 8 decides several slots: give"):
        page.bisect(asked(), "music")
    with pytest.raises(loopledger.InvalidRequest, match="slot: names a slot, and the request has none"):
        page.bisect(asked(), "music", slot="top")


def test_nothing_has_changed(loop):
    with pytest.raises(loopledger.NotFound, match="nothing has changed"):
        loop.bisect(asked(), "politics")


def test_an_answer_that_never_was(loop):
    with pytest.raises(loopledger.NotFound, match="no version that was published ever answered"):
        loop.bisect(asked(), "sports")


def test_an_answer_of_another_line(tmp_path):
    clock = loopledger.SimulatedClock(learned.START)
    with loopledger.open(tmp_path, clock=clock, workers=1) as ledger:
        loop = ledger.create("news", policy=POLICY, settings=SETTINGS)
        for number in range(6):
            show(loop, clock, "music" if number < 3 else "politics", number * 30)
        loop.relearn(since=loop.why("e090").seq)  # without what had taught it music
        (relearned,) = loop.train()
        assert best(loop, 3) == "music"
        with pytest.raises(loopledger.NotFound) as refused:
            loop.bisect(asked(), "music")
        said = str(refused.value)
        published = {one.version: one.served[-1].first for one in loop.models()}
        good = next(version for version in range(6, 0, -1) if best(loop, version) == "music")
        assert said.startswith(f"version {relearned}, which learned from the beginning")
        assert f"version {good} of another line did, published with event {published[good]} last" in said
        assert f"`diff` of {good} and {relearned}" in said
        with pytest.raises(loopledger.NotFound, match="no version that was published ever answered 'sports'"):
            loop.bisect(asked(), "sports")


def test_an_action_that_is_not_there(loop):
    with pytest.raises(loopledger.NotFound, match="no action 'weather'"):
        loop.bisect(asked(), "weather")


def test_without_any_model(tmp_path):
    with loopledger.open(tmp_path, workers=1) as ledger:
        loop = ledger.create("news", settings=SETTINGS)
        with pytest.raises(loopledger.NotFound, match="no model was ever published"):
            loop.bisect(asked(), "music")


def test_nobody_is_to_blame_for_an_imported_model(loop, tmp_path):
    liked = {which: loop.model(version).data for which, version in (("music", 5), ("politics", 12))}
    with loopledger.open(tmp_path, workers=1) as ledger:
        other = ledger.create("news", policy=POLICY, settings=SETTINGS)
        other.import_model(liked["music"])
        other.import_model(liked["politics"])
        with pytest.raises(loopledger.NotFound):
            other.bisect(asked(), "music")  # an imported model comes from nowhere


def test_a_past_that_was_learned_several_times(tmp_path):
    clock = loopledger.SimulatedClock(learned.START)
    settings = loopledger.Settings(model_update_frequency=0, checkpoint_interval=30)
    with loopledger.open(tmp_path, clock=clock, workers=1) as ledger:
        loop = ledger.create("news", policy=POLICY, settings=settings)
        for number in range(8):
            show(loop, clock, "music" if number < 4 else "politics", number * 30)
        loop.relearn(passes=2)
        versions = loop.train()
        found = loop.bisect(asked(), "music")
        assert found.instead == "politics"
        assert found.version in versions
        (guilty,) = found.event_ids
        assert found.version in loop.why(guilty).learned_in
        assert loop.verify().holds
