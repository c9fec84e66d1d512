"""Making versions again, and computing again what they decided, segment by segment."""

from functools import partial
from hashlib import sha256

from loopledger.audit.recompute import Advance, recompute
from loopledger.audit.segment import Segment
from loopledger.audit.verification import Findings, Problem
from loopledger.deciding.draw import number_for, uniform_hash
from loopledger.errors import LogDamaged, LoopledgerError, ReplayMismatch
from loopledger.learning.checkpoints import Checkpoints
from loopledger.learning.learner import Learner, Scorer, opened
from loopledger.learning.replay import Version, rebuild, version_event
from loopledger.learning.training import fold, step_of
from loopledger.log.events import DECISIONS, ModelImported, decode
from loopledger.log.journal import Reader
from loopledger.log.remains import Remains

_Made = tuple[bytes | None, Findings]
"""A version's bytes, if it can be made or is kept, and what was found on the way."""


def check_segment(
    reader: Reader, learner: Learner, checkpoints: Checkpoints, segment: Segment, advance: Advance
) -> Findings:
    """Rebuild a segment's versions and compute the decisions again that they made."""
    try:
        return _segment(reader, learner, checkpoints, segment, advance)
    except LogDamaged as error:
        return Findings(problems=(Problem(error.seq or 1, str(error)),))


def _segment(
    reader: Reader, learner: Learner, checkpoints: Checkpoints, segment: Segment, advance: Advance
) -> Findings:
    findings = Findings()
    remains = Remains(reader)
    model: bytes | None = None
    for place, version in enumerate((segment.start, *segment.versions)):
        if version:
            model, made = (
                _made(reader, learner, checkpoints, version, model, remains)
                if place
                else _begun(reader, learner, checkpoints, version)
            )
            findings = findings.plus(made)
            if model is None:
                return findings.plus(_unchecked(reader, segment, place))
            advance(segment.decisions_of(version))
        findings = findings.plus(_decisions(reader, learner, segment, version, model, advance))
    return findings


def _begun(reader: Reader, learner: Learner, checkpoints: Checkpoints, version: int) -> _Made:
    """Return the version that a segment begins with; another segment checks it, or it is taken as it is."""
    seq, event = version_event(reader, version)
    try:
        return rebuild(reader, learner, version, checkpoints), Findings()
    except ReplayMismatch as error:
        if not Remains(reader).within_reach(version):
            return None, Findings()
        return None, _unlike(error.seq, event, learner.engine)
    except LoopledgerError as error:
        return None, _not_made(seq, version, error)


def _made(
    reader: Reader,
    learner: Learner,
    checkpoints: Checkpoints,
    version: int,
    parent: bytes | None,
    remains: Remains,
) -> _Made:
    """Return a version's bytes, if it can be made or is kept, and what was found on the way."""
    seq, event = version_event(reader, version)
    try:
        if version in remains.kept | remains.lost:
            made = rebuild(reader, learner, version) if version in remains.kept else None
            return made, Findings(unchecked_versions=1)
        if isinstance(event, ModelImported):
            model = event.model
        else:
            model = fold(step_of(event), parent, reader, learner).model
    except ReplayMismatch as error:
        return None, _unlike(error.seq, event, learner.engine)
    except LoopledgerError as error:
        return None, _not_made(seq, version, error)
    if sha256(model).hexdigest() == event.sha256:
        return model, Findings(versions=1)
    now = Remains(reader)
    if remains != now and version in now.kept | now.lost:  # erased while it was learned again
        return _made(reader, learner, checkpoints, version, parent, now)
    kept = checkpoints.load_model(version)
    same = kept is not None and sha256(kept).hexdigest() == event.sha256
    return kept if same else None, _unlike(seq, event, learner.engine)


def _not_made(seq: int, version: int, error: LoopledgerError) -> Findings:
    return Findings(problems=(Problem(seq, f"event {seq}: version {version} cannot be made again: {error}"),))


def _unlike(seq: int, event: Version, engine: str) -> Findings:
    if event.engine != engine:
        return Findings(unchecked_versions=1)
    what = f"event {seq}: model version {event.version} does not replay to its SHA-256"
    return Findings(problems=(Problem(seq, what),))


def _unchecked(reader: Reader, segment: Segment, place: int) -> Findings:
    """Return how much of a segment cannot be checked for want of the model at a place in it."""
    missing = (segment.start, *segment.versions)[place:]
    decisions = sum(
        1
        for stretch in segment.served
        if stretch.version in missing
        for _ in reader.records(stretch.first, stretch.last, DECISIONS)
    )
    return Findings(unchecked_versions=len(missing) - 1, unchecked_decisions=decisions)


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
    with opened(scorer):
        numbers = partial(number_for, learner.hash_id, uniform_hash(loop_id))
        return recompute(reader, scorer, stretches, numbers, advance, foreign=foreign)
