"""The bodies of the log's events: what each kind records.

Bodies are JSON. A field, once released, keeps its name and meaning for ever; new fields get a
default, so that every old log stays readable.
"""

from typing import Literal, get_args

import msgspec
from msgspec import UNSET, UnsetType

from loopledger.errors import LogDamaged
from loopledger.log.evaluation_events import (
    EvaluationDeleted,
    EvaluationEnded,
    EvaluationReported,
    EvaluationRequested,
)
from loopledger.log.event import Event
from loopledger.log.history_events import HistoryImported
from loopledger.policy import LearningPolicy
from loopledger.settings import LearningMode, RewardAggregation, Settings

FORMAT = 1
"""The version of the shapes below, kept in `LoopCreated`."""


Run = tuple[int, int]
"""The first and the last seq of a stretch of the log."""


class LoopCreated(Event, frozen=True):
    """The log's first event.

    Attributes:
        loop_id: The loop's name; with the event id it seeds every draw.

    """

    loop_id: str
    settings: Settings
    policy: LearningPolicy
    format: int = FORMAT


class Decision(Event, frozen=True, kw_only=True):
    """What a Rank and a multi-slot Rank have in common.

    Attributes:
        actions: Every action id, in the caller's order.
        model_version: The version that was asked; 0 when there was no model.
        deferred: Whether it is learned from only if it is activated.
        minimum_probability: What was mixed in where the model gave less.
        reward_wait: Microseconds in which its rewards count.
        default_reward: Its reward when none comes.
        reward_aggregation: How several rewards become one.
        origin: Where it was decided if not here: the id of the model that was asked there, ``N/A``
            where there was none. Such decisions are learned like others and cannot be computed again.

    """

    actions: tuple[str, ...]
    model_version: int
    learning_mode: LearningMode
    deferred: bool
    minimum_probability: float
    reward_wait: int
    default_reward: float
    reward_aggregation: RewardAggregation
    origin: str | UnsetType = UNSET

    @property
    def elsewhere(self) -> bool:
        """Whether it was decided elsewhere, and imported."""
        return self.origin is not UNSET


class Ranked(Decision, frozen=True, kw_only=True):
    """One action was chosen.

    Attributes:
        excluded: Action ids that the model was not offered.
        ranked: Positions in the context's actions, the chosen one first.
        probabilities: With what probability each was drawn, in the order of `ranked`.
        chosen: The id of the action that was drawn.
        context: Context and actions exactly as the model saw them (VowpalWabbit's JSON); the last
            field, as `decode_apart` expects it.

    """

    excluded: tuple[str, ...]
    ranked: tuple[int, ...]
    probabilities: tuple[float, ...]
    chosen: str
    context: msgspec.Raw

    @property
    def offered(self) -> tuple[str, ...]:
        """The action ids that the model was offered, by their positions in the context."""
        if not self.excluded:
            return self.actions
        return tuple([name for name in self.actions if name not in self.excluded])


class SlotRanking(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one slot of a multi-slot decision got.

    Attributes:
        slot: The caller's id of the slot.
        baseline: The position of the caller's own choice.
        excluded: Action ids not offered to this slot.
        ranked: Positions in the context's actions, the chosen one first.
        probabilities: With what probability each was drawn, in the order of `ranked`.
        chosen: The id of the action that was drawn.

    """

    slot: str
    baseline: int
    excluded: tuple[str, ...]
    ranked: tuple[int, ...]
    probabilities: tuple[float, ...]
    chosen: str


class SlotsRanked(Decision, frozen=True, kw_only=True):
    """One action was chosen for each of several slots.

    Attributes:
        slots: What each of them got.
        context: As that of `Ranked`.

    """

    slots: tuple[SlotRanking, ...]
    context: msgspec.Raw


class Rewarded(Event, frozen=True):
    """A reward came for an event id, known or not.

    Attributes:
        slot: The slot that it is for, if any.
        key: The caller's idempotency key, if any.

    """

    value: float
    slot: str | None = None
    key: str | None = None


class Activated(Event, frozen=True):
    """A deferred decision took effect."""


class PolicyChanged(Event, frozen=True):
    """Another learning policy is in force.

    Attributes:
        relearn: Whether the past is learned again under it.
        evaluation: The id of the evaluation that was the reason, if one was.

    """

    policy: LearningPolicy
    relearn: bool
    evaluation: str | None = None


class RelearningBegun(Event, frozen=True):
    """The past is learned again, beside the model that answers until then.

    Attributes:
        policy: In force from here on.
        since: Seq from which on decisions are learned.
        without: Seqs of the decisions that are left out, now and in every later relearning, in order.
        query: How they were chosen, in the words of who did; nothing is computed from it.
        passes: How often what is in the log by then is learned, one step after another. What is
            decided later is learned once.
        evaluation: The id of the evaluation that was the reason, if one was.

    """

    policy: LearningPolicy
    since: int = 1
    without: tuple[int, ...] = ()
    query: str | None = None
    passes: int = 1
    evaluation: str | None = None


class PolicyRestored(Event, frozen=True):
    """The learning policy and the models from before it was changed are in force again.

    Learning goes on where it had stopped under that policy.

    Attributes:
        policy: In force from here on.
        version: Decisions use this version from here on; 0 for none.
        undone: Seq of the event that had changed the policy.

    """

    policy: LearningPolicy
    version: int
    undone: int


class SettingsChanged(Event, frozen=True):
    """Other settings are in force."""

    settings: Settings


class ModelTrained(Event, frozen=True):
    """A model version was made by one fold step.

    Attributes:
        version: Versions are numbered from 1 through the whole log.
        parent: The version it was made from; 0 for none.
        policy: The policy it was made under, exploration written in.
        first: Seq of the first decision it covers; none when it covers no decision.
        last: Seq of the last decision it covers.
        decisions: How many decisions lie in that range.
        examples: How many of them were learned from.
        sha256: Of the model's bytes, in hexadecimal digits.
        size: Of the model, in bytes.
        engine: What made it: the engine, its version and the kind of machine.
        left_out: Seq of the event that says which decisions it left out; 0 for none.
        passes: How often it learned its range, from the first to the last and over again.

    """

    version: int
    parent: int
    policy: LearningPolicy
    first: int | None
    last: int | None
    decisions: int
    examples: int
    sha256: str
    size: int
    engine: str
    left_out: int = 0
    passes: int = 1


class ModelPublished(Event, frozen=True):
    """Decisions use this version from here on."""

    version: int


class ModelImported(Event, frozen=True):
    """A model from outside became a version; its bytes are part of the log."""

    version: int
    policy: LearningPolicy
    model: bytes
    sha256: str
    engine: str


class ModelKept(Event, frozen=True):
    """A version's bytes became part of the log, because what it learned from is erased next."""

    version: int
    model: bytes
    sha256: str


class Erased(Event, frozen=True):
    """Bodies of decisions, rewards and activations are gone; only their hashes are left.

    Attributes:
        runs: First and last seqs of stretches in which all of them are.
        events: How many bodies were erased with this event.
        kept: The versions whose bytes the events right before this one hold, in order.
        lost: Versions that could not be made here any more, and cannot be made anywhere now.

    """

    runs: tuple[Run, ...]
    events: int
    kept: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()


class ModelReset(Event, frozen=True):
    """There is no model any more, until one is trained from what comes."""


AnyEvent = (
    LoopCreated
    | Ranked
    | SlotsRanked
    | Rewarded
    | Activated
    | PolicyChanged
    | RelearningBegun
    | PolicyRestored
    | SettingsChanged
    | ModelTrained
    | ModelPublished
    | ModelImported
    | ModelReset
    | ModelKept
    | Erased
    | HistoryImported
    | EvaluationRequested
    | EvaluationReported
    | EvaluationEnded
    | EvaluationDeleted
)
DecisionKind = Literal["Ranked", "SlotsRanked"]

KINDS: tuple[str, ...] = tuple(kind.__name__ for kind in get_args(AnyEvent))
"""Every kind of event."""

DECISIONS: tuple[DecisionKind, DecisionKind] = ("Ranked", "SlotsRanked")
OUTCOMES = ("Rewarded", "Activated")
TRAFFIC = (*DECISIONS, *OUTCOMES)
"""The kinds whose bodies can be erased."""
VERSIONS = ("ModelTrained", "ModelImported")
CONTROL = (
    "Erased",
    "EvaluationDeleted",
    "EvaluationEnded",
    "EvaluationRequested",
    "HistoryImported",
    "LoopCreated",
    "ModelImported",
    "ModelPublished",
    "ModelReset",
    "ModelTrained",
    "PolicyChanged",
    "PolicyRestored",
    "RelearningBegun",
    "SettingsChanged",
)
"""The kinds that change how the loop works, or what can be read of it. All of them are read to know how
it stood at some moment, so what is large and not needed for that has a kind of its own."""

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


_CONTEXT = b',"context":'
"""Begins a decision's context. Before it nothing else reads like this: text has its quotes escaped."""


def encode(event: Event) -> bytes:
    """Return the event's body as JSON."""
    return _encoder.encode(event)


def decode(body: bytes, seq: int) -> AnyEvent:
    """Return the event from its body.

    Raises:
        LogDamaged: The body is no event that this release knows.

    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LogDamaged(
            f"event {seq} cannot be read: {error}; a newer release may have written it", seq
        ) from None


def decode_apart(body: bytes, seq: int) -> tuple[Ranked | SlotsRanked, bytes]:
    """Return a decision with an empty context, and its context as it was logged.

    Nearly all of a body is context, and joining need not look into it.

    Raises:
        LogDamaged: The body is no decision that this release knows.

    """
    start = body.find(_CONTEXT)
    decision = decode(body[:start] + b',"context":{}}', seq) if start > 0 else None
    if not isinstance(decision, Decision):
        raise LogDamaged(f"event {seq} is no decision", seq)
    return decision, body[start + len(_CONTEXT) : -1]
