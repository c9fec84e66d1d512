"""Bodies of requests, read into the shapes that they must have."""

from typing import TypeVar

import msgspec

from loopledger.errors import InvalidRequest

_T = TypeVar("_T")


def read(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    """Return what a body says.

    Raises:
        InvalidRequest: It is not JSON, or has another shape.

    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest("request", str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidRequest("request", f"is not JSON: {error}") from None
