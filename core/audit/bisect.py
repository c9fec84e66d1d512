"""Which decisions changed what a loop answers: found by rebuilding, not by guessing."""

from collections.abc import Callable

import msgspec

from loopledger.commands import Rank, RankSlots
from loopledger.deciding.question import favourite
from loopledger.errors import Conflict, InvalidRequest, NotFound, ReplayMismatch
from loopledger.learning.checkpoints import Models
from loopledger.learning.joining import join
from loopledger.learning.learner import Learner, Scorer, opened
from loopledger.learning.lineage import ModelVersion, lineage
from loopledger.learning.training import Step, examples, step_of, without
from loopledger.learning.versions import Versions
from loopledger.log.events import ModelTrained
from loopledger.log.journal import Reader

Tell = Callable[[str], None]
"""Is told what was just found out, in a sentence."""


class Bisection(msgspec.Struct, frozen=True):
    """Where a loop's answer to one context changed.

    Attributes:
        expected: The action that was the most probable before.
        instead: The one that is since.
        before: The last version with the expected answer; 0 if it is that of no model.
        version: The first version with the other one.
        first: Seq of the first decision that made the difference, if learning did.
        last: Seq of the last: with all decisions of the version's step up to this one the answer
            is the other, without those from `first` on it is the expected one.
        event_ids: Of the decisions between them that were learned.
        tried: How many models were asked.
        slot: The slot that was looked at, if the request has any.

    """

    expected: str
    instead: str
    before: int
    version: int
    first: int | None
    last: int | None
    event_ids: tuple[str, ...]
    tried: int
    slot: str | None = None


class Bisector:
    """Looks for the change in a loop's answer to one request.

    Args:
        reader: Of the log.
        learner: Rebuilds and asks models.
        checkpoints: Where models are kept.
        command: The request.
        expected: The action that should be the most probable.
        slot: For this slot, where the slots before it take what the same model finds the most
            probable for them; by default the first one.
        tell: Is told what was found out.

    Raises:
        NotFound: The request has no such slot, or does not offer the action there.
        InvalidRequest: A slot is named where the request has none.

    """

    def __init__(
        self,
        reader: Reader,
        learner: Learner,
        checkpoints: Models,
        command: Rank | RankSlots,
        expected: str,
        slot: str | None = None,
        tell: Tell = lambda _: None,
    ) -> None:
        self._place, self._slot = _place(command, slot)
        if expected not in _offered(command, self._place):
            where = "" if self._slot is None else f" that it offers to slot {self._slot!r}"
            raise NotFound(f"the request has no action {expected!r}{where}")
        self._reader = reader
        self._learner = learner
        self._checkpoints = checkpoints
        self._versions = Versions(reader, learner, checkpoints)
        self._command = command
        self._expected = expected
        self._tell = tell
        self._tried = 0

    def find(self) -> Bisection:
        """Return where the answer changed from the expected action to another one.

        It goes back along the line of versions of the one that was published last, and assumes,
        as every bisection must, that the answer did not change to and fro in between: what it
        returns is one place where it changed.

        Raises:
            NotFound: The newest version answers as expected, or none of its line ever did; another
                line's version that did is named.
            Conflict: The request has slots and the versions decide none, or the other way round.

        """
        line = self._line()
        instead = self._best_of(line[-1])
        if instead == self._expected:
            raise NotFound(f"version {line[-1]} answers {self._expected!r} as expected: nothing has changed")
        good = self._last_good(line)
        low, high = good, len(line) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if self._best_of(line[middle]) == self._expected:
                low = middle
            else:
                high = middle
        return self._within(line[low], line[high])

    def _line(self) -> list[int]:
        """Return the versions up to the one that was published last, each the next one's parent."""
        published = self._published()
        if not published:
            raise NotFound("no model was ever published: every action had the same probability")
        line = [published[0].version]
        if self._versions.event(line[0]).policy.multi_slot != (self._slot is not None):
            raise Conflict(
                f"version {line[0]} decides several slots: give the request slots"
                if self._slot is None
                else f"version {line[0]} decides one action: leave the request's slots out"
            )
        while True:
            event = self._versions.event(line[-1])
            if not isinstance(event, ModelTrained) or not event.parent:
                return line[::-1]
            line.append(event.parent)

    def _published(self) -> list[ModelVersion]:
        """Return the versions that ever answered, the one that was published last first."""
        published = [model for model in lineage(self._reader, self._checkpoints) if model.served]
        return sorted(published, key=lambda model: -model.served[-1].first)

    def _last_good(self, line: list[int]) -> int:
        """Return a place in the line whose version answers as expected: the nearest of those looked at.

        It looks back 1, 2, 4, 8 … versions, so that a recent change is found quickly, and only if
        that finds nothing at every version, from the first to the last.
        """
        back = 1
        while back < len(line):
            place = len(line) - 1 - back
            if self._best_of(line[place]) == self._expected:
                return place
            back *= 2
        good = [place for place, version in enumerate(line) if self._best_of(version) == self._expected]
        if not good:
            raise self._never(line)
        return good[-1]

    def _never(self, line: list[int]) -> NotFound:
        """Return what to say where no version of a line answers as expected: which other one does."""
        of_line = f"version {line[-1]} and those that it came from, the first of which is version {line[0]},"
        if len(line) == 1:
            of_line = f"version {line[0]}, which learned from the beginning or was imported,"
        kind = self._versions.event(line[-1]).policy.decision_kind
        seen = set(line)
        lost = 0
        for model in self._published():
            if model.version in seen or model.policy.decision_kind != kind:
                continue
            try:
                found = self._best_of(model.version) == self._expected
            except ReplayMismatch:  # erased, say: what it answered cannot be asked any more
                lost += 1
                continue
            if found:
                version, seq = model.version, model.served[-1].first
                return NotFound(
                    f"{of_line} never answered {self._expected!r} to this context, but version {version} of "
                    f"another line did, published with event {seq} last: `log` says what was published "
                    f"after it, and `diff` of {version} and {line[-1]} what is different"
                )
        if lost:
            cannot = "one more cannot" if lost == 1 else f"{lost} more cannot"
            return NotFound(
                f"no published version that can be made again ever answered {self._expected!r} to this "
                f"context; {cannot} be made again"
            )
        return NotFound(f"no version that was published ever answered {self._expected!r} to this context")

    def _within(self, before: int, version: int) -> Bisection:
        """Return which decisions of a version's step made the difference."""
        event = self._versions.event(version)
        if not isinstance(event, ModelTrained) or event.first is None:
            return self._found(before, version, self._best_of(version), [])
        step = step_of(event)
        parent = self._versions.model(event.parent)
        learned = self._learned(step)
        low, high = 0, len(learned)
        if self._best_with(step, parent, 0) != self._expected:
            # The policy's own change is enough; no decision is to blame.
            return self._found(before, version, self._best_of(version), [])
        while high - low > 1:
            middle = (low + high) // 2
            if self._best_with(step, parent, middle) == self._expected:
                low = middle
            else:
                high = middle
            self._tell(f"between decisions {learned[low][0]:,} and {learned[high - 1][0]:,}")
        instead = self._best_with(step, parent, high)
        return self._found(before, version, instead, learned[low:high])

    def _found(self, before: int, version: int, instead: str, guilty: list[tuple[int, str]]) -> Bisection:
        return Bisection(
            self._expected,
            instead,
            before,
            version,
            guilty[0][0] if guilty else None,
            guilty[-1][0] if guilty else None,
            tuple(event_id for _, event_id in guilty),
            self._tried,
            self._slot,
        )

    def _learned(self, step: Step) -> list[tuple[int, str]]:
        """Return seq and event id of the decisions that a step learned from, in order."""
        if step.first is None or step.last is None:
            return []
        left_out = without(self._reader, step.left_out)
        traced = self._reader.traced(step.policy.decision_kind, step.first, step.last)
        learned = (one for one in traced if one.seq not in left_out and join(one).skipped is None)
        return [(one.seq, one.event_id) for one in learned]

    def _best_with(self, step: Step, parent: bytes | None, count: int) -> str:
        """Return the answer of what a step would have made of only so many of its examples."""
        lines = examples(self._reader, step, most=count)
        model = self._learner.fold(step.policy, parent, lines).model
        return self._asked(self._learner.scorer(step.policy, model))

    def _best_of(self, version: int) -> str:
        best = self._asked(self._versions.scorer(version))
        self._tell(f"version {version} answers {best}")
        return best

    def _asked(self, scorer: Scorer | None) -> str:
        """Return the action that a model finds the most probable, and close it."""
        self._tried += 1
        with opened(scorer):
            return favourite(scorer, self._command, self._place)


def _place(command: Rank | RankSlots, slot: str | None) -> tuple[int, str | None]:
    """Return the place and id of the slot that is asked about."""
    if isinstance(command, Rank):
        if slot is not None:
            raise InvalidRequest("slot", "names a slot, and the request has none: leave it out")
        return 0, None
    names = [one.id for one in command.slots]
    if slot is None:
        return 0, names[0]
    if slot not in names:
        raise NotFound(f"the request has no slot {slot!r}; it has {', '.join(names)}")
    return names.index(slot), slot


def _offered(command: Rank | RankSlots, place: int) -> list[str]:
    if isinstance(command, Rank):
        return [name for name in command.actions if name not in command.excluded]
    return [command.actions[position] for position in command.slots[place].offered]
