"""Several small files become one: the same rows, sorted as ever, under a new name. The old files stay as they are."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from qserv.catalog import logs
from qserv.catalog.errors import FileMissing, Unavailable
from qserv.catalog.messages import Compact, Merge, Prepared, StagedUnit, TableFacts
from qserv.catalog.model import FileKind
from qserv.storage import files
from qserv.storage.chunkfile import write_chunk
from qserv.storage.files import StoredFile, folder_of
from qserv.storage.index import write_index
from qserv.storage.publishing import Batch
from qserv.storage.schema import stored_schema
from qserv.worker import failures, heaps
from qserv.worker.declared import with_declared
from qserv.worker.prepare import Budget
from qserv.worker.store import Store

_GROWTH = 6
"""Bytes in memory for each byte of the files: as they are, decoded, sorted, encoded anew."""

log = logs.get(__name__)


class Compactor:
    """Thread-safe. ``memory`` is how many bytes all that is merged at a time may take."""

    def __init__(self, store: Store, memory: int) -> None:
        self._store = store
        self._budget = Budget(memory)
        self._stopping = threading.Event()

    def compact(self, wish: Compact) -> Prepared:
        """Write the new files; answers when they are synced.

        Raises
        ------
        FileMissing
            Naming in ``path`` a file that is not here as it was committed: none is written then.
        DiskFull, WorkerFailed
            Where the disk fails.
        Unavailable
            When it is stopped.
        """
        facts = with_declared(wish.table)
        with heaps.given_back(), Batch(self._store.root) as batch:
            written = tuple(self._merge(wish.transaction, facts, merge, batch) for merge in wish.merges)
            self._store.finish(batch)
        log.info("compacted", transaction=wish.transaction, files=sum(len(one.files) for one in wish.merges))
        return Prepared(files=written)

    def stop(self) -> None:
        """Break off what is being written."""
        self._stopping.set()

    def _merge(self, transaction: int, facts: TableFacts, merge: Merge, batch: Batch) -> StagedUnit:
        if self._stopping.is_set():
            raise Unavailable("the worker is shutting down")
        folder = folder_of(facts.database, facts.spec.name, merge.unit, merge.number)
        with self._budget.hold(_GROWTH * sum(size for _, _, size in merge.files)):
            try:
                parts = [part for path, sha256, _ in merge.files for part in self._read(merge.kind, path, sha256)]
                stored = self._write(transaction, facts, merge, parts, batch)
            except OSError as error:
                raise failures.of_disk(error, f"{folder}/{merge.kind}") from None
        return StagedUnit(
            table=facts.id,
            kind=merge.kind,
            unit=merge.unit,
            number=merge.number,
            path=stored.path,
            sha256=stored.sha256,
            rows=sum(part.num_rows for part in parts),
            bytes=stored.bytes,
        )

    def _read(self, kind: FileKind, path: str, sha256: str) -> list[pa.RecordBatch]:
        """The rows of a file whose sum is right: what is damaged is not to become part of a file with a right sum."""
        content = files.existing(self._store.root, path).read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise FileMissing(f"the file {path} is not as it was written: it is damaged", path=path)
        source = pa.BufferReader(content)
        index = kind is FileKind.INDEX
        rows: pa.Table = pa.ipc.open_file(source).read_all() if index else pq.ParquetFile(source).read()
        found: list[pa.RecordBatch] = rows.to_batches()
        return found

    def _write(
        self, transaction: int, facts: TableFacts, merge: Merge, parts: Sequence[pa.RecordBatch], batch: Batch
    ) -> StoredFile:
        root, spec = self._store.root, facts.spec
        if merge.kind is FileKind.INDEX:
            # That keys are there once was seen when their transactions were committed.
            return write_index(
                root, facts.database, spec.name, merge.number, transaction, parts, unique=False, batch=batch
            )
        schema = stored_schema(spec, merge.kind)
        key = spec.keys[0] if spec.keys else spec.key
        return write_chunk(
            root,
            facts.database,
            spec.name,
            merge.unit,
            merge.number,
            merge.kind,
            transaction,
            parts,
            schema,
            key,
            batch,
        )
