"""Problems to learn: sets with known answers asked as decisions, and a news page made up.

A set of labelled rows becomes a bandit's problem: the row's features are the context, the labels
are the actions, and the reward is one if the row's label was chosen. The other labels' rewards are
never told.
"""

import csv
import gzip
import math
import random  # noqa: TID251 - seeded, and outside the loop
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from loopledger.deciding.context import build_context
from loopledger.deciding.request import Slot, SlotTerms, read_slots
from loopledger.learning.namespaces import Namespaces
from loopledger.settings import Limits

_LIMITS = Limits(actions=100)
Question = tuple[bytes, tuple[tuple[float, ...], ...]]
"""A context as the model sees it, and for each slot, or the only one, every action's reward."""

_NEWS = Namespaces(("user", "time"), ("i", "article"))
_SLOTS = read_slots(
    [Slot("same"), Slot("next"), Slot("second")], [str(digit) for digit in range(10)], _LIMITS
)


class Problem(NamedTuple):
    """Something to learn.

    Attributes:
        rounds: How many decisions are made.
        questions: Returns them, in an order that a seed decides.
        about: What it is, in a few words.
        chosen_on: Whether the ready policies were chosen by it.
        namespaces: Its own, if features stand in others than the usual ones.
        slots: What is filled at a time, if it is several.

    """

    rounds: int
    questions: Callable[[int, int], Iterator[Question]]
    about: str
    chosen_on: bool = False
    namespaces: Namespaces = Namespaces()
    slots: tuple[SlotTerms, ...] = ()


def problems(folder: Path) -> Mapping[str, Problem]:
    """Return the problems by their names.

    Args:
        folder: Where the sets are that no package carries.

    """

    def rows(file: str) -> Callable[[int, int], Iterator[Question]]:
        return lambda rounds, seed: _asked(_lines(folder / file), rounds, seed)

    return {
        "digits": Problem(1797, _digits, "pixels of handwritten digits, 10 actions", chosen_on=True),
        "optdigits": Problem(
            5620, rows("ds_28_10.vw.gz"), "pixels of handwritten digits, 10 actions", chosen_on=True
        ),
        "pendigits": Problem(8000, rows("ds_32_10.vw.gz"), "strokes of digits, 10 actions", chosen_on=True),
        "letter": Problem(8000, rows("ds_6_26.vw.gz"), "shapes of letters, 26 actions", chosen_on=True),
        "ohscal": Problem(
            6000, rows("ds_399_10.vw.gz"), "words of medical abstracts, 10 actions", chosen_on=True
        ),
        "kr-vs-k": Problem(8000, rows("ds_184_18.vw.gz"), "chess endings, 18 actions"),
        "artificial-characters": Problem(8000, rows("ds_1459_10.vw.gz"), "drawn strokes, 10 actions"),
        "digits-in-slots": Problem(
            1797,
            _digits_in_slots,
            "three slots for a digit and the next two",
            slots=tuple(terms for _, terms in _SLOTS),
        ),
        "news": Problem(
            20000, _news, "made up: articles come and go, 8 actions, many clicks", namespaces=_NEWS
        ),
        "faint": Problem(30000, _faint, "made up: the same page, 1 click in 100", namespaces=_NEWS),
    }


class Logged(NamedTuple):
    """A decision that somebody else made, with the same probability for every action.

    Attributes:
        context: As the model sees it.
        position: Of the action that was chosen.
        reward: What came of it.
        actions: How many there were.

    """

    context: bytes
    position: int
    reward: float
    actions: int


def open_bandit(folder: Path, campaign: str) -> Iterator[Logged]:
    """Yield a uniformly random log of the Open Bandit Dataset's sample: fashion, about 4 clicks in 1,000.

    Saito, Aihara, Matsutani, Narita: Open Bandit Dataset and Pipeline, 2020.
    """
    log = folder / "random" / campaign
    with (log / "item_context.csv").open(encoding="utf-8", newline="") as file:
        items = [
            {name: _number(value) for name, value in row.items() if name.startswith("item_feature")}
            for row in csv.DictReader(file)
        ]
    ids = [f"item-{number}" for number in range(len(items))]
    with gzip.open(log / f"{campaign}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            user = {name: value for name, value in row.items() if name.startswith("user_feature")}
            context = build_context({**user, "position": row["position"]}, ids, items, _LIMITS)
            yield Logged(context, int(row["item_id"]), float(row["click"]), len(ids))


def _number(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value


@lru_cache(maxsize=1)
def _lines(path: Path) -> tuple[list[dict[str, float]], list[str]]:
    """Read rows of ``label | index:value ...``."""
    rows: list[dict[str, float]] = []
    labels: list[str] = []
    with gzip.open(path, "rt", encoding="ascii") as file:
        for line in file:
            label, _, features = line.partition("|")
            labels.append(label.split()[0])
            parts = (feature.split(":") for feature in features.split())
            rows.append({f"x{index}": float(value) for index, value in parts})
    return rows, labels


def _digits(rounds: int, seed: int) -> Iterator[Question]:
    return _asked(_pixels(), rounds, seed)


def _digits_in_slots(rounds: int, seed: int) -> Iterator[Question]:
    """Ask for a digit, the one after it and the one after that, none twice."""
    rows, labels = _pixels()
    actions = [str(digit) for digit in range(10)]
    for at in _order(len(rows), seed)[:rounds]:
        rewards = tuple(
            tuple(float(digit == (int(labels[at]) + further) % 10) for digit in range(10))
            for further in range(3)
        )
        yield build_context(rows[at], actions, [None] * 10, _LIMITS, _SLOTS), rewards


@lru_cache(maxsize=1)
def _pixels() -> tuple[list[dict[str, float]], list[str]]:
    from sklearn.datasets import load_digits  # noqa: PLC0415 - an extra

    digits: Any = load_digits()
    rows = [{f"x{at}": float(value) for at, value in enumerate(row) if value} for row in digits.data]
    return rows, [str(label) for label in digits.target]


def _order(count: int, seed: int) -> list[int]:
    order = list(range(count))
    random.Random(seed).shuffle(order)  # some sets are sorted by label
    return order


def _asked(table: tuple[list[dict[str, float]], list[str]], rounds: int, seed: int) -> Iterator[Question]:
    rows, labels = table
    actions = sorted(set(labels), key=lambda label: (len(label), label))
    for at in _order(len(rows), seed)[:rounds]:
        rewards = tuple(float(action == labels[at]) for action in actions)
        yield build_context(rows[at], actions, [None] * len(actions), _LIMITS), (rewards,)


_SECTIONS = ("sports", "politics", "business", "culture", "science", "travel")
_AGES = ("young", "middle", "old")
_HOURS = ("morning", "noon", "evening", "night")


def _news(rounds: int, seed: int) -> Iterator[Question]:
    """A page with articles of six sections, which come and go; readers of a kind like alike."""
    return _page(rounds, seed, base=-3.0, liking=1.6)


def _faint(rounds: int, seed: int) -> Iterator[Question]:
    return _page(rounds, seed, base=-4.7, liking=0.3)


def _page(rounds: int, seed: int, base: float, liking: float) -> Iterator[Question]:
    chance = random.Random(seed)
    tastes = {(kind, section): chance.gauss(0, liking) for kind in _AGES + _HOURS for section in _SECTIONS}
    articles: dict[str, dict[str, Any]] = {}
    while True:
        if len(articles) < 8 or chance.random() < 0.02:  # eight places; one in fifty leaves
            if len(articles) == 8:
                del articles[next(iter(articles))]
            articles[f"article-{chance.randrange(10**9)}"] = {
                "section": chance.choice(_SECTIONS),
                "words": chance.choice(("short", "long")),
                "appeal": chance.gauss(0, liking / 4),
            }
            continue
        age, hour = chance.choice(_AGES), chance.choice(_HOURS)
        context = {"user": {"age": age, "device": chance.choice(("phone", "desk"))}, "time": {"hour": hour}}
        likes = (
            base + tastes[age, one["section"]] + tastes[hour, one["section"]] + one["appeal"]
            for one in articles.values()
        )
        rewards = tuple(float(chance.random() < 1 / (1 + math.exp(-like))) for like in likes)
        shown = [{"article": {"section": one["section"], "words": one["words"]}} for one in articles.values()]
        yield build_context(context, list(articles), shown, _LIMITS), (rewards,)
        rounds -= 1
        if not rounds:
            return
