"""A small model of a loop, written from the design and from nothing else: what must have happened."""

import statistics
from dataclasses import dataclass, field

EARLY = 120_000_000


@dataclass
class Decision:
    event_id: str
    at: int
    deferred: bool
    mode: str
    wait: int
    default: float
    aggregation: str
    slots: tuple
    chosen: dict  # slot -> (position, probability, baseline)


@dataclass
class Before:
    """How a loop stood before its policy was changed: its policy, what answered, and what was learned."""

    policy: object
    published: int
    follows: bool
    learned: int
    passed: int
    often: tuple


@dataclass
class Oracle:
    """Knows every decision and everything that came, and what a training has to learn from them."""

    wait: int
    default: float = 0.0
    aggregation: str = "earliest"
    mode: str = "Online"
    interval: int = 20_000
    at: int = 0
    decisions: list = field(default_factory=list)
    outcomes: dict = field(default_factory=dict)  # event id -> [(at, kind, slot, value, key)]
    learned: int = 0  # decisions that the line has learned or never will
    closed: int = 0  # decisions that any line has learned
    often: tuple = (1, 0)  # how often the first so many decisions are learned by the line
    passed: int = 0  # decisions that an earlier line has learned, or was told never to
    before: "Before | None" = None  # what going back to the policy before comes to
    left_out: set = field(default_factory=set)  # event ids
    erased: set = field(default_factory=set)  # event ids of decisions

    def now(self, clock):
        self.at = max(self.at, clock)
        return self.at

    def came(self, event_id, at, kind, slot=None, value=None, key=None):
        self.outcomes.setdefault(event_id, []).append((at, kind, slot, value, key))

    def closed_prefix(self, now):
        count = 0
        for decision in self.decisions:
            if decision.at + decision.wait > now:
                break
            count += 1
        return max(count, self.closed)

    def begins_anew(self, learned):
        """Begin another line after so many decisions; with none, after all that any line went past."""
        self.passed = max(self.passed, self.closed, self.learned)
        self.learned = self.passed if learned is None else learned

    def policy_changes(self, policy, state):
        """Remember what somebody may go back to; learning again under the same policy is no change."""
        if state.policy != policy:
            self.before = self.stands(state)

    def stands(self, state):
        return Before(state.policy, state.published, state.follows, self.learned, self.passed, self.often)

    def goes_back(self, state):
        """Stand as before the policy was changed last; going back twice is standing as now."""
        before = self.before
        self.before = self.stands(state)
        # What was learned meanwhile was learned by another line: it is closed, and not forgotten as such.
        self.learned, self.passed, self.often = before.learned, before.passed, before.often

    def steps(self, now):
        """Yield the decisions that each training step has to cover."""
        end = self.closed_prefix(now)
        while self.learned < end:
            step = self.decisions[self.learned : min(end, self.learned + self.interval)]
            self.learned += len(step)
            self.closed = max(self.closed, self.learned)
            yield step
            if len(step) < self.interval:
                return

    def passes(self, step):
        """Return how often a training step learns its decisions."""
        passes, first_ones = self.often
        return passes if step and self.decisions.index(step[0]) < first_ones else 1

    def labels(self, decision):
        """Return what a decision teaches: (slot, position, probability, reward) for each slot, or nothing."""
        if decision.event_id in self.left_out | self.erased:
            return []
        inside = [
            outcome
            for outcome in self.outcomes.get(decision.event_id, [])
            if -EARLY < outcome[0] - decision.at < decision.wait
        ]
        if decision.deferred and not any(kind == "activate" for _, kind, *_ in inside):
            return []
        if any(probability < 2**-23 for _, probability, _ in decision.chosen.values()):
            return []
        found = []
        for slot in decision.slots:
            values, keys = [], set()
            for _, kind, its_slot, value, key in sorted(inside, key=lambda outcome: outcome[0]):
                if kind == "reward" and its_slot == slot and (key is None or key not in keys):
                    values.append(value)
                    keys |= {key} - {None}
            position, probability, baseline = decision.chosen[slot]
            reward = self.aggregate(values, decision)
            if decision.mode == "Apprentice":
                reward = float(position == baseline)
            found.append((slot, position, probability, reward))
        return found

    @staticmethod
    def aggregate(values, decision):
        if not values:
            return decision.default
        return {
            "earliest": lambda: values[0],
            "sum": lambda: sum(values),
            "average": lambda: sum(values) / len(values),
            "median": lambda: statistics.median(values),
            "min": lambda: min(values),
            "max": lambda: max(values),
        }[decision.aggregation]()
