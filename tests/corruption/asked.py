"""A loop with a past, and everything that can be asked of it."""

import json
import traceback

from msgspec.structs import replace
from support import GREEDY

import loopledger
from loopledger.adapters.embedding.view import LoopView
from loopledger.adapters.place import in_folder
from loopledger.clock import SimulatedClock

START = 1_767_225_600 * 1_000_000
LATER = START + 86_400 * 1_000_000
ACTIONS = {"sports": {"long": 1}, "politics": {"long": 0}, "music": {"long": 0.5}}
LARGE = {"page": "x" * 9000}
REQUEST = json.dumps(
    {"contextFeatures": {"hour": 2}, "actions": [{"id": "a"}, {"id": "b"}], "eventId": "asked"}
)
SETTINGS = loopledger.Settings(model_update_frequency=0)


def make(folder, crashed=None, settings=SETTINGS, rounds=3):
    """Make a loop: two trained rounds, others that wait to be learned, and a context on overflow pages.

    Args:
        folder: The data folder.
        settings: Of the loop.
        rounds: How many.
        crashed: Is told while the loop is still open, its last events in the write-ahead log only.

    """
    clock = SimulatedClock(START)
    with loopledger.open(folder, clock=clock, workers=1) as ledger:
        loop = ledger.create("news", policy=GREEDY, settings=settings)
        for number in range(rounds):
            _live(loop, clock, number * 20)
            if number < 2:
                loop.train()
            if number == 0:
                loop.change_settings(minimum_probability=0.01)
        if crashed:
            crashed()


def _live(loop, clock, first):
    for number in range(first, first + 20):
        context = LARGE if number == first + 7 else {"hour": number % 4}
        decision = loop.rank(context, ACTIONS, event_id=f"event-{number:03d}", deferred=number % 10 == 0)
        if number % 20 == 0:
            loop.activate(decision.event_id)
        loop.reward(decision.event_id, float(decision.action == "music"), key=decision.event_id)
        clock.advance(1)
    clock.advance(600)


class Asked:
    """The outcomes of all operations on one folder: a value, or one of loopledger's errors."""

    def __init__(self, folder, learner, *, thorough=False):
        self.values, self.errors, self.crashes = {}, {}, {}
        view = LoopView("news", in_folder(folder / "news"), learner)
        looking = {
            "verify": view.verify,
            "log": lambda: list(view.log()),
            "log of rewards": lambda: list(view.log(kinds=["Rewarded"])),
            "log of a decision": lambda: list(view.log(event_id="event-027")),
            "log since": lambda: list(view.log(since=START + 630_000_000)),
            # How many bytes there are is said of whatever is there.
            "status": lambda: replace(view.status(), size=0),
            "models": lambda: [replace(model, kept=None) for model in view.models()],
            "model": lambda: view.model().sha256,
            "model 1": lambda: view.model(1).data,
            "as-of seq": lambda: view.as_of(seq=60),
            "as-of time": lambda: view.as_of(time=START + 700_000_000),
            "rank as of": lambda: view.rank_as_of(REQUEST, seq=100),
        }
        if thorough:  # explaining starts a process
            looking |= {"why": lambda: view.why("event-025"), "diff": lambda: view.diff(1, 2)}
        for name, operation in looking.items():
            self._ask(name, operation)
        self._ask("write", lambda: self._write(folder))

    def _write(self, folder):
        clock = SimulatedClock(LATER)
        with loopledger.open(folder, clock=clock, workers=1) as ledger:
            loop = ledger.loop("news")
            found = [
                loop.rank({"hour": 3}, ACTIONS, event_id="later"),
                loop.rank({"hour": 0}, ACTIONS, event_id="event-048"),
                loop.reward("later", 1.0, key="k"),
                loop.reward("event-041", 0.5),
                loop.train(),
                loop.model().sha256,
            ]
            clock.advance(700)
            return [*found, loop.train(), loop.model().sha256]

    def _ask(self, name, operation):
        try:
            self.values[name] = operation()
        except (loopledger.LoopledgerError, OSError) as error:
            self.errors[name] = error
        except Exception:  # noqa: BLE001 - that is what is looked for
            self.crashes[name] = traceback.format_exc()

    @property
    def holds(self):
        verification = self.values.get("verify")
        return verification is not None and verification.holds

    def complaints(self, before, *, lies=False):
        """Return what a damaged loop must not do.

        Args:
            before: What it answered when it was whole.
            lies: Whether an index was damaged inside: what is looked up in it may then be missed, and
                it is for `verify` to say so.

        """
        found = [f"{name}: {text}" for name, text in self.crashes.items()]
        for name, value in self.values.items():
            if name != "verify" and value != before.values[name] and (self.holds or not lies):
                found.append(f"{name}: another answer, and no complaint")
        if self.holds:
            found += [
                f"{name}: {error}, and verify says that it holds"
                for name, error in self.errors.items()
                # SQLite takes a file for read-only whose header names a way of writing that it does not know.
                if not (name == "write" and "readonly" in str(error))
            ]
        for name, error in self.errors.items():
            said = str(error)
            if "\n" in said or not said:
                found.append(f"{name}: not one sentence: {said!r}")
        return found
