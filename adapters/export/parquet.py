"""A table as a Parquet file."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, BinaryIO

from loopledger.errors import LoopledgerError
from loopledger.exchange.table import Row

_ROWS = 8192
_CHARACTERS = 16 * 2**20


def check_parquet() -> None:
    """Make sure that Parquet files can be written here.

    Raises:
        LoopledgerError: They cannot.

    """
    if find_spec("pyarrow") is None:
        raise LoopledgerError("a Parquet file needs pyarrow: pip install 'loopledger[parquet]'")


def write_parquet(out: BinaryIO, rows: Iterable[Row]) -> None:
    """Write a table as Parquet, a row group at a time: no more of it is held in memory."""
    import pyarrow as pa  # noqa: PLC0415 - large, and an extra
    from pyarrow import parquet  # noqa: PLC0415

    schema = _schema(pa)
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        group: list[Row] = []
        characters = 0
        for row in rows:
            group.append(row)
            characters += len(row.context)
            if len(group) == _ROWS or characters >= _CHARACTERS:
                writer.write_table(_table(pa, schema, group))
                group, characters = [], 0
        if group:
            writer.write_table(_table(pa, schema, group))


def _table(pa: Any, schema: Any, group: list[Row]) -> Any:
    columns = zip(*group, strict=True)
    arrays = [pa.array(column, type=of.type) for column, of in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _schema(pa: Any) -> Any:
    """Return the types of the columns; those that are not named here are text."""
    types = {
        "seq": pa.int64(),
        "time": pa.timestamp("us", tz="UTC"),
        "model_version": pa.int64(),
        "deferred": pa.bool_(),
        "activated": pa.bool_(),
        "open": pa.bool_(),
        "position": pa.int32(),
        "probability": pa.float64(),
        "reward": pa.float64(),
        "rewards_joined": pa.int32(),
        "actions": pa.list_(pa.string()),
        "probabilities": pa.list_(pa.float64()),
    }
    optional = {"slot", "skipped", "reward"}
    return pa.schema(
        [pa.field(name, types.get(name, pa.string()), nullable=name in optional) for name in Row._fields]
    )
