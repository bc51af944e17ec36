"""Where the rows of a child or a match table go: by their director's index, else by their own position."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qserv.catalog.errors import DataError, QservError, Unavailable, WorkerFailed
from qserv.catalog.messages import LookupHeader
from qserv.catalog.model import CHUNK_COLUMN, SUBCHUNK_COLUMN
from qserv.catalog.resources import IndexPartition, IndexView
from qserv.sky.chunker import Ints, Partitioning
from qserv.storage.blocks import own_positions
from qserv.storage.index import partition_of
from qserv.storage.origin import Origin

Lookup = Callable[[str, LookupHeader, pa.Array], pa.Table]
"""Looks keys up on the worker of a name."""

_PARALLEL = 4


@dataclass(frozen=True, slots=True)
class Placed:
    """The rows that have a place, and how many were dropped because they have none."""

    rows: pa.Table
    chunk: Ints
    subchunk: Ints
    dropped: int


class DirectorIndex:
    """Looks up a director's keys in the partitions of its index, on the workers that hold them."""

    def __init__(self, view: IndexView, lookup: Lookup) -> None:
        self._partitions = {part.number: part for part in view.partitions if part.files}
        self._count = view.index_partitions
        self._lookup = lookup

    def find(self, keys: npt.NDArray[Any]) -> tuple[Ints, Ints]:
        """Chunk and sub-chunk of each key (int64 or uint64); -1 where the director has no such row.

        A key that the director has more than once is found at one of its rows, always the same.
        """
        wanted, inverse = np.unique(keys, return_inverse=True)
        partition = partition_of(wanted, self._count)
        asked = [(part, wanted[partition == number]) for number, part in sorted(self._partitions.items())]
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="lookup") as pool:
            found = list(pool.map(lambda one: self._ask(*one), [one for one in asked if one[1].size]))
        chunk = np.full(wanted.size, -1, np.int32)
        subchunk = np.full(wanted.size, -1, np.int32)
        for table in found:
            at = np.searchsorted(wanted, table.column("key").to_numpy().astype(wanted.dtype))
            # The first of several entries is to win, whatever order assignment takes.
            at, first = np.unique(at, return_index=True)
            chunk[at] = table.column(CHUNK_COLUMN).to_numpy()[first]
            subchunk[at] = table.column(SUBCHUNK_COLUMN).to_numpy()[first]
        return chunk[inverse], subchunk[inverse]

    def _ask(self, part: IndexPartition, keys: npt.NDArray[Any]) -> pa.Table:
        failed: QservError = Unavailable(f"no worker holds partition {part.number} of the director's index")
        for name in part.workers:
            try:
                return self._lookup(name, LookupHeader(paths=part.files), pa.array(keys))
            except (Unavailable, WorkerFailed) as error:
                failed = error
        raise failed


@dataclass(frozen=True, slots=True)
class Placer:
    """Places rows by ``key`` in ``index``, and orphans by ``position``, where there is one.

    ``drop``: orphans without a position are left out and counted, instead of being an error.
    """

    index: DirectorIndex
    partitioning: Partitioning
    key: str
    position: tuple[str, str] | None
    drop: bool

    def place(self, rows: pa.Table, origin: Origin) -> Placed:
        """The place of each row.

        Raises
        ------
        DataError
            For the first row without a director and a position, unless such rows are dropped.
        """
        chunk, subchunk = self._by_key(rows)
        lost = np.flatnonzero(chunk < 0)
        if lost.size and self.position is not None:
            ra, dec, known = own_positions(rows.take(pa.array(lost)), self.position, origin)
            chunk[lost[known]], subchunk[lost[known]] = self.partitioning.locate(ra, dec)
            lost = np.flatnonzero(chunk < 0)
        if lost.size == 0:
            return Placed(rows, chunk, subchunk, 0)
        if not self.drop:
            raise self._orphan(rows, int(lost[0]), origin)
        kept = np.flatnonzero(chunk >= 0)
        return Placed(rows.take(pa.array(kept)), chunk[kept], subchunk[kept], int(lost.size))

    def _by_key(self, rows: pa.Table) -> tuple[Ints, Ints]:
        column = rows.column(self.key)
        if not pa.types.is_integer(column.type):
            raise DataError(f"the key {self.key!r} has the type {column.type}: a director's key is an integer")
        wide = pa.uint64() if pa.types.is_unsigned_integer(column.type) else pa.int64()
        missing = column.is_null().to_numpy() if column.null_count else None
        filled = column.fill_null(0) if missing is not None else column
        chunk, subchunk = self.index.find(filled.cast(wide).to_numpy())
        if missing is not None:
            chunk[missing] = -1
            subchunk[missing] = -1
        return chunk, subchunk

    def _orphan(self, rows: pa.Table, row: int, origin: Origin) -> DataError:
        key = rows.column(self.key)[row].as_py()
        return origin.error(
            row,
            self.key,
            f"no director row has the key {key}, and the row has no position: load the director first, or set "
            "'orphans: drop'",
        )
