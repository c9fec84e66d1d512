"""Makes golden logs of the present format: `python tests/golden/make.py FOLDER`.

The logs of a released format are never made again: they stand for those that are out there. When
the format changes, make a new folder and keep the old one.
"""

import json
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import msgspec

import loopledger
from loopledger.adapters.embedding.view import LoopView
from loopledger.adapters.place import in_folder
from loopledger.commands import RequestEvaluation
from loopledger.log.events import DECISIONS

START = 1_767_225_600 * 1_000_000
ACTIONS = {
    "sports": {"length": 3, "topic": "football", "fresh": True},
    "politics": {"length": 8.5, "topic": "elections", "author": {"name": "Ö. Ünal", "age": 41}},
    "music": {"length": 0, "embedding": [0.25, -0.5, 0.75]},
    "météo": {},
}
EXPLORE = loopledger.LearningPolicy("explore", "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 -q ::")
SQUARE = loopledger.LearningPolicy("square", "--cb_explore_adf --squarecb --gamma_scale 100 -q :i -q :j")
PAGE = loopledger.LearningPolicy("page", "--ccb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 -q ::")


class Teller:
    """Tells the story of one loop."""

    def __init__(self, ledger, name, policy):
        self.clock = ledger.directory.clock
        settings = loopledger.Settings(
            reward_wait_time=60.0, model_update_frequency=0, checkpoint_interval=10, minimum_probability=0.01
        )
        self.loop = ledger.create(name, policy=policy, settings=settings) if policy else ledger.loop(name)
        self.count = 0

    def decide(self, times, **more):
        for _ in range(times):
            self.count += 1
            context = {
                "hour": self.count % 24,
                "user": {"returning": self.count % 2 == 0, "langue": "français"},
            }
            event_id = f"événement-{self.count:03d}"
            decision = self.loop.rank(context, ACTIONS, event_id=event_id, **more)
            self.loop.reward(event_id, 1.0 if decision.action == "music" else 0.25, key="first")
            if self.count % 3 == 0:
                self.loop.reward(event_id, -0.125, key="second")
            self.clock.advance(2)

    def fill(self, times, **more):
        slots = [
            loopledger.Slot("top", {"wide": True}, baseline="music"),
            loopledger.Slot("side", excluded=["sports"], baseline="politics"),
        ]
        for _ in range(times):
            self.count += 1
            event_id = f"page-{self.count:03d}"
            decision = self.loop.rank_slots(
                {"hour": self.count % 24}, ACTIONS, slots, event_id=event_id, **more
            )
            for slot in decision.slots:
                self.loop.reward(event_id, 0.5 if slot.action == "music" else -0.5, slot=slot.slot)
            self.clock.advance(2)

    def learn(self):
        self.clock.advance(60)
        self.loop.train()


def tell_of_one_action_each(ledger):
    """Use everything that a loop without slots can do."""
    teller = Teller(ledger, "single", EXPLORE)
    loop = teller.loop
    loop.reward("événement-001", 0.75, key="early")
    teller.decide(6)
    teller.decide(3, excluded=["politics"])
    teller.decide(4, deferred=True)
    loop.activate("événement-011")
    loop.activate("événement-012")
    loop.reward("événement-003", -1.0, key="third")
    loop.reward("nobody", 0.5)
    teller.learn()
    loop.reward("événement-004", 1.0, key="late")
    loop.rank({"none": None}, ACTIONS, event_id="without reward")
    loop.change_settings(learning_mode="Apprentice", reward_aggregation="sum")
    teller.decide(4)
    loop.change_settings(learning_mode="LoggingOnly", default_reward=0.125)
    teller.decide(2)
    loop.change_settings(learning_mode="Online", reward_wait_time=30.0, limits={"actions": 20})
    teller.learn()
    loop.change_policy(SQUARE, relearn=True)
    teller.decide(2)
    teller.learn()
    loop.publish(2)
    teller.decide(3)
    teller.learn()
    loop.reset_model()
    teller.decide(2)
    teller.learn()
    loop.import_model(loop.model(4).data)
    teller.decide(3)
    teller.learn()
    loop.change_policy(EXPLORE, relearn=False)
    teller.decide(3)
    teller.learn()
    loop.change_settings(exploration_percentage=0.5)
    loop.train()
    teller.decide(2)


def tell_of_several_slots(ledger):
    """Decide for several slots, then for one action, then for slots again."""
    teller = Teller(ledger, "slots", PAGE)
    loop = teller.loop
    teller.fill(8)
    teller.fill(3, deferred=True)
    loop.activate("page-009")
    teller.learn()
    loop.change_settings(learning_mode="Apprentice")
    teller.fill(3)
    loop.change_settings(learning_mode="Online")
    teller.learn()
    loop.change_policy(EXPLORE, relearn=True)
    teller.decide(4)
    teller.learn()
    loop.change_policy(PAGE, relearn=True)
    teller.learn()
    teller.fill(3)


def tell_of_imported_history(ledger):
    """Bring two decisions from elsewhere, learn them, and go on."""
    context = {
        "FromUrl": [{"hour": 7}],
        "_multi": [{"_tag": name, "i": {"constant": 1, "id": name}, "j": [{"x": 1}]} for name in "ab"],
    }
    lines = [
        {
            "_label_cost": cost,
            "_label_probability": 0.75,
            "_label_Action": 2,
            "_labelIndex": 1,
            "Timestamp": "2025-11-22T10:00:00.1234567Z",
            "Version": "1",
            "EventId": event_id,
            **more,
            "a": [2, 1],
            "c": context,
            "p": [0.75, 0.25],
            "VWState": {"m": "abc/1"},
            "_original_label_cost": original,
        }
        for event_id, cost, original, more in (
            ("rewarded", -0.5, -0.5, {"o": [{"v": 0.25}, {"v": 0.25}]}),
            ("apprentice", 0.0, -1.0, {"o": [{"v": 1.0}, {"ActionTaken": True}]}),
            ("never activated", 1.0, 1.0, {"_skipLearn": True}),
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cooked.json")
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        settings = loopledger.Settings(reward_wait_time=60.0, model_update_frequency=0)
        report = ledger.import_history("imported", [path], policy=EXPLORE, settings=settings)
    assert report.decisions == len(lines), report
    teller = Teller(ledger, "imported", policy=None)
    teller.learn()
    teller.decide(3)
    teller.learn()
    teller.decide(1)


def describe(folder, learner):
    """Return what every later release must find in a log."""
    place = in_folder(folder)
    status = json.loads(msgspec.json.encode(LoopView(folder.name, place, learner).status()))
    del status["size"]  # of the database, which is no part of the log
    with closing(sqlite3.connect(folder / "log.db")) as connection:
        digests = connection.execute("SELECT seq, lower(hex(digest)) FROM events ORDER BY seq").fetchall()
        versions = connection.execute(
            "SELECT body ->> 'version', body ->> 'sha256', body ->> 'engine' FROM events"
            " WHERE kind IN ('ModelTrained', 'ModelImported') ORDER BY seq"
        ).fetchall()
    with closing(place.store.reader()) as reader:
        decided = [(one, json.loads(one.body)) for one in reader.records(kinds=DECISIONS) if not one.erased]
    return {
        "status": status,
        "versions": versions,
        "answers": [
            [one.seq, one.event_id, body.get("probabilities") or body["slots"]] for one, body in decided
        ],
        "digests": dict(digests),
    }


def tell_of_amends(ledger):
    """Leave decisions out of learning, and erase some."""
    teller = Teller(ledger, "amended", EXPLORE)
    loop = teller.loop
    teller.decide(8)
    teller.learn()
    teller.decide(4)
    teller.learn()
    loop.relearn(without=["événement-003"], where="seq > `4` && seq < `9`")
    teller.learn()
    loop.erase(["événement-001", "événement-010"])
    teller.decide(3)
    loop.erase(["événement-014"])
    teller.learn()
    loop.relearn(SQUARE, since=5, with_everything=True)
    teller.learn()
    teller.decide(1)


def tell_of_evaluations(ledger):
    """Evaluate policies, put one of them in force, and take it back."""
    teller = Teller(ledger, "evaluated", EXPLORE)
    loop = teller.loop
    teller.decide(8)
    teller.learn()
    teller.decide(4)
    loop.evaluate([SQUARE], versions=[1], name="first look", evaluation_id="one")
    loop.apply_evaluation("one", SQUARE.name)
    teller.decide(3)
    teller.learn()
    loop.restore_policy()
    teller.decide(2)
    teller.learn()
    loop.evaluate(until=5, warm=True, reward_range=(-1, 1), evaluation_id="two")
    loop.delete_evaluation("two")
    ledger.directory.get("evaluated").ask(RequestEvaluation("three", "dropped", FEATURES))
    loop.delete_evaluation("three")
    teller.decide(2)


def tell_of_compression(ledger):
    """Compress decisions, erase some, and turn it off and on again."""
    teller = Teller(ledger, "compressed", EXPLORE)
    loop = teller.loop
    teller.decide(2)
    loop.change_settings(compression=True)
    teller.decide(60)
    teller.learn()
    teller.decide(6)
    loop.erase(["événement-007", "événement-064"])
    loop.change_settings(compression=False)
    teller.decide(2)
    loop.change_settings(compression=True)
    loop.change_policy(PAGE, relearn=True)
    teller.fill(4)
    teller.learn()
    teller.fill(2)


FEATURES = loopledger.FeatureImportanceRequest(first=1, last=9)
STORIES = {
    "format-1": (tell_of_one_action_each, tell_of_several_slots),
    "format-1-imported": (tell_of_imported_history,),
    "format-1-amended": (tell_of_amends,),
    "format-1-evaluated": (tell_of_evaluations,),
    "format-1-compressed": (tell_of_compression,),
}
"""By the name of the folder. What was added to a format later has a folder of its own."""


def main(folder):
    folder.mkdir(parents=True)
    with loopledger.open(folder, clock=loopledger.SimulatedClock(START), workers=1) as ledger:
        for tell in STORIES[folder.name]:
            tell(ledger)
        expected = {name: describe(folder / name, ledger.directory.learner) for name in ledger.loops()}
    for loop in expected:
        for path in (folder / loop).iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "log.db":
                path.unlink()
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
