"""What is exported as cooked lines and imported again is the same history."""

import json

import learned
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learned import START

import loopledger

IMPORTED = loopledger.Settings(model_update_frequency=0)


def exported(loop, path):
    loop.export(path, format="dsjson")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def live(loop, clock, kind, first):
    if kind == "slots":
        likes = {"top": "music", "side": "politics", "foot": "weather"}
        learned.live_slots(loop, clock, likes, first)
    else:
        learned.live(loop, clock, first)


@pytest.mark.parametrize("kind", ["single", "slots"])
@pytest.mark.usefixtures("lent")
def test_there_and_back(tmp_path, kind):
    clock = loopledger.SimulatedClock(START)
    with loopledger.open(tmp_path / "data", clock=clock, workers=1) as ledger:
        policy = learned.SLOTS_POLICY if kind == "slots" else loopledger.ready_policy("recommended")
        loop = ledger.create("here", policy=policy, settings=IMPORTED)
        live(loop, clock, kind, 0)
        clock.advance(600)
        loop.change_settings(learning_mode="Apprentice")
        live(loop, clock, kind, 1000)
        clock.advance(600)
        loop.train()
        lines = exported(loop, tmp_path / "once.json")
        report = ledger.import_history("there", [tmp_path / "once.json"], policy=policy, settings=IMPORTED)
        assert (report.decisions, report.refused) == (len(lines), 0)
        there = ledger.loop("there")
        there.train()
        assert there.model().sha256 == loop.model().sha256
        assert exported(there, tmp_path / "twice.json") == lines
        assert there.verify().holds


CAME = st.lists(
    st.one_of(st.just("activation"), st.sampled_from([slot["id"] for slot in learned.SLOTS])), max_size=6
)


@settings(max_examples=15, deadline=None)
@given(st.lists(CAME, min_size=1, max_size=3))
def test_an_activation_of_several_slots_is_one(tmp_path_factory, came):
    folder = tmp_path_factory.mktemp("activated")
    clock = loopledger.SimulatedClock(START)
    with loopledger.open(folder / "data", clock=clock, workers=1) as ledger:
        loop = ledger.create("here", policy=learned.SLOTS_POLICY, settings=IMPORTED)
        for number, outcomes in enumerate(came):
            asked = ({"hour": 1}, learned.MORE_ACTIONS, learned.SLOTS)
            decision = loop.rank_slots(*asked, event_id=f"e{number}", deferred=True)
            for outcome in outcomes:
                if outcome == "activation":
                    loop.activate(decision.event_id)
                else:
                    loop.reward(decision.event_id, 0.5, slot=outcome)
        clock.advance(600)
        lines = exported(loop, folder / "once.json")
        ledger.import_history("there", [folder / "once.json"], policy=learned.SLOTS_POLICY, settings=IMPORTED)
        there = ledger.loop("there")
        counted = [view.status().counts.get("Activated", 0) for view in (there, loop)]
        assert counted[0] == counted[1]
        assert exported(there, folder / "twice.json") == lines
