"""Joined examples as lines of JSON that VowpalWabbit learns from (its ``--dsjson``).

The names are those of Personalizer's cooked logs: ``a`` and ``p`` are the ranked actions (from 1)
and their probabilities, ``c`` is the context; a multi-slot line has ``_outcomes`` with actions
from 0 instead.
"""

from msgspec.json import encode

from loopledger.events import Ranked
from loopledger.joining import Joined

_LINE = (
    b'{"_label_cost":%a,"_label_probability":%a,"_label_Action":%d,"_labelIndex":%d,"a":[%b],"c":%b,"p":%b}\n'
)


def learning_line(joined: Joined) -> bytes | None:
    """Return the line that the learner gets for a joined example; none if it is skipped."""
    if joined.skipped is not None:
        return None
    decision = joined.decision
    if isinstance(decision, Ranked):
        label = joined.labels[0]
        return _LINE % (
            -label.reward,
            label.probability,
            label.position + 1,
            label.position,
            ",".join([str(position + 1) for position in decision.ranked]).encode(),
            decision.context,
            encode(decision.probabilities),
        )
    outcomes = [
        {"_label_cost": -label.reward, "_id": label.slot, "_a": slot.ranked, "_p": slot.probabilities}
        for label, slot in zip(joined.labels, decision.slots, strict=True)
    ]
    return b'{"c":%b,"_outcomes":%b}\n' % (decision.context, encode(outcomes))
