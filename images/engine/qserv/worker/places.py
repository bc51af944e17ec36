"""Where the rows of a child or a match table go: by their director's index, else by their own position."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qserv.catalog.errors import DataError, QservError, Unavailable, WorkerFailed
from qserv.catalog.messages import LookupHeader
from qserv.catalog.model import CHUNK_COLUMN, SUBCHUNK_COLUMN
from qserv.catalog.resources import IndexView
from qserv.sky.chunker import Ints, Partitioning
from qserv.storage.blocks import group_order, own_positions, runs_of
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
    """Looks up a director's keys in the partitions of its index, on the workers that hold them: one call a worker.

    ``own``: the worker that is asked before others. A context: threads end with it.
    """

    def __init__(self, view: IndexView, own: str, lookup: Lookup) -> None:
        self._partitions = {part.number: part for part in view.partitions if part.files}
        self._holders = {
            number: sorted(_turned(part.workers, number), key=lambda name: name != own)
            for number, part in self._partitions.items()
        }
        self._count = view.index_partitions
        self._lookup = lookup
        self._pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="lookup")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def find(self, keys: npt.NDArray[Any]) -> tuple[Ints, Ints]:
        """Chunk and sub-chunk of each key (int64 or uint64); -1 where the director has no such row.

        A key that the director has more than once is found at one of its rows, always the same.
        """
        wanted, inverse = np.unique(keys, return_inverse=True)
        partition = partition_of(wanted, self._count)
        order = group_order(partition, self._count)
        asked = {
            number: wanted[order[first : first + count]]
            for number, first, count in runs_of(partition[order])
            if number in self._partitions
        }
        chunk = np.full(wanted.size, -1, np.int32)
        subchunk = np.full(wanted.size, -1, np.int32)
        for table in self._ask_all(asked):
            at = np.searchsorted(wanted, table.column("key").to_numpy().astype(wanted.dtype))
            # The first of several entries is to win, whatever order assignment takes.
            at, first = np.unique(at, return_index=True)
            chunk[at] = table.column(CHUNK_COLUMN).to_numpy()[first]
            subchunk[at] = table.column(SUBCHUNK_COLUMN).to_numpy()[first]
        return chunk[inverse], subchunk[inverse]

    def _ask_all(self, asked: Mapping[int, npt.NDArray[Any]]) -> list[pa.Table]:
        """What the workers know of the keys of each partition; where one fails, others are asked."""
        found: list[pa.Table] = []
        open_, tried = set(asked), 0
        failed: QservError = Unavailable("no worker holds the director's index")
        while open_:
            by_worker: dict[str, list[int]] = defaultdict(list)
            for number in sorted(open_):
                if tried >= len(self._holders[number]):
                    raise failed
                by_worker[self._holders[number][tried]].append(number)
            calls = {name: self._pool.submit(self._ask, name, numbers, asked) for name, numbers in by_worker.items()}
            for name, call in calls.items():
                try:
                    found.append(call.result())
                    open_ -= set(by_worker[name])
                except (Unavailable, WorkerFailed) as error:
                    failed = error
            tried += 1
        return found

    def _ask(self, name: str, numbers: Sequence[int], asked: Mapping[int, npt.NDArray[Any]]) -> pa.Table:
        runs = tuple((asked[number].size, self._partitions[number].files) for number in numbers)
        return self._lookup(name, LookupHeader(runs=runs), pa.array(np.concatenate([asked[one] for one in numbers])))


def _turned(names: Sequence[str], number: int) -> Sequence[str]:
    """The same names from another one on, so that the first is not always asked."""
    first = number % max(1, len(names))
    return (*names[first:], *names[:first])


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
