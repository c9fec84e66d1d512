"""A batch: commands that are decided together and become one transaction."""

from collections.abc import Callable, Sequence

from loopledger.deciding.draw import number_for
from loopledger.facts import Decided
from loopledger.learning.learner import Scorer
from loopledger.log.chain import Head, Record, head_of, seal
from loopledger.log.events import DECISIONS
from loopledger.log.journal import Reader


class Batch:
    """What is decided and not yet committed, and what deciding may know (`loopledger.facts.Facts`).

    Args:
        reader: Of the log, everything before the batch committed.
        head: The end of the log.
        at: The time that no event may be dated before.
        scorer: The published model.
        loop_seed: The hash of the loop's id.
        hash_id: Hashes event ids.
        named: Event ids of callers, whose decisions may be in the log already.

    Attributes:
        records: What is to be appended.
        at: The time of the command at hand.

    """

    __slots__ = ("_decisions", "_hash_id", "_head", "_loop_seed", "at", "reader", "records", "scorer")

    def __init__(
        self,
        reader: Reader,
        head: Head,
        at: int,
        scorer: Scorer | None,
        loop_seed: int,
        hash_id: Callable[[str], int],
        named: Sequence[str] = (),
    ) -> None:
        self.reader = reader
        self.at = at
        self.scorer = scorer
        self._loop_seed = loop_seed
        self._hash_id = hash_id
        self.records: list[Record] = []
        self._head = head
        self._decisions = reader.decisions(named) if named else {}

    @property
    def next_seq(self) -> int:
        """The seq of the next event."""
        return self._head.seq + 1

    def number_for(self, event_id: str) -> float:
        """Return the uniform number that decides a draw."""
        return number_for(self._hash_id, self._loop_seed, event_id)

    def decision(self, event_id: str) -> Record | None:
        """Return the decision of an event id, committed or in this batch."""
        return self._decisions.get(event_id)

    def rewards(self, event_id: str) -> list[Record]:
        """Return the rewards of an event id, committed or in this batch."""
        committed = self.reader.records(kinds=("Rewarded",), event_id=event_id)
        mine = [record for record in self.records if record.event_id == event_id]
        return [*committed, *(record for record in mine if record.kind == "Rewarded")]

    def take(self, decided: Decided) -> None:
        """Add what a command comes to."""
        for event in decided.events:
            record = seal(self._head, self.at, event, decided.event_id)
            self._head = head_of(record)
            self.records.append(record)
            if record.event_id is not None and record.kind in DECISIONS:
                self._decisions[record.event_id] = record
