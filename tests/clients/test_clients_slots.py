"""Multi-slot Rank through the clients that have it."""

import pytest
from faces import Refused
from wishes import ODD_IDS, slots


def chosen(answer):
    return {slot["id"]: slot["rewardActionId"] for slot in answer["slots"]}


@pytest.mark.parametrize("kind", ["slots", "learned-slots"])
def test_each_slot_gets_an_action_of_its_own(administrator, kind, server, connect, new_loop):
    name, key = new_loop(server, kind)
    face = connect(administrator, server, key)
    for number in range(12):
        answer = face.rank_slots(slots(eventId=f"slots {number}"))
        assert set(answer) == {"slots", "eventId"}
        assert answer["eventId"] == f"slots {number}"
        assert list(chosen(answer)) == ["top", "side"]
        assert chosen(answer)["side"] != "weather"
        assert len(set(chosen(answer).values())) == 2
    assert face.rank_slots(slots(eventId="slots 0"))["eventId"] == "slots 0"
    assert len(server.log(name, "Ranked", "SlotsRanked")) >= 12


def test_rewards_go_to_their_slots(administrator, server, connect, new_loop):
    name, key = new_loop(server, "slots")
    face = connect(administrator, server, key)
    face.rank_slots(slots(eventId="e"))
    both = [{"slotId": "top", "value": 1}, {"slotId": "side", "value": 0.5}]
    assert not face.reward_slots("e", both)
    assert not face.reward_slots("e", [{"slotId": "side", "value": -1}])
    outcomes = {outcome["_id"]: outcome for outcome in server.examples(name)["e"]["_outcomes"]}
    assert {name: outcome["_label_cost"] for name, outcome in outcomes.items()} == {"top": -1, "side": -0.5}


def test_event_ids_and_activation(administrator, server, connect, new_loop):
    name, key = new_loop(server, "slots")
    face = connect(administrator, server, key)
    ids = [event_id for event_id in ODD_IDS if event_id != ".."]
    for event_id in ids:
        face.rank_slots(slots(eventId=event_id, deferActivation=True))
    for event_id in ids[1:]:
        assert not face.activate_slots(event_id)
    found = server.examples(name)
    assert {event_id for event_id, line in found.items() if line.get("_skipLearn")} == {ids[0]}


def test_as_an_apprentice_each_slot_shows_its_baseline(administrator, server, connect, new_loop):
    _, key = new_loop(server, "learned-slots")
    face = connect(administrator, server, key)
    face.configure({**face.configuration(), "learningMode": "Apprentice"})
    for _ in range(6):
        assert chosen(face.rank_slots(slots())) == {"top": "sports", "side": "politics"}


def test_a_slot_reward_that_cannot_be(administrator, server, connect, new_loop):
    name, key = new_loop(server, "slots")
    face = connect(administrator, server, key)
    face.rank_slots(slots(eventId="e"))
    with pytest.raises(Refused) as refused:
        face.reward_slots("e", [{"slotId": "top", "value": 1}, {"slotId": "side", "value": 7}])
    assert (refused.value.status, refused.value.code) == (400, "InvalidRewardRequest")
    # Neither of the two is taken.
    assert server.log(name, "Rewarded") == []
