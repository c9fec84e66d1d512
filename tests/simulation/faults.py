"""What surrounds a loop and can fail: its clock, its log, what is kept beside it, and the learner."""

from hashlib import sha256

from loopledger.errors import LearnerFailed
from loopledger.learning.learner import Folded


class Crash(BaseException):
    """The simulated process dies here."""


class Clock:
    """A loop's view of the simulated time, which remembers the latest that the loop has seen.

    Attributes:
        latest: No later event of this opening is dated before it.

    """

    def __init__(self, world, latest):
        self._world = world
        self.latest = latest

    def now(self):
        self.latest = max(self.latest, self._world.time)
        return self._world.time


class Store:
    """A store whose next commit may fail.

    Attributes:
        fails: How the next commit does: an error or a crash, before or after everything is stored.
        crashed: Whether the process has died; from then on nobody hears anything.

    """

    def __init__(self, store):
        self._store = store
        self.fails = None
        self.crashed = False

    def writer(self):
        return Journal(self, self._store.writer())

    def reader(self):
        return self._store.reader()


class Journal:
    def __init__(self, store, journal):
        self._store = store
        self._journal = journal

    def __getattr__(self, name):
        return getattr(self._journal, name)

    def append(self, records, erased=()):
        fails, self._store.fails = self._store.fails, None
        kind, moment = fails or ("", "")
        if moment == "before":
            self._fail(kind)
        self._journal.append(records, erased)
        if moment == "after":
            self._fail(kind)

    def _fail(self, kind):
        if kind == "crash":
            self._store.crashed = True
            raise Crash
        raise OSError(5, "Input/output error")


class Shelf:
    """Checkpoints that may fail to be kept, or be lost, old or damaged when a process begins.

    Attributes:
        full: Whether the disk is.

    """

    def __init__(self, inner):
        self._inner = inner
        self._before = None
        self._kept = set()
        self.full = False

    def load_model(self, version):
        return self._inner.load_model(version)

    def save_model(self, version, model):
        self._room()
        self._inner.save_model(version, model)
        self._kept.add(version)

    def drop_model(self, version):
        self._room()
        self._inner.drop_model(version)
        self._kept.discard(version)

    def load_state(self):
        return self._inner.load_state()

    def save_state(self, state):
        self._room()
        self._before = self._inner.load_state()
        self._inner.save_state(state)

    def spoil(self, how, chance):
        """Do to what is kept what a crash, a person or a disk may do."""
        if how in {"nothing", "no models"}:
            for version in sorted(self._kept):
                self._inner.drop_model(version)
            self._kept.clear()
        if how in {"nothing", "no state"}:
            self._inner.save_state(b"")
        if how == "old state" and self._before:
            self._inner.save_state(self._before)
        if how == "damaged state" and (state := self._inner.load_state()):
            self._inner.save_state(state[: chance.randrange(len(state))])
        if how == "damaged models":
            for version in sorted(self._kept):
                model = self._inner.load_model(version) or b"?"
                self._inner.save_model(version, model[: chance.randrange(len(model))])

    def _room(self):
        if self.full:
            raise OSError(28, "No space left on device")


SPOILT = ("as it was", "no models", "no state", "nothing", "old state", "damaged state", "damaged models")
FOLDING = (
    "dies",
    "hangs",
    "too few",
    "too many",
    "garbage",
    "half a model",
    "no model",
    "raises",
    "no memory",
)


class Learner:
    """A learner that pauses while it learns, and sometimes fails at it or returns rubbish.

    Attributes:
        faults: How often it fails.
        lies: How often it returns a good model that is another one, which nobody can tell at once.
        told: SHA-256 of those.

    """

    def __init__(self, world, inner, faults, lies):
        self._world = world
        self._inner = inner
        self.faults = faults
        self.lies = lies
        self.told = set()

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def fold(self, policy, parent, examples, what="policy"):
        world = self._world
        if world.current is None:  # a loop that is opened, or whoever checks
            if world.opening and world.chance.random() < self.faults / 2:
                raise LearnerFailed("the learning process died of SIGKILL")
            return self._inner.fold(policy, parent, examples, what)
        fault = world.chance.choice(FOLDING) if world.chance.random() < self.faults else ""
        world.note(f"learning {fault}")
        folded = self._inner.fold(policy, parent, self._slowly(examples, fault), what)
        if fault:
            return self._rubbish(fault, folded)
        if world.chance.random() < self.lies:
            other = self._inner.fold(policy, folded.model, ())
            self.told.add(sha256(other.model).hexdigest())
            return Folded(other.model, folded.examples)
        return folded

    def _slowly(self, examples, fault):
        world = self._world
        dies = world.chance.randrange(12) if fault in {"dies", "hangs"} else None
        world.current.pause()
        for number, example in enumerate(examples):
            if number == dies:
                self._die(fault)
            if world.chance.random() < 0.1:
                world.current.pause()
            yield example
        if dies is not None:
            self._die(fault)

    def _die(self, fault):
        if fault == "hangs":
            for _ in range(40):
                self._world.current.pause()
        raise LearnerFailed("the learning process " + ("hung" if fault == "hangs" else "died of SIGKILL"))

    @staticmethod
    def _rubbish(fault, folded):
        match fault:
            case "too few":
                return Folded(folded.model, folded.examples - 1)
            case "too many":
                return Folded(folded.model, folded.examples + 1)
            case "garbage":
                return Folded(b"\x00\xffgarbage" * 9, folded.examples)
            case "half a model":
                return Folded(folded.model[:3], folded.examples)
            case "no model":
                return Folded(b"", folded.examples)
            case "raises":
                raise ZeroDivisionError
            case "no memory":
                raise MemoryError
            case _:
                raise LearnerFailed(f"the learning process {fault}")
