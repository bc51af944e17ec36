"""Staged rows become files: what a worker does when a transaction commits.

Each unit whose primary is this worker gets its files: rows gathered from the staging logs, sorted, written, synced. The
same rows give the same bytes and so the same names: asked again, it makes nothing new.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent import futures
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from qserv.catalog import logs
from qserv.catalog.errors import Unavailable
from qserv.catalog.messages import Prepare, Prepared, StagedUnit, TableFacts
from qserv.catalog.model import FileKind, TableKind, UnitKind
from qserv.storage import files
from qserv.storage.chunkfile import write_chunk
from qserv.storage.files import StoredFile, folder_of
from qserv.storage.index import write_index
from qserv.storage.publishing import Batch
from qserv.storage.schema import stored_schema
from qserv.worker import failures, heaps
from qserv.worker.declared import with_declared
from qserv.worker.staging import WHOLE, Staged, StagedRows, Staging
from qserv.worker.store import Store

THREADS = 4
"""Bundles written at a time: while one waits for the disk to sync, others are encoded."""

_BUNDLE = 64
"""Files that are synced together."""

_COPIES = 3
"""Of rows while they are sorted and encoded."""

_SLABS = 32
"""Into how many slabs the memory is cut, each of which is sorted and encoded at a time."""

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    """A file to write. ``number`` is the unit's; ``staged`` None: a file of no rows."""

    facts: TableFacts
    kind: FileKind
    unit: UnitKind
    number: int
    staged: Staged | None
    run: int


class Budget:
    """Bytes that several threads may hold together. What is larger than all of it goes alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Wait until ``size`` more bytes may be held."""
        with self._changed:
            self._changed.wait_for(lambda: self._held == 0 or self._held + size <= self._limit)
            self._held += size
        try:
            yield
        finally:
            with self._changed:
                self._held -= size
                self._changed.notify_all()


class Preparer:
    """Writes the files of transactions. A transaction that is asked for again while it is written is written once.

    ``memory`` is how many bytes the rows that are being written may take.
    """

    def __init__(self, staging: Staging, store: Store, memory: int) -> None:
        self._staging = staging
        self._store = store
        self._budget = Budget(memory)
        self._slab = max(1, memory // _SLABS)
        self._lock = threading.Lock()
        self._running: dict[tuple[int, tuple[tuple[int, int], ...]], Future[Prepared]] = {}
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="prepare")

    def prepare(self, wish: Prepare) -> Prepared:
        """Write all units' files; answers when they are synced.

        Raises
        ------
        DuplicateKey
            Where a key of a director is there more than once.
        DiskFull, WorkerFailed
            Where the disk fails. Files written so far stay until the transaction is discarded.
        """
        key = (wish.transaction, tuple(sorted(wish.contributions)))
        with self._lock:
            future = self._running.get(key)
            mine = future is None
            if future is None:
                future = self._running[key] = Future()
        if not mine:
            return future.result()
        try:
            with heaps.given_back():
                prepared = self._write(wish)
            future.set_result(prepared)
            return prepared
        except BaseException as error:
            future.set_exception(error)
            raise
        finally:
            with self._lock:
                self._running.pop(key, None)

    def close(self) -> None:
        self._stopping.set()
        self._pool.shutdown(cancel_futures=True)

    def _write(self, wish: Prepare) -> Prepared:
        began = time.monotonic()
        contributions = frozenset(wish.contributions)
        jobs = [
            job
            for facts in map(with_declared, wish.tables)
            for job in self._jobs(wish.transaction, facts, contributions)
        ]
        bundles = [jobs[first : first + _BUNDLE] for first in range(0, len(jobs), _BUNDLE)]
        pending = [self._pool.submit(self._bundle, wish, bundle) for bundle in bundles]
        try:
            written = tuple(file for future in pending for file in future.result())
        except CancelledError:
            raise Unavailable("the worker is shutting down") from None
        finally:
            # After a failure nothing may go on writing files that the caller takes for not made.
            # Those that were cancelled are left out: of some of them nobody would ever tell (see Executor.shutdown).
            futures.wait([future for future in pending if not future.cancel()])
        log.info(
            "prepared",
            transaction=wish.transaction,
            files=len(written),
            rows=sum(file.rows for file in written),
            bytes=sum(file.bytes for file in written),
            seconds=round(time.monotonic() - began, 3),
        )
        return Prepared(files=written)

    def _jobs(self, transaction: int, facts: TableFacts, contributions: frozenset[tuple[int, int]]) -> Iterator[_Job]:
        def staged(kind: FileKind) -> Staged | None:
            return self._staging.staged(transaction, facts.database, facts.spec.name, kind, contributions)

        main = staged(FileKind.MAIN)
        if facts.spec.kind is TableKind.REPLICATED:
            if main is not None and main.units:
                yield _Job(facts, FileKind.MAIN, UnitKind.FULL, facts.id, main, WHOLE)
            return
        director = facts.spec.kind is TableKind.DIRECTOR
        overlap = staged(FileKind.OVERLAP) if director else None
        main_units = main.units if main is not None else frozenset()
        # A chunk's two files come together: their folder is synced once.
        for number in sorted(main_units | overlap.units if overlap is not None else main_units):
            if number in main_units:
                yield _Job(facts, FileKind.MAIN, UnitKind.CHUNK, number, main, number)
            if director:
                yield _Job(facts, FileKind.OVERLAP, UnitKind.CHUNK, number, overlap, number)
        if not director:
            return
        index = staged(FileKind.INDEX)
        for number in sorted(index.units) if index is not None else ():
            yield _Job(facts, FileKind.INDEX, UnitKind.INDEX, number, index, number)

    def _bundle(self, wish: Prepare, jobs: Sequence[_Job]) -> list[StagedUnit]:
        with Batch(self._store.root) as batch:
            written = [self._do(wish, job, batch) for job in jobs]
            self._store.finish(batch)
        return written

    def _do(self, wish: Prepare, job: _Job, batch: Batch) -> StagedUnit:
        if self._stopping.is_set():
            raise Unavailable("the worker is shutting down")
        rows = job.staged.rows(job.run) if job.staged is not None else StagedRows([], 0, 0)
        folder = folder_of(job.facts.database, job.facts.spec.name, job.unit, job.number)
        write = self._write_index if job.kind is FileKind.INDEX else self._write_chunk
        try:
            stored = write(wish, job, rows, batch)
        except OSError as error:
            raise failures.of_disk(error, f"{folder}/{job.kind}") from None
        return StagedUnit(
            table=job.facts.id,
            kind=job.kind,
            unit=job.unit,
            number=job.number,
            path=stored.path,
            sha256=stored.sha256,
            rows=rows.count,
            bytes=stored.bytes,
        )

    def _write_chunk(self, wish: Prepare, job: _Job, rows: StagedRows, batch: Batch) -> StoredFile:
        spec = job.facts.spec
        with self._budget.hold(_COPIES * min(rows.bytes, self._slab)):
            return write_chunk(
                self._store.root,
                job.facts.database,
                spec.name,
                job.unit,
                job.number,
                job.kind,
                wish.transaction,
                rows.batches,
                stored_schema(spec, job.kind),
                spec.keys[0] if spec.keys else spec.key,
                batch,
                slab_rows=self._slab * rows.count // max(1, rows.bytes),
            )

    def _write_index(self, wish: Prepare, job: _Job, rows: StagedRows, batch: Batch) -> StoredFile:
        with self._budget.hold(_COPIES * rows.bytes):
            return write_index(
                self._store.root,
                job.facts.database,
                job.facts.spec.name,
                job.number,
                wish.transaction,
                rows.batches,
                unique=job.facts.spec.unique,
                existing=self._existing(wish, job) if job.facts.spec.unique else (),
                batch=batch,
            )

    def _existing(self, wish: Prepare, job: _Job) -> list[Path]:
        """The partition's committed files. A name without folders is one of the partition's own folder."""
        folder = folder_of(job.facts.database, job.facts.spec.name, job.unit, job.number)
        named = wish.existing_index.get(f"{job.facts.id}/{job.number}", ())
        paths = [name if "/" in name else f"{folder}/{name}" for name in named]
        return [files.existing(self._store.root, path) for path in paths]
