"""Requests such as a news page sends, a loop that has learned from some, and VowpalWabbit alone."""

import json
import random  # noqa: TID251 - seeded, and outside the loop
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
from vowpalwabbit import Workspace

import loopledger

VARIETY = 300
_TAUGHT = 400


class Request(NamedTuple):
    """A Rank, in both of the forms that a caller may send."""

    context: dict[str, Any]
    actions: dict[str, dict[str, Any]]
    json: bytes


def requests(actions: int, seed: int = 1, catalogue: int = 0) -> list[Request]:
    """Return different requests: 8 features of the context, 10 of each action.

    Args:
        actions: How many each of them has.
        seed: Of everything in them.
        catalogue: How many actions there are, for all of the requests; 0: each has its own.

    """
    chance = random.Random(seed)
    known = list(_offered(catalogue, chance).items())
    return [
        _request(dict(chance.sample(known, actions)) if known else None, actions, chance)
        for _ in range(VARIETY)
    ]


def _request(offered: dict[str, dict[str, Any]] | None, actions: int, chance: random.Random) -> Request:
    context: dict[str, Any] = {f"c{number}": round(chance.random(), 4) for number in range(6)}
    context |= {"device": chance.choice(["mobile", "desktop"]), "hour": chance.choice("abcd")}
    if offered is None:
        offered = _offered(actions, chance)
    request = {
        "contextFeatures": [context],
        "actions": [{"id": name, "features": [features]} for name, features in offered.items()],
    }
    return Request(context, offered, msgspec.json.encode(request))


def _offered(actions: int, chance: random.Random) -> dict[str, dict[str, Any]]:
    return {
        f"article-{number}": {
            **{f"f{feature}": round(chance.random(), 4) for feature in range(8)},
            "topic": chance.choice(["sports", "politics", "weather"]),
            "kind": f"k{chance.randrange(9)}",
        }
        for number in range(actions)
    }


class Taught(NamedTuple):
    """A loop with a model, and the same model in VowpalWabbit's own binding.

    Attributes:
        folder: The data folder.
        name: The loop's name.
        requests: To send.
        plain: VowpalWabbit with the same model.
        contexts: The JSON that VowpalWabbit gets for the requests, as the log has it.
        logged: Bytes of a decision in the log.

    """

    folder: Path
    name: str
    requests: list[Request]
    plain: Workspace
    contexts: list[str]
    logged: int

    def predict(self, number: int) -> object:
        """Let plain VowpalWabbit answer."""
        return self.plain.predict(self.contexts[number % VARIETY])


@contextmanager
def taught(actions: int, folder: Path, catalogue: int = 0, *, compression: bool = False) -> Generator[Taught]:
    """Make a loop that has learned a little, and close it; the arguments are those of `requests`."""
    sent = requests(actions, catalogue=catalogue)
    clock = loopledger.SimulatedClock()
    with TemporaryDirectory(dir=folder, prefix="benchmark-") as data:
        with loopledger.open(data, clock=clock) as ledger:
            loop = ledger.create("news", settings=loopledger.Settings(compression=compression))
            for number in range(_TAUGHT):
                request = sent[number % VARIETY]
                decision = loop.rank(request.context, request.actions)
                loop.reward(decision.event_id, float(decision.action == "article-1"))
            clock.advance(3600)
            loop.train()
            model = loop.model()
            bodies = [json.loads(bytes(entry.body)) for entry in loop.log(kinds=["Ranked"])]
            size = max(len(bytes(entry.body)) for entry in loop.log(kinds=["Ranked"]))
            contexts = [json.dumps(body["context"], separators=(",", ":")) for body in bodies[:VARIETY]]
        saved = Path(data, "plain.vw")
        saved.write_bytes(model.data)
        plain = Workspace(f"{model.policy.arguments} --json --quiet -i {saved}")
        yield Taught(Path(data), "news", sent, plain, contexts, size)
        plain.finish()
