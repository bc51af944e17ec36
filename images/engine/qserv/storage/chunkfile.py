"""The Parquet files of a table: how rows lie in them, chosen by measurement (docs/explanation/storage.md).

Rows of a chunk are sorted by sub-chunk, then key, in row groups small enough for a point query and large enough for a
scan. Measured numbers hardly compress, so floats are stored as they are: scans wait for the decoder, not for the disk.
Statistics on every column and a Bloom filter on the key let DuckDB pass over row groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from qserv.catalog.model import CHUNK_COLUMN, HOST_COLUMN, SUBCHUNK_COLUMN, FileKind, UnitKind
from qserv.storage.files import HashingFile, StoredFile, folder_of
from qserv.storage.publishing import Batch, publish
from qserv.storage.schema import named

ROW_GROUP = 40_960
"""Rows: a third of DuckDB's own unit of work, where scans lose little and points gain much."""

BLOOM_FALSE_POSITIVES = 0.01

_WRITE_BLOCK = 1 << 20
"""Bytes: the encoder writes many small pieces, each of which would wait for the interpreter."""


def sort_chunk(rows: pa.Table, key: str | None, place: str = SUBCHUNK_COLUMN) -> pa.Table:
    """Rows of one chunk in the order in which they are stored: by ``subChunkId``, then key, then as they came."""
    if rows.num_rows < 2:
        return rows
    subchunk = rows.column(place).to_numpy()
    keys = [subchunk] if key is None else [_sortable(rows.column(key)), subchunk]
    order = np.lexsort(keys)
    if (order == np.arange(order.size)).all():
        return rows
    return rows.take(pa.array(order))


def _sortable(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    if column.null_count:
        column = column.fill_null(0)
    return np.asarray(column.to_numpy())


def write_parquet(rows: pa.Table, target: RawIOBase, key: str | None = None) -> None:
    """Write rows as they lie. Points are looked up by ``key``, if it is an integer."""
    bloom = {}
    if key is not None and rows.num_rows and pa.types.is_integer(rows.schema.field(key).type):
        bloom = {key: {"ndv": min(ROW_GROUP, rows.num_rows), "fpp": BLOOM_FALSE_POSITIVES}}
    with pa.BufferedOutputStream(pa.PythonFile(target, mode="w"), _WRITE_BLOCK) as stream:
        pq.write_table(
            rows,
            stream,
            row_group_size=ROW_GROUP,
            compression={field.name: "none" if pa.types.is_floating(field.type) else "snappy" for field in rows.schema},
            use_dictionary=[field.name for field in rows.schema if _repeats(field)],
            write_statistics=True,
            bloom_filter_options=bloom or None,
            store_schema=False,
        )


def _repeats(field: pa.Field) -> bool:
    """Whether a column is worth a dictionary: texts often repeat and numbers seldom do, but for the place columns."""
    number = pa.types.is_floating(field.type) or pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type)
    return field.name in (CHUNK_COLUMN, SUBCHUNK_COLUMN, HOST_COLUMN) or not number


def write_chunk(
    root: Path,
    database: str,
    table: str,
    unit: UnitKind,
    number: int,
    kind: FileKind,
    transaction: int,
    parts: Sequence[pa.Table],
    schema: pa.Schema,
    key: str | None,
    batch: Batch | None = None,
) -> StoredFile:
    """Sort a unit's rows and publish them as one file, together with others where ``batch`` is given.

    ``parts`` are the rows as they came, of ``schema`` (see :func:`qserv.storage.schema.stored_schema`); there may be
    none. A replicated table (``UnitKind.FULL``) is written in the order in which it came.
    """
    rows = pa.concat_tables(parts).combine_chunks() if parts else schema.empty_table()
    if rows.schema != schema:
        rows = rows.cast(schema)
    key = None if key is None or unit is UnitKind.FULL else named(schema, key)
    if unit is not UnitKind.FULL:
        rows = sort_chunk(rows, key)
    looked_up = key if kind is FileKind.MAIN else None

    def write(target: HashingFile) -> None:
        write_parquet(rows, target, looked_up)

    return publish(root, folder_of(database, table, unit, number), kind, transaction, write, batch)


def write_empty(path: Path, schema: pa.Schema) -> None:
    """An empty Parquet file of a schema: what a source reads that a chunk has no files for."""
    with path.open("wb") as file:
        pq.write_table(schema.empty_table(), file, store_schema=False)
