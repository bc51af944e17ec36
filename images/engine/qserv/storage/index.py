"""The director index: where the row of a key is.

A partition of the index is a set of Arrow IPC files, each sorted by key, that are memory-mapped: a look-up is a binary
search over the mapped column, and costs some microseconds however many keys there are. The partition of a key is a hash
of it, so that keys that come in order still spread evenly.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qserv.catalog.errors import DuplicateKey, WorkerFailed
from qserv.catalog.model import CHUNK_COLUMN, SUBCHUNK_COLUMN, FileKind, UnitKind
from qserv.storage.files import HashingFile, StoredFile, folder_of
from qserv.storage.publishing import Batch, publish
from qserv.storage.schema import index_schema

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
Keys = npt.NDArray[Any]
"""An array of int64 or uint64."""


def partition_of(keys: Keys, partitions: int) -> npt.NDArray[np.int32]:
    """The partition of each key: ``(key * 0x9E3779B97F4A7C15 mod 2^64 >> 32) mod partitions``."""
    unsigned = keys.view(np.uint64) if keys.dtype.itemsize == 8 else keys.astype(np.int64).view(np.uint64)
    return ((unsigned * _GOLDEN >> np.uint64(32)) % np.uint64(partitions)).astype(np.int32)


class IndexFile:
    """One mapped file: ``keys`` sorted, with ``chunks`` and ``subchunks`` beside them, zero-copy."""

    def __init__(self, path: Path) -> None:
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path), "r")).read_all()
        except (OSError, pa.ArrowInvalid) as error:
            raise WorkerFailed(f"the index file {path.name} cannot be read: {error}", path=str(path)) from error
        self._table = table  # owns the mapping
        self.keys: Keys = _mapped(table.column("key"))
        self.chunks: npt.NDArray[np.int32] = _mapped(table.column(CHUNK_COLUMN))
        self.subchunks: npt.NDArray[np.int32] = _mapped(table.column(SUBCHUNK_COLUMN))

    def rows_of(self, keys: Keys) -> npt.NDArray[np.int64]:
        """The rows of all entries with one of the (distinct) keys."""
        keys = comparable(keys, self.keys.dtype)
        low = np.searchsorted(self.keys, keys, side="left")
        count = np.searchsorted(self.keys, keys, side="right") - low
        step = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        return np.asarray(np.repeat(low, count) + step)

    def between(self, low: int | None, high: int | None) -> slice:
        """The rows of keys from ``low`` to ``high``, inclusive; None is open."""
        bounds = np.iinfo(self.keys.dtype)
        if (low is not None and low > bounds.max) or (high is not None and high < bounds.min):
            return slice(0, 0)
        first = 0 if low is None or low <= bounds.min else np.searchsorted(self.keys, self.keys.dtype.type(low))
        last = (
            self.keys.size
            if high is None or high >= bounds.max
            else np.searchsorted(self.keys, self.keys.dtype.type(high), side="right")
        )
        return slice(int(first), int(last))


def _mapped(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A column of one chunk as numpy, without a copy."""
    if column.num_chunks == 0:
        return np.empty(0, column.type.to_pandas_dtype())
    return np.asarray(column.chunk(0).to_numpy(zero_copy_only=True))


def comparable(keys: Keys, dtype: np.dtype[Any]) -> Keys:
    """Keys as ``dtype``, less those that it cannot hold: signed and unsigned 64 bits compare as floats otherwise."""
    if keys.dtype == dtype:
        return keys
    if np.issubdtype(dtype, np.unsignedinteger) and np.issubdtype(keys.dtype, np.signedinteger):
        keys = keys[keys >= 0]
    elif np.issubdtype(dtype, np.signedinteger) and np.issubdtype(keys.dtype, np.unsignedinteger):
        keys = keys[keys <= np.iinfo(dtype).max]
    return keys.astype(dtype)


class IndexReader:
    """Look-ups in index files, which stay mapped while they are used. Thread-safe."""

    def __init__(self, capacity: int = 1024) -> None:
        self._capacity = capacity
        self._files: OrderedDict[Path, IndexFile] = OrderedDict()
        self._lock = threading.Lock()

    def lookup(self, paths: Iterable[Path], keys: pa.Array | Keys) -> pa.Table:
        """The places of keys: ``key``, ``chunkId``, ``subChunkId``. Absent keys are left out."""
        wanted = np.unique(keys if isinstance(keys, np.ndarray) else keys.to_numpy(zero_copy_only=False))
        schema = index_schema(pa.from_numpy_dtype(wanted.dtype))
        batches = []
        for file in map(self._open, paths):
            rows = file.rows_of(wanted)
            places = (file.keys[rows].astype(wanted.dtype, copy=False), file.chunks[rows], file.subchunks[rows])
            batches.append(pa.record_batch([pa.array(values) for values in places], schema=schema))
        return pa.Table.from_batches(batches, schema)

    def chunks_of(self, paths: Iterable[Path], keys: Keys) -> list[int]:
        """The distinct chunks of keys, in order."""
        wanted = np.unique(keys)
        return _distinct([file.chunks[file.rows_of(wanted)] for file in map(self._open, paths)])

    def chunks_between(self, paths: Iterable[Path], low: int | None, high: int | None) -> list[int]:
        """The distinct chunks of the keys from ``low`` to ``high``, inclusive, in order; None is open."""
        return _distinct([np.unique(file.chunks[file.between(low, high)]) for file in map(self._open, paths)])

    def forget(self, paths: Iterable[Path]) -> None:
        """Let go of files that are to be removed."""
        with self._lock:
            for path in paths:
                self._files.pop(path, None)

    def _open(self, path: Path) -> IndexFile:
        with self._lock:
            if path in self._files:
                self._files.move_to_end(path)
                return self._files[path]
        file = IndexFile(path)
        with self._lock:
            self._files[path] = file
            while len(self._files) > self._capacity:
                self._files.popitem(last=False)
        return file


def _distinct(found: Sequence[npt.NDArray[np.int32]]) -> list[int]:
    chunks: list[int] = np.unique(np.concatenate([np.empty(0, np.int32), *found])).tolist()
    return chunks


def write_index(
    root: Path,
    database: str,
    table: str,
    partition: int,
    transaction: int,
    parts: Sequence[pa.RecordBatch],
    *,
    unique: bool,
    existing: Iterable[Path] = (),
    batch: Batch | None = None,
) -> StoredFile:
    """Sort the keys of a partition and publish them as one file, together with others where ``batch`` is given.

    Parameters
    ----------
    parts : ``key``, ``chunkId``, ``subChunkId`` (other columns are left out), at least one batch.
    unique : whether a key may be there once only, also among ``existing``: the partition's committed files.

    Raises
    ------
    DuplicateKey
        With the first few keys that are there more than once.
    """
    schema = index_schema(parts[0].column("key").type)
    rows = pa.concat_batches([part.select(schema.names).cast(schema) for part in parts])
    keys = rows.column("key").to_numpy()
    order = np.argsort(keys, kind="stable")
    if unique:
        _refuse_duplicates(f"{database}.{table}", keys[order], existing)
    rows = rows.take(pa.array(order))

    def write(target: HashingFile) -> None:
        with pa.ipc.new_file(pa.PythonFile(target, mode="w"), schema) as writer:
            writer.write_batch(rows)

    folder = folder_of(database, table, UnitKind.INDEX, partition)
    return publish(root, folder, FileKind.INDEX, transaction, write, batch)


def _refuse_duplicates(name: str, keys: Keys, existing: Iterable[Path]) -> None:
    twice = np.unique(keys[1:][keys[1:] == keys[:-1]])
    if twice.size:
        raise _duplicate(name, twice, "more than once in this transaction")
    for path in existing:
        file = IndexFile(path)
        there = np.unique(file.keys[file.rows_of(keys)])
        if there.size:
            raise _duplicate(name, there, "already in the table")


def _duplicate(name: str, keys: Keys, how: str) -> DuplicateKey:
    shown = ", ".join(str(key) for key in keys[:5])
    more = f" and {keys.size - 5} more" if keys.size > 5 else ""
    return DuplicateKey(
        f"table {name}: keys that must be unique are {how}: {shown}{more}", keys=[int(key) for key in keys[:100]]
    )
