"""How large a log is: bytes on disk per decision with its reward, over the request that was sent."""

import random  # noqa: TID251 - seeded, and outside the loop
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import mean
from string import ascii_lowercase
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from history import write
from measure import Ratios, Row, seconds
from traffic import Request

from loopledger.adapters.place import in_folder

_DECISIONS = 3000
_AT_ONCE = 50
_WORDS = 3000
_GOAL = "50 actions, always the same"


def size(folder: Path, rounds: int) -> Iterator[Row]:
    """Yield the size of logs, with compression off and on, for several kinds of requests.

    Each decision has a reward. A context is new in every request, and an action has 20 features.
    """
    cases = [(f"{actions} actions, always the same", actions, actions) for actions in (5, 10, 50)]
    cases += [
        ("50 actions out of 1,000", 50, 1000),
        ("5 actions, new every time", 5, 0),
        ("50 actions, new every time", 50, 0),
    ]
    for what, actions, catalogue in cases:
        yield from _sizes(folder, rounds, what, partial(_requests, actions, catalogue))
    yield from _sizes(folder, rounds, "5 actions, always the same, and a text of 10 KB", _texts)


def _sizes(folder: Path, rounds: int, what: str, make: Callable[[int], list[Request]]) -> Iterator[Row]:
    gathered = {False: Ratios(), True: Ratios()}
    for seed in range(rounds):
        sent = make(seed)
        raw = mean(len(request.json) for request in sent)
        for compression, ratios in gathered.items():
            disk, read = _stored(folder, sent, compression=compression)
            ratios.add(disk / raw, bytes_per_decision=disk, request_bytes=raw, read_us=read * 1e6)
    for compression, ratios in gathered.items():
        yield ratios.row(
            "size of the log",
            "the requests",
            f"{what}, compression {'on' if compression else 'off'}",
            at_most=0.2 if compression and what == _GOAL else None,
        )


def _stored(folder: Path, sent: list[Request], *, compression: bool) -> tuple[float, float]:
    """Return the bytes on disk, and the seconds that reading takes, for one decision."""
    count = len(sent)
    with TemporaryDirectory(dir=folder, prefix="benchmark-") as data:
        place = Path(data)
        write(place, "news", count, sent=sent, compression=compression, at_once=_AT_ONCE, train_every=1000)
        disk = (place / "news" / "log.db").stat().st_size
        with closing(in_folder(place / "news").store.reader()) as reader:
            read = seconds(lambda: sum(1 for _ in reader.records(kinds=("Ranked",))))
    return disk / count, read / count


def _requests(actions: int, catalogue: int, seed: int) -> list[Request]:
    """Return requests about actions of a catalogue, or about new ones if there is none."""
    chance = random.Random(seed)
    known = _actions(catalogue, chance)

    def offered() -> list[tuple[str, dict[str, Any]]]:
        if not known:
            return _actions(actions, chance)
        return known if catalogue == actions else chance.sample(known, actions)

    return [_request(_context(chance), offered()) for _ in range(_DECISIONS)]


def _actions(count: int, chance: random.Random) -> list[tuple[str, dict[str, Any]]]:
    return [(f"article-{number}", _action(chance)) for number in range(count)]


def _texts(seed: int) -> list[Request]:
    """Return requests with a text whose words are as frequent as those of a language."""
    chance = random.Random(seed)
    words = ["".join(chance.choices(ascii_lowercase, k=chance.randrange(3, 10))) for _ in range(_WORDS)]
    often = [1 / rank for rank in range(1, _WORDS + 1)]
    known = _actions(5, chance)
    texts = (" ".join(chance.choices(words, often, k=1450)) for _ in range(_DECISIONS))
    return [_request({**_context(chance), "text": text}, known) for text in texts]


def _context(chance: random.Random) -> dict[str, Any]:
    context: dict[str, Any] = {f"c{number}": round(chance.random(), 4) for number in range(6)}
    return {**context, "device": chance.choice(["mobile", "desktop"]), "hour": chance.choice("abcd")}


def _action(chance: random.Random) -> dict[str, Any]:
    numbers = {f"f{feature}": round(chance.random(), 4) for feature in range(17)}
    topic = chance.choice(["sports", "politics", "weather"])
    return {**numbers, "topic": topic, "kind": f"k{chance.randrange(9)}", "fresh": chance.random() < 0.5}


def _request(context: dict[str, Any], actions: list[tuple[str, dict[str, Any]]]) -> Request:
    request = {
        "contextFeatures": [context],
        "actions": [{"id": name, "features": [features]} for name, features in actions],
    }
    return Request(context, dict(actions), msgspec.json.encode(request))
