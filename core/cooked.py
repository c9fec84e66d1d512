"""Joined examples as lines of JSON that VowpalWabbit learns from (its ``--dsjson``).

The names are those of Personalizer's cooked logs: ``c`` is the context, and a multi-slot line has
``_outcomes`` with actions from 0. Of ``a`` and ``p``, the ranked actions (from 1) and their
probabilities, the learner looks at the chosen one's only, and the others are left out.
"""

from msgspec.json import encode

from loopledger.events import SlotsRanked
from loopledger.joining import Joined, Label

_LABEL = (
    '{"_label_cost":%r,"_label_probability":%s,"_label_Action":%d,"_labelIndex":%d,"a":[%d],"p":[%s],"c":'
)


def learning_line(joined: Joined) -> bytes | None:
    """Return the line that the learner gets for a joined example; none if it is skipped."""
    if joined.skipped is not None:
        return None
    decision = joined.decision
    if isinstance(decision, SlotsRanked):
        return b'{"c":%b,"_outcomes":%b}\n' % (joined.context, _outcomes(decision, joined.labels))
    (label,) = joined.labels
    number = label.position + 1
    probability = repr(label.probability)
    begun = _LABEL % (-label.reward, probability, number, label.position, number, probability)
    return b"%b%b}\n" % (begun.encode(), joined.context)


def _outcomes(decision: SlotsRanked, labels: tuple[Label, ...]) -> bytes:
    return encode(
        [
            {"_label_cost": -label.reward, "_id": label.slot, "_a": slot.ranked, "_p": slot.probabilities}
            for label, slot in zip(labels, decision.slots, strict=True)
        ]
    )
