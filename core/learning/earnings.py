"""Earnings: what recent decisions were worth, and what the caller's own choices would have been.

It goes along the log, a little at a time, and never back: looking often costs no more than looking once.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from threading import Lock
from typing import NamedTuple

from loopledger.learning.joining import EARLY, Joined, all_traced, join
from loopledger.learning.training import closed_until
from loopledger.log.events import SlotsRanked, decode_apart
from loopledger.log.journal import Reader
from loopledger.state import State

RECENT = 1_000
"""Over how many choices averages are taken, as Personalizer took them: an action, or one slot's."""
_LOOKED_BACK = 4 * RECENT
_AT_ONCE = 256
_MOST = 20_000


class Choice(NamedTuple):
    """An action that was shown, and what came of it.

    Attributes:
        reward: The joined reward.
        weight: Of this choice in the estimate for the caller's own: 0 where it was another action.
        matched: In Apprentice mode, whether the model chose the action that was shown; none elsewhere.

    """

    reward: float
    weight: float
    matched: bool | None


class Average(NamedTuple):
    """What recent choices earned.

    Attributes:
        choices: How many there are, at most `RECENT`.
        reward: Their average reward.
        baseline: What the caller's own choices (the first action that is not excluded, or the slot's
            baseline) would have earned, or did: the self-normalized estimate of Swaminathan and
            Joachims, The Self-Normalized Estimator for Counterfactual Learning (2015); none
            if none of them was shown.
        imitated: In Apprentice mode, the share of the rewards that came where the model chose the
            same; none elsewhere, or if there were no rewards.

    """

    choices: int
    reward: float
    baseline: float | None
    imitated: float | None


class Earnings:
    """What came of a loop's decisions, as far as it has looked.

    Args:
        seq: Rewards are counted that come after it.

    Attributes:
        joined: Rewards that came within the window of their decision.
        late: Rewards that came after it.
        unknown: Rewards for which there was no decision when they were looked at.

    """

    def __init__(self, seq: int) -> None:
        self.joined = self.late = self.unknown = 0
        self._rewards_until = seq
        self._closed_until = 0
        self._recent: deque[Choice] = deque(maxlen=RECENT)
        self._turn = Lock()

    def look(self, state: State, reader: Reader, now: int) -> None:
        """Take in what is new in the log, in any thread: of rewards some twenty thousand at a time.

        Args:
            state: Of the loop.
            reader: Of its log, everything in the state committed.
            now: The time that no later event will be dated before.

        """
        with self._turn:
            self._look_at_rewards(state, reader)
            closed = max(state.closed_through, closed_until(state, reader, now))
            first = max(self._closed_until, closed - _LOOKED_BACK) + 1
            for traced in all_traced(reader, first, closed):
                self._recent.extend(_choices(join(traced)))
            self._closed_until = max(self._closed_until, closed)

    @property
    def average(self) -> Average | None:
        """What recent choices earned; none before the first window has closed."""
        recent = self._recent
        if not recent:
            return None
        weight = sum(choice.weight for choice in recent)
        weighted = sum(choice.weight * choice.reward for choice in recent)
        shown = sum(choice.reward for choice in recent if choice.matched is not None)
        matched = sum(choice.reward for choice in recent if choice.matched)
        return Average(
            len(recent),
            sum(choice.reward for choice in recent) / len(recent),
            weighted / weight if weight else None,
            matched / shown if shown else None,
        )

    def _look_at_rewards(self, state: State, reader: Reader) -> None:
        new = reader.records(self._rewards_until + 1, state.seq, kinds=("Rewarded",))
        taken = list(islice(new, _MOST))
        for at in range(0, len(taken), _AT_ONCE):
            some = taken[at : at + _AT_ONCE]
            decisions = reader.decisions(sorted({record.event_id for record in some if record.event_id}))
            for record in some:
                decision = decisions.get(record.event_id or "")
                if decision is None or decision.erased or record.at - decision.at <= -EARLY:
                    self.unknown += 1
                    continue
                made, _ = decode_apart(decision.body, decision.seq)
                if record.at - decision.at < made.reward_wait:
                    self.joined += 1
                else:
                    self.late += 1
        self._rewards_until = taken[-1].seq if len(taken) == _MOST else max(self._rewards_until, state.seq)


def _choices(joined: Joined) -> Iterator[Choice]:
    """Yield what a decision showed; nothing if it never took effect."""
    if not joined.activated:
        return
    decision = joined.decision
    baselines: Iterable[int]
    baselines = (slot.baseline for slot in decision.slots) if isinstance(decision, SlotsRanked) else (0,)
    for label, baseline in zip(joined.labels, baselines, strict=True):
        same = label.position == baseline
        if decision.learning_mode == "Online":
            yield Choice(label.original_reward, same / label.probability, None)
        else:
            # The caller's own choice was shown, whatever the model chose.
            matched = same if decision.learning_mode == "Apprentice" else None
            yield Choice(label.original_reward, 1.0, matched)
