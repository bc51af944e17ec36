"""Queries on a worker: from a task to its rows, with their caller watched."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from qserv.catalog import logs
from qserv.catalog.errors import QservError
from qserv.catalog.flight import KEEP_ALIVE
from qserv.catalog.messages import QueryTask
from qserv.catalog.settings import WorkerSettings
from qserv.sql.functions import SETUP
from qserv.storage.duck import open_closed
from qserv.storage.emptyfiles import EmptyFiles
from qserv.worker import metrics
from qserv.worker.lanes import Item, Lane, Run, no_rows
from qserv.worker.pairs import Room
from qserv.worker.statements import ChunkStatement

TICK = 0.1
"""Seconds between looks at whether a query's caller is still there."""

_PROMPT = 0.2
"""Seconds in which a statement's first rows may tell its columns; after that it is asked for them beside its run."""

_SCAN_SLOTS = 2
_POINT_SLOTS = 4
"""Each a thread of its own: a row is found sooner by one than by several that must be woken first."""

_ROWS_SHARE = 4
"""The rows of either side of a neighbour search may be as large as this part of its lane's memory."""

_ROWS_LIMIT = 8 << 30
"""Texts of more than 2 GiB are not one Arrow array."""

log = logs.get(__name__)


class Queries:
    """The lanes of a worker and the queries on them.

    Parameters
    ----------
    data_dir : the folder of all chunk files.
    scratch : a folder of this process alone, for spilling and for empty files.
    """

    def __init__(self, settings: WorkerSettings, data_dir: Path, scratch: Path) -> None:
        self._data_dir = data_dir
        self._searchers = ThreadPoolExecutor(settings.threads, thread_name_prefix="neighbours")
        self._empty = EmptyFiles(scratch / "empty")

        def lane(name: str, memory: int, *, slots: int, threads: int, whole: bool) -> Lane:
            folders = (data_dir, self._empty.folder)
            spill = settings.spill_limit // 2
            closed = open_closed(folders, memory, scratch / f"spill-{name}", spill, threads, SETUP, ordered=False)
            room = Room(self._searchers, settings.threads, min(memory, _ROWS_LIMIT) // _ROWS_SHARE)
            return Lane(name, closed, room, slots=slots, whole=whole)

        self._lanes = {
            "scan": lane("scan", settings.memory_limit, slots=_SCAN_SLOTS, threads=settings.threads, whole=False),
            "point": lane("point", settings.point_memory_limit, slots=_POINT_SLOTS, threads=1, whole=True),
        }
        self._lock = threading.Lock()
        self._runs: dict[str, dict[str, tuple[Lane, Run]]] = {}
        self._count = itertools.count(1)

    def start(self, task: QueryTask, gone: Callable[[], bool]) -> tuple[pa.Schema, Iterator[Item]]:
        """Begin a query: its columns, and its rows as they come.

        ``gone`` says whether the caller hung up. The rows hold empty batches where nothing came for a while.

        Raises
        ------
        QservError
            Also while iterating: what went wrong.
        """
        lane = self._lanes[task.lane]
        statement = ChunkStatement(task, self._data_dir, self._empty)
        name = f"{task.query}#{next(self._count)}"
        run = lane.submit(name, statement)
        with self._lock:
            self._runs.setdefault(task.query, {})[name] = (lane, run)
        try:
            schema = run.wait_schema(_PROMPT) or lane.describe(statement)
        except BaseException:
            self._end(task.query, lane, run)
            raise
        return schema, _Answer(self._rows(task, lane, run, schema, gone), lambda: self._end(task.query, lane, run))

    def cancel(self, query: str) -> int:
        """Stop a query; how many of its statements there were."""
        with self._lock:
            found = list(self._runs.get(query, {}).values())
        for lane, run in found:
            lane.drop(run)
        return len(found)

    @property
    def running(self) -> dict[str, int]:
        """Queries by lane."""
        return {name: lane.queries for name, lane in self._lanes.items()}

    def close(self) -> None:
        for lane in self._lanes.values():
            lane.close()
        self._searchers.shutdown(cancel_futures=True)

    def _rows(
        self, task: QueryTask, lane: Lane, run: Run, schema: pa.Schema, gone: Callable[[], bool]
    ) -> Generator[Item, None, None]:
        began = said = time.monotonic()
        state = "dropped"
        rows = 0
        try:
            for item in lane.items(run, TICK):
                now = time.monotonic()
                if item is not None:
                    rows += item[0].num_rows
                    said = now
                    yield item
                elif gone():
                    return
                elif now - said > KEEP_ALIVE:
                    said = now
                    yield no_rows(schema), None
            state = "done"
        except QservError as error:
            state = error.code
            raise
        finally:
            self._end(task.query, lane, run)
            seconds = time.monotonic() - began
            metrics.QUERIES.labels(task.lane, state).inc()
            metrics.QUERY_SECONDS.labels(task.lane).observe(seconds)
            metrics.ROWS_SENT.inc(rows)
            # A line costs a point query a tenth of its time.
            log.log(
                logging.DEBUG if task.lane == "point" and state == "done" else logging.INFO,
                "query",
                query=task.query,
                lane=task.lane,
                chunks=len(task.chunks),
                rows=rows,
                seconds=round(seconds, 4),
                state=state,
            )

    def _end(self, query: str, lane: Lane, run: Run) -> None:
        """Stop a query's work, if it still goes on, and forget it."""
        with self._lock:
            runs = self._runs.get(query, {})
            if runs.pop(run.name, None) is None:
                return
            if not runs:
                del self._runs[query]
        lane.drop(run)


class _Answer(Iterator[Item]):
    """The rows of a query, which ends when they are dropped.

    Also when they are dropped before the first was asked for: a generator alone would then end without a trace.
    """

    def __init__(self, rows: Generator[Item, None, None], end: Callable[[], None]) -> None:
        self._rows = rows
        self._end = end

    def __next__(self) -> Item:
        return next(self._rows)

    def close(self) -> None:
        self._rows.close()
        self._end()

    def __del__(self) -> None:
        self.close()
