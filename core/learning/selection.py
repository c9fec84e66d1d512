"""Choosing decisions: by their event ids, or by what a query says of each of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from loopledger.errors import NotFound
from loopledger.learning.joining import Joined, all_traced, join
from loopledger.learning.training import Progress
from loopledger.log.events import Decision, SlotsRanked
from loopledger.log.journal import Reader

Query = Callable[[Mapping[str, Any]], bool]
"""Tells of a decision, as `described` returns it, whether it is meant."""

_PAGE = 500


def named(reader: Reader, event_ids: Sequence[str]) -> list[int]:
    """Return the seqs of the decisions that some event ids name, in order.

    Raises:
        NotFound: Names an id that no decision has.

    """
    found: set[int] = set()
    for first in range(0, len(event_ids), _PAGE):
        page = event_ids[first : first + _PAGE]
        decisions = reader.decisions(page)
        missing = [event_id for event_id in page if event_id not in decisions]
        if missing:
            raise NotFound(f"no decision has the event id {missing[0]!r}")
        found.update(record.seq for record in decisions.values())
    return sorted(found)


def matching(reader: Reader, query: Query, progress: Progress | None = None) -> list[int]:
    """Return the seqs of the decisions that a query is true of, in order.

    Args:
        reader: Of the log, all of which is read, a little at a time.
        query: Is asked of every decision.
        progress: Is told up to which event it has read, and of how many.

    """
    last = reader.head().seq
    found: list[int] = []
    for number, traced in enumerate(all_traced(reader, 1, last), start=1):
        if query(described(join(traced))):
            found.append(traced.seq)
        if progress and number % _PAGE == 0:
            progress(traced.seq, last)
    return found


def described(joined: Joined) -> dict[str, Any]:
    """Return what can be asked about a decision.

    Its id, place and time (microseconds since 1970), its terms, what was chosen with what
    probability, the context as the model saw it, and what came of it; in a multi-slot decision
    what was chosen and what came of it stand in ``slots``.
    """
    decision = joined.decision
    about = {
        "event_id": joined.event_id,
        "seq": joined.seq,
        "at": joined.at,
        "kind": decision.kind,
        "actions": list(decision.actions),
        "model_version": decision.model_version,
        "learning_mode": decision.learning_mode,
        "deferred": decision.deferred,
        "activated": joined.activated,
        "skipped": joined.skipped,
        "context": msgspec.json.decode(joined.context),
    }
    outcomes = _outcomes(decision, joined)
    return about | ({"slots": outcomes} if isinstance(decision, SlotsRanked) else outcomes[0])


def _outcomes(decision: Decision, joined: Joined) -> list[dict[str, Any]]:
    slots = decision.slots if isinstance(decision, SlotsRanked) else (decision,)
    return [
        {
            "slot": label.slot,
            "action": slot.chosen,  # type: ignore[attr-defined]
            "probability": label.probability,
            "reward": label.original_reward,
            "rewards": list(label.rewards),
        }
        for label, slot in zip(joined.labels, slots, strict=True)
    ]
