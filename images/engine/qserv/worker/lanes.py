"""A lane: a closed DuckDB of its own and the threads that run queries on it, a batch of chunks at a time.

Rows go to the query's outbox, which its caller drains. When the caller is slow the outbox fills, the statement is
*parked*: it keeps its place in DuckDB, which stops producing, and gives its thread to another query until the caller
has caught up. So memory stays bounded, and no caller holds up another.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from qserv.catalog.errors import QservError, QueryKilled
from qserv.catalog.messages import BatchDone, PairStep
from qserv.storage.duck import stream
from qserv.storage.pairs import own, register_none
from qserv.worker import failures
from qserv.worker.pairs import Pairs, Room
from qserv.worker.scheduler import FIRST_BYTES, PROMPT_BYTES, Aim, Batch, Course, Elevator

FULL = 16 << 20
"""Bytes in an outbox at which its statement is parked; it goes on when half of them are taken."""

ROWS = 4096
"""Rows of a record batch that DuckDB makes."""

PIECE = 1 << 20
"""Bytes, about, of a record batch that is sent: wide rows go in batches of fewer."""

Parameters = dict[str, list[str]]
Item = tuple[pa.RecordBatch, BatchDone | None]


class Statement(Protocol):
    """What a lane runs: one SQL text over the files of any batch of chunks."""

    @property
    def sql(self) -> str: ...

    @property
    def steps(self) -> tuple[PairStep, ...]: ...

    @property
    def limit(self) -> int | None: ...

    @property
    def prompt(self) -> bool:
        """Whether a client waits for the first rows."""
        ...

    @property
    def numbers(self) -> tuple[int, ...]: ...

    def parameters(self, first: int, count: int) -> Parameters: ...

    def chunk_bytes(self) -> int:
        """About how many bytes of files a chunk has."""
        ...


class Run:
    """One query on a lane. The lane's threads fill it, its caller iterates; ``stop`` may be called by any thread."""

    def __init__(self, name: str, statement: Statement, cursor: duckdb.DuckDBPyConnection, room: Room) -> None:
        self.name = name
        self._statement = statement
        self._cursor = cursor
        self._pairs = Pairs(statement.steps, cursor, room)
        self._changed = threading.Condition()
        self._items: deque[tuple[Item, int]] = deque()
        self._bytes = 0
        self._error: QservError | None = None
        self._ended = False
        self._stopped = False
        self._busy = False
        self._parked = False
        self._reader: Any = None
        self._last: pa.RecordBatch | None = None
        self._left = statement.limit
        self._batch_seconds = 0.0
        self._batch_bytes = 0
        self._schema: pa.Schema | None = None
        self._done: list[tuple[int, int]] = []

    # ---- the caller's side

    def wait_schema(self, timeout: float) -> pa.Schema | None:
        """The columns of the answer, or None when nothing is known after ``timeout`` seconds; raises its error."""
        with self._changed:
            self._changed.wait_for(lambda: self._schema is not None or self._error is not None, timeout)
            if self._schema is None and self._error is not None:
                raise self._error
            return self._schema

    def take(self, timeout: float, resume: Callable[[], None]) -> Item | None:
        """The next item, or None where there is none yet. Raises StopIteration at the end, or the query's error."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended or self._error is not None, timeout)
            if self._error is not None:
                raise self._error
            if not self._items:
                if self._ended:
                    raise StopIteration
                return None
            item, size = self._items.popleft()
            self._bytes -= size
            wake = self._parked and self._bytes <= FULL // 2
            if wake:
                self._parked = False
        if wake:
            resume()
        return item

    def stop(self) -> None:
        """End the query's work at once; returns when no thread runs it any more."""
        with self._changed:
            self._stopped = True
            if self._error is None and not self._ended:
                self._error = QueryKilled("the query was cancelled")
            self._pairs.stop()
            self._changed.notify_all()
            while self._busy:
                # An interrupt is lost on a statement that is just about to start, hence again until it has ended.
                self._cursor.interrupt()
                self._changed.wait(0.02)
            self._items.clear()
            self._bytes = 0
        self._close()

    # ---- the lane's side

    def advance(self, batch: Batch) -> bool:
        """Run the batch until it ends (True) or the outbox is full (False: parked)."""
        began = time.monotonic()
        with self._changed:
            if self._stopped:
                raise QueryKilled("the query was cancelled")
            self._busy = True
        try:
            return self._pump(batch)
        except (duckdb.Error, OSError, MemoryError) as error:
            cause = self._pairs.failure or error
            raise failures.of_query(cause, _files(self._statement.parameters(batch.first, batch.count))) from None
        finally:
            self._batch_seconds += time.monotonic() - began
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def park(self) -> bool:
        """Wait for the caller to drain the outbox; False where it has already."""
        with self._changed:
            self._parked = self._bytes > FULL // 2
            return self._parked

    def measured(self) -> tuple[float, int]:
        """Seconds and bytes of the batch that ended."""
        seconds, sent = self._batch_seconds, self._batch_bytes
        self._batch_seconds, self._batch_bytes = 0.0, 0
        return seconds, sent

    @property
    def satisfied(self) -> bool:
        """Whether as many rows were sent as its LIMIT asks for."""
        return self._left == 0

    def end(self) -> None:
        """All is sent. Chunks that were not run, because enough rows were found, are reported as done too."""
        with self._changed:
            at = 0
            for first, count in sorted(self._done):
                self._skipped(at, first)
                at = first + count
            self._skipped(at, len(self._statement.numbers))
            self._ended = True
            self._changed.notify_all()
        self._close()

    def fail(self, error: QservError) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
        self._close()

    def _pump(self, batch: Batch) -> bool:
        if self._reader is None:
            parameters = self._statement.parameters(batch.first, batch.count)
            if self._statement.steps:
                self._pairs.begin(parameters)
                parameters = own(self._cursor, self._statement.sql, parameters)
            self._reader = stream(self._cursor, self._statement.sql, parameters, ROWS)
            with self._changed:
                self._schema = self._schema or self._reader.schema  # told with the first rows: a wake-up the less
        for rows in self._reader:
            full = self._put(None)
            self._last = self._within_limit(rows)
            if full:
                return False
            if self.satisfied:
                break
        self._reader = None
        self._put(BatchDone(first=batch.first, count=batch.count))
        self._done.append((batch.first, batch.count))
        return True

    def _skipped(self, first: int, end: int) -> None:
        if first < end:
            self._items.append(((no_rows(self._schema), BatchDone(first=first, count=end - first)), 0))

    def _within_limit(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        if self._left is not None:
            rows = rows.slice(0, self._left)
            self._left -= rows.num_rows
        return rows

    def _put(self, done: BatchDone | None) -> bool:
        """Add the last rows to the outbox, perhaps with the word that they were a batch's last; whether it is full."""
        rows, self._last = self._last, None
        if done is None and not rows:
            return False
        pieces = _pieces(no_rows(self._schema) if rows is None else rows)
        with self._changed:
            if self._stopped:
                raise QueryKilled("the query was cancelled")
            for piece, size in pieces:
                self._items.append(((piece, done if piece is pieces[-1][0] else None), size))
                self._bytes += size
                self._batch_bytes += size
            self._changed.notify_all()
            return self._bytes > FULL

    def _close(self) -> None:
        self._reader = None
        self._pairs.close()
        with contextlib.suppress(duckdb.Error):
            self._cursor.close()


class Lane:
    """Runs queries of one class.

    Parameters
    ----------
    connection : its DuckDB, closed to all but the worker's data.
    room : for its searches of neighbours.
    slots : how many statements run at a time.
    whole : a query's chunks are one batch (point queries).
    """

    def __init__(
        self,
        name: str,
        connection: duckdb.DuckDBPyConnection,
        room: Room,
        *,
        slots: int,
        whole: bool,
        aim: Aim | None = None,
    ) -> None:
        self.name = name
        self._connection = connection
        self._room = room
        self._whole = whole
        self._aim = aim or Aim()
        self._changed = threading.Condition()
        self._elevator = Elevator()
        self._runs: dict[str, Run] = {}
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{slot}", daemon=True) for slot in range(slots)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def queries(self) -> int:
        return len(self._runs)

    def submit(self, name: str, statement: Statement) -> Run:
        """Begin a query under a name of its own; it runs until it ends, fails or is dropped."""
        course = self._course(statement)
        run = Run(name, statement, self._connection.cursor(), self._room)
        with self._changed:
            if self._closing:
                raise QueryKilled("the worker is shutting down")
            self._runs[name] = run
            self._elevator.add(name, course)
            self._changed.notify()
        return run

    def _course(self, statement: Statement) -> Course:
        if self._whole and not statement.steps:
            return Course(statement.numbers, aim=self._aim)
        chunk = max(1, statement.chunk_bytes())
        first = max(1, (PROMPT_BYTES if statement.prompt else FIRST_BYTES) // chunk)
        most = self._room.chunks(chunk) if statement.steps else None
        return Course(statement.numbers, aim=self._aim, first=first, most=most)

    def describe(self, statement: Statement) -> pa.Schema:
        """The columns of a statement's answer, without running it."""
        parameters = statement.parameters(0, min(1, len(statement.numbers)))
        sql = f"SELECT * FROM ({statement.sql}) LIMIT 0"  # noqa: S608 -- the planner wrote the statement
        try:
            with contextlib.closing(self._connection.cursor()) as cursor:
                if statement.steps:
                    register_none(cursor, statement.steps, parameters)
                    parameters = own(cursor, sql, parameters)
                return stream(cursor, sql, parameters, ROWS).schema
        except (duckdb.Error, OSError) as error:
            raise failures.of_query(error, _files(parameters)) from None

    def items(self, run: Run, tick: float) -> Iterator[Item | None]:
        """What a query yields; None after each ``tick`` seconds of silence. Dropping it drops the query."""
        try:
            while True:
                try:
                    item = run.take(tick, lambda: self._resume(run.name))
                except StopIteration:
                    return
                yield item
        finally:
            self.drop(run)

    def drop(self, run: Run) -> None:
        """Stop a query, if it still runs, and forget it."""
        with self._changed:
            self._runs.pop(run.name, None)
            self._elevator.remove(run.name)
        run.stop()

    def close(self) -> None:
        """Stop all queries and end the lane's threads."""
        with self._changed:
            self._closing = True
            runs = list(self._runs.values())
            self._changed.notify_all()
        for run in runs:
            run.fail(QueryKilled("the worker is shutting down"))
            self.drop(run)
        for thread in self._threads:
            thread.join()
        self._connection.close()

    def _resume(self, name: str) -> None:
        with self._changed:
            self._elevator.resume(name)
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                turn = None if self._closing else self._elevator.next()
                while turn is None:
                    if self._closing:
                        return
                    self._changed.wait()
                    turn = None if self._closing else self._elevator.next()
                name, batch = turn
                run = self._runs[name]
            self._turn(run, batch)

    def _turn(self, run: Run, batch: Batch) -> None:
        began = time.monotonic()
        try:
            finished = run.advance(batch)
        except QservError as error:
            run.fail(error)
            with self._changed:
                self._elevator.remove(run.name)
            return
        seconds = time.monotonic() - began
        if not finished:
            with self._changed:
                self._elevator.park(run.name, seconds)
            if not run.park():
                self._resume(run.name)
            return
        batch_seconds, sent = run.measured()
        with self._changed:
            last = self._elevator.done(run.name, seconds, batch_seconds=batch_seconds, sent=sent)
            if run.satisfied:
                self._elevator.remove(run.name)
            elif not last:
                self._changed.notify()
        if last or run.satisfied:
            run.end()


def no_rows(schema: pa.Schema) -> pa.RecordBatch:
    found: pa.RecordBatch = pa.RecordBatch.from_struct_array(pa.array([], pa.struct(schema)))
    return found


def _pieces(rows: pa.RecordBatch) -> list[tuple[pa.RecordBatch, int]]:
    """Rows cut to be sent, with their bytes; ``nbytes`` would take 40 µs for a row of 22 columns, again and again."""
    size, count = rows.get_total_buffer_size(), rows.num_rows
    step = max(1, count * PIECE // max(1, size))
    if step >= count:
        return [(rows, size)]
    return [(rows.slice(start, step), size * min(step, count - start) // count) for start in range(0, count, step)]


def _files(parameters: Parameters) -> Iterator[Path]:
    return (Path(file) for files in parameters.values() for file in files)
