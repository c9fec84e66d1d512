"""Actions of JSON requests that were read and checked are remembered: the same ones come again and again.

What an action comes to depends on its JSON and on the limits alone. So remembering it changes
nothing but the time that a request takes; one in which anything is unusual takes the long way.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from loopledger.deciding.context import ActionShape, Identity, one_line, read_usual
from loopledger.deciding.features import encode_features
from loopledger.deciding.rank_json import JsonAction
from loopledger.errors import InvalidRequest
from loopledger.recurring import Recurring
from loopledger.settings import Limits

_MOST = 4096
_LONGEST = 2048

_action = msgspec.json.Decoder(JsonAction)


class KnownAction(NamedTuple):
    """An action in which nothing is unusual.

    Attributes:
        id: As the caller names it; it is still to be checked.
        seen: JSON, as it stands in the context that the model sees.

    """

    id: str
    seen: bytes


def worth_looking(limits: Limits) -> bool:
    """Tell whether actions come again often enough to look for those of the next request."""
    return not _memory(limits.nesting, limits.magnitude).idle()


def known_actions(actions: Sequence[msgspec.Raw], limits: Limits) -> list[KnownAction] | None:
    """Return a request's actions; none if they did not all come before, or one needs a closer look.

    Args:
        actions: Their JSON.
        limits: How much they may hold.

    """
    return _memory(limits.nesting, limits.magnitude).find([*map(bytes, actions)])


def known_context(context: msgspec.Raw, actions: Sequence[KnownAction], limits: Limits) -> bytes | None:
    """Return the context of a decision as `loopledger.deciding.context.build_context` would.

    Args:
        context: The JSON of the caller's context features.
        actions: Those that are offered.
        limits: How much it may hold.

    Returns:
        None if it needs a closer look.

    """
    features = one_line(bytes(context))
    if read_usual(b'{"FromUrl":%b,"_multi":[]}' % features, limits) is None:
        return None
    whole = b'{"FromUrl":%b,"_multi":[%b]}' % (features, b",".join([action.seen for action in actions]))
    # As in `looks_unusual`: a feature takes at least two bytes.
    return None if len(whole) > min(limits.request_bytes, 2 * limits.features) else whole


@lru_cache(maxsize=8)
def _memory(nesting: int, magnitude: float) -> Recurring[KnownAction]:
    limits = Limits(nesting=nesting, magnitude=magnitude)

    def known(json: bytes) -> KnownAction | None:
        try:
            action = _action.decode(json)
            seen = one_line(encode_features(ActionShape(action.id, Identity(1, action.id), action.features)))
        except (msgspec.DecodeError, UnicodeError, RecursionError, InvalidRequest):
            return None
        read = read_usual(b'{"FromUrl":[],"_multi":[%b]}' % seen, limits)
        return KnownAction(action.id, seen) if read is not None and len(read.multi) == 1 else None

    return Recurring(known, most=_MOST, longest=_LONGEST)
