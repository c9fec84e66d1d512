"""What is exported as cooked lines and imported again is the same history."""

import json

import learned
import pytest
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
