"""Rows of transactions that are not committed yet, as they come from the workers that read the input files.

Each (transaction, table, kind) has a log: Arrow record batches one after another, uncompressed, and beside it a file
that says which rows of which batch belong to which unit (:mod:`qserv.worker.runs`). Staged rows are read back through
the page cache, mapped, unit by unit. They do not survive the process, and need not: the controller has the input files
read anew.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache, partial
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qserv.catalog.errors import DataError, TransactionClosed
from qserv.catalog.messages import StagePut
from qserv.catalog.model import CHUNK_COLUMN, HOST_COLUMN, FileKind
from qserv.storage.blocks import PARTITION_COLUMN
from qserv.worker import failures, metrics
from qserv.worker.runs import RUN, SortedRuns, runs_of_batch

LogKey = tuple[int, str, str, FileKind]

_UNIT_COLUMN = {FileKind.MAIN: CHUNK_COLUMN, FileKind.OVERLAP: HOST_COLUMN, FileKind.INDEX: PARTITION_COLUMN}

UNCUT = b"qserv.uncut"
"""Key of the schema's metadata that marks rows of a replicated table, whose columns may have any name."""

WHOLE = -1
"""The unit of rows that are not cut: those of a replicated table."""

_OPENED = 4096
"""Batches of a log that are kept open while its rows are written."""


class Staged:
    """The rows of one log that are to be committed. Mapped: holding it holds one number for each unit, and no rows."""

    def __init__(self, path: Path, schema: pa.Schema, runs: SortedRuns) -> None:
        mapped = pa.memory_map(str(path), "r").read_buffer()
        self.schema = schema
        self._runs = runs
        # Many units have rows in each batch: it is opened once, which costs some kilobytes.
        self._opened = lru_cache(_OPENED)(partial(_batch_at, mapped, schema))

    @property
    def units(self) -> frozenset[int]:
        return frozenset(self._runs.units.tolist())

    def rows(self, unit: int) -> StagedRows:
        """The rows of a unit, in the order of the contributions and as each came; perhaps none."""
        runs = self._runs.of(unit)
        batches = [
            self._opened(offset, size).slice(first, count)
            for offset, size, first, count in runs[["offset", "size", "first", "count"]].tolist()
        ]
        size = int((runs["size"] * (runs["count"] / runs["rows"])).sum())
        return StagedRows(batches, int(runs["count"].sum()), size)


@dataclass(frozen=True, slots=True)
class StagedRows:
    """Rows of one unit, mapped; how many, and about how many bytes."""

    batches: list[pa.RecordBatch]
    count: int
    bytes: int


def _batch_at(mapped: pa.Buffer, schema: pa.Schema, offset: int, size: int) -> pa.RecordBatch:
    return pa.ipc.read_record_batch(mapped.slice(offset, size), schema)


class _Log:
    """One log, appended to by several contributions at a time, with the file of its runs beside it."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self._path = path
        self._runs_path = path.with_name(f"{path.name}.runs")
        self._lock = threading.Lock()
        self._file = path.open("wb", buffering=0)
        self._runs_file = self._runs_path.open("wb", buffering=0)
        self._end = 0
        self._runs = 0

    def append(self, put: StagePut, batch: pa.RecordBatch) -> None:
        runs = runs_of_batch(_units(batch, put.kind))
        message = memoryview(batch.serialize())
        runs["contribution"], runs["attempt"], runs["size"] = put.contribution, put.attempt, message.nbytes
        with self._lock:
            if self._file.closed:
                raise _closed(put.transaction)
            runs["offset"] = self._end
            try:
                _write(self._file, message, self._end)
                _write(self._runs_file, memoryview(runs.tobytes()), self._runs * RUN.itemsize)
            except OSError as error:
                raise failures.of_disk(error, f"staging rows of {put.database}.{put.table}") from None
            # Readers map the log: a batch begins where an Arrow buffer may.
            self._end += -(-message.nbytes // 64) * 64
            self._runs += runs.size

    def staged(self, contributions: Collection[tuple[int, int]]) -> Staged:
        with self._lock:
            runs = self._runs
        try:
            return Staged(self._path, self.schema, SortedRuns(self._runs_path, runs, contributions))
        except OSError as error:
            raise failures.of_disk(error, f"what is staged in {self._path.name}") from None

    def close(self) -> None:
        with self._lock:
            self._file.close()
            self._runs_file.close()


class Staging:
    """All logs of a worker. Thread-safe.

    ``folder`` is emptied: what another process staged there is void.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._logs: dict[LogKey, _Log] = {}
        self._closed: set[int] = set()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def receive(self, put: StagePut, reader: Any) -> None:
        """Stage all rows of a ``DoPut``. Reading waits for the disk, and so makes the sender wait."""
        for chunk in reader:
            if chunk.data is not None:
                self.append(put, chunk.data)

    def append(self, put: StagePut, batch: pa.RecordBatch) -> None:
        """Stage a batch, sorted by its unit.

        Raises
        ------
        TransactionClosed
            After the transaction was discarded.
        DataError
            For a batch whose columns are not those staged before, or that does not name units.
        DiskFull
            Where it does not fit.
        """
        if batch.num_rows == 0:
            return
        self._log(put, batch.schema).append(put, batch)
        metrics.STAGED_BYTES.inc(batch.nbytes)

    def staged(
        self, transaction: int, database: str, table: str, kind: FileKind, contributions: Collection[tuple[int, int]]
    ) -> Staged | None:
        """The rows of these (contribution, attempt); None where nothing was staged here."""
        with self._lock:
            log = self._logs.get((transaction, database, table, kind))
        return log.staged(contributions) if log is not None else None

    def discard(self, transaction: int) -> None:
        """Remove a transaction's rows; it takes no more of them."""
        with self._lock:
            self._closed.add(transaction)
            logs = [self._logs.pop(key) for key in [key for key in self._logs if key[0] == transaction]]
        for log in logs:
            log.close()
        shutil.rmtree(self._folder / str(transaction), ignore_errors=True)

    @property
    def transactions(self) -> frozenset[int]:
        with self._lock:
            return frozenset(key[0] for key in self._logs)

    def close(self) -> None:
        with self._lock:
            logs = list(self._logs.values())
            self._logs.clear()
        for log in logs:
            log.close()

    def _log(self, put: StagePut, schema: pa.Schema) -> _Log:
        key = (put.transaction, put.database, put.table, put.kind)
        with self._lock:
            if put.transaction in self._closed:
                raise _closed(put.transaction)
            log = self._logs.get(key)
            if log is None:
                log = self._logs[key] = self._new_log(put, schema)
        if not log.schema.equals(schema):
            raise DataError(
                f"rows of {put.database}.{put.table} have columns other than those staged before: {schema.names}"
            )
        return log

    def _new_log(self, put: StagePut, schema: pa.Schema) -> _Log:
        folder = self._folder / str(put.transaction)
        try:
            folder.mkdir(exist_ok=True)
            return _Log(folder / f"{put.database}.{put.table}.{put.kind}", schema)
        except OSError as error:
            raise failures.of_disk(error, f"staging rows of {put.database}.{put.table}") from None


def _closed(transaction: int) -> TransactionClosed:
    return TransactionClosed(f"transaction {transaction} is closed: it takes no more rows")


def _units(batch: pa.RecordBatch, kind: FileKind) -> npt.NDArray[np.int32]:
    """The unit of each row."""
    if (batch.schema.metadata or {}).get(UNCUT) is not None:
        return np.full(batch.num_rows, WHOLE, np.int32)
    place = batch.schema.get_field_index(_UNIT_COLUMN[kind])
    if place < 0:
        raise DataError(f"staged {kind} rows need the column {_UNIT_COLUMN[kind]!r}")
    units: npt.NDArray[np.int32] = batch.column(place).to_numpy()
    return units


def _write(file: FileIO, content: memoryview, offset: int) -> None:
    written = 0
    while written < content.nbytes:
        written += os.pwrite(file.fileno(), content[written:], offset + written)
