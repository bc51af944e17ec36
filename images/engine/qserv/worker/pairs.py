"""Pairs of neighbours on a worker: the rows of both sides are read by DuckDB, paired by trees, and read by it again.

DuckDB takes the pairs as a stream, batch by batch, while threads of the worker make trees and find pairs a few blocks
ahead of it. What is held besides DuckDB's own memory: the rows of both sides for one batch of chunks, which may be
``Room.bytes`` (a batch has fewer chunks for that), and the blocks on their way.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.spatial import cKDTree

from qserv.catalog.errors import QueryKilled, ResourceExhausted
from qserv.catalog.messages import PairStep
from qserv.sky import neighbours
from qserv.sky.neighbours import Block, Floats, Found, Places, Reach
from qserv.storage.duck import stream
from qserv.storage.pairs import Parameters, own, pair_schema, table_of

T = TypeVar("T")
Batches = Callable[[], list[pa.RecordBatch]]
Part = Callable[[], list[Batches]]

ROWS = 1 << 16
"""Pairs of a record batch."""

BLOCK = 96 << 20
"""Bytes of a block of pairs."""

_PLACES = 32
"""Bytes that finding a pair takes."""

_FILES = 8
"""How many times their files' bytes rows in memory may take, at most, so that a batch of chunks is small enough."""

_NONE: Places = np.empty(0, np.intp)

_TOGETHER = 1 << 15
"""Rows of chunks that are searched as one: small chunks by themselves cost more than their pairs."""

_LOOK = 0.05
"""Seconds between looks at whether the query was stopped."""


@dataclass(frozen=True)
class Room:
    """What a lane's searches may use: threads, and bytes of rows for each query."""

    pool: ThreadPoolExecutor
    threads: int
    bytes: int

    def chunks(self, chunk_bytes: int) -> int:
        """How many chunks a batch may have."""
        return max(1, self.bytes // _FILES // max(1, chunk_bytes))


class Pairs:
    """The steps of one query. ``cursor`` is that of its statement; ``stop`` may be called by any thread."""

    def __init__(self, steps: Sequence[PairStep], cursor: duckdb.DuckDBPyConnection, room: Room) -> None:
        self._steps = steps
        self._cursor = cursor
        self._room = room
        self._decider = cursor.cursor() if steps else None
        self._deciding = threading.Lock()
        self._stopped = False
        self.failure: Exception | None = None

    def begin(self, parameters: Parameters) -> None:
        """Read the rows of a batch of chunks, and make its pairs readable: they are found while they are read."""
        for number, step in enumerate(self._steps):
            first = self._read(step.first, parameters)
            second = first if step.second is None else self._read(step.second, parameters)
            self._cursor.register(table_of(number), _Search(step, first, second, self))

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        if self._decider is not None:
            with self._deciding, contextlib.suppress(duckdb.Error):
                self._decider.close()

    def check(self) -> None:
        if self._stopped:
            raise QueryKilled("the query was cancelled")

    def ahead(self, tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
        """The results of the tasks in their order, a few of them made ahead."""
        waiting: deque[Future[T]] = deque()
        try:
            for task in tasks:
                waiting.append(self._room.pool.submit(self._checked, task))
                if len(waiting) > self._room.threads:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()

    def decide(self, sql: str, unsure: pa.Table) -> Places:
        """Which of the pairs are ones; by the number that each has."""
        if self._decider is None:
            raise RuntimeError("a query without steps has no pairs")
        with self._deciding:
            self._decider.register("q:unsure", unsure)
            return np.asarray(self._decider.sql(sql).fetchnumpy()["q:pair"], dtype=np.intp)

    def _checked(self, task: Callable[[], T]) -> T:
        self.check()
        return task()

    def _result(self, future: Future[T]) -> T:
        while True:
            self.check()
            with contextlib.suppress(TimeoutError):
                return future.result(_LOOK)

    def _read(self, sql: str, parameters: Parameters) -> pa.Table:
        reader = stream(self._cursor, sql, own(self._cursor, sql, parameters), ROWS)
        batches: list[pa.RecordBatch] = []
        size = 0
        for batch in reader:
            self.check()
            batches.append(batch)
            size += batch.nbytes
            if size > self._room.bytes:
                raise ResourceExhausted(
                    "the rows among which neighbours are searched need more memory than a worker gives them, "
                    f"{self._room.bytes} bytes for each side: select fewer columns, or restrict both sides"
                )
        return pa.Table.from_batches(batches, reader.schema).combine_chunks()


class _Side:
    """The rows of one side of a step, and where they are."""

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows
        self.ra, self.decl = (_floats(rows.column(name)) for name in ("q:ra", "q:decl"))
        self.placed = neighbours.on_sphere(self.ra, self.decl)
        self.host: npt.NDArray[np.int64] | None = None
        if "q:host" in rows.column_names:
            self.host = np.asarray(rows.column("q:host").to_numpy(), dtype=np.int64)

    def points(self, places: Places) -> Floats:
        return neighbours.unit_vectors(self.ra[places], self.decl[places])

    def hosts(self, places: Places) -> npt.NDArray[np.int64] | None:
        """The host chunk of each row; None where it is the same for all."""
        found = None if self.host is None else self.host[places]
        return found if found is not None and (found != found[:1]).any() else None

    def by_host(self) -> dict[int, Places]:
        """The places of the rows of each host chunk, in order."""
        if self.host is None or not len(self.host):
            return {}
        order = np.argsort(self.host, kind="stable")
        hosts = self.host[order]
        starts = np.flatnonzero(np.r_[True, hosts[1:] != hosts[:-1]])
        parts = np.split(order, starts[1:])
        return {int(hosts[start]): part for start, part in zip(starts, parts, strict=True)}


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.to_numpy(), dtype=np.float64)


class _Search:
    """The pairs of one step over one batch of chunks, as a stream that DuckDB reads (an Arrow C stream)."""

    def __init__(self, step: PairStep, first: pa.Table, second: pa.Table, pairs: Pairs) -> None:
        self._step = step
        self._pairs = pairs
        self._first = _Side(first)
        self._second = self._first if step.second is None else _Side(second)
        self._reach = Reach.of(step.radius)
        self.schema = pair_schema(step, first.schema, second.schema)
        sides = ((first, step.first_columns), (second, step.second_columns))
        width = sum(rows.column(name).nbytes // max(1, rows.num_rows) for rows, names in sides for name in names)
        self._most = max(1, BLOCK // (_PLACES + width))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return pa.RecordBatchReader.from_batches(self.schema, self._batches()).__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            parts = (part for parts in self._pairs.ahead(self._groups()) for part in parts)
            blocks = (block for blocks in self._pairs.ahead(parts) for block in blocks)
            for batch in (batch for batches in self._pairs.ahead(blocks) for batch in batches):
                for start in range(0, batch.num_rows, ROWS):
                    self._pairs.check()
                    yield batch.slice(start, ROWS)
        except Exception as error:
            # DuckDB tells of its text alone
            self._pairs.failure = self._pairs.failure or error
            raise

    def _groups(self) -> Iterator[Callable[[], list[Part]]]:
        """Rows that can be neighbours, those of the same host chunk or all: the parts in which they are searched."""
        first, second = self._first, self._second
        if self._step.second is None:
            main = np.asarray(first.rows.column("q:main").to_numpy(), dtype=np.bool_)
            for places in _together(first.by_host().values()):
                placed = places[first.placed[places]]
                yield partial(self._tiles, placed[main[placed]], placed[~main[placed]])
        elif first.host is not None and second.host is not None:
            others = second.by_host()
            for host, places in first.by_host().items():
                yield partial(list, [partial(self._between, places, others.get(host, _NONE))])
        else:
            every = np.flatnonzero(second.placed)
            tree = neighbours.tree(second.points(every))
            for start in range(0, first.rows.num_rows, ROWS):
                places = np.arange(start, min(start + ROWS, first.rows.num_rows))
                yield partial(list, [partial(self._between, places, every, tree)])

    def _tiles(self, main: Places, overlap: Places) -> list[Part]:
        places = np.concatenate([main, overlap])
        points = self._first.points(places)
        tiles = neighbours.tiles(points, len(main), self._reach)
        return [partial(self._among, points[tile], own, places[tile]) for tile, own in tiles]

    def _among(self, points: Floats, own: int, places: Places) -> list[Batches]:
        blocks = neighbours.among(points, own, self._reach, self._most, self._pairs.check)
        hosts = self._first.hosts(places)
        if hosts is not None:
            blocks = [replace(block, find=partial(_of_one_host, block, hosts)) for block in blocks]
        return [partial(self._batches_of, block, places, places) for block in blocks]

    def _between(self, places: Places, others: Places, tree: cKDTree | None = None) -> list[Batches]:
        placed = self._first.placed[places]
        if tree is None:
            others = others[self._second.placed[others]]
            tree = neighbours.tree(self._second.points(others))
        here = places[placed]
        blocks = neighbours.between(self._first.points(here), tree, self._reach, self._most, self._pairs.check)
        found: list[Batches] = [partial(self._batches_of, block, here, others) for block in blocks]
        if self._step.optional and len(here) < len(places):
            found.append(lambda: [self._rows(places[~placed], None)])
        return found

    def _batches_of(self, block: Block, places: Places, others: Places) -> list[pa.RecordBatch]:
        """The rows of a block's pairs. ``places`` and ``others`` say which rows its points are."""
        found = [self._decided(places, others, each) for each in block.find()]
        batches = [self._rows(places[each.first], others[each.second]) for each in found]
        if self._step.optional:
            lone = np.ones(block.end - block.start, dtype=np.bool_)
            for each in found:
                lone[each.first - block.start] = False
            batches.append(self._rows(places[block.start : block.end][lone], None))
        return batches

    def _decided(self, places: Places, others: Places, found: Found) -> Found:
        """The pairs, where the user's own condition says which of the unsure are ones."""
        if found.unsure is None:
            return found
        (asked,) = np.nonzero(found.unsure)
        positions: dict[str, npt.NDArray[Any]] = {"q:pair": asked}
        sides = ((self._first, places[found.first[asked]]), (self._second, others[found.second[asked]]))
        for number, (side, rows) in enumerate(sides, start=1):
            positions |= {f"q:ra{number}": side.ra[rows], f"q:decl{number}": side.decl[rows]}
        sure = ~found.unsure
        sure[self._pairs.decide(self._step.decide, pa.table(positions))] = True
        return Found(found.first[sure], found.second[sure])

    def _rows(self, first: Places, second: Places | None) -> pa.RecordBatch:
        """The columns of pairs; of rows without a partner where ``second`` is None."""
        columns = [_array(self._first.rows.column(name)).take(pa.array(first)) for name in self._step.first_columns]
        for name in self._step.second_columns:
            column = self._second.rows.column(name)
            columns.append(
                pa.nulls(len(first), column.type) if second is None else _array(column).take(pa.array(second))
            )
        return pa.RecordBatch.from_arrays(columns or [pa.nulls(len(first))], schema=self.schema)


def _of_one_host(block: Block, hosts: npt.NDArray[np.int64]) -> list[Found]:
    """The pairs of points of the same host chunk. To search all and pass over some takes less than to tell them apart
    by one more dimension: only at the borders of chunks there are others."""
    found = []
    for each in block.find():
        same = hosts[each.first] == hosts[each.second]
        unsure = each.unsure[same] if each.unsure is not None and each.unsure[same].any() else None
        found.append(Found(each.first[same], each.second[same], unsure))
    return found


def _together(parts: Iterable[Places]) -> Iterator[Places]:
    """The parts, small ones joined."""
    held: list[Places] = []
    for part in parts:
        if held and sum(map(len, held)) + len(part) > _TOGETHER:
            yield np.concatenate(held)
            held = []
        held.append(part)
    if held:
        yield np.concatenate(held)


def _array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)
