"""Rank requests as JSON, in the form in which Personalizer's clients send them."""

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


_decoder = msgspec.json.Decoder(JsonRank)


def read_rank(body: object) -> JsonRank:
    """Return a Rank request from its JSON; unknown fields are passed over.

    Raises:
        InvalidRequest: It is not JSON, or a field has a wrong type.

    """
    if not isinstance(body, bytes | str):
        raise InvalidRequest("request", f"must be JSON in bytes or a string (got {type(body).__name__})")
    try:
        read = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest("request", str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidRequest("request", f"is not JSON: {error}") from None
    return read
