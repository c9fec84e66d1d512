"""Lists in pages, as the last version of the API asks for them: filtered, skipped, cut, and continued."""

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar
from urllib.parse import urlencode

from loopledger.adapters.http.address import url_of
from loopledger.adapters.http.call import Call
from loopledger.adapters.http.errors import Refusal

_T = TypeVar("_T")
_MOST = 2**31 - 1
_PAGE = 100
_CLAUSE = re.compile(r"\s*(\w+)\s+(eq|ne)\s+'((?:[^']|'')*)'\s*(?:(and)\b|$)", re.IGNORECASE | re.ASCII)
_FILTER = (
    "Error in the filter expression. Use an expression to filter the evaluations against evaluation "
    "metadata. Here is an example, metadata=evaluationType eq 'Manual'."
)


class Clause(NamedTuple):
    """A condition: a field must, or must not, have a value."""

    field: str
    equal: bool
    value: str


def read_filter(text: str, fields: Sequence[str]) -> list[Clause]:
    """Return the conditions of a filter, all of which must hold.

    Args:
        text: Such as ``evaluationType eq 'Manual' and status ne 'Failed'``; ``metadata=`` may come first.
        fields: What conditions can be about.

    Raises:
        Refusal: It is no filter.

    """
    text = re.sub(r"^\s*metadata\s*=", "", text)
    names = {field.lower(): field for field in fields}
    found: list[Clause] = []
    at, more = 0, bool(text.strip())
    while more:
        clause = _CLAUSE.match(text, at)
        if clause is None or clause[1].lower() not in names:
            known = ", ".join(fields)
            raise Refusal("InvalidRequest", _FILTER, f"fields are {known}", target="filter")
        equal = clause[2].lower() == "eq"
        found.append(Clause(names[clause[1].lower()], equal, clause[3].replace("''", "'")))
        at, more = clause.end(), clause[4] is not None
    return found


def page(call: Call, found: Sequence[_T]) -> tuple[Sequence[_T], str | None]:
    """Return the page of a list that is asked for, and the address of the next one if there is more.

    Raises:
        Refusal: A parameter is no number, or none that can be.

    """
    top = whole(call, "top", _MOST, least=0)
    skip = whole(call, "skip", 0, least=0)
    size = whole(call, "maxpagesize", _PAGE, least=1)
    shown = found[skip : skip + min(top, size)]
    if len(shown) == top or skip + len(shown) >= len(found):
        return shown, None
    given = {name: value for name, value in call.query.items() if name in {"api-version", "filter"}}
    after = {"top": top - len(shown), "skip": skip + len(shown), "maxpagesize": size}
    return shown, f"{url_of(call.scope)}?{urlencode({**given, **after})}"


def whole(call: Call, name: str, default: int, *, least: int) -> int:
    """Return a whole number from the query.

    Raises:
        Refusal: It is none, or too small or too large.

    """
    said = call.query.get(name)
    if said is None:
        return default
    number = int(said) if re.fullmatch(r"\+?\d{1,10}", said.strip(), re.ASCII) else -1
    if not least <= number <= _MOST:
        raise Refusal(
            "InvalidRequest", f"{name}: must be a whole number from {least} to {_MOST}", target=name
        )
    return number
