"""How a loop stands at the moment, for Prometheus: read when it is asked for, and of the log what is new."""

from contextlib import closing

from prometheus_client import CollectorRegistry, Counter, Gauge

from loopledger.adapters.embedding.session import Session
from loopledger.clock import SECOND
from loopledger.learning.earnings import RECENT, Earnings
from loopledger.learning.lag import learning_lag
from loopledger.log.events import VERSIONS


def gauges(session: Session, earnings: Earnings, now: int) -> CollectorRegistry:
    """Return how an open loop stands; it may wait for the disk.

    Args:
        session: The loop.
        earnings: What came of its decisions, as far as was looked before.
        now: UTC in microseconds since 1970.

    """
    state = session.state
    with closing(session.place.store.reader()) as reader:
        lag = learning_lag(state, reader, now)
        made = reader.nth(VERSIONS, state.published) if state.published else None
        earnings.look(state, reader, now)
    average = earnings.average
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
        "training_failing": (
            "1 if the last automatic training failed, 0 if not; the server's log says why.",
            session.last_failure is not None,
        ),
        "recent_choices": (
            f"Chosen actions behind the averages: the last {RECENT:,} whose window has closed.",
            average.choices if average else 0,
        ),
        "average_reward": (
            "What the recent choices earned: their rewards, or the default reward, on average.",
            average and average.reward,
        ),
        "baseline_average_reward": (
            "What the first actions, or the slots' baselines, earned or would have: an estimate (SNIPS).",
            average and average.baseline,
        ),
        "imitated_reward_ratio": (
            "In Apprentice mode, the share of recent rewards that came where the model chose the same.",
            average and average.imitated,
        ),
    }
    counts = {
        "rewards_joined": ("Rewards that came within the window of their decision.", earnings.joined),
        "rewards_late": ("Rewards that came after it, and are never learned.", earnings.late),
        "rewards_unknown": ("Rewards for no decision that was known when they were read.", earnings.unknown),
        "failed_trainings": (
            "Automatic trainings that failed since the loop was opened; the next may do better.",
            session.failures,
        ),
    }
    registry = CollectorRegistry()
    for name, (meaning, count) in counts.items():
        counter = Counter(f"loopledger_{name}", meaning, ("loop",), registry=registry)
        counter.labels(session.name).inc(count)
    for name, (meaning, value) in values.items():
        if value is not None:
            gauge = Gauge(f"loopledger_{name}", meaning, ("loop",), registry=registry)
            gauge.labels(session.name).set(value)
    return registry


def _since(at: int | None, now: int) -> float | None:
    return None if at is None else max(0, now - at) / SECOND
