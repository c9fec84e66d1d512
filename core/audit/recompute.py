"""Computing decisions again: the same probabilities, the same draw (promise P4)."""

from collections.abc import Callable, Sequence

from loopledger.audit.segment import Served
from loopledger.audit.verification import Findings, Problem
from loopledger.deciding.ranking import rank_actions
from loopledger.deciding.request import SlotTerms
from loopledger.deciding.slots import rank_all_slots
from loopledger.errors import LoopledgerError
from loopledger.learning.learner import Scorer
from loopledger.log.events import DECISIONS, AnyEvent, Decision, Ranked, SlotsRanked, decode
from loopledger.log.journal import Reader

Advance = Callable[[int], None]
"""Is told how much more is done, in events and decisions."""

REPORT_EVERY = 1000


def recompute(
    reader: Reader,
    scorer: Scorer | None,
    stretches: Sequence[Served],
    number_for: Callable[[str], float],
    advance: Advance,
    *,
    foreign: bool,
) -> Findings:
    """Compute again what a model decided.

    Args:
        reader: Of the log.
        scorer: The model; none where there was no model.
        stretches: Where it answered.
        number_for: Gives the uniform number that decides a draw, for an event id.
        advance: Is told of decisions.
        foreign: Whether another engine made the model, so that differences prove nothing.

    """
    checked = 0
    unlike = 0  # or erased
    elsewhere = 0
    problems: list[Problem] = []
    for stretch in stretches:
        for record in reader.stored(stretch.first, stretch.last, DECISIONS):
            if record.erased:
                unlike += 1
                continue
            try:
                decision = decode(record.body, record.seq)
                if isinstance(decision, Decision) and decision.elsewhere:
                    elsewhere += 1
                    continue
                same = again(decision, record.event_id or "", scorer, number_for)
                what = f"event {record.seq}: the decision computes to another outcome than was recorded"
            except LoopledgerError as error:
                same, what = False, f"event {record.seq}: {error}"
            if same:
                checked += 1
            elif foreign:
                unlike += 1
            else:
                problems.append(Problem(record.seq, what))
            if (checked + unlike) % REPORT_EVERY == 0:
                advance(REPORT_EVERY)
    return Findings(
        decisions=checked,
        other_decisions=len(problems),
        unchecked_decisions=unlike,
        imported_decisions=elsewhere,
        problems=tuple(problems),
    )


def again(event: AnyEvent, event_id: str, scorer: Scorer | None, number_for: Callable[[str], float]) -> bool:
    """Compute a decision again and tell whether it comes out as recorded."""
    if isinstance(event, Ranked):
        ranking = rank_actions(
            scorer,
            bytes(event.context),
            len(event.actions) - len(event.excluded),
            number_for(event_id),
            event.minimum_probability,
            event.learning_mode,
        )
        return (ranking.ranked, ranking.probabilities, event.offered[ranking.ranked[0]]) == (
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
            event_id=event_id,
            minimum_probability=event.minimum_probability,
            mode=event.learning_mode,
        )
        return [(r.ranked, r.probabilities, event.actions[r.ranked[0]]) for r in rankings] == [
            (slot.ranked, slot.probabilities, slot.chosen) for slot in event.slots
        ]
    return False
