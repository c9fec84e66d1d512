"""What several tests need: a learner without VowpalWabbit, and small things to decide about."""

import json
from array import array
from hashlib import sha256
from itertools import chain
from pathlib import Path

import msgspec

from loopledger.adapters.memory import MemoryCheckpoints, MemoryStore
from loopledger.adapters.place import Place, in_folder
from loopledger.clock import SimulatedClock
from loopledger.deciding.context import build_context
from loopledger.deciding.draw import float32s, uniform_hash
from loopledger.deciding.request import read_actions, read_slots
from loopledger.errors import LearnerFailed
from loopledger.learning.learner import Folded, ManyScores
from loopledger.learning.trainer import Trainer
from loopledger.log.eraser import Eraser
from loopledger.log.erasing import marks_before, marks_of
from loopledger.log.events import LoopCreated, Ranked
from loopledger.loop import Loop, create
from loopledger.policy import LearningPolicy
from loopledger.settings import Limits, Settings

SHARED = Path(__file__).parents[2] / "shared"
GREEDY = LearningPolicy("greedy", "--cb_explore_adf --epsilon 0.2 -q :i -q :j")
SLOTS = LearningPolicy("slots", "--ccb_explore_adf --epsilon 0.2 -q :i -q :j")
ACTIONS = {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}}


class TinyLearner:
    """A learner that any process can do in its head: its model is a hash of all it was given."""

    engine = "tiny 1"

    def __init__(self):
        self.folds = 0
        self.broken = False

    def hash_id(self, text, /):
        return uniform_hash(text)

    def fold(self, policy, parent, examples, what="policy"):
        self.folds += 1
        if self.broken:
            raise LearnerFailed("the tiny learner is broken")
        digest = sha256(parent or b"")
        digest.update(policy.arguments.encode())
        count = 0
        for line in examples:
            json.loads(line)
            digest.update(line)
            count += 1
        return Folded(b"tiny" + digest.digest(), count)

    def answers(self, policy, model, contexts, what="policy"):
        scorer = self.scorer(policy, model)
        scores = [scorer.score(context) for context in contexts]
        counts = array("i", [len(one) for one in scores])
        return ManyScores(len(scores), counts, array("f", chain.from_iterable(scores)), array("i"))

    def scorer(self, policy, model):
        if not model.startswith(b"tiny"):
            raise LearnerFailed("that is no tiny model")
        return TinyScorer(model)

    def probe(self, policy, model=None):
        if model is not None:
            self.scorer(policy, model)


class TinyScorer:
    def __init__(self, model):
        self.model = model
        self.closed = False

    def score(self, context, actions=()):
        count = len(json.loads(context)["_multi"])
        weights = [sha256(self.model + context + bytes([i])).digest()[0] + 1 for i in range(count)]
        return float32s([weight / sum(weights) for weight in weights])

    def score_slots(self, context):
        raise LearnerFailed("the tiny learner has no slots")

    def close(self):
        self.closed = True


class Lent:
    """A learner that somebody else ends."""

    def __init__(self, learner):
        self._learner = learner

    def __getattr__(self, name):
        return getattr(self._learner, name)

    def close(self):
        pass


class Bench:
    """A loop with everything it needs, driven without threads."""

    def __init__(self, place=None, learner=None, clock=None, policy=GREEDY, settings=None):
        self.place = place or Place(MemoryStore(), MemoryCheckpoints(), None)
        self.learner = learner or TinyLearner()
        self.clock = clock or SimulatedClock()
        created = LoopCreated(loop_id="bench", settings=settings or Settings(), policy=policy)
        create(self.place.store, self.clock, created)
        self.open()

    def open(self):
        self.loop = Loop(self.place.store, self.learner, self.clock, self.place.checkpoints)
        self.trainer = Trainer(self.place.store, self.learner, self.place.checkpoints, self.do)
        turn = self.trainer.turn
        self.eraser = Eraser(self.place.store, self.learner, self.place.checkpoints, self.do, turn)

    def do(self, command):
        (answer,) = self.loop.execute([command])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def reopen(self):
        self.loop.close()
        self.open()

    def train(self):
        return self.trainer.train(lambda: self.loop.state.settings.checkpoint_interval)

    def erase(self, *event_ids, before=None, force=False):
        def marks(reader):
            return marks_of(reader, event_ids) if before is None else marks_before(reader, before)

        return self.eraser.erase(marks, lambda: self.loop.state, force=force)

    def records(self, *kinds):
        reader = self.place.store.reader()
        try:
            return list(reader.records(kinds=kinds or None))
        finally:
            reader.close()

    def kinds(self):
        return [record.kind for record in self.records()]


def on_disk(folder):
    return in_folder(Path(folder) / "bench")


def context_of(context=None, actions=None, limits=None, slots=None):
    """Return a context as the model sees it."""
    limits = limits or Limits()
    ids, features = read_actions(ACTIONS if actions is None else actions, limits)
    read = None if slots is None else read_slots(slots, ids, limits)
    return build_context(context, ids, features, limits, read)


def ranked(**changes):
    """Return a decision between a, b and c, in which b was drawn."""
    values = {
        "context": msgspec.Raw(context_of({"hour": 7})),
        "actions": ("a", "b", "c"),
        "excluded": (),
        "ranked": (1, 0, 2),
        "probabilities": (0.5, 0.25, 0.25),
        "chosen": "b",
        "model_version": 0,
        "learning_mode": "Online",
        "deferred": False,
        "minimum_probability": 0.0,
        "reward_wait": 600_000_000,
        "default_reward": 0.0,
        "reward_aggregation": "earliest",
    }
    return Ranked(**{**values, **changes})
