"""The Parquet files of a table: how rows lie in them, chosen by measurement (docs/explanation/storage.md).

Rows of a chunk are sorted by sub-chunk, then key, in row groups small enough for a point query and large enough for a
scan. Measured numbers hardly compress, so floats are stored as they are: scans wait for the decoder, not for the disk.
Statistics on every column and a Bloom filter on the key let DuckDB pass over row groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from qserv.catalog.model import CHUNK_COLUMN, HOST_COLUMN, SUBCHUNK_COLUMN, FileKind, UnitKind
from qserv.storage.blocks import group_order
from qserv.storage.files import HashingFile, StoredFile, folder_of
from qserv.storage.publishing import Batch, publish
from qserv.storage.schema import named

ROW_GROUP = 40_960
"""Rows: a third of DuckDB's own unit of work, where scans lose little and points gain much."""

BLOOM_FALSE_POSITIVES = 0.01

_WRITE_BLOCK = 1 << 20
"""Bytes: the encoder writes many small pieces, each of which would wait for the interpreter."""


def stored_order(parts: Sequence[pa.RecordBatch], key: str | None, slab_rows: int) -> Iterator[pa.RecordBatch]:
    """Rows of one chunk in the order in which they are stored: by ``subChunkId``, then key, then as they came.

    They come in slabs of at most ``slab_rows``, whole sub-chunks each: one that has more rows is a slab by itself. So
    no more than one slab is held beside the rows given, which may be mapped.
    """
    if sum(part.num_rows for part in parts) <= slab_rows:
        yield _sorted(pa.concat_batches(parts), key)
        return
    subchunk = np.concatenate([part.column(SUBCHUNK_COLUMN).to_numpy() for part in parts])
    for low, high in _ranges(subchunk, slab_rows):
        inside = (subchunk >= low) & (subchunk <= high)
        kept = []
        first = 0
        for part in _as_they_came(parts, slab_rows):
            kept.append(part.take(pa.array(np.flatnonzero(inside[first : first + part.num_rows]))))
            first += part.num_rows
        yield _sorted(pa.concat_batches(kept), key)


def _as_they_came(parts: Sequence[pa.RecordBatch], slab_rows: int) -> Iterator[pa.RecordBatch]:
    rows = pa.Table.from_batches(parts)
    for first in range(0, rows.num_rows, slab_rows):
        yield pa.concat_batches(rows.slice(first, slab_rows).to_batches())


def _ranges(subchunk: npt.NDArray[np.int32], most: int) -> Iterator[tuple[int, int]]:
    """First and last sub-chunk of each slab."""
    values, counts = np.unique(subchunk, return_counts=True)
    low, held = 0, 0
    for place, count in enumerate(counts.tolist()):
        if held and held + count > most:
            yield int(values[low]), int(values[place - 1])
            low, held = place, 0
        held += count
    yield int(values[low]), int(values[-1])


def _sorted(rows: pa.RecordBatch, key: str | None) -> pa.RecordBatch:
    if rows.num_rows < 2:
        return rows
    subchunk = rows.column(SUBCHUNK_COLUMN).to_numpy()
    order = np.arange(rows.num_rows) if key is None else _order_of(_sortable(rows.column(key)))
    order = order[group_order(subchunk[order], int(subchunk.max()) + 1)]
    if (order == np.arange(order.size)).all():
        return rows
    return rows.take(pa.array(order))


def _order_of(keys: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The stable order of keys. The sort that is not stable is four times as fast, and the same where none is twice."""
    order = np.argsort(keys)
    ordered = keys[order]
    if (ordered[1:] == ordered[:-1]).any():
        order = np.argsort(keys, kind="stable")
    return order


def _sortable(column: pa.Array) -> npt.NDArray[Any]:
    if column.null_count:
        column = column.fill_null(0)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def write_parquet(
    slabs: Iterable[pa.RecordBatch], schema: pa.Schema, rows: int, target: RawIOBase, key: str | None = None
) -> None:
    """Write rows as they come, ``rows`` in all. Points are looked up by ``key``, if it is an integer."""
    bloom = {}
    if key is not None and rows and pa.types.is_integer(schema.field(key).type):
        bloom = {key: {"ndv": min(ROW_GROUP, rows), "fpp": BLOOM_FALSE_POSITIVES}}
    with (
        pa.BufferedOutputStream(pa.PythonFile(target, mode="w"), _WRITE_BLOCK) as stream,
        pq.ParquetWriter(
            stream,
            schema,
            compression={field.name: "none" if pa.types.is_floating(field.type) else "snappy" for field in schema},
            use_dictionary=[field.name for field in schema if _repeats(field)],
            write_statistics=True,
            write_batch_size=ROW_GROUP,
            bloom_filter_options=bloom or None,
            store_schema=False,
        ) as writer,
    ):
        for slab in slabs:
            writer.write_batch(slab, ROW_GROUP)


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
    parts: Sequence[pa.RecordBatch],
    schema: pa.Schema,
    key: str | None,
    batch: Batch | None = None,
    slab_rows: int | None = None,
) -> StoredFile:
    """Sort a unit's rows and publish them as one file, together with others where ``batch`` is given.

    ``parts`` are the rows as they came, of ``schema`` (see :func:`qserv.storage.schema.stored_schema`); there may be
    none. A replicated table (``UnitKind.FULL``) is written in the order in which it came. ``slab_rows`` is how many
    rows are sorted and encoded at a time, None all: see :func:`stored_order`.
    """
    parts = [part if part.schema == schema else part.cast(schema) for part in parts]
    parts = parts or [pa.RecordBatch.from_pylist([], schema)]
    rows = sum(part.num_rows for part in parts)
    key = None if key is None or unit is UnitKind.FULL else named(schema, key)
    most = max(1, rows if slab_rows is None else slab_rows)
    looked_up = key if kind is FileKind.MAIN else None

    def write(target: HashingFile) -> None:
        slabs = _as_they_came(parts, most) if unit is UnitKind.FULL else stored_order(parts, key, most)
        write_parquet(slabs, schema, rows, target, looked_up)

    return publish(root, folder_of(database, table, unit, number), kind, transaction, write, batch)


def write_empty(path: Path, schema: pa.Schema) -> None:
    """An empty Parquet file of a schema: what a source reads that a chunk has no files for."""
    with path.open("wb") as file:
        pq.write_table(schema.empty_table(), file, store_schema=False)
