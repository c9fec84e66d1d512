"""Loops with traffic and trainings on a disk, to judge policies by."""

from contextlib import closing
from pathlib import Path

import loopledger
from loopledger.adapters.place import in_folder
from loopledger.deciding.draw import uniform_hash
from loopledger.evaluation.material import gather
from loopledger.evaluation.schedule import schedule
from loopledger.learning.replay import state_at

ACTIONS = ("sports", "politics", "music", "weather")
SLOTS = [
    {"id": "top", "features": {"size": "large"}},
    {"id": "side", "excluded": ["weather"]},
    {"id": "foot"},
]
SETTINGS = {"model_update_frequency": 0, "reward_wait_time": 60.0, "minimum_probability": 0.01}
START = 1_767_225_600 * 1_000_000


class Live:
    """A loop in which people prefer one action by the hour.

    Args:
        folder: Where the loop is.
        arguments: Of its policy.
        settings: Other than the usual ones.

    """

    def __init__(self, folder, arguments, **settings):
        self.clock = loopledger.SimulatedClock(START)
        self.ledger = loopledger.open(folder, clock=self.clock, workers=1)
        policy = loopledger.LearningPolicy("own", arguments)
        self.loop = self.ledger.create(
            "news", policy=policy, settings=loopledger.Settings(**{**SETTINGS, **settings})
        )
        self.place = in_folder(Path(folder, "news"))
        self.number = 0

    def decide(self, count, **how):
        """Decide so many times, a second apart, and reward half of it."""
        for _ in range(count):
            self.number += 1
            event_id = f"event-{self.number:04d}"
            hour, device, skipped, heard = (self.drawn(what) for what in (4, 3, 5, 10))
            context = {"hour": f"h{hour}", "device": "abc"[device]}
            actions = [name for place, name in enumerate(ACTIONS) if place != skipped]
            features = {name: {"long": len(name), "kind": name[0]} for name in actions}
            if self.loop.policy.multi_slot:
                features = {name: {"long": len(name)} for name in ACTIONS}
                decision = self.loop.rank_slots(context, features, SLOTS, event_id=event_id, **how)
                for slot in decision.slots:
                    good = ACTIONS[hour] == slot.action
                    self.loop.reward(event_id, float(good), slot=slot.slot)
            else:
                decision = self.loop.rank(context, features, event_id=event_id, **how)
                if heard < 7:
                    self.loop.reward(event_id, float(ACTIONS[hour] == decision.action))
            self.clock.advance(1)

    def drawn(self, of):
        """Return a number below another, which looks random and is the same in every run."""
        return uniform_hash(f"{self.number} {of}") % of

    def batch(self, count, **how):
        """Decide so many times and learn it; a few decisions stay open over each training."""
        self.decide(count, **how)
        self.clock.advance(50)
        self.loop.train()

    def close(self):
        self.ledger.close()


def material_of(live, folder, *, first=1, last=None, kind=None, warm=False):
    """Return material of a range, and when candidates learn from it."""
    with closing(live.place.store.reader()) as reader:
        state = state_at(reader, reader.head().seq)
        last = last or state.seq
        kind = kind or state.policy.decision_kind
        material = gather(reader, state, kind, first, last, Path(folder), warm=warm)
        return material, schedule(reader, material, last)
