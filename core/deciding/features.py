"""Features: what may be one, and how everything else is found and named.

Well-formed features are checked by compiled code; only what looks unusual is walked through in
Python, which then says which field is at fault. Strings, numbers, booleans, objects of those, and
arrays of numbers are features; null is none. Names that begin with an underscore are left out on
every level: to the learner's parser they are instructions, and Personalizer ignored them too.

An object or array with a name is a namespace to the learner, which keeps namespaces by the first
byte of their names and writes outside its memory where that byte is not ASCII (VowpalWabbit
9.11.9). Such a name gets a tilde before it, which Personalizer did not allow as a first character.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from loopledger.errors import InvalidRequest
from loopledger.settings import Limits


def _plain(value: object) -> object:
    """Turn what the encoder does not know, such as arrays of other libraries, into what it does."""
    if isinstance(value, Mapping):
        return dict(value)
    for name in ("tolist", "__float__"):
        try:
            method = getattr(value, name, None)
            if method is not None:
                return method()
        except Exception as error:  # noqa: BLE001 - whatever a foreign class does
            what = f"{type(value).__name__}.{name} failed with {type(error).__name__}"
            raise InvalidRequest("features", f"must be made of JSON's types ({what})") from None
    raise InvalidRequest("features", f"must be made of JSON's types (got {type(value).__name__})")


_FOREIGN_NAMESPACE = re.compile(rb'"[\x80-\xff](?:[^"\\]|\\.)*"\s*:\s*[\[{]')
"""An object or an array whose name does not begin with an ASCII character."""

_encoder = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number")


def encode_features(shape: object) -> bytes:
    """Return features, inside whatever holds them, as JSON.

    Raises:
        InvalidRequest: They cannot be written as JSON at all.

    """
    try:
        return _encoder.encode(shape)
    except InvalidRequest:
        raise
    except UnicodeEncodeError:
        raise InvalidRequest("features", "must be valid Unicode (half a surrogate pair was found)") from None
    except RecursionError:
        raise InvalidRequest(
            "features", "are nested too deeply; limits.nesting says how far they may be"
        ) from None
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRequest("features", f"cannot be written as JSON: {error}") from None


def looks_unusual(encoded: bytes, limits: Limits, underscores: int) -> bool:
    """Tell whether encoded features need a closer look than the compiled check can give.

    Args:
        encoded: JSON that holds them.
        limits: How many there may be.
        underscores: How many names and values that begin with an underscore are our own.

    """
    return (
        encoded.count(b'"_') != underscores
        # An escaped name could be any name, even one that must be left out.
        or b"\\" in encoded
        # A feature takes at least two bytes, a digit and a comma.
        or len(encoded) > 2 * limits.features
        or (not encoded.isascii() and _FOREIGN_NAMESPACE.search(encoded) is not None)
    )


@lru_cache(maxsize=64)
def feature_type(nesting: int, magnitude: float) -> Any:
    """Return the type of a well-formed feature object for the compiled check."""
    number = Annotated[float, msgspec.Meta(ge=-magnitude, le=magnitude)]
    value: Any = str | bool | number | list[number]
    for _ in range(nesting - 1):
        value = str | bool | number | list[number] | dict[str, value]
    return dict[str, value]


def clean(field: str, features: list[Any], limits: Limits, budget: "Budget") -> list[Any]:
    """Return features without the names that are left out.

    Raises:
        InvalidRequest: Names the field, the limit and the way out.

    """
    return [_clean_object(f"{field}[{at}]", item, limits, budget, 1) for at, item in enumerate(features)]


class Budget:
    """How many features a request may still have."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.features
        self._left = limits.features

    def spend(self, features: int) -> None:
        """Count features.

        Raises:
            InvalidRequest: There are too many.

        """
        self._left -= features
        if self._left < 0:
            raise InvalidRequest("features", f"are more than the {self._most} that limits.features allows")


def _clean_object(field: str, value: object, limits: Limits, budget: Budget, depth: int) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidRequest(field, f"must be an object of features (got {type(value).__name__})")
    if depth > limits.nesting:
        raise InvalidRequest(
            field, f"is nested deeper than the {limits.nesting} levels that limits.nesting allows"
        )
    kept: dict[str, Any] = {}
    for name, item in value.items():
        if not isinstance(name, str):
            raise InvalidRequest(field, f"must have names that are strings (got {type(name).__name__})")
        if not name.startswith("_"):
            value = _clean_value(f"{field}.{name}", item, limits, budget, depth)
            foreign = isinstance(value, dict | list) and not name[:1].isascii()
            kept[f"~{name}" if foreign else name] = value
    return kept


def _clean_value(field: str, value: Any, limits: Limits, budget: Budget, depth: int) -> Any:
    if value is None or isinstance(value, str | bool):
        budget.spend(1)
        return value
    if isinstance(value, int | float):
        budget.spend(1)
        return _clean_number(field, value, limits)
    if isinstance(value, Mapping):
        return _clean_object(field, value, limits, budget, depth + 1)
    if not isinstance(value, list | tuple):
        value = _converted(field, value)
        if not isinstance(value, list):
            return _clean_value(field, value, limits, budget, depth)
    budget.spend(len(value))
    for item in value:
        if isinstance(item, bool) or not isinstance(item, int | float):
            raise InvalidRequest(field, f"is an array and may hold only numbers (got {type(item).__name__})")
        _clean_number(field, item, limits)
    return list(value)


def _clean_number(field: str, value: float, limits: Limits) -> float:
    if not -limits.magnitude <= value <= limits.magnitude:
        what = "infinite or too large" if value == value else "not a number"  # noqa: PLR0124 - a NaN does not
        raise InvalidRequest(
            field,
            f"is {what}: numbers must lie within ±{limits.magnitude:g} (limits.magnitude); scale or drop it",
        )
    return value


def _converted(field: str, value: object) -> Any:
    """Return what the encoder would make of a value of another library's or a rarer type."""
    try:
        return msgspec.json.decode(_encoder.encode(value))
    except (InvalidRequest, TypeError, ValueError, RecursionError):
        raise InvalidRequest(field, f"must be of one of JSON's types (got {type(value).__name__})") from None
