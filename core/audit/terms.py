"""Whether an event could come where it stands: what a valid chain alone does not say."""

from hashlib import sha256

from loopledger.errors import LogDamaged
from loopledger.log.chain import Record
from loopledger.log.evaluation_events import EvaluationEnded, EvaluationReported, EvaluationRequested
from loopledger.log.events import (
    CONTROL,
    VERSIONS,
    AnyEvent,
    Decision,
    Erased,
    ModelKept,
    ModelPublished,
    ModelTrained,
    decode,
)
from loopledger.log.journal import Reader
from loopledger.log.remains import Gone
from loopledger.state import State, evolve


class Terms:
    """Follows a log and names what contradicts what came before.

    Args:
        state: Of the loop before the first event that it is told of; none at the beginning.

    """

    def __init__(self, state: State | None = None) -> None:
        self._state = state
        self._gone: Gone | None = None

    def breaches(self, record: Record, reader: Reader) -> list[str]:
        """Return what is wrong with the next event, and take it into account.

        Raises:
            LogDamaged: The event cannot be read, or cannot come here at all.

        """
        found = self._body(record, reader)
        if record.erased and self._state is not None:
            return found
        event = decode(record.body, record.seq)
        if event.kind != record.kind:
            raise LogDamaged(f"event {record.seq} is called {record.kind} and holds {event.kind}", record.seq)
        state = self._state
        if state is None or record.kind in CONTROL:
            self._state = evolve(state, record)
        if state is None:
            return found
        return found + _contradictions(event, state, record, reader)

    def _body(self, record: Record, reader: Reader) -> list[str]:
        if self._gone is None or (record.erased and not self._gone.covers(record)):
            self._gone = Gone(reader)  # anew: it may just have been erased
        if self._gone.covers(record) == record.erased:
            return []
        if record.erased:
            return [f"event {record.seq} has lost its body, and no event says that it was erased"]
        if _gone_meanwhile(record, reader):
            return []
        return [f"event {record.seq} still has its body, which the log says was erased"]


def _contradictions(  # noqa: PLR0911 - one for each kind
    event: AnyEvent, state: State, record: Record, reader: Reader
) -> list[str]:
    match event:
        case Decision():
            return _decision(event, state, record)
        case ModelTrained():
            return _trained(event, state, record, reader)
        case Erased():
            return _erased(event, state, record, reader)
        case ModelKept():
            return _kept(event, record, reader)
        case EvaluationRequested() | EvaluationEnded():
            return _evaluated(event, state, record, reader)
        case ModelPublished() if not 0 < event.version <= state.versions:
            return [f"event {record.seq} publishes version {event.version}, which did not exist"]
        case _:
            return []


def _decision(event: Decision, state: State, record: Record) -> list[str]:
    settings = state.settings
    if event.elsewhere:
        return _imported(event, state, record)
    recorded = (
        event.model_version,
        event.learning_mode,
        event.minimum_probability,
        event.reward_wait,
        event.default_reward,
        event.reward_aggregation,
    )
    in_force = (
        state.published,
        settings.learning_mode,
        settings.minimum_probability,
        settings.reward_wait,
        settings.default_reward,
        settings.reward_aggregation,
    )
    if recorded != in_force:
        return [f"event {record.seq} was decided under other terms than were in force"]
    return []


def _imported(event: Decision, state: State, record: Record) -> list[str]:
    """Return what is wrong with a decision that was made elsewhere, under terms of its own."""
    found: list[str] = []
    if state.imported_through or state.versions:
        found.append(f"event {record.seq} says that it was decided elsewhere, and no history goes on here")
    if (event.model_version, event.reward_wait) != (0, state.settings.reward_wait):
        found.append(f"event {record.seq} was imported under other terms than were in force")
    return found


def _gone_meanwhile(record: Record, reader: Reader) -> bool:
    again = reader.record(record.seq)
    return again is not None and again.erased


def _erased(event: Erased, state: State, record: Record, reader: Reader) -> list[str]:
    found: list[str] = []
    before = [0, *(last for _, last in event.runs)]
    in_order = all(last < first <= end for last, (first, end) in zip(before, event.runs, strict=False))
    room = sum(end - first + 1 for first, end in event.runs)
    if not in_order or not 0 < event.events <= room or before[-1] >= record.seq:
        found.append(f"event {record.seq} erases what was not there")
    if not {*event.kept, *event.lost} <= set(range(1, state.versions + 1)):
        found.append(f"event {record.seq} speaks of versions that did not exist")
    for place, version in enumerate(event.kept):
        seq = record.seq - len(event.kept) + place
        holds = reader.record(seq)
        model = decode(holds.body, seq) if holds is not None and not holds.erased else None
        if not isinstance(model, ModelKept) or model.version != version:
            found.append(f"event {seq} should hold the bytes of version {version}, and does not")
    return found


def _kept(event: ModelKept, record: Record, reader: Reader) -> list[str]:
    made = reader.nth(VERSIONS, event.version)
    version = decode(made.body, made.seq) if made is not None and made.seq < record.seq else None
    recorded = version.sha256 if isinstance(version, ModelTrained) else None
    if not recorded == event.sha256 == sha256(event.model).hexdigest():
        return [f"event {record.seq} does not hold the bytes of version {event.version} that were recorded"]
    return []


def _evaluated(
    event: EvaluationEnded | EvaluationRequested, state: State, record: Record, reader: Reader
) -> list[str]:
    under_way = event.evaluation in state.evaluations
    if isinstance(event, EvaluationRequested):
        return [f"event {record.seq} asks for an evaluation that is under way"] if under_way else []
    if not under_way:
        return [f"event {record.seq} ends an evaluation that was not under way"]
    if not event.reported:
        return []
    holds = reader.record(event.reported) if event.reported == record.seq - 1 else None
    report = decode(holds.body, holds.seq) if holds is not None and not holds.erased else None
    if isinstance(report, EvaluationReported) and report.evaluation == event.evaluation:
        return []
    return [f"event {event.reported} should hold the report of an evaluation, and does not"]


def _trained(event: ModelTrained, state: State, record: Record, reader: Reader) -> list[str]:
    found: list[str] = []
    if event.version != state.versions + 1 or event.parent != state.line.newest:
        found.append(f"event {record.seq} makes version {event.version} from {event.parent}, out of turn")
    if event.left_out != state.left_out:
        found.append(f"event {record.seq}: version {event.version} leaves out other decisions than it should")
    if event.passes != state.line.passes_from(event.first):
        found.append(f"event {record.seq}: version {event.version} learned more or less often than it should")
    if event.first is not None and event.last is not None:
        span = reader.span(
            event.policy.decision_kind, state.line.learned_through, event.last, event.decisions + 1
        )
        if span != (event.first, event.last, event.decisions):
            found.append(f"event {record.seq}: version {event.version} covers other decisions than were next")
        last = reader.record(event.last)
        if last is not None and not last.erased:
            decision = decode(last.body, last.seq)
            wait = decision.reward_wait if isinstance(decision, Decision) else 0
            if event.last > state.closed_through and last.at + wait > record.at:
                found.append(f"event {record.seq}: version {event.version} learned from an open window")
    return found
