"""What can be set about a loop, with the defaults and the limits of each."""

import re
from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from loopledger.clock import SECOND
from loopledger.errors import InvalidRequest

LearningMode = Literal["Online", "Apprentice", "LoggingOnly"]
RewardAggregation = Literal["earliest", "sum", "average", "median", "min", "max"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "learning_mode": get_args(LearningMode),
    "reward_aggregation": get_args(RewardAggregation),
}
_DAY = 86_400.0
_MOMENT = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"([T ]([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d{1,9})?)?)?(Z|[+-]\d\d:?\d\d)?)?"
)


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much one request may hold.

    Attributes:
        actions: Most actions in a Rank.
        slots: Most slots in a multi-slot Rank.
        id_length: Most characters in an event, action or slot id or an idempotency key.
        request_bytes: Most bytes of a request's features, as JSON.
        nesting: Most levels of objects inside a feature object, itself included.
        features: Most features in one request, each number of an array counted.
        magnitude: Largest absolute value of a numeric feature. Larger ones overflow the
            32-bit floats of the learner once they are multiplied and squared.

    """

    actions: int = 50
    slots: int = 50
    id_length: int = 256
    request_bytes: int = 1_048_576
    nesting: int = 4
    features: int = 20_000
    magnitude: float = 1e15


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a loop decides, joins and learns. The log keeps every change, whole.

    Attributes:
        reward_wait_time: Seconds after a decision in which its rewards count.
        default_reward: The reward of a decision for which none came in time.
        reward_aggregation: How several rewards of one decision become one.
        reward_range: Smallest and largest value of a reward.
        exploration_percentage: Share of exploration, 0 to 1, written into the learning
            policy's ``--epsilon``; none: as the learning policy says.
        minimum_probability: Smallest probability of any action. Where the model gives less,
            this much of an even choice is mixed in, so that every action can be judged later.
            It does not apply before there is a model (all actions are then alike).
        learning_mode: ``Online`` acts on the model's choice; ``Apprentice`` acts on the
            caller's first action and learns to imitate it; ``LoggingOnly`` acts on the
            caller's first action and learns from its rewards.
        model_update_frequency: Seconds between automatic trainings; 0 turns them off.
        checkpoint_interval: Decisions between two models that are kept on disk, and the most
            that one training step learns from. Any other model is rebuilt from the one before.
        auto_optimization: Whether the loop searches for a better learning policy by itself from time to
            time, and puts it in force if it is judged better. Not for several slots.
        auto_optimization_frequency: Seconds between two such searches.
        auto_optimization_start: When the first one is, a time such as ``2026-09-01T03:00:00Z``, from which
            the others are counted; none for one frequency after it was turned on.
        compression: Whether decisions are stored compressed from here on: where actions repeat, a log of a
            tenth of the size or less, of which a SQLite shell reads everything but the decisions' bodies.
        limits: How much one request may hold.

    """

    reward_wait_time: float = 600.0
    default_reward: float = 0.0
    reward_aggregation: RewardAggregation = "earliest"
    reward_range: tuple[float, float] = (-1.0, 1.0)
    exploration_percentage: float | None = None
    minimum_probability: float = 0.001
    learning_mode: LearningMode = "Online"
    model_update_frequency: float = 300.0
    checkpoint_interval: int = 20_000
    auto_optimization: bool = False
    auto_optimization_frequency: float = 7 * _DAY
    auto_optimization_start: str | None = None
    compression: bool = False
    limits: Limits = Limits()

    @property
    def reward_wait(self) -> int:
        """The reward wait time in microseconds."""
        return round(self.reward_wait_time * SECOND)


def check_settings(settings: Settings) -> Settings:
    """Return the settings if every one of them lies within its limits.

    Raises:
        InvalidRequest: Names the first that does not.

    """
    low, high = settings.reward_range
    if low >= high:  # before a default reward is blamed for not lying between them
        raise InvalidRequest(
            "reward_range", "is the smallest reward and then the largest, which must be more than it"
        )
    for field, value, least, most in (
        ("reward_wait_time", settings.reward_wait_time, 0.001, 366 * _DAY),
        ("reward_range[0]", low, -1e6, 1e6),
        ("reward_range[1]", high, -1e6, 1e6),
        ("default_reward", settings.default_reward, low, high),
        ("exploration_percentage", settings.exploration_percentage or 0.0, 0.0, 1.0),
        ("minimum_probability", settings.minimum_probability, 0.0, 0.5),
        ("model_update_frequency", settings.model_update_frequency, 0.0, 366 * _DAY),
        ("checkpoint_interval", settings.checkpoint_interval, 1, 10_000_000),
        ("auto_optimization_frequency", settings.auto_optimization_frequency, 60.0, 366 * _DAY),
        ("limits.actions", settings.limits.actions, 1, 100_000),
        ("limits.slots", settings.limits.slots, 1, 10_000),
        ("limits.id_length", settings.limits.id_length, 32, 4096),
        ("limits.request_bytes", settings.limits.request_bytes, 1024, 64 * 1_048_576),
        ("limits.nesting", settings.limits.nesting, 1, 16),
        ("limits.features", settings.limits.features, 1, 10_000_000),
        ("limits.magnitude", settings.limits.magnitude, 1.0, 1e18),
    ):
        _within(field, value, least, most)
    if settings.minimum_probability * settings.limits.actions > 0.5:  # noqa: PLR2004 - said below
        raise InvalidRequest(
            "minimum_probability",
            "times limits.actions it may be at most 0.5, or the model would have no say: lower one of them",
        )
    start = settings.auto_optimization_start
    if start is not None and not _MOMENT.fullmatch(start):
        raise InvalidRequest(
            "auto_optimization_start", "must be a time in ISO 8601, such as 2026-09-01T03:00:00Z"
        )
    for field, choices in _CHOICES.items():
        _one_of(field, getattr(settings, field), choices)
    return settings


def settings_from(values: object) -> Settings:
    """Return checked settings from plain values such as a TOML or JSON document holds.

    Raises:
        InvalidRequest: A name is unknown, a type is wrong or a value is out of its limits.

    """
    for field, choices in _CHOICES.items():
        if isinstance(values, Mapping) and field in values:  # msgspec would not say what can be chosen
            _one_of(field, values[field], choices)
    try:
        settings = msgspec.convert(values, Settings)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise InvalidRequest("settings", f"{error}; config/default.toml shows them all") from None
    return check_settings(settings)


def _within(field: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise InvalidRequest(field, f"must lie between {least:g} and {most:g}")


def _one_of(field: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidRequest(field, f"must be one of {', '.join(choices)}")
