"""What is counted while the server answers, for Prometheus.

Each loop has a registry of its own, so that whoever may see one loop sees no other. Labels are
the loop's name, operations and status codes: never anything that a caller sent.
"""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.0, 5.0)
_SUCCESSES = range(200, 300)


class LoopMetrics:
    """What is counted of one loop.

    Attributes:
        registry: Holds all of it.
        rewards: Rewards that were logged; of several slots each.
        activations: Activations that were logged.

    """

    def __init__(self, name: str) -> None:
        self.registry = CollectorRegistry()
        self._name = name
        self._ranks = self._counter("ranks", "Ranks that were answered, repetitions included.")
        self._choices = self._counter("choices", "Actions that were chosen: one a Rank, or one a slot.")
        self._explored = self._counter(
            "explored_choices", "Chosen actions that were not the most probable; none outside Online mode."
        )
        self.rewards = self._counter("rewards", "Rewards that were logged, on time or not.")
        self.activations = self._counter("activations", "Activations that were logged.")
        self._requests = Counter(
            "loopledger_requests",
            "Requests that were answered.",
            ("loop", "operation", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "loopledger_commit_seconds",
            "From a request that changes something to its durable answer.",
            ("loop", "operation"),
            registry=self.registry,
            buckets=_BUCKETS,
        )
        # Looking a label up takes longer than counting.
        self._known: dict[tuple[str, int], Counter] = {}
        self._timed: dict[str, Histogram] = {}

    def ranked(self, explored: Sequence[bool]) -> None:
        """Count a Rank: of each action that was chosen, whether another was more probable."""
        self._ranks.inc()
        self._choices.inc(len(explored))
        if any(explored):
            self._explored.inc(sum(explored))

    def answered(self, operation: str, status: int, seconds: float | None) -> None:
        """Count a request.

        Args:
            operation: The name of what was asked for.
            status: Of the answer.
            seconds: How long it took, if it was to change something.

        """
        requests = self._known.get((operation, status))
        if requests is None:
            requests = self._requests.labels(self._name, operation, status)
            self._known[operation, status] = requests
        requests.inc()
        if seconds is not None and status in _SUCCESSES:
            timed = self._timed.get(operation)
            if timed is None:
                timed = self._timed[operation] = self._seconds.labels(self._name, operation)
            timed.observe(seconds)

    def _counter(self, name: str, meaning: str) -> Counter:
        counter = Counter(f"loopledger_{name}", meaning, ("loop",), registry=self.registry)
        return counter.labels(self._name)


class Metrics:
    """What is counted of all loops.

    Attributes:
        registry: Holds what belongs to no loop.
        without_loop: Requests that were refused before it was known which loop they were for.

    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.without_loop = Counter(
            "loopledger_requests_without_loop",
            "Requests that were refused before their loop was known: no valid key, or too many at once.",
            ("status",),
            registry=self.registry,
        )
        self._loops: dict[str, LoopMetrics] = {}

    def loop(self, name: str) -> LoopMetrics:
        """Return what is counted of a loop."""
        found = self._loops.get(name)
        if found is None:
            found = self._loops[name] = LoopMetrics(name)
        return found
