"""Rank requests as JSON, in the form in which Personalizer's clients send them."""

from typing import TypeVar

import msgspec

from loopledger.errors import InvalidRequest

_NOTHING = msgspec.Raw(b"[]")


class JsonAction(msgspec.Struct, frozen=True, gc=False):
    """An action of a JSON request; its features stay JSON."""

    id: str
    features: msgspec.Raw = _NOTHING


class JsonRank(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The body of a Rank, with Personalizer's names for its fields."""

    actions: list[JsonAction]
    context_features: msgspec.Raw = _NOTHING
    excluded_actions: tuple[str, ...] | None = None
    event_id: str | None = None
    defer_activation: bool | None = False


class RankApart(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The body of a Rank, its actions still JSON, each by itself."""

    actions: list[msgspec.Raw]
    context_features: msgspec.Raw = _NOTHING
    excluded_actions: tuple[str, ...] | None = None
    event_id: str | None = None
    defer_activation: bool | None = False


class JsonSlot(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A slot of a JSON request; its features stay JSON."""

    id: str
    features: msgspec.Raw = _NOTHING
    excluded_actions: tuple[str, ...] | None = None
    baseline_action: str | None = None


class JsonRankSlots(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The body of a multi-slot Rank, with Personalizer's names for its fields."""

    actions: list[JsonAction]
    slots: list[JsonSlot]
    context_features: msgspec.Raw = _NOTHING
    event_id: str | None = None
    defer_activation: bool | None = False


class _Form(msgspec.Struct, frozen=True, gc=False):
    slots: msgspec.Raw = msgspec.Raw(b"null")


_rank = msgspec.json.Decoder(JsonRank)
_rank_apart = msgspec.json.Decoder(RankApart)
_rank_slots = msgspec.json.Decoder(JsonRankSlots)
_form = msgspec.json.Decoder(_Form)
_T = TypeVar("_T")


def read_rank(body: object) -> JsonRank:
    """Return a Rank request from its JSON; unknown fields are passed over.

    Raises:
        InvalidRequest: It is not JSON, or a field has a wrong type.

    """
    return _read(_rank, body)


def read_apart(body: object) -> RankApart | None:
    """Return a Rank request from its JSON with its actions apart; none if `read_rank` might refuse it."""
    if not isinstance(body, bytes | str):
        return None
    try:
        return _rank_apart.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def read_rank_slots(body: object) -> JsonRankSlots:
    """Return a multi-slot Rank request from its JSON, as `read_rank` does; the errors are the same."""
    return _read(_rank_slots, body)


def has_slots(body: object) -> bool:
    """Tell whether a request in JSON is one of a multi-slot Rank.

    Raises:
        InvalidRequest: It is not JSON, or no object.

    """
    return bytes(_read(_form, body).slots) != b"null"


def _read(decoder: msgspec.json.Decoder[_T], body: object) -> _T:
    if not isinstance(body, bytes | str):
        raise InvalidRequest("request", f"must be JSON in bytes or a string (got {type(body).__name__})")
    try:
        read = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest("request", str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidRequest("request", f"is not JSON: {error}") from None
    return read
