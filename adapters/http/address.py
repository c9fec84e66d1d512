"""Where a request goes: the loop, the version and the operation that its path names."""

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from starlette.types import Scope

from loopledger.adapters.http.versions import PATHS, QUERIES, Version

_PERSONALIZER, _LEGACY = "personalizer", "personalization"


class Address(NamedTuple):
    """A request's address.

    Attributes:
        loop: The loop that the path names, if it does.
        version: Of the API; none if there is no such version, or none is said.
        path: What comes after the version, in small letters; `ANY` stands for an id.
        name: That id, decoded.
        query: The parameters of the query; of several of one name the last.

    """

    loop: str | None
    version: Version | None
    path: tuple[str, ...]
    name: str
    query: dict[str, str]


ANY = "*"
_HOLDERS = frozenset({"events", "evaluations", "featureimportances"})


def address_of(raw_path: bytes, query_string: bytes) -> Address | None:
    """Return the address that a path names; none if it is none of this API.

    The path is taken apart before it is decoded, so that an id may hold a slash as ``%2F``.
    Doubled slashes count as one: many clients put a path after an endpoint that ends with one.
    """
    # Most requests go to a few paths; those with an id in them are many.
    taken_apart = _taken_apart if b"/events/" in raw_path else _known
    return taken_apart(raw_path, query_string)


def _taken_apart(raw_path: bytes, query_string: bytes) -> Address | None:
    parts = [part for part in raw_path.decode("latin-1").split("/") if part]
    loop = None
    if len(parts) > 1 and parts[0].lower() == "loops":
        loop, parts = unquote(parts[1]), parts[2:]
    if not parts or (base := parts[0].lower()) not in {_PERSONALIZER, _LEGACY}:
        return None
    query = dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)) if query_string else {}
    rest = parts[1:]
    version = PATHS.get(rest[0].lower()) if rest else None
    if version is not None:
        rest = rest[1:]
    else:
        version = QUERIES.get(query.get("api-version", "").lower())
    if base == _LEGACY and version is not Version.V1_0:
        return None
    return Address(loop, version, *_path(rest), query)


_known = lru_cache(256)(_taken_apart)


def _path(parts: list[str]) -> tuple[tuple[str, ...], str]:
    """Return the path with `ANY` for its id, and the id; where that is not UTF-8, no loop takes it."""
    path = [part.lower() for part in parts]
    for at, part in enumerate(path[:-1]):
        if part in _HOLDERS:
            path[at + 1] = ANY
            return tuple(path), unquote(parts[at + 1], errors="surrogateescape")
    return tuple(path), ""


def url_of(scope: Scope) -> str:
    """Return the whole address that a request went to, without its query.

    A proxy that took the request over TLS says so in ``X-Forwarded-Proto``; believing that can only
    make an address safer.
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    scheme = "https" if headers.get(b"x-forwarded-proto", "").lower() == "https" else scope["scheme"]
    raw_path = scope.get("raw_path") or scope["path"].encode()
    host, port = scope.get("server") or ("localhost", None)
    where = headers.get(b"host") or (host if port is None else f"{host}:{port}")
    return f"{scheme}://{where}{raw_path.decode('latin-1').rstrip('/')}"
