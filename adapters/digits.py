"""The demonstration's world: handwritten digits, seen as decisions with delayed and missing rewards.

A caller sees the pixels of a digit, asks which of ten digits it is, and learns only whether that
one was right: a bandit, because what would have been right instead is never said. scikit-learn
carries the 1,797 digits (Alpaydin and Kaynak, UCI machine learning repository, 1998).
"""

import heapq
import random  # noqa: TID251 - the world is random, seeded; the loop is not
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from loopledger.adapters.embedding.loop import Loop
from loopledger.clock import SimulatedClock

SECONDS_APART = 2.0
DEFERRED = 0.10
NEVER_ACTIVATED = 0.20
REWARD_MISSING = 0.03
REWARD_LATE = 0.02

ACTIONS = {
    str(digit): {"parity": "odd" if digit % 2 else "even", "loops": {0: 1, 6: 1, 8: 2, 9: 1}.get(digit, 0)}
    for digit in range(10)
}


class Seen(NamedTuple):
    """One digit, seen once.

    Attributes:
        event_id: The decision's id.
        context: The features that the caller sends.
        digit: What it is.

    """

    event_id: str
    context: dict[str, dict[str, float]]
    digit: str


def stream(passes: int, seed: int) -> list[Seen]:
    """Return all digits, several times, each time in another order."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - an extra

    digits: Any = load_digits()
    shuffle = random.Random(seed)  # noqa: S311
    found: list[Seen] = []
    for number in range(passes):
        order = list(range(len(digits.target)))
        shuffle.shuffle(order)
        for place, row in enumerate(order):
            pixels = {f"p{at}": float(ink) / 16 for at, ink in enumerate(digits.data[row]) if ink}
            event_id = f"pass-{number + 1}-digit-{place:04d}"
            found.append(Seen(event_id, {"pixels": pixels}, str(digits.target[row])))
    return found


def best_fixed(seen: list[Seen]) -> float:
    """Return the average reward of whoever always says the most frequent digit."""
    return max(Counter(one.digit for one in seen).values()) / len(seen)


class World:
    """Shows digits to a loop and brings it the rewards, early, late or never.

    Args:
        loop: The loop.
        clock: The loop's clock.
        seed: Decides what goes wrong.
        seconds_apart: How long after one digit the next one comes.

    Attributes:
        rewards: For each decision 1 if the digit was right and 0 if not, whether or not the loop
            ever heard of it.
        told: How many of each kind of mishap there were.

    """

    def __init__(
        self, loop: Loop, clock: SimulatedClock, seed: int, seconds_apart: float = SECONDS_APART
    ) -> None:
        self._loop = loop
        self._apart = seconds_apart
        self._clock = clock
        self._chance = random.Random(seed + 1)  # noqa: S311
        self._coming: list[tuple[int, int, Callable[[], object]]] = []
        self._order = 0
        self.rewards: list[float] = []
        self.told: Counter[str] = Counter()

    def show(self, seen: list[Seen]) -> Iterator[int]:
        """Let the loop decide for each digit, and yield how many it has seen."""
        for number, one in enumerate(seen, start=1):
            deferred = self._chance.random() < DEFERRED
            decision = self._loop.rank(one.context, ACTIONS, event_id=one.event_id, deferred=deferred)
            reward = float(decision.action == one.digit)
            self.rewards.append(reward)
            self._promise(one.event_id, reward, deferred=deferred)
            self._let_pass(self._apart)
            yield number

    def finish(self) -> None:
        """Let all that is still under way come, and every window close."""
        self._let_pass(2 * 3600)

    def _promise(self, event_id: str, reward: float, *, deferred: bool) -> None:
        chance = self._chance.random
        if deferred:
            self.told["deferred"] += 1
            if chance() < NEVER_ACTIVATED:
                self.told["never activated"] += 1
            else:
                self._later(1 + 9 * chance(), lambda: self._loop.activate(event_id))
        fate = chance()
        if fate < REWARD_MISSING:
            self.told["rewards missing"] += 1
            return
        delay = 1 + 59 * chance()
        if fate < REWARD_MISSING + REWARD_LATE:
            self.told["rewards late"] += 1
            delay = 900 + 1800 * chance()
        self._later(delay, lambda: self._loop.reward(event_id, reward, key=event_id))

    def _later(self, seconds: float, what: Callable[[], object]) -> None:
        self._order += 1
        due = self._clock.now() + round(seconds * 1e6)
        heapq.heappush(self._coming, (due, self._order, what))

    def _let_pass(self, seconds: float) -> None:
        end = self._clock.now() + round(seconds * 1e6)
        while self._coming and self._coming[0][0] <= end:
            due, _, what = heapq.heappop(self._coming)
            self._clock.advance(max(0, due - self._clock.now()) / 1e6)
            what()
        self._clock.advance((end - self._clock.now()) / 1e6)
