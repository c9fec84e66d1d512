"""Verifying a loop: is the log what was recorded, and does it give the same models and decisions again?

The chain is checked event by event (P7), every version by its SHA-256 (P3, P5), and every
decision by its probabilities and draw (P4). Versions between two kept models are checked apart
from all others, so that segments can be checked side by side.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256

from loopledger.chain import GENESIS, Head, Record, check
from loopledger.checkpoints import Checkpoints
from loopledger.draw import uniform, uniform_hash
from loopledger.errors import LogDamaged, LoopledgerError, ReplayMismatch
from loopledger.events import DECISIONS, ModelImported, Ranked, SlotsRanked, decode
from loopledger.journal import Reader
from loopledger.learner import Learner, Scorer
from loopledger.ranking import rank_actions
from loopledger.replay import Version, rebuild, version_event
from loopledger.request import SlotTerms
from loopledger.slots import rank_all_slots
from loopledger.terms import Terms
from loopledger.training import fold, step_of
from loopledger.verification import Findings, Problem, Segment, Served, Verification, segments

Advance = Callable[[int], None]
"""Is told how much more is done, in events and decisions."""

Runner = Callable[[list[Segment], Advance], Iterable[Findings]]
"""Checks segments, in this process or in others."""

_REPORT_EVERY = 1000


def verify(
    reader: Reader,
    learner: Learner,
    checkpoints: Checkpoints,
    *,
    run: Runner | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Check everything that a log promises.

    Args:
        reader: Of the log.
        learner: Folds the steps again.
        checkpoints: Where models are kept; they are checked too, wherever a segment begins.
        run: Checks the segments; by default one after the other, here.
        progress: Is told how much is done, and of how much.

    """
    head = reader.head()
    pieces, problem = _segments(reader, checkpoints)
    total = head.seq + sum(piece.effort for piece in pieces)
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if progress:
            progress(min(done, total), total)

    def here(pieces: list[Segment], advance: Advance) -> Iterator[Findings]:
        for piece in pieces:
            yield check_segment(reader, learner, checkpoints, piece, advance)

    findings = Findings(problems=problem)
    for part in (run or here)(pieces, advance):
        findings = findings.plus(part)
    findings = findings.plus(check_chain(reader, head, advance))
    created = reader.record(1)
    event = decode(created.body, 1) if created else None
    return Verification(getattr(event, "loop_id", ""), head.seq, head.digest.hex(), learner.engine, findings)


def check_chain(reader: Reader, head: Head, advance: Advance) -> Findings:
    """Check every event's digest, that it can be read, and that it could come where it stands."""
    checked = 0
    seen = Head(digest=GENESIS)
    terms = Terms()
    problems: list[Problem] = []
    try:
        for record in check(reader.records(last=head.seq), Head()):
            problems.extend(Problem(record.seq, what) for what in terms.breaches(record, reader))
            seen = Head(record.seq, record.at, record.digest)
            checked += 1
            if checked % _REPORT_EVERY == 0:
                advance(_REPORT_EVERY)
        advance(checked % _REPORT_EVERY)
    except LogDamaged as error:
        problems.append(Problem(error.seq or seen.seq + 1, str(error)))
        return Findings(events=checked, problems=tuple(problems))
    committed = reader.committed()
    if committed.seq > seen.seq and reader.head().seq == seen.seq:
        what = f"the log was cut off: {committed.seq} events were committed, and it ends with {seen.seq}"
        problems.append(Problem(seen.seq + 1, what))
    elif committed.seq == seen.seq and committed.digest != seen.digest:
        problems.append(Problem(seen.seq, f"event {seen.seq} is not the last that was committed"))
    return Findings(events=checked, problems=tuple(problems))


def check_segment(
    reader: Reader, learner: Learner, checkpoints: Checkpoints, segment: Segment, advance: Advance
) -> Findings:
    """Rebuild a segment's versions and compute the decisions again that they made."""
    findings = Findings()
    try:
        model = rebuild(reader, learner, segment.start, checkpoints) if segment.start else None
    except (ReplayMismatch, LoopledgerError) as error:
        seq = error.seq if isinstance(error, ReplayMismatch) else version_event(reader, segment.start)[0]
        return Findings(problems=(Problem(seq, str(error)),))
    findings = findings.plus(_decisions(reader, learner, segment, segment.start, model, advance))
    for version in segment.versions:
        seq, event = version_event(reader, version)
        try:
            model = (
                event.model
                if isinstance(event, ModelImported)
                else fold(step_of(event), model, reader, learner).model
            )
        except LoopledgerError as error:
            return findings.plus(
                Findings(problems=(Problem(seq, f"event {seq}: version {version}: {error}"),))
            )
        advance(0 if isinstance(event, ModelImported) else event.decisions)
        if sha256(model).hexdigest() != event.sha256:
            findings = findings.plus(_unlike(seq, event, learner.engine))
            kept = checkpoints.load_model(version)
            model = kept if kept is not None and sha256(kept).hexdigest() == event.sha256 else None
            if model is None:
                return findings
        else:
            findings = findings.plus(Findings(versions=1))
        findings = findings.plus(_decisions(reader, learner, segment, version, model, advance))
    return findings


def _segments(reader: Reader, checkpoints: Checkpoints) -> tuple[list[Segment], tuple[Problem, ...]]:
    try:
        return segments(reader, checkpoints), ()
    except LogDamaged as error:
        return [], (Problem(error.seq or 1, str(error)),)


def _unlike(seq: int, event: Version, engine: str) -> Findings:
    if event.engine != engine:
        return Findings(foreign_versions=1)
    return Findings(
        problems=(Problem(seq, f"event {seq}: model version {event.version} does not replay to its SHA-256"),)
    )


def _decisions(
    reader: Reader, learner: Learner, segment: Segment, version: int, model: bytes | None, advance: Advance
) -> Findings:
    stretches = [stretch for stretch in segment.served if stretch.version == version]
    if not stretches:
        return Findings()
    scorer: Scorer | None = None
    foreign = False
    if version and model is not None:
        _, event = version_event(reader, version)
        foreign = event.engine != learner.engine
        scorer = learner.scorer(event.policy, model)
    created = reader.record(1)
    if created is None or created.event_id is not None:
        return Findings(problems=(Problem(1, "event 1 is missing"),))
    loop_id = getattr(decode(created.body, 1), "loop_id", "")
    try:
        return _recompute(reader, scorer, stretches, uniform_hash(loop_id), advance, foreign=foreign)
    finally:
        if scorer is not None:
            scorer.close()


def _recompute(
    reader: Reader,
    scorer: Scorer | None,
    stretches: list[Served],
    loop_seed: int,
    advance: Advance,
    *,
    foreign: bool,
) -> Findings:
    checked = 0
    unlike = 0
    problems: list[Problem] = []
    for stretch in stretches:
        for record in reader.records(stretch.first, stretch.last, DECISIONS):
            try:
                same = again(record, scorer, loop_seed)
                what = f"event {record.seq}: the decision computes to another outcome than was recorded"
            except LoopledgerError as error:
                same, what = False, f"event {record.seq}: {error}"
            if same:
                checked += 1
            elif foreign:
                unlike += 1
            else:
                problems.append(Problem(record.seq, what))
            if (checked + unlike) % _REPORT_EVERY == 0:
                advance(_REPORT_EVERY)
    return Findings(decisions=checked, foreign_decisions=unlike, problems=tuple(problems))


def again(record: Record, scorer: Scorer | None, loop_seed: int) -> bool:
    """Compute a decision again and tell whether it comes out as recorded."""
    event = decode(record.body, record.seq)
    if isinstance(event, Ranked):
        ranking = rank_actions(
            scorer,
            bytes(event.context),
            len(event.actions) - len(event.excluded),
            uniform(uniform_hash(record.event_id or "") + loop_seed),
            event.minimum_probability,
            event.learning_mode,
        )
        offered = [name for name in event.actions if name not in event.excluded]
        return (ranking.ranked, ranking.probabilities, offered[ranking.ranked[0]]) == (
            event.ranked,
            event.probabilities,
            event.chosen,
        )
    if isinstance(event, SlotsRanked):
        rankings = rank_all_slots(
            scorer,
            bytes(event.context),
            [
                SlotTerms(
                    slot.slot,
                    slot.baseline,
                    slot.excluded,
                    tuple(i for i, name in enumerate(event.actions) if name not in slot.excluded),
                )
                for slot in event.slots
            ],
            event_id=record.event_id or "",
            minimum_probability=event.minimum_probability,
            mode=event.learning_mode,
        )
        return [(r.ranked, r.probabilities, event.actions[r.ranked[0]]) for r in rankings] == [
            (slot.ranked, slot.probabilities, slot.chosen) for slot in event.slots
        ]
    return False
