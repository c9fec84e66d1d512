"""A loop as it was, and what it would have answered."""

import json

import learned
import pytest

import loopledger

MINUTE = 60 * 1_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("as-of") / "data"
    learned.make(folder)
    return folder


@pytest.fixture
def loop(folder):
    with loopledger.open(folder, workers=1) as ledger:
        yield ledger.loop("news")


def request(event_id, hour):
    actions = [{"id": name, "features": [features]} for name, features in learned.ACTIONS.items()]
    return json.dumps({"contextFeatures": [{"hour": hour}], "actions": actions, "eventId": event_id}).encode()


def test_a_moment_is_a_seq_or_a_time(loop):
    for entry in [*loop.log()][:: len([*loop.log()]) // 7]:
        there = loop.as_of(seq=entry.seq)
        assert (there.seq, there.at) == (entry.seq, entry.at)
        same = loop.as_of(time=entry.at)
        assert same.at == entry.at
        assert same.seq >= entry.seq
    now = loop.status()
    assert (loop.as_of().seq, loop.as_of().digest) == (now.events, now.digest)


def test_decisions_are_counted_as_of_then(loop):
    trained = list(loop.log(kinds=["ModelTrained"]))
    for number, entry in enumerate(trained):
        before, after = loop.as_of(seq=entry.seq - 1), loop.as_of(seq=entry.seq)
        many = (number + 1) * learned.DECISIONS
        assert (before.decisions, before.waiting_decisions) == (many, learned.DECISIONS)
        assert (after.decisions, after.learned_decisions, after.waiting_decisions) == (many, many, 0)
        assert (before.versions, after.versions) == (number, number + 1)


def test_what_was_in_force_then(tmp_path):
    clock = loopledger.SimulatedClock()
    with loopledger.open(tmp_path, clock=clock, workers=1) as ledger:
        loop = ledger.create("news", settings=loopledger.Settings(model_update_frequency=0))
        before = loop.as_of().seq
        clock.advance(60)
        loop.change_settings(default_reward=0.5)
        loop.change_policy(loopledger.ready_policy("recommended"))
        then, now = loop.as_of(seq=before), loop.as_of()
        assert (then.settings.default_reward, now.settings.default_reward) == (0.0, 0.5)
        assert then.policy == loopledger.ready_policy("personalizer-default")
        assert now.policy == loopledger.ready_policy("recommended")
        assert loop.as_of(time=clock.now() - MINUTE) == then


def test_before_the_beginning_there_was_nothing(loop):
    for moment in ({"time": 0}, {"time": "1999-12-31"}, {"seq": 10**9}, {"seq": 0}):
        with pytest.raises(loopledger.NotFound):
            loop.as_of(**moment)
    with pytest.raises(loopledger.InvalidRequest, match="give one of them"):
        loop.as_of(time=0, seq=1)


def test_every_decision_is_answered_again_as_it_was(loop):
    events = loop.status().events
    for entry in loop.log(kinds=["Ranked"]):
        body = entry.as_dict()["body"]
        number = int(entry.event_id.removeprefix("event-"))
        if number % 7:
            continue
        answer = loop.rank_as_of(request(entry.event_id, number % 4), seq=entry.seq - 1)
        assert answer.model_version == body["model_version"]
        assert answer.action == body["chosen"]
        assert [action.probability for action in answer.ranking] == body["probabilities"]
    assert loop.status().events == events, "nothing is logged"


def test_without_an_event_id_the_probabilities_are_the_same(loop):
    body = json.loads(request("x", 2))
    del body["eventId"]
    one, two = (loop.rank_as_of(json.dumps(body), seq=300) for _ in range(2))
    assert one.event_id != two.event_id
    assert {action.id: action.probability for action in one.ranking} == {
        action.id: action.probability for action in two.ranking
    }


def test_a_request_that_cannot_be_used_is_named(loop):
    with pytest.raises(loopledger.InvalidRequest, match="actions"):
        loop.rank_as_of(b'{"actions": []}')
    with pytest.raises(loopledger.InvalidRequest, match="JSON"):
        loop.rank_as_of(b"{")


def test_a_loop_of_several_slots_says_so(tmp_path):
    with loopledger.open(tmp_path, workers=1) as ledger:
        loop = ledger.create("news", policy=loopledger.ready_policy("recommended-slots"))
        with pytest.raises(loopledger.InvalidRequest, match=r"request.* several slots: give it slots"):
            loop.rank_as_of(request("x", 1))


def test_a_loop_of_one_action_says_so(loop):
    with pytest.raises(loopledger.InvalidRequest, match=r"request.* one action: leave its slots out"):
        loop.rank_as_of(learned.slots_request())


def test_several_slots_are_answered_again_as_they_were(tmp_path):
    clock = loopledger.SimulatedClock(learned.START)
    settings = loopledger.Settings(model_update_frequency=0)
    with loopledger.open(tmp_path, clock=clock, workers=1) as ledger:
        loop = ledger.create("page", policy=learned.SLOTS_POLICY, settings=settings)
        for number in range(2):
            learned.live_slots(loop, clock, {"top": "music", "side": "music", "foot": "weather"}, number * 40)
            loop.train()
        for entry in list(loop.log(kinds=["SlotsRanked"]))[::9]:
            number = int(entry.event_id.removeprefix("event-"))
            again = learned.slots_request(number % 4, eventId=entry.event_id)
            then = loop.rank_as_of(again, seq=entry.seq - 1)
            assert then.as_dict() == loop.rank_slots_json(again).as_dict()
