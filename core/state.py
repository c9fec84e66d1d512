"""The state of a loop: what its events add up to, apart from the traffic.

`evolve` is the only way to a state, in a running loop and in replay. The state stays small
however long the log is; what it needs of single decisions, the loop looks up in the log.
"""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from loopledger.errors import LogDamaged
from loopledger.log.chain import GENESIS, Head, Record
from loopledger.log.evaluation_events import EvaluationDeleted, EvaluationEnded, EvaluationRequested
from loopledger.log.events import (
    CONTROL,
    FORMAT,
    AnyEvent,
    Erased,
    LoopCreated,
    ModelImported,
    ModelPublished,
    ModelReset,
    ModelTrained,
    PolicyChanged,
    PolicyRestored,
    RelearningBegun,
    SettingsChanged,
    decode,
)
from loopledger.log.history_events import HistoryImported
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The line of models that training goes on with.

    Attributes:
        newest: Its newest version; 0 before the first.
        arguments: What the newest version was made under.
        learned_through: Seq up to which decisions are learned or never will be by this line.
        publish_from: A version is published once the line has learned all up to here; a line that
            relearns the past is not published before it knows what the one before knew.
        since_kept: Decisions that were learned since the last version whose bytes are kept.
        steps_since_kept: Versions since then.
        passes: How often a step learns its range that begins no later than
        passes_through: this seq; later ones are learned once.

    """

    newest: int = 0
    arguments: str = ""
    learned_through: int = 0
    publish_from: int = 0
    since_kept: int = 0
    steps_since_kept: int = 0
    passes: int = 1
    passes_through: int = 0

    def passes_from(self, first: int | None) -> int:
        """Return how often a step learns whose first decision is this event, or that has none."""
        return self.passes if first is not None and first <= self.passes_through else 1


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """How a loop stood before its learning policy was changed.

    Attributes:
        policy: In force then.
        because: The id of the evaluation that had put it in force, if one had.
        published: The version that decisions used; 0 for none.
        follows: Whether new versions were published by themselves.
        line: What training went on with.
        undone: Seq of the event that changed the policy.

    """

    policy: LearningPolicy
    because: str | None
    published: int
    follows: bool
    line: Line
    undone: int


class Automatic(msgspec.Struct, frozen=True, kw_only=True):
    """The last automatic optimization.

    Attributes:
        evaluation: Its id.
        at: When it began or, if it has, ended, UTC in microseconds since 1970.
        status: ``Running``, or how it ended.

    """

    evaluation: str
    at: int
    status: str


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a loop knows without looking into its log.

    Attributes:
        loop_id: The loop's name.
        settings: In force.
        policy: In force.
        because: The id of the evaluation that put the policy in force, if one did.
        published: The version that decisions use; 0 for none.
        follows: Whether new versions are published by themselves; not after going back to an older one.
        versions: How many versions there are.
        line: What training goes on with.
        left_out: Seq of the event that says which decisions are not to be learned; 0 for none.
        erased: Seq of the event that last erased bodies; 0 for none.
        trained_at: When the newest version was trained; at first, when the loop was created.
        closed_through: Seq up to which every decision's window is known to have closed.
        imported_through: Seq up to which decisions were imported; a model that is imported after
            them is taken to know them.
        waits: From which seq on which reward wait (microseconds) was in force, as far back as
            windows are open.
        before: What it can go back to: how it stood before the policy was changed last.
        evaluations: Ids of the evaluations that were asked for and have not ended.
        automatic: The last automatic optimization.
        optimizing_since: When automatic optimization was turned on, or began last, UTC in microseconds
            since 1970: what the next one is counted from.
        seq: The last event's seq.
        at: The last event's time.
        digest: The last event's digest.

    """

    loop_id: str
    settings: Settings
    policy: LearningPolicy
    because: str | None = None
    published: int = 0
    follows: bool = True
    versions: int = 0
    line: Line = Line()
    left_out: int = 0
    erased: int = 0
    trained_at: int = 0
    closed_through: int = 0
    imported_through: int = 0
    waits: tuple[tuple[int, int], ...] = ()
    before: Before | None = None
    evaluations: tuple[str, ...] = ()
    automatic: Automatic | None = None
    optimizing_since: int = 0
    seq: int = 0
    at: int = 0
    digest: bytes = GENESIS

    @property
    def head(self) -> Head:
        """The end of the log that this state comes from."""
        return Head(self.seq, self.at, self.digest)

    @property
    def effective_policy(self) -> LearningPolicy:
        """The policy with the exploration that the settings ask for."""
        return self.policy.with_exploration(self.settings.exploration_percentage)

    @property
    def known_through(self) -> int:
        """Seq up to which decisions were learned, by any line, or are known to an imported model."""
        return max(self.closed_through, self.line.learned_through, self.line.publish_from)


KEPT_STEPS = 64
"""The most versions between two whose bytes are kept, so that rebuilding stays quick."""


def evolve(state: State | None, record: Record) -> State:
    """Return the state after one more event.

    Raises:
        LogDamaged: The event is none that this release knows, or cannot come here.

    """
    if state is not None and record.kind not in CONTROL:
        return replace(state, seq=record.seq, at=record.at, digest=record.digest)
    event = decode(record.body, record.seq)
    if state is None:
        if not isinstance(event, LoopCreated):
            raise LogDamaged(f"the log begins with {record.kind}, not with LoopCreated", record.seq)
        state = _created(event, record.at)
    else:
        state = _changed(state, event, record)
    return replace(state, seq=record.seq, at=record.at, digest=record.digest)


def replay(records: Iterable[Record], state: State | None = None) -> State | None:
    """Return the state that events add up to; those that are mere traffic may be left out."""
    for record in records:
        state = evolve(state, record)
    return state


def _created(event: LoopCreated, at: int) -> State:
    if event.format > FORMAT:
        raise LogDamaged(f"the log has format {event.format}; this release reads up to {FORMAT}", 1)
    return State(
        loop_id=event.loop_id,
        settings=event.settings,
        policy=event.policy,
        trained_at=at,
        optimizing_since=at,
        waits=((1, event.settings.reward_wait),),
    )


def _changed(state: State, event: AnyEvent, record: Record) -> State:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    match event:
        case SettingsChanged():
            waits = state.waits
            if event.settings.reward_wait != waits[-1][1]:
                waits = (*waits, (record.seq, event.settings.reward_wait))
            turned_on = event.settings.auto_optimization and not state.settings.auto_optimization
            since = record.at if turned_on else state.optimizing_since
            return replace(state, settings=event.settings, waits=waits, optimizing_since=since)
        case PolicyChanged():
            line = _relearning(state, 1) if event.relearn else Line(learned_through=state.known_through)
            return _under(state, event, line, record.seq)
        case RelearningBegun():
            line = replace(_relearning(state, event.since), passes=event.passes, passes_through=record.seq)
            changed = _under(state, event, line, record.seq)
            return replace(changed, left_out=record.seq if event.without else 0)
        case PolicyRestored():
            return _restored(state, event, record.seq)
        case ModelTrained():
            return replace(_trained(state, event), trained_at=record.at)
        case ModelImported():
            line = Line(
                newest=event.version,
                arguments=event.policy.arguments,
                learned_through=max(state.known_through, state.imported_through),
            )
            return replace(state, versions=event.version, line=line, follows=True)
        case ModelPublished():
            return replace(state, published=event.version, follows=event.version == state.line.newest)
        case ModelReset():
            return replace(state, published=0, line=Line(learned_through=state.known_through), follows=True)
        case Erased():
            return replace(state, erased=record.seq)
        case HistoryImported():
            return replace(state, imported_through=record.seq)
        case EvaluationRequested() | EvaluationEnded() | EvaluationDeleted():
            return _evaluated(state, event, record.at)
        case _:
            raise LogDamaged(f"event {record.seq} ({record.kind}) cannot come here", record.seq)


def _evaluated(
    state: State, event: EvaluationRequested | EvaluationEnded | EvaluationDeleted, at: int
) -> State:
    if isinstance(event, EvaluationRequested):
        asked = replace(state, evaluations=(*state.evaluations, event.evaluation))
        if not event.automatic:
            return asked
        begun = Automatic(evaluation=event.evaluation, at=at, status="Running")
        return replace(asked, automatic=begun, optimizing_since=at)
    left = tuple([one for one in state.evaluations if one != event.evaluation])
    automatic = state.automatic
    if automatic is not None and automatic.evaluation == event.evaluation and automatic.status == "Running":
        status = event.status if isinstance(event, EvaluationEnded) else "Canceled"
        automatic = replace(automatic, at=at, status=status)
    return replace(state, evaluations=left, automatic=automatic)


def _relearning(state: State, since: int) -> Line:
    return Line(learned_through=since - 1, publish_from=state.known_through)


def _under(state: State, event: PolicyChanged | RelearningBegun, line: Line, seq: int) -> State:
    """Return the state under another policy, or the same, with a line of models that begins anew."""
    policy = event.policy
    same_kind = policy.decision_kind == state.policy.decision_kind
    # A model that decides one action cannot fill slots, nor the other way round.
    published = state.published if same_kind else 0
    # Learning again under the same policy is no change that somebody would want to take back.
    same = policy == state.policy
    return replace(
        state,
        policy=policy,
        because=event.evaluation or (state.because if same else None),
        line=line,
        published=published,
        follows=True,
        before=state.before if same else _before(state, seq),
    )


def _before(state: State, seq: int) -> Before:
    return Before(
        policy=state.policy,
        because=state.because,
        published=state.published,
        follows=state.follows,
        line=state.line,
        undone=seq,
    )


def _restored(state: State, event: PolicyRestored, seq: int) -> State:
    before = state.before
    if before is None or (event.policy, event.version, event.undone) != (
        before.policy,
        before.published,
        before.undone,
    ):
        raise LogDamaged(
            f"event {seq} goes back to a policy and a version that were not in force before", seq
        )
    return replace(
        state,
        policy=before.policy,
        because=before.because,
        published=before.published,
        follows=before.follows,
        line=before.line,
        before=_before(state, seq),  # who goes back twice is where he was
    )


def _trained(state: State, event: ModelTrained) -> State:
    learned_through = max(state.line.learned_through, event.last or 0)
    since_kept = state.line.since_kept + event.decisions
    steps = state.line.steps_since_kept + 1
    kept = since_kept >= state.settings.checkpoint_interval or steps >= KEPT_STEPS
    # A step without decisions closes nothing: what its line passed over may still get rewards.
    closed_through = max(state.closed_through, event.last or 0)
    waits = state.waits
    while len(waits) > 1 and waits[1][0] <= closed_through + 1:
        waits = waits[1:]
    return replace(
        state,
        versions=event.version,
        closed_through=closed_through,
        waits=waits,
        line=replace(
            state.line,
            newest=event.version,
            arguments=event.policy.arguments,
            learned_through=learned_through,
            since_kept=0 if kept else since_kept,
            steps_since_kept=0 if kept else steps,
        ),
    )
