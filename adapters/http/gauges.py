"""How a loop stands at the moment, for Prometheus: read when it is asked for, never by reading the log."""

from contextlib import closing

from prometheus_client import CollectorRegistry, Gauge

from loopledger.adapters.embedding.session import Session
from loopledger.clock import SECOND
from loopledger.learning.lag import learning_lag
from loopledger.log.events import VERSIONS


def gauges(session: Session, now: int) -> CollectorRegistry:
    """Return how an open loop stands; it may wait for the disk.

    Args:
        session: The loop.
        now: UTC in microseconds since 1970.

    """
    state = session.state
    with closing(session.place.store.reader()) as reader:
        lag = learning_lag(state, reader, now)
        made = reader.nth(VERSIONS, state.published) if state.published else None
    values: dict[str, tuple[str, float | None]] = {
        "model_version": ("The model version that answers; 0 for none.", state.published),
        "model_age_seconds": (
            "Since the model was made that answers.",
            _since(made.at if made else None, now),
        ),
        "waiting_decisions": ("Decisions that are not learned yet, at most 100,000.", lag.waiting),
        "learning_lag_seconds": (
            "Age of the oldest decision whose window has closed and that is not learned yet; 0 for none.",
            _since(lag.oldest, now) or 0.0,
        ),
        "last_training_examples": (
            "Joined examples in the last step of training, since the loop was opened.",
            session.trainer.examples,
        ),
        "last_optimization_seconds": (
            "Since the last automatic optimization ended or, if it still runs, began.",
            _since(state.automatic.at if state.automatic else None, now),
        ),
        "last_optimization_applied": (
            "Whether the last automatic optimization put another policy in force: 1 if so, 0 if not.",
            None if state.automatic is None else float(state.automatic.status == "OptimalPolicyApplied"),
        ),
        "last_optimization_failed": (
            "Whether the last automatic optimization failed or was stopped: 1 if so, 0 if not.",
            None if state.automatic is None else float(state.automatic.status in {"Failed", "Canceled"}),
        ),
        "waiting_commands": ("Commands that wait in the loop's inbox.", session.inbox.waiting),
    }
    registry = CollectorRegistry()
    for name, (meaning, value) in values.items():
        if value is not None:
            gauge = Gauge(f"loopledger_{name}", meaning, ("loop",), registry=registry)
            gauge.labels(session.name).set(value)
    return registry


def _since(at: int | None, now: int) -> float | None:
    return None if at is None else max(0, now - at) / SECOND
