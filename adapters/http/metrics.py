"""What is counted while the server answers, for Prometheus.

Each loop has a registry of its own, so that whoever may see one loop sees no other. Labels are
the loop's name, operations and status codes: never anything that a caller sent.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_BUCKETS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.0, 5.0)
_BOUNDS = [*map(str, _BUCKETS), "+Inf"]
_SUCCESSES = range(200, 300)


class _Took:
    """How long something took, in a histogram."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_BUCKETS, seconds)] += 1
        self.sum += seconds


class LoopMetrics(Collector):
    """What is counted of one loop: plain numbers, which become Prometheus' own when it asks.

    Attributes:
        registry: Holds all of it.
        rewards: Rewards that were logged; of several slots each.
        activations: Activations that were logged.

    """

    def __init__(self, name: str) -> None:
        self.registry = CollectorRegistry()
        self.rewards = self.activations = 0
        self._name = name
        self._ranks = self._choices = self._explored = 0
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, _Took] = {}
        self.registry.register(self)

    def ranked(self, explored: Sequence[bool]) -> None:
        """Count a Rank: of each action that was chosen, whether another was more probable."""
        self._ranks += 1
        self._choices += len(explored)
        self._explored += sum(explored)

    def answered(self, operation: str, status: int, seconds: float | None) -> None:
        """Count a request.

        Args:
            operation: The name of what was asked for.
            status: Of the answer.
            seconds: How long it took, if it was to change something.

        """
        self._requests[operation, status] = self._requests.get((operation, status), 0) + 1
        if seconds is not None and status in _SUCCESSES:
            took = self._seconds.get(operation)
            if took is None:
                took = self._seconds[operation] = _Took()
            took.add(seconds)

    def collect(self) -> Iterator[Metric]:
        """Yield what Prometheus is told."""
        counts = {
            "ranks": ("Ranks that were answered, repetitions included.", self._ranks),
            "choices": ("Actions that were chosen: one a Rank, or one a slot.", self._choices),
            "explored_choices": (
                "Chosen actions that were not the most probable; none outside Online mode.",
                self._explored,
            ),
            "rewards": ("Rewards that were logged, on time or not.", self.rewards),
            "activations": ("Activations that were logged.", self.activations),
        }
        for name, (meaning, count) in counts.items():
            counter = CounterMetricFamily(f"loopledger_{name}", meaning, labels=("loop",))
            counter.add_metric((self._name,), count)
            yield counter
        labels = ("loop", "operation", "status")
        requests = CounterMetricFamily("loopledger_requests", "Requests that were answered.", labels=labels)
        for (operation, status), count in self._requests.items():
            requests.add_metric((self._name, operation, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily(
            "loopledger_commit_seconds",
            "From a request that changes something to its durable answer.",
            labels=("loop", "operation"),
        )
        for operation, took in self._seconds.items():
            buckets = list(zip(_BOUNDS, accumulate(took.counts), strict=True))
            seconds.add_metric((self._name, operation), buckets, took.sum)
        yield seconds


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
