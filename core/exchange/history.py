"""History: a new log, written from the cooked logs of another service."""

from collections.abc import Callable, Iterable
from itertools import islice

import msgspec

from loopledger.errors import InvalidRequest
from loopledger.exchange.cooked_line import CookedLine, Times, read_line
from loopledger.learning.joining import EARLY
from loopledger.log.chain import Head, Record, head_of, seal
from loopledger.log.event import Event
from loopledger.log.events import (
    DecisionKind,
    LoopCreated,
    Ranked,
    SlotsRanked,
)
from loopledger.log.history_events import HistoryFile, HistoryImported
from loopledger.log.journal import Journal
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings

_TOGETHER = 500
"""Lines that are written in one transaction."""

_NAMED = 20
"""Refused lines that a report names; the others are only counted."""


class Refusal(msgspec.Struct, frozen=True):
    """A line that was not taken.

    Attributes:
        file: Its file.
        line: Its number there, from 1.
        reason: Why.

    """

    file: str
    line: int
    reason: str


class HistoryReport(msgspec.Struct, kw_only=True):
    """What was brought into a new loop.

    Attributes:
        loop: Its name.
        policy: It learns by this one.
        lines: How many lines were read.
        decisions: How many became decisions.
        rewards: How many rewards and activations came with them.
        dangling: Lines with rewards whose decision is not known.
        repeated: Lines left out because their event id came before.
        weighted: Decisions that stood for others that were dropped; they count once.
        refused: Lines left out because they cannot be kept exactly.
        refusals: The first of those, with the reason.
        first_at: Of the first event, UTC in microseconds since 1970.
        last_at: Of the last decision or reward.

    """

    loop: str
    policy: LearningPolicy
    lines: int = 0
    decisions: int = 0
    rewards: int = 0
    dangling: int = 0
    repeated: int = 0
    weighted: int = 0
    refused: int = 0
    refusals: list[Refusal] = []
    first_at: int = 0
    last_at: int = 0


Numbered = tuple[str, int, bytes]
"""A line with its file and its number there."""


class HistoryWriter:
    """Writes history into a log that is still empty.

    Args:
        journal: Of the new log.
        loop: The new loop's name.
        settings: The new loop's.
        policy_for: Returns the policy for the kind of the first decision.
        times: The present, and how to read times.
        strict: Whether the first line that cannot be taken ends it.

    """

    def __init__(
        self,
        journal: Journal,
        loop: str,
        settings: Settings,
        policy_for: Callable[[DecisionKind], LearningPolicy],
        times: Times,
        *,
        strict: bool,
    ) -> None:
        self._journal = journal
        self._loop = loop
        self._settings = settings
        self._policy_for = policy_for
        self._times = times
        self._strict = strict
        self._head = Head()
        self._records: list[Record] = []
        self._dangling: dict[str, int] = {}
        self._policy: LearningPolicy | None = None
        self._report = HistoryReport(loop=loop, policy=LearningPolicy("", ""))

    def write(self, lines: Iterable[Numbered]) -> None:
        """Take lines, in their order.

        Raises:
            InvalidRequest: A line cannot be taken, if that ends it.

        """
        remaining = iter(lines)
        while batch := list(islice(remaining, _TOGETHER)):
            self._write(batch)

    def finish(self, files: tuple[HistoryFile, ...]) -> HistoryReport:
        """Close the history, and return what it came to.

        Raises:
            InvalidRequest: There is no decision in it.

        """
        report = self._report
        if not report.decisions:
            first = report.refusals[0] if report.refusals else None
            why = f"; line {first.line} of {first.file}: {first.reason}" if first else ""
            raise InvalidRequest("history", f"has no decision that can be imported{why}")
        report.last_at = self._head.at
        left_out = report.refused + report.repeated
        self._add(
            self._times.now, HistoryImported(files=files, decisions=report.decisions, left_out=left_out)
        )
        self._flush()
        return report

    def _write(self, batch: list[Numbered]) -> None:
        read = [(file, number, self._read(line)) for file, number, line in batch if line.strip()]
        self._report.lines += len(read)
        named = [line.event_id for _, _, line in read if isinstance(line, CookedLine)]
        known = self._journal.decisions(named) if self._policy else {}
        times = {event_id: record.at for event_id, record in known.items()}
        for file, number, line in read:
            try:
                self._take(line, times)
            except InvalidRequest as error:
                self._refuse(file, number, error)
        self._flush()

    def _read(self, line: bytes) -> CookedLine | InvalidRequest:
        try:
            return read_line(line, self._settings, self._times)
        except InvalidRequest as error:
            return error

    def _take(self, line: CookedLine | InvalidRequest, times: dict[str, int]) -> None:
        if isinstance(line, InvalidRequest):
            raise line
        if line.decision is None:
            self._take_dangling(line, times)
        elif line.event_id in times:
            self._report.repeated += 1
        else:
            self._take_decision(line, line.decision, times)

    def _take_decision(self, line: CookedLine, decision: Ranked | SlotsRanked, times: dict[str, int]) -> None:
        report = self._report
        kind: DecisionKind = "Ranked" if isinstance(decision, Ranked) else "SlotsRanked"
        if self._policy is None:
            self._begin(line.at, self._policy_for(kind))
        if kind != report.policy.decision_kind:
            what = "decides several slots" if kind == "SlotsRanked" else "decides one action"
            raise InvalidRequest("line", f"{what}, and the learning policy {report.policy.name!r} does not")
        at = max(line.at, self._head.at)
        if at - self._dangling.get(line.event_id, at - EARLY) < EARLY:
            raise InvalidRequest("EventId", "has a reward before it that came alone and would count for it")
        self._add(at, decision, line.event_id)
        self._add_observed(line, at)
        times[line.event_id] = at
        report.decisions += 1
        report.weighted += line.weighted

    def _take_dangling(self, line: CookedLine, times: dict[str, int]) -> None:
        if self._policy is None:
            raise InvalidRequest(
                "line", "is a reward before the first decision: give files with decisions first"
            )
        at = max(line.at, self._head.at)
        if at - times.get(line.event_id, at - self._settings.reward_wait) < self._settings.reward_wait:
            raise InvalidRequest("EventId", "is that of a decision that has its rewards already")
        self._add_observed(line, at)
        self._dangling[line.event_id] = at
        self._report.dangling += 1

    def _begin(self, at: int, policy: LearningPolicy) -> None:
        self._policy = self._report.policy = policy
        self._report.first_at = at
        self._add(at, LoopCreated(loop_id=self._loop, settings=self._settings, policy=policy))

    def _add_observed(self, line: CookedLine, at: int) -> None:
        for event in line.observed:
            self._add(at, event, line.event_id)
        self._report.rewards += len(line.observed)

    def _add(self, at: int, event: Event, event_id: str | None = None) -> None:
        record = seal(self._head, at, event, event_id)
        self._head = head_of(record)
        self._records.append(record)

    def _flush(self) -> None:
        if self._records:
            self._journal.append(self._records)
            self._records = []
        recent = self._head.at - EARLY
        self._dangling = {event_id: at for event_id, at in self._dangling.items() if at > recent}

    def _refuse(self, file: str, number: int, error: InvalidRequest) -> None:
        if self._strict:
            raise InvalidRequest("history", f"line {number} of {file}: {error}") from None
        self._report.refused += 1
        if len(self._report.refusals) < _NAMED:
            self._report.refusals.append(Refusal(file, number, str(error)))
