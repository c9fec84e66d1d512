"""A seeded simulation: many loops, many callers, and a schedule, clocks and faults that one seed decides.

Nothing here runs beside anything else. Loops, inboxes, trainings and erasures are the product's own; what
is simulated is who goes on, what time it is, and what fails. The same seed gives the same logs, byte for
byte, on whatever store.
"""

import random  # noqa: TID251 - the seed decides everything
from contextlib import closing, nullcontext, suppress
from hashlib import sha256

from faults import Learner
from post import Mail
from simulated import SimulatedLoop
from support import GREEDY, TinyLearner

from loopledger.audit.verify import verify
from loopledger.commands import Activate, ChangePolicy, ChangeSettings, Relearn, ResetModel, Reward
from loopledger.errors import LoopStopped, Overloaded, ReplayMismatch
from loopledger.learning.replay import rebuild
from loopledger.policy import LearningPolicy
from loopledger.settings import RewardAggregation, Settings

SECOND = 1_000_000
START = 1_767_225_600 * SECOND
POLICIES = [
    GREEDY,
    LearningPolicy("other", GREEDY.arguments + " --noconstant"),
    LearningPolicy("third", "--cb_explore_adf --epsilon 0.1 -q :i"),
]
VALUES = (0.0, 0.25, 1.0, -1.0)
JUMPS = (0.001, 0.5, 3, 4.999, 5, 60, 119, 121, 600, 3600, -0.5, -2, -300, -86_400)
DRIFTS = (0, 0.01, 1, 5)
WAITS = (5, 60, 600)
INTERVALS = (3, 10, 20_000)
AGGREGATIONS: tuple[RewardAggregation, ...] = ("earliest", "sum", "average", "median", "min", "max")
USUAL = {"call": 40, "work": 30, "train": 6, "go_on": 25, "jump": 4, "look": 1}
RARE = {
    "change_settings": 2,
    "change_policy": 1,
    "relearn": 1,
    "reset": 0.5,
    "publish": 2,
    "restore": 1,
    "import_model": 1,
    "erase": 1.5,
    "reopen": 1.5,
    "fail_commit": 1,
    "crash": 1,
    "crash_all": 0.5,
    "lose_lock": 0.7,
    "fill_disk": 1,
    "fill_inbox": 0.5,
}


class Caller:
    """Somebody who asks, waits, gives up, and asks again.

    Attributes:
        letter: What was sent last, and to which loop.
        mail: What is waited for.

    """

    def __init__(self):
        self.letter: tuple[SimulatedLoop, list] | None = None
        self.mail: Mail | None = None

    @property
    def waits(self):
        return self.mail is not None and self.mail.answers is None and not self.mail.lost

    @property
    def in_doubt(self):
        """Whether nobody has said what became of the letter."""
        if self.letter is None:
            return False
        if self.mail is None or self.mail.answers is None:
            return True
        return any(isinstance(answer, LoopStopped) for answer in self.mail.answers)


class World:
    """Everything there is.

    Args:
        seed: Decides everything.
        steps: How many things happen.
        learner: The learning engine; a tiny one by default.
        folder: Where the logs are; none keeps them in memory.
        tell: Is told what happens.

    """

    def __init__(self, seed, steps=300, learner=None, folder=None, tell=None):
        self.chance = chance = random.Random(seed)
        self.time = START
        self.current = None
        self.opening = False
        self._steps = steps
        self._tell = tell
        self._drift = chance.choice(DRIFTS)
        faults = chance.choice((0, 0.1, 0.3))
        self.faulty = faults > 0
        lies = 0.1 if chance.random() < 0.1 else 0
        inner = learner or TinyLearner()
        # The real engine takes long to make every model twice; the verification does that once more.
        self.again = None if learner else inner
        self.learner = Learner(self, inner, faults, 0 if learner else lies)
        self._weights = self._likings()
        self._reach = chance.choice((6, 20, 100))
        self.loops = [
            SimulatedLoop(self, number, self._settings(), folder) for number in range(chance.randint(1, 4))
        ]
        self._callers = [Caller() for _ in range(chance.randint(1, 12))]

    def note(self, what):
        if self._tell:
            self._tell(what)

    def run(self):
        """Let everything happen, then settle and check it all; return what tells these logs from others."""
        for step in range(self._steps):
            (action,) = self.chance.choices([*self._weights], [*self._weights.values()])
            loop = self.chance.choice(self.loops)
            now = (self.time - START) / SECOND
            self.note(f"{step}: {action} {loop.name} at {now:.3f} s, after event {loop.follower.seq}")
            getattr(self, action)(loop)
            self._check(loop)
            self.time += round(self.chance.random() * self._drift * SECOND)
        for loop in self.loops:
            self.note(f"settling {loop.name}")
            self._settle(loop)
        digest = sha256()
        for loop in self.loops:
            digest.update(loop.digest())
            loop.post.close()
            loop.reader.close()
        return digest.hexdigest()

    def _likings(self):
        """Every seed has likings of its own: what happens all the time hides what else could."""
        chance = self.chance
        rare = {name: weight * chance.choice((0.5, 1, 3)) for name, weight in RARE.items()}
        return USUAL | {name: weight for name, weight in rare.items() if chance.random() < 0.6}

    def _settings(self):
        return Settings(
            reward_wait_time=self.chance.choice(WAITS),
            checkpoint_interval=self.chance.choice(INTERVALS),
            reward_aggregation=self.chance.choice(AGGREGATIONS),
            minimum_probability=self.chance.choice((0.0, 0.001, 0.01)),
            model_update_frequency=0,
        )

    def _check(self, acted):
        """What happened to one loop is in its log, and the others have noticed nothing."""
        for loop in self.loops:
            if loop.store.crashed:
                assert loop is acted
                self.note(f"{loop.name} dies")
                loop.die()
            if loop.stale and loop.stale[1].crashed:
                loop.end_stale()
            if loop is acted:
                loop.follower.catch_up(loop.reader)
            loop.check_quiet()

    # callers

    def call(self, loop):
        caller = self.chance.choice(self._callers)
        if caller.waits and self.chance.random() < 0.8:
            return
        if not (caller.in_doubt and self.chance.random() < 0.7):
            caller.letter = loop, self._letter(loop)
        loop, commands = caller.letter or (loop, [])
        caller.mail = None
        if self.chance.random() < 0.2 and loop.ask_alone(commands):
            caller.letter = None if not loop.store.crashed else caller.letter
            self._check(loop)
            return
        stale = loop.stale is not None and self.chance.random() < 0.5
        with suppress(Overloaded, LoopStopped):
            caller.mail = loop.send(commands, stale=stale)

    def fill_inbox(self, loop):
        with suppress(Overloaded, LoopStopped):
            for _ in range(40):
                loop.send(self._letter(loop))

    def _letter(self, loop):
        return [self._command(loop) for _ in range(self.chance.choice((1, 1, 1, 2, 5)))]

    def _command(self, loop):
        chance = self.chance
        # The ids that were used lately over again, and some that nobody has asked about yet.
        most = max(self._reach, len(loop.follower.ranked) + self._reach // 2)
        number = chance.randrange(max(0, most - self._reach) if chance.random() < 0.9 else 0, most)
        kind = chance.random()
        if kind < 0.55:
            return loop.rank(number, other=chance.random() < 0.03)
        if kind > 0.92:
            return Activate(f"event-{number}")
        key = chance.choice((None, None, "k", "l"))
        usual = key is not None and chance.random() < 0.9
        return Reward(f"event-{number}", VALUES[number % 4] if usual else chance.choice(VALUES), None, key)

    # loops and what is done beside them

    def work(self, loop):
        if loop.stale and self.chance.random() < 0.5:
            loop.stale[0].step()
        elif not loop.post.alive and self.chance.random() < 0.3:
            loop.recover()
        else:
            loop.work()

    def go_on(self, loop):
        ready = [task for task in loop.tasks if task.ready()]
        if ready:
            loop.go_on(self.chance.choice(ready))

    def look(self, loop):
        loop.check_state()

    def train(self, loop):
        loop.begin("trains", loop.train)

    def publish(self, loop):
        if loop.follower.versions:
            version = self.chance.randint(1, loop.follower.versions)
            loop.begin("publishes", lambda: loop.trainer.publish(version))

    def restore(self, loop):
        loop.begin("goes back", lambda: loop.trainer.restore_policy(loop.post.state))

    def import_model(self, loop):
        follower = loop.follower
        if follower.newest and follower.newest_policy == follower.effective_policy.arguments:
            version = follower.newest
            loop.begin("imports", lambda: self._imported(loop, version))

    def _imported(self, loop, version):
        state, trainer = loop.post.state, loop.trainer
        with closing(loop.place.store.reader()) as reader:
            model = rebuild(reader, self.learner, version, loop.shelf)
        return trainer.import_model(state, model)

    def erase(self, loop):
        known = sorted({*loop.follower.ranked, *loop.follower.oracle.outcomes})
        if known:
            chosen = self.chance.sample(known, min(len(known), self.chance.choice((1, 2, 5))))
            loop.begin("erases", lambda: loop.erase(chosen))

    # governing

    def change_settings(self, loop):
        chance = self.chance
        changes = {
            "reward_wait_time": chance.choice(WAITS),
            "default_reward": chance.choice((0.0, -0.5)),
            "reward_aggregation": chance.choice(AGGREGATIONS),
            "learning_mode": chance.choice(("Online", "Online", "Apprentice", "LoggingOnly")),
            "minimum_probability": chance.choice((0.0, 0.001, 0.01)),
            "checkpoint_interval": chance.choice(INTERVALS),
            "exploration_percentage": chance.choice((0.1, 0.5, 1.0)),
        }
        chosen = chance.sample(sorted(changes), chance.randint(1, 3))
        self._govern(loop, ChangeSettings({name: changes[name] for name in chosen}))

    def change_policy(self, loop):
        self._govern(loop, ChangePolicy(self.chance.choice(POLICIES), self.chance.random() < 0.5))

    def relearn(self, loop):
        chance, follower = self.chance, loop.follower
        seqs = [record.seq for record in follower.records if record.kind == "Ranked"]
        without = chance.sample(seqs, min(len(seqs), chance.randrange(4)))
        policy = chance.choice((None, *POLICIES))
        since, passes = chance.randint(1, follower.seq), chance.choice((1, 1, 2, 3))
        everything = chance.random() < 0.5
        self._govern(loop, Relearn(policy, since, tuple(without), None, everything, passes))

    def reset(self, loop):
        self._govern(loop, ResetModel())

    def _govern(self, loop, command):
        with suppress(Overloaded, LoopStopped):
            loop.send([command])

    # what goes wrong

    def jump(self, _):
        self.time += round(self.chance.choice(JUMPS) * SECOND)
        if self.chance.random() < 0.3:
            self._drift = self.chance.choice(DRIFTS)

    def fail_commit(self, loop):
        loop.trouble = True
        loop.store.fails = "error", self.chance.choice(("before", "after"))

    def crash(self, loop):
        """The process dies in the middle of its next commit, or at once."""
        moment = self.chance.choice(("before", "after", "now"))
        if moment == "now":
            loop.die()
        else:
            loop.store.fails = "crash", moment

    def crash_all(self, _):
        for loop in self.loops:
            loop.die()

    def lose_lock(self, loop):
        if loop.stale:
            loop.end_stale()
        else:
            loop.lose_lock()

    def fill_disk(self, loop):
        loop.shelf.full = not loop.shelf.full

    def reopen(self, loop):
        loop.recover()
        if self.chance.random() < 0.2:
            loop.die()

    # the end

    def _settle(self, loop):
        """Nothing fails any more: everything that was answered is there, and can be made again."""
        self.learner.faults = self.learner.lies = 0
        loop.store.fails = None
        loop.shelf.full = False
        loop.recover()
        follower = loop.follower
        self.time = max(self.time, follower.at) + 7200 * SECOND
        for command, _ in list(loop.answers.values()):
            assert loop.ask_alone([command])
        for (event_id, slot, key), seq in list(follower.rewards.items()):
            value = follower.value_of(seq)
            before = follower.seq
            assert loop.ask_alone([Reward(event_id, value, slot, key)])
            assert follower.seq == before
        with nullcontext() if loop.sound else suppress(ReplayMismatch):
            loop.finish(loop.train)
            assert follower.plan(loop.clock.latest) is None
        self._verify(loop, loop.shelf)
        before = loop.post.state
        loop.close()
        loop.shelf.spoil("nothing", self.chance)
        loop.open()
        assert loop.post.state == before
        self._verify(loop, loop.shelf)

    def _verify(self, loop, shelf):
        follower = loop.follower
        found = verify(loop.reader, self.learner, shelf).findings
        trained = {version: seq for seq, version in follower.trained}
        if loop.sound:
            assert found.problems == ()
            erased = len(follower.oracle.erased)
            assert (found.decisions, found.unchecked_decisions) == (len(follower.ranked) - erased, erased)
            assert (found.versions, found.unchecked_versions) == (
                follower.versions - len(follower.kept),
                len(follower.kept),
            )
        else:
            first = min(follower.tainted)
            named = [problem.seq for problem in found.problems]
            assert first in follower.kept or trained[first] in named
            assert all(seq >= trained[first] for seq in named)
