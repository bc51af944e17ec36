"""Rows of transactions that are not committed yet, as they come from the workers that read the input files.

Each (transaction, table, kind) has a log: Arrow record batches one after another, uncompressed, with an index in memory
that says which rows of which batch belong to which unit. Staged rows are read back through the page cache, mapped, unit
by unit. They do not survive the process, and need not: the controller has the input files read anew.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Collection
from dataclasses import dataclass
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

Ints = npt.NDArray[np.int64]
LogKey = tuple[int, str, str, FileKind]

_UNIT_COLUMN = {FileKind.MAIN: CHUNK_COLUMN, FileKind.OVERLAP: HOST_COLUMN, FileKind.INDEX: PARTITION_COLUMN}

UNCUT = b"qserv.uncut"
"""Key of the schema's metadata that marks rows of a replicated table, whose columns may have any name."""

WHOLE = -1
"""The unit of rows that are not cut: those of a replicated table."""


@dataclass(frozen=True, slots=True)
class _Block:
    """A batch in the log, and its runs of rows of one unit."""

    contribution: int
    attempt: int
    offset: int
    size: int
    units: Ints
    firsts: Ints
    counts: Ints


@dataclass(frozen=True, slots=True)
class _Run:
    block: _Block
    first: int
    count: int


class Staged:
    """The rows of one log that are to be committed. Mapped: holding it holds no memory but the index."""

    def __init__(self, path: Path, schema: pa.Schema, blocks: list[_Block]) -> None:
        self._schema = schema
        self._mapped = pa.memory_map(str(path), "r").read_buffer()
        self._runs: dict[int, list[_Run]] = {}
        self._opened: dict[int, pa.RecordBatch] = {}
        for block in blocks:
            for unit, first, count in zip(
                block.units.tolist(), block.firsts.tolist(), block.counts.tolist(), strict=True
            ):
                self._runs.setdefault(unit, []).append(_Run(block, first, count))

    @property
    def units(self) -> frozenset[int]:
        return frozenset(self._runs)

    def rows(self, unit: int) -> list[pa.Table]:
        """The rows of a unit, in the order of the contributions and as each came; perhaps none."""
        runs = sorted(self._runs.get(unit, []), key=lambda run: (run.block.contribution, run.block.offset))
        return [pa.Table.from_batches([self._read(run.block).slice(run.first, run.count)]) for run in runs]

    def _read(self, block: _Block) -> pa.RecordBatch:
        # Many units have rows in each batch: it is opened once, which holds no memory either.
        found = self._opened.get(block.offset)
        if found is None:
            found = pa.ipc.read_record_batch(self._mapped.slice(block.offset, block.size), self._schema)
            self._opened[block.offset] = found
        return found


class _Log:
    """One log, appended to by several contributions at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self._path = path
        self._lock = threading.Lock()
        self._file = path.open("xb", buffering=0)
        self._end = 0
        self._blocks: list[_Block] = []

    def append(self, put: StagePut, batch: pa.RecordBatch) -> None:
        units, firsts, counts = _runs(batch, put.kind)
        message = memoryview(batch.serialize())
        with self._lock:
            offset = self._end
            try:
                written = 0
                while written < message.nbytes:
                    written += os.pwrite(self._file.fileno(), message[written:], offset + written)
            except OSError as error:
                raise failures.of_disk(error, f"staging rows of {put.database}.{put.table}") from None
            # Readers map the log: a batch begins where an Arrow buffer may.
            self._end = offset + -(-message.nbytes // 64) * 64
            self._blocks.append(_Block(put.contribution, put.attempt, offset, message.nbytes, units, firsts, counts))

    def staged(self, contributions: Collection[tuple[int, int]]) -> Staged:
        with self._lock:
            blocks = [block for block in self._blocks if (block.contribution, block.attempt) in contributions]
        return Staged(self._path, self.schema, blocks)

    def close(self) -> None:
        with self._lock:
            self._file.close()


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
                raise TransactionClosed(f"transaction {put.transaction} is closed: it takes no more rows")
            log = self._logs.get(key)
            if log is None:
                folder = self._folder / str(put.transaction)
                folder.mkdir(exist_ok=True)
                log = _Log(folder / f"{put.database}.{put.table}.{put.kind}", schema)
                self._logs[key] = log
        if not log.schema.equals(schema):
            raise DataError(
                f"rows of {put.database}.{put.table} have columns other than those staged before: {schema.names}"
            )
        return log


def _runs(batch: pa.RecordBatch, kind: FileKind) -> tuple[Ints, Ints, Ints]:
    """Unit, first row and number of rows of each run of one unit."""
    if (batch.schema.metadata or {}).get(UNCUT) is not None:
        return np.array([WHOLE]), np.array([0]), np.array([batch.num_rows])
    place = batch.schema.get_field_index(_UNIT_COLUMN[kind])
    if place < 0:
        raise DataError(f"staged {kind} rows need the column {_UNIT_COLUMN[kind]!r}")
    units = batch.column(place).to_numpy().astype(np.int64)
    starts = np.concatenate([[0], np.flatnonzero(units[1:] != units[:-1]) + 1])
    return units[starts], starts, np.diff(np.append(starts, units.size))
