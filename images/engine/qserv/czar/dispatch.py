"""Carries a leaf to the workers and its rows back: one call a worker, each batch of chunks counted once, whole.

When a worker fails, its unfinished chunks go to other replicas; where none is left, the query fails and names them. A
leaf with one assignment is read in the caller's own thread; with several, a thread reads each worker and the rows
meet in a bounded channel, so that a slow client slows the workers down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Literal, TypeAlias

import pyarrow as pa

from qserv.catalog import logs
from qserv.catalog.errors import (
    AccessDenied,
    ChunkUnavailable,
    QservError,
    QueryInterrupted,
    QueryKilled,
    ResourceExhausted,
    SqlError,
    Unavailable,
    WorkerFailed,
)
from qserv.catalog.messages import QuerySource, QueryTask
from qserv.catalog.model import ChunkFiles, FileKind, Placement
from qserv.catalog.threads import run_apart
from qserv.czar.cancelling import RESTART_PAUSES, Permit
from qserv.czar.chunks import Assignment, assign, assign_full, weight
from qserv.czar.damage import Damage
from qserv.czar.holding import Channel, ChannelClosedError, Held, HoldingSpace
from qserv.czar.lookup import Clients
from qserv.sql.plan import Leaf
from qserv.storage.schema import encode_ipc, file_schema

log = logs.get(__name__)

CHANNEL_BYTES = 8 << 20
"""Bytes of rows that wait for whoever takes them, for a leaf."""

POINT_CHUNKS = 8
POINT_BYTES = 64 << 20
"""What a query of the workers' lane of points may read whole: it has one thread there."""

_GATHERED = 16_384
"""Rows of a batch that is put together of smaller ones."""

_FATAL = (SqlError, ResourceExhausted, QueryInterrupted, AccessDenied)


Lane: TypeAlias = Literal["point", "scan"]

_ANY = -1
"""Stands for a chunk where a leaf has none."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A leaf with the chunks to ask and the snapshot that says where they are."""

    query: str
    leaf: Leaf
    placement: Placement
    chunks: tuple[int, ...]
    lane: Lane
    prompt: bool = False


@dataclass(slots=True)
class Progress:
    """Chunks answered so far, of those asked."""

    chunks: int = 0
    done: int = 0


@dataclass(frozen=True, slots=True)
class _Failed:
    """A worker that left chunks unanswered."""

    worker: int
    chunks: tuple[int, ...]
    error: QservError


@dataclass(frozen=True, slots=True)
class _Ended:
    """A reader that is through."""


_Message: TypeAlias = "pa.RecordBatch | pa.Schema | _Failed | _Ended | QservError"


def lane_of(leaf: Leaf, placement: Placement, chunks: tuple[int, ...]) -> Lane:
    """Points are leaves of few chunks that are small, or ask for keys: their rows are found without the rest."""
    keyed = not leaf.steps and any(wanted.keys is not None for wanted in leaf.restriction.lookups)
    few = len(chunks) <= POINT_CHUNKS
    return "point" if few and (keyed or weight(leaf, placement, chunks) <= POINT_BYTES) else "scan"


def task(ask: Ask, assignment: Assignment) -> QueryTask:
    """The message to a worker. Built without validation: it may hold 150,000 chunks, and is made of checked facts."""
    leaf, files = ask.leaf, ask.placement.files
    sources = []
    for source in leaf.sources:
        shared: tuple[str, ...] = ()
        by_chunk = None
        units = files.get(source.table.id, {})
        if source.table.partitioned:
            cut = _names(units, source.kind, assignment.chunks)
            by_chunk, empty = QuerySource.names(cut), not all(cut)
        else:
            shared = units.get(source.table.id, ChunkFiles()).main
            empty = not shared
        sources.append(
            QuerySource(
                database=source.table.database,
                table=source.table.name,
                kind=source.kind,
                by_chunk=by_chunk,
                shared=shared,
                schema_ipc=encode_ipc(file_schema(source.table, source.kind)) if empty else None,
            )
        )
    return QueryTask.model_construct(
        do="query",
        query=ask.query,
        sql=leaf.sql,
        sources=tuple(sources),
        steps=leaf.steps,
        chunks=assignment.chunks,
        lane=ask.lane,
        limit=leaf.limit,
        prompt=ask.prompt,
    )


def _names(units: Mapping[int, ChunkFiles], kind: FileKind, chunks: Iterable[int]) -> list[tuple[str, ...]]:
    """A table's file names in each of the chunks: no Python function is called for one of 150,000."""
    wanted, none = attrgetter("overlap" if kind is FileKind.OVERLAP else "main"), ChunkFiles()
    return [wanted(units.get(chunk, none)) for chunk in chunks]


@dataclass(slots=True)
class Dispatch:
    """The rows of a leaf, from all its workers. ``batches`` is iterated once, by one thread."""

    ask: Ask
    clients: Clients
    permit: Permit
    space: HoldingSpace
    damage: Damage
    progress: Progress
    _refused: dict[int, frozenset[int]] = field(default_factory=lambda: defaultdict(frozenset))
    _told: dict[int, QservError] = field(default_factory=dict)
    _rounds: int = 0

    def batches(self) -> Iterator[pa.RecordBatch | pa.Schema]:
        """First the schema, then all rows of all chunks, in any order.

        Raises
        ------
        ChunkUnavailable
            When no replica of a chunk answered.
        QservError
            What the workers found wrong with the query, or why it was stopped.
        """
        assignments = self._assign(self.ask.chunks)
        rows = self._alone(assignments[0]) if len(assignments) == 1 and self.ask.lane == "point" else None
        enough = self.ask.leaf.limit
        given = 0
        for item in rows if rows is not None else self._together(assignments):
            if isinstance(item, pa.RecordBatch):
                given += item.num_rows
            yield item
            if enough is not None and given >= enough:
                return

    def _assign(self, chunks: tuple[int, ...]) -> tuple[Assignment, ...]:
        leaf, placement = self.ask.leaf, self.ask.placement
        try:
            if leaf.family is None:
                return (assign_full(leaf, placement, self._refused[_ANY]),)
            return assign(leaf, placement, chunks, self._refused)
        except ChunkUnavailable as error:
            if not self._told:
                raise
            told = "; ".join(sorted({told.message for told in self._told.values()}))
            raise ChunkUnavailable(f"{error.message} ({told})", **error.details) from None

    def _again(self, failed: _Failed) -> tuple[Assignment, ...]:
        """Where the chunks that a worker left go now."""
        name = self.ask.placement.workers[failed.worker].name
        log.warning("worker failed", worker=name, chunks=len(failed.chunks), error=failed.error.message)
        self._told[failed.worker] = failed.error
        self.damage.note(failed.worker, failed.error)
        for chunk in failed.chunks or (_ANY,):
            self._refused[chunk] |= {failed.worker}
        try:
            return self._assign(failed.chunks)
        except ChunkUnavailable:
            gone = {worker for worker, error in self._told.items() if isinstance(error, Unavailable)}
            if not gone or self._rounds == len(RESTART_PAUSES):
                raise
            self.permit.pause(RESTART_PAUSES[self._rounds])
            self._rounds += 1
            for chunk in failed.chunks or (_ANY,):
                self._refused[chunk] -= gone
            return self._assign(failed.chunks)

    def _alone(self, first: Assignment) -> Iterator[pa.RecordBatch | pa.Schema]:
        waiting, named = [first], False
        while waiting:
            for item in self._read(waiting.pop()):
                if isinstance(item, _Failed):
                    waiting.extend(self._again(item))
                elif isinstance(item, pa.RecordBatch) or not named:
                    named = True
                    yield item

    def _together(self, assignments: tuple[Assignment, ...]) -> Iterator[pa.RecordBatch | pa.Schema]:
        channel: Channel[_Message] = Channel(CHANNEL_BYTES)
        running = self._start(channel, assignments)
        named = False
        try:
            with self.permit.stopping(channel.close):
                while running:
                    rows: list[pa.RecordBatch] = []
                    for item in channel.take():
                        if isinstance(item, pa.RecordBatch):
                            rows.append(item)
                        elif isinstance(item, _Ended):
                            running -= 1
                        elif isinstance(item, _Failed):
                            running += self._start(channel, self._again(item))
                        elif isinstance(item, QservError):
                            raise item
                        elif not named:
                            named = True
                            yield item
                    yield from _gathered(rows)
        except ChannelClosedError:
            self.permit.check()
            raise
        finally:
            channel.close()

    def _start(self, channel: Channel[_Message], assignments: tuple[Assignment, ...]) -> int:
        for assignment in assignments:
            run_apart(partial(self._pump, channel, assignment))
        return len(assignments)

    def _pump(self, channel: Channel[_Message], assignment: Assignment) -> None:
        rows = self._read(assignment)
        try:
            for item in rows:
                channel.put(item, item.get_total_buffer_size() if isinstance(item, pa.RecordBatch) else 0)
            channel.put(_Ended())
        except ChannelClosedError:
            rows.close()
        except QservError as error:
            self._tell(channel, error)
        except Exception as error:
            log.exception("reading a worker failed")
            self._tell(channel, WorkerFailed(f"reading a worker's answer failed: {error}"))

    @staticmethod
    def _tell(channel: Channel[_Message], error: QservError) -> None:
        try:
            channel.put(error)
        except ChannelClosedError:
            log.debug("an error came after the query had ended", error=error.message)

    def _read(self, assignment: Assignment) -> Generator[pa.RecordBatch | pa.Schema | _Failed, None, None]:
        """A worker's schema and rows, each batch when it is whole; last what it left undone, if it failed."""
        held = Held(self.space)
        done: set[int] = set()
        try:
            client = self.clients(self.ask.placement.workers[assignment.worker])
            stream = client.query(task(self.ask, assignment))
            with self.permit.stopping(stream.cancel):
                yield stream.schema
                for batch, whole in stream:
                    if batch.num_rows:
                        held.add(batch)
                    if whole is not None:
                        yield from held.release()
                        done.update(range(whole.first, whole.first + whole.count))
                        self.progress.done += whole.count
            if len(done) < len(assignment.chunks):
                raise WorkerFailed(f"worker {client.address} ended its answer before all chunks were done")
            yield from held.release()
        except _FATAL:
            raise
        except (WorkerFailed, Unavailable, QueryKilled, QservError) as error:
            self.permit.check()
            left = tuple(chunk for index, chunk in enumerate(assignment.chunks) if index not in done)
            if not left and assignment.chunks:
                return
            yield _Failed(assignment.worker, left, error)
        finally:
            held.clear()


def _gathered(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The rows in fewer batches: small chunks give small ones, and each costs whoever works on it."""
    if len(batches) < 2:
        return batches
    found: list[pa.RecordBatch] = pa.Table.from_batches(batches).combine_chunks().to_batches(max_chunksize=_GATHERED)
    return found
