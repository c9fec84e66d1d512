"""What a loop can be told to do."""

import msgspec

from loopledger.deciding.request import SlotTerms
from loopledger.learning.training import Step
from loopledger.log.evaluation_events import Ending, Report, Request
from loopledger.log.events import Run
from loopledger.policy import LearningPolicy


class Rank(msgspec.Struct, frozen=True, gc=False):
    """Choose one action.

    Attributes:
        event_id: The decision's id.
        named: Whether the caller gave the id, so that it may be in the log already.
        context: Context and offered actions as the model sees them.
        actions: Every action id, in the caller's order.
        excluded: Action ids that the model is not offered.
        deferred: Whether the decision is learned from only if it is activated.
        apart: The context's actions as they end it, one by one, where they are known so.

    """

    event_id: str
    named: bool
    context: bytes
    actions: tuple[str, ...]
    excluded: tuple[str, ...]
    deferred: bool
    apart: tuple[bytes, ...] = ()


class RankSlots(msgspec.Struct, frozen=True):
    """Choose one action for each of several slots; the attributes are those of `Rank`."""

    event_id: str
    named: bool
    context: bytes
    actions: tuple[str, ...]
    slots: tuple[SlotTerms, ...]
    deferred: bool


class Reward(msgspec.Struct, frozen=True, gc=False):
    """Take a reward for an event id.

    Attributes:
        value: Within the settings' reward range.
        slot: The slot it is for, in a multi-slot decision.
        key: Marks a retry: a reward with a key already seen for the event and slot counts once.

    """

    event_id: str
    value: float
    slot: str | None = None
    key: str | None = None


class Activate(msgspec.Struct, frozen=True, gc=False):
    """A deferred decision took effect."""

    event_id: str


class ChangePolicy(msgspec.Struct, frozen=True):
    """Put another learning policy in force, tried by the engine before; see `PolicyChanged`."""

    policy: LearningPolicy
    relearn: bool
    evaluation: str | None = None


class Relearn(msgspec.Struct, frozen=True):
    """Learn the past again, and publish what comes of it.

    Attributes:
        policy: Under this policy, tried by the engine before; none is the one in force.
        since: From this seq on.
        without: Seqs of decisions to leave out, now and in every later relearning, in order.
        query: How they were chosen, for people.
        with_everything: Whether to learn again what earlier relearnings left out.
        passes: How often what is in the log is learned.
        evaluation: The id of the evaluation that is the reason, if one is.

    """

    policy: LearningPolicy | None = None
    since: int = 1
    without: tuple[int, ...] = ()
    query: str | None = None
    with_everything: bool = False
    passes: int = 1
    evaluation: str | None = None


MOST_PASSES = 20
"""The most often that a relearning may learn the past."""


class RestorePolicy(msgspec.Struct, frozen=True):
    """Go back to the learning policy and the models from before the policy was changed last.

    Attributes:
        undone: Seq of the event that changed it: what was prepared for another one does not fit.

    """

    undone: int


class RequestEvaluation(msgspec.Struct, frozen=True):
    """Record that an evaluation begins; the attributes are those of `EvaluationRequested`."""

    evaluation: str
    name: str
    request: Request
    automatic: bool = False
    optimizes: bool = False


class EndEvaluation(msgspec.Struct, frozen=True):
    """Record how an evaluation ended.

    Attributes:
        evaluation: Its id.
        status: How it ended.
        report: What it came to, if it came to anything.
        reason: Why it failed or was canceled.
        policy: The name of the best learning policy that was found, if one was searched for.

    """

    evaluation: str
    status: Ending
    report: Report | None = None
    reason: str | None = None
    policy: str | None = None


class DeleteEvaluation(msgspec.Struct, frozen=True):
    """Do not show an evaluation any more, and drop it if it still runs."""

    evaluation: str


class ChangeSettings(msgspec.Struct, frozen=True):
    """Put other settings in force: the names that change, with their values."""

    changes: dict[str, object]


class PlanTraining(msgspec.Struct, frozen=True):
    """Say what there is to learn now; nothing is logged."""


class Train(msgspec.Struct, frozen=True):
    """Record a training step that was carried out.

    Attributes:
        step: As it was planned.
        sha256: Of the new model, in hexadecimal digits.
        size: Of the new model, in bytes.
        examples: How many decisions were learned from.
        engine: What made the model.

    """

    step: Step
    sha256: str
    size: int
    examples: int
    engine: str


class PublishModel(msgspec.Struct, frozen=True):
    """Let decisions use a version, an older one too.

    Training then goes on, but publishes by itself only while the newest version is the
    published one: whoever goes back to an older version stays there.
    """

    version: int


class ImportModel(msgspec.Struct, frozen=True):
    """Make a model from outside a version, tried by the engine before, and publish it.

    Attributes:
        model: Its bytes.
        policy: Under which it was tried.
        sha256: Of the bytes, in hexadecimal digits.
        engine: Which tried it.

    """

    model: bytes
    policy: LearningPolicy
    sha256: str
    engine: str


class KeptModel(msgspec.Struct, frozen=True):
    """A version's bytes, and their SHA-256 in hexadecimal digits."""

    version: int
    model: bytes
    sha256: str


class Erase(msgspec.Struct, frozen=True):
    """Erase bodies.

    Attributes:
        runs: First and last seqs of stretches in which every body that can be erased is.
        events: How many bodies that are.
        models: The versions that could not be made any more afterwards.
        lost: Those of them that cannot be made now either.
        versions: How many versions there were when this was found out.

    """

    runs: tuple[Run, ...]
    events: int
    models: tuple[KeptModel, ...]
    lost: tuple[int, ...]
    versions: int


class ResetModel(msgspec.Struct, frozen=True):
    """Go back to no model; what was logged stays."""


Command = (
    Rank
    | RankSlots
    | Reward
    | Activate
    | ChangePolicy
    | Relearn
    | ChangeSettings
    | PlanTraining
    | Train
    | PublishModel
    | ImportModel
    | ResetModel
    | Erase
    | RestorePolicy
    | RequestEvaluation
    | EndEvaluation
    | DeleteEvaluation
)
