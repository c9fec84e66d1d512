"""Exports that are text: joined examples, events, and a table as CSV."""

import csv
from collections.abc import Iterable
from typing import BinaryIO

import msgspec

from loopledger.adapters.embedding.moments import text
from loopledger.exchange.cooked import cooked_line
from loopledger.exchange.table import Row
from loopledger.learning.joining import Joined
from loopledger.log.chain import Record

_encode = msgspec.json.Encoder().encode


def write_dsjson(out: BinaryIO, decisions: Iterable[Joined]) -> None:
    """Write joined examples in the form of Personalizer's cooked logs, a line each."""
    for joined in decisions:  # noqa: FURB122 - whatever has `write` will do
        out.write(cooked_line(joined, timestamp(joined.at)))


def timestamp(at: int) -> str:
    """Return a time as cooked logs have it: ISO 8601 in UTC, to tenths of a microsecond."""
    return f"{text(at)[:-1]}0Z"


def write_events(out: BinaryIO, records: Iterable[Record]) -> None:
    """Write events as they are in the log, a line each, so that the chain can be checked from them.

    A body stands there byte for byte. One that is spread over lines, as callers' own JSON may be,
    becomes a JSON string that holds it. Of one that was erased, its SHA-256 is there.
    """
    for record in records:
        body = record.body
        if b"\n" in body or b"\r" in body:
            body = _encode(body.decode())
        if record.body_sha256 is not None:
            body = b'null,"body_sha256":"%b"' % record.body_sha256.hex().encode()
        out.write(
            b'{"seq":%d,"at":%d,"time":"%b","kind":%b,"event_id":%b,"body":%b,"digest":"%b"}\n'
            % (
                record.seq,
                record.at,
                text(record.at).encode(),
                _encode(record.kind),
                _encode(record.event_id),
                body,
                record.digest.hex().encode(),
            )
        )


def write_csv(out: BinaryIO, rows: Iterable[Row]) -> None:
    """Write a table as CSV in UTF-8, its columns' names in the first line.

    Lists are JSON, what is missing is empty, and truth is ``true`` or ``false``.
    """
    writer = csv.writer(_Utf8(out), lineterminator="\n")
    writer.writerow(Row._fields)
    for row in rows:
        writer.writerow(map(_cell, row._replace(time=text(row.time))))  # type: ignore[arg-type]


class _Utf8:
    """Takes text for a binary file."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, line: str) -> int:
        return self._out.write(line.encode())


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return _encode(value).decode()
    return value
