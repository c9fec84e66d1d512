"""One simulated loop: it is opened, asked, trained, killed, and opened again."""

import shutil
from functools import cache, partial
from hashlib import sha256
from threading import Lock

import msgspec
import pytest
from faults import SPOILT, Clock, Crash, Shelf, Store
from follower import Follower
from post import Mail, Post
from support import GREEDY, context_of
from tasks import Task, Turn

from loopledger.actor import Letter
from loopledger.adapters.place import in_folder, in_memory
from loopledger.answers import Decision, Receipt
from loopledger.commands import Activate, PlanTraining, Rank, Reward
from loopledger.errors import (
    Conflict,
    LearnerFailed,
    LoopStopped,
    NotFound,
    Overloaded,
    ReplayMismatch,
)
from loopledger.learning.learner import NoScorer
from loopledger.learning.replay import state_at
from loopledger.learning.trainer import Trainer
from loopledger.log.eraser import Eraser
from loopledger.log.erasing import marks_of
from loopledger.log.events import CONTROL, LoopCreated
from loopledger.loop import Loop, create

IDS = ("a", "b", "c")
MOST_WAITING = 24
FAULTS = (LearnerFailed, ZeroDivisionError, MemoryError)
HANDLED = (Conflict, LoopStopped, NotFound, Overloaded)


class SimulatedLoop:
    """A loop, what it was asked, and what it has answered.

    Args:
        world: It lives in.
        number: Which of the world's loops it is.
        settings: At first.
        folder: Where it is kept on disk; none keeps it in memory.

    """

    def __init__(self, world, number, settings, folder):
        self.name = f"loop-{number}"
        self.world = world
        self.lives = 0
        self.folder = folder
        self.place = in_memory() if folder is None else in_folder(self._home())
        self.shelf = Shelf(self.place.checkpoints)
        self.follower = Follower(world.again, world.learner.told)
        self.answers = {}
        self.receipts = {}
        self.tasks = []
        self.stale = None
        self.trouble = False
        create(self.place.store, Clock(world, 0), LoopCreated(self.name, settings, GREEDY))
        self.reader = self.place.store.reader()
        self.open()

    def open(self):
        """Begin a life: what the loop knows then is what its log says."""
        self.store = Store(self.place.store)
        follower = self.follower.catch_up(self.reader)
        self.clock = Clock(self.world, follower.at)
        self.world.opening = True
        learner, shelf = self.world.learner, self.shelf
        self.post = Post(lambda: Loop(self.store, learner, self.clock, shelf), MOST_WAITING)
        self.world.opening = False
        self.trouble = False
        ask = self._asker(self.post, self.store, self.clock)
        self.trainer = Trainer(self.place.store, learner, shelf, ask)
        self.trainer.turn = Turn(self.world)
        self.eraser = Eraser(self.place.store, learner, shelf, ask, self.trainer.turn)
        self.check_state()

    def close(self):
        """End a life in peace, or try to; what waits is carried out first."""
        if self.stale:
            self.end_stale()
        self.begun = self.follower.seq
        self.post.close()
        while self.tasks and not self.store.crashed:
            self.go_on(next(task for task in self.tasks if task.ready()))

    def die(self):
        """End a life as the end of a process does: only what was committed is left."""
        for task in self.tasks:
            task.kill()
        self.tasks = []
        self.store.crashed = True
        posts = [self.post]
        if self.stale:
            self.stale[1].crashed = True
            posts.append(self.stale[0])
            self.stale = None
        chance = self.world.chance
        torn = chance.randbytes(chance.randrange(300))
        if self.folder is None:
            self.place.store.owned = Lock()
        else:
            self._copied(torn, posts)
        self.shelf.spoil(chance.choice(SPOILT), chance)
        self.shelf.full = False
        self.open()

    def _home(self):
        return self.folder / f"{self.name}.{self.lives}"

    def _copied(self, torn, posts):
        """Take the files as they are while the process has them open, with half a write behind the last."""
        before = self._home()
        self.lives += 1
        shutil.copytree(before, self._home(), ignore=shutil.ignore_patterns("*-shm"))
        with (self._home() / "log.db-wal").open("ab") as log:
            log.write(torn)
        self.reader.close()
        for post in posts:
            post.loop._journal.close()
        shutil.rmtree(before)
        self.place = in_folder(self._home())
        self.shelf._inner = self.place.checkpoints
        self.reader = self.place.store.reader()

    def work(self):
        """Let the loop's thread take a letter; tell whether there was one."""
        self.begun = self.follower.seq
        return self.post.step()

    def lose_lock(self):
        """Let another process take the loop over, because nothing tells it that there is a writer."""
        if self.folder is None:
            self.place.store.owned = Lock()
        else:
            (self._home() / "writer.lock").unlink()
        self.stale = self.post, self.store
        self.open()

    def end_stale(self):
        """End the process that was left behind, as it deserves."""
        (post, store), self.stale = self.stale or (self.post, self.store), None
        if not store.crashed:
            post.close()
        if not store.crashed:
            return
        for task in [task for task in self.tasks if task.post is post]:
            task.kill()
            self.tasks.remove(task)
        post.loop._journal.close()

    def recover(self):
        """Open it again after a failure that stopped it."""
        self.close()
        if self.store.crashed:
            self.die()
        else:
            self.open()

    # asking

    def send(self, commands, *, stale=False):
        """Put a letter into the inbox."""
        post, store = (stale and self.stale) or (self.post, self.store)
        mail = Mail(store, commands, partial(self.heard, post))
        post.submit(Letter(commands, mail))
        return mail

    def ask_alone(self, commands):
        """Ask as a caller who is alone does; tell whether somebody else was there."""
        try:
            answers = self.post.ask_at_once(commands)
        except Crash:
            return True
        if answers is not None and not self.store.crashed:
            self.heard(self.post, commands, answers)
        return answers is not None

    def _asker(self, post, store, clock):
        def heard(commands, answers):
            self.follower.catch_up(self.reader)
            if isinstance(commands[0], PlanTraining) and post is self.post:
                self._planned(answers[0], clock)

        def ask(command):
            world, task = self.world, self.world.current
            answers = None
            if world.chance.random() < 0.5:
                world.current = None
                self.begun = self.follower.seq
                answers = post.ask_at_once([command])
                world.current = task
            if answers is None:
                mail = Mail(store, [command], heard)
                post.submit(Letter([command], mail))
                task.pause(lambda: mail.answers is not None)
                answers = mail.answers
            else:
                heard([command], answers)
            if isinstance(answers[0], Exception):
                raise answers[0]
            return answers[0]

        return ask

    def _planned(self, answer, clock):
        """Hold a plan against the oracle's, unless something else came of the same batch."""
        since = self.follower.records[self.begun :]
        if isinstance(answer, Exception) or any(record.kind in CONTROL for record in since):
            return
        found = answer and (answer.parent, answer.first, answer.last, answer.decisions)
        expected = self.follower.plan(clock.latest)
        assert found == expected, f"planned {found}, should be {expected}"

    # what callers may expect

    def heard(self, post, commands, answers):
        """Hold answers against the log, which has everything behind them."""
        follower = self.follower.catch_up(self.reader)
        for command, answer in zip(commands, answers, strict=True):
            match answer:
                case Decision():
                    self._decided(command, answer)
                case Receipt():
                    self._received(command, answer)
                case LoopStopped():
                    assert not post.alive
                case LearnerFailed():
                    # Perhaps the same batch has put another model in its place since.
                    changed = any(record.kind in CONTROL for record in follower.records[self.begun :])
                    assert isinstance(post.loop._scorer, NoScorer) or changed
                case Conflict():
                    self._refused(command)
                case Exception():
                    raise answer
                case _:
                    pass  # settings
        assert follower.seq == self.reader.head().seq

    def _decided(self, command, answer):
        body = self.follower.ranked[command.event_id]
        found = msgspec.json.encode(answer.as_dict())
        assert self.answers.setdefault(command.event_id, (command, found)) == (command, found)
        online = body["learning_mode"] == "Online"
        offered = [name for name in body["actions"] if name not in body["excluded"]]
        assert answer.action == (body["chosen"] if online else offered[0])
        assert answer.model_version == body["model_version"]
        given = dict(zip([offered[place] for place in body["ranked"]], body["probabilities"], strict=True))
        for action in answer.ranking:
            assert action.probability == given.get(action.id, 0)

    def _received(self, command, receipt):
        record = self.follower.records[receipt.seq - 1]
        assert (record.seq, record.at) == (receipt.seq, receipt.at)
        if isinstance(command, Reward):
            assert (record.kind, record.event_id) == ("Rewarded", command.event_id)
            assert msgspec.json.decode(record.body)["value"] == command.value
            if command.key is not None:
                named = command.event_id, command.slot, command.key
                current = self.follower.rewards.get(named)
                if current == receipt.seq:
                    assert self.receipts.setdefault((*named, receipt.seq), receipt) == receipt
        if isinstance(command, Activate):
            assert (record.kind, record.event_id) == ("Activated", command.event_id)

    def _refused(self, command):
        follower = self.follower
        if isinstance(command, Rank):
            known = self.answers.get(command.event_id, (None,))[0]
            erased = command.event_id in follower.oracle.erased
            assert erased or (command.event_id in follower.ranked and known != command)
        elif isinstance(command, Reward):
            # Perhaps of a reward that was erased in the same batch.
            assert follower.values[command.event_id, command.slot, command.key] - {command.value}
        else:
            pytest.fail(f"{type(command).__name__} was refused")

    # tasks

    def begin(self, what, work):
        """Begin something that takes long and is done beside the loop."""

        def begun():
            task.post = self.post  # whose process it is done in
            return work()

        task = Task(f"{self.name} {what}", begun)
        task.post = None
        self.tasks.append(task)

    def go_on(self, task):
        """Let a task work a little; when it is over, see what came of it."""
        self.world.current = task
        try:
            task.go_on()
        finally:
            self.world.current = None
        if task.done:
            self.tasks.remove(task)
            self.world.note(f"{task.name}: over, {task.error!r}")
            self._check_error(task.error)

    def finish(self, work):
        """Do something to its end."""
        self.begin("finishes", work)
        (task,) = self.tasks
        while not task.done:
            while not task.ready():
                assert self.work(), f"{task.name} waits for ever"
            self.go_on(task)
        if task.error is not None:
            raise task.error

    def _check_error(self, error):
        if error is None or isinstance(error, Crash):
            return
        if isinstance(error, ReplayMismatch):
            assert self.world.faulty or not self.sound, error
        elif isinstance(error, FAULTS):
            assert self.world.faulty, error
        elif not isinstance(error, HANDLED):
            raise error

    def train(self):
        self.trainer.train(lambda: self.follower.settings["checkpoint_interval"])

    def erase(self, event_ids):
        post = self.post
        return self.eraser.erase(lambda reader: marks_of(reader, event_ids), lambda: post.state)

    # checks

    @property
    def sound(self):
        """Whether everything that was made can be made again."""
        return not self.follower.tainted

    def check_quiet(self):
        """Nothing has happened here."""
        head = self.reader.head()
        assert (head.seq, head.digest) == (self.follower.seq, self.follower.digest)
        assert self.post.failure is None or self.trouble, repr(self.post.failure)

    def check_state(self):
        """The state is that of the log, and the oracle agrees with it."""
        follower = self.follower.catch_up(self.reader)
        if not self.post.alive or self.store.crashed:
            return
        state = self.post.state
        assert (state.seq, state.digest) == (follower.seq, follower.digest)
        assert state == state_at(self.reader, follower.seq)
        found = state.published, state.versions, state.line.newest, state.follows, state.policy
        expected = (
            follower.published,
            follower.versions,
            follower.newest,
            follower.follows,
            follower.policy,
        )
        assert found == expected

    def digest(self):
        """Return what tells this log from any other, byte for byte."""
        digest = sha256()
        for record in self.reader.records():
            digest.update(msgspec.msgpack.encode(record))
        return digest.digest()

    def rank(self, number, *, other=False):
        """Return a Rank; always the same for a number, unless it is to be another."""
        hour = number % 3 + 10 * other
        excluded = ("a",) if number % 5 == 4 else ("b", "c") if number % 7 == 6 else ()
        offered = [name for name in IDS if name not in excluded]
        return Rank(f"event-{number}", True, _context(hour, tuple(offered)), IDS, excluded, number % 4 == 3)


@cache
def _context(hour, names):
    return context_of({"hour": hour}, {name: {"x": IDS.index(name)} for name in names})
