"""Bodies of requests, unpacked, and read into the shapes that they must have."""

import zlib
from typing import TypeVar

import msgspec

from loopledger.adapters.http.errors import Refusal
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


def unpacked(body: bytes, largest: int) -> bytes:
    """Return what a body holds that was packed with gzip.

    Raises:
        Refusal: It is no such body, or holds too much.

    """
    packed = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        found = packed.decompress(body, largest + 1)
    except zlib.error:
        raise Refusal("BadRequest", "Content-Encoding says gzip, and the body is not packed so") from None
    if len(found) > largest:
        raise too_large(largest)
    if not packed.eof:
        raise Refusal("BadRequest", "the body is packed with gzip and ends too early")
    return found


def too_large(largest: int) -> Refusal:
    """Return the refusal of a body that is larger than it may be."""
    return Refusal("PayloadSizeExceeded", f"a body may have at most {largest:,} bytes here")
