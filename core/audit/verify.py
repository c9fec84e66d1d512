"""Verifying a loop: is the log what was recorded, and does it give the same models and decisions again?

The chain is checked event by event (P7), every version by its SHA-256 (P3, P5), and every
decision by its probabilities and draw (P4). Versions between two kept models are checked apart
from all others, so that segments can be checked side by side.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec.structs import replace

from loopledger.audit.recompute import REPORT_EVERY, Advance
from loopledger.audit.remaking import check_segment
from loopledger.audit.segment import Segment, segments
from loopledger.audit.terms import Terms
from loopledger.audit.verification import Findings, Problem, Verification
from loopledger.errors import LogDamaged, NotFound
from loopledger.learning.checkpoints import Checkpoints, kept_state, lost, saved
from loopledger.learning.learner import Learner
from loopledger.learning.replay import state_at
from loopledger.log.anchor import Anchor, missing
from loopledger.log.chain import Head, check
from loopledger.log.events import CONTROL, DECISIONS, decode
from loopledger.log.journal import Reader
from loopledger.state import replay

Runner = Callable[[list[Segment], Advance], Iterable[Findings]]
"""Checks segments, in this process or in others."""


def verify(
    reader: Reader,
    learner: Learner,
    checkpoints: Checkpoints,
    *,
    since: int = 1,
    anchors: Sequence[Anchor] = (),
    run: Runner | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Check everything that a log promises.

    Args:
        reader: Of the log.
        learner: Folds the steps again.
        checkpoints: Where models are kept; they are checked too, wherever a segment begins.
        since: The first event to check; what came before is taken as it is.
        anchors: What the log is known to have held, from elsewhere.
        run: Checks the segments; by default one after the other, here.
        progress: Is told how much is done, and of how much.

    Raises:
        NotFound: The log does not go as far as `since`.

    """
    head = reader.head()
    if not 1 <= since <= max(head.seq, 1):
        raise NotFound(f"there is no event {since}: the log goes from 1 to {head.seq}")
    pieces, problem = _segments(reader, checkpoints, since, head.seq)
    total = head.seq - since + 1 + sum(piece.effort for piece in pieces)
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if progress:
            progress(min(done, total), total)

    def here(pieces: list[Segment], advance: Advance) -> Iterator[Findings]:
        for piece in pieces:
            yield check_segment(reader, learner, checkpoints, piece, advance)

    faults = [Problem(head.seq, fault) for fault in reader.faults(deep=since == 1)]
    findings = Findings(
        problems=(*problem, *faults, *_anchored(reader, anchors), *_cached(reader, checkpoints))
    )
    parts = (run or here)(pieces, advance)  # in other processes, if there are any, from now on
    chain, decisions = check_chain(reader, head, advance, since)
    findings = findings.plus(chain)
    for part in parts:
        findings = findings.plus(part)
    computed = findings.decisions + findings.other_decisions + findings.unchecked_decisions
    computed += findings.imported_decisions
    if not findings.problems and computed != decisions:
        what = (
            f"{decisions} decisions are chained, and {computed} were found by their kind: an index is damaged"
        )
        findings = findings.plus(Findings(problems=(Problem(head.seq, what),)))
    if progress:
        progress(total, total)
    return Verification(
        _loop_id(reader), head.seq, head.digest.hex(), learner.engine, findings, since, head.at
    )


def check_chain(reader: Reader, head: Head, advance: Advance, since: int = 1) -> tuple[Findings, int]:
    """Check every event's digest, that it can be read, and that it could come where it stands.

    Returns the findings and how many decisions there are.
    """
    checked = decisions = 0
    seen = Head()
    erased = 0
    problems: list[Problem] = []
    try:
        if since > 1:
            seen, terms = _halfway(reader, since)
        else:
            terms = Terms()
        for record in check(reader.stored(since, head.seq), seen):
            erased += record.erased
            problems.extend(Problem(record.seq, what) for what in terms.breaches(record, reader))
            seen = Head(record.seq, record.at, record.digest)
            checked += 1
            decisions += record.kind in DECISIONS
            if checked % REPORT_EVERY == 0:
                advance(REPORT_EVERY)
        advance(checked % REPORT_EVERY)
    except LogDamaged as error:
        problems.append(Problem(error.seq or seen.seq + 1, str(error)))
        return Findings(events=checked, erased=erased, problems=tuple(problems)), decisions
    committed = reader.committed()
    if committed.seq < seen.seq:
        problems.append(Problem(seen.seq, f"only {committed.seq} events are known to be committed"))
    elif committed.seq > seen.seq and reader.head().seq == seen.seq:
        what = f"the log was cut off: {committed.seq} events were committed, and it ends with {seen.seq}"
        problems.append(Problem(seen.seq + 1, what))
    elif committed.seq == seen.seq and committed.digest != seen.digest:
        problems.append(Problem(seen.seq, f"event {seen.seq} is not the last that was committed"))
    elif not head.seq:
        problems.append(Problem(1, "the log is empty: it should begin with LoopCreated"))
    return Findings(events=checked, erased=erased, problems=tuple(problems)), decisions


def _anchored(reader: Reader, anchors: Sequence[Anchor]) -> Iterator[Problem]:
    try:
        yield from missing(reader, anchors)
    except LogDamaged as error:
        yield Problem(error.seq or 1, str(error))


def _loop_id(reader: Reader) -> str:
    try:
        created = reader.record(1)
        return getattr(decode(created.body, 1), "loop_id", "") if created else ""
    except LogDamaged:  # which is among the problems
        return ""


def _cached(reader: Reader, checkpoints: Checkpoints) -> Iterator[Problem]:
    """Yield what is wrong with the state that is kept beside the log: an opening would believe it."""
    try:
        known = kept_state(checkpoints)  # first: a writer that is at work only adds to the log
        head = reader.head()
        cut = lost(known, head)
        if cut:
            yield Problem(head.seq + 1, cut)
        kept = saved(reader, checkpoints)
        if kept is not None and kept != state_at(reader, kept.seq):
            yield Problem(
                kept.seq, "the state that is kept beside the log is not the log's; delete state.json"
            )
    except LogDamaged as error:
        yield Problem(error.seq or 1, str(error))


def _halfway(reader: Reader, since: int) -> tuple[Head, Terms]:
    before = reader.end(since - 1)
    state = replay(reader.records(last=since - 1, kinds=CONTROL))
    if before is None or state is None:
        raise LogDamaged(f"event {since - 1} is missing", since - 1)
    return before, Terms(replace(state, seq=before.seq, at=before.at, digest=before.digest))


def _segments(
    reader: Reader, checkpoints: Checkpoints, since: int, until: int
) -> tuple[list[Segment], tuple[Problem, ...]]:
    try:
        return segments(reader, checkpoints, since, until), ()
    except LogDamaged as error:
        return [], (Problem(error.seq or 1, str(error)),)
