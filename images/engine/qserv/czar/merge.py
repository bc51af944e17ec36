"""The czar's own DuckDB: puts the rows of leaves together, and answers what needs no worker.

One closed instance serves all queries, each with a connection of its own, so that one memory limit and one spill limit
hold for all of them. Small leaves are read where they lie in memory; others go into temporary tables, which DuckDB
spills to disk. A leaf that no chunk can answer is run here over empty files, so that its aggregates give their one row.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from qserv.catalog.errors import ArithmeticOverflow, QservError, ResourceExhausted, SubqueryRows
from qserv.catalog.settings import CzarSettings
from qserv.czar.cancelling import Permit
from qserv.sql.functions import SETUP
from qserv.sql.plan import Leaf, Source
from qserv.storage.duck import open_closed, stream
from qserv.storage.emptyfiles import EmptyFiles
from qserv.storage.pairs import own, register_none
from qserv.storage.schema import file_schema

ROWS = 16_384
"""Rows of a record batch of an answer."""

SMALL = 16 << 20
"""Bytes of a leaf's rows that are read from memory as they are."""


class Merger:
    """The instance. ``files`` is the folder that it may read: of tables without rows, and of virtual ones."""

    def __init__(self, settings: CzarSettings) -> None:
        self.empty = EmptyFiles(settings.result_dir / "read")
        self.files = self.empty.folder
        shutil.rmtree(settings.result_dir / "merge", ignore_errors=True)
        self._lock = threading.Lock()
        self._root = open_closed(
            data_dirs=[self.files],
            memory_limit=settings.memory_limit,
            spill_dir=settings.result_dir / "merge",
            spill_limit=settings.spill_limit,
            threads=settings.threads,
            setup_sql=SETUP,
        )

    def session(self, permit: Permit) -> Session:
        with self._lock:
            return Session(self._root.cursor(), permit, self)

    def close(self) -> None:
        self._root.close()


class Session:
    """One query's connection. For one thread at a time; revoking the query's permit interrupts it."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, permit: Permit, merger: Merger) -> None:
        self._cursor = cursor
        self._permit = permit
        self._merger = merger
        self._failure: QservError | None = None
        self._own_files: list[Path] = []

    def run(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[pa.RecordBatch | pa.Schema]:
        """The statement's schema, then its rows as they are made."""
        with self._errors(), self._permit.stopping(self._cursor.interrupt):
            reader = stream(self._cursor, sql, parameters, ROWS)
            yield reader.schema
            for batch in reader:
                self._permit.check()
                yield batch

    def run_leaf(self, leaf: Leaf, tables: Mapping[int, pa.Table]) -> Iterator[pa.RecordBatch | pa.Schema]:
        """A leaf's own statement over no rows, or over the given ones (by table id)."""
        with self._errors():
            files = {f"s{index}": [self._source_file(source, tables)] for index, source in enumerate(leaf.sources)}
            if leaf.steps:
                register_none(self._cursor, leaf.steps, files)
                files = own(self._cursor, leaf.sql, files)
        yield from self.run(leaf.sql, files)

    def _source_file(self, source: Source, tables: Mapping[int, pa.Table]) -> str:
        table = tables.get(source.table.id)
        if table is None:
            return str(self._merger.empty.path(file_schema(source.table, source.kind)))
        path = self._merger.files / f"{uuid.uuid4().hex}.parquet"
        self._own_files.append(path)
        pq.write_table(table, path)
        return str(path)

    def load(self, name: str, items: Iterator[pa.RecordBatch | pa.Schema]) -> None:
        """Make the rows readable under ``name``."""
        schema: pa.Schema | None = None
        small: list[pa.RecordBatch] = []
        size = 0
        for item in items:
            if isinstance(item, pa.Schema):
                schema = item
                continue
            small.append(item)
            size += item.get_total_buffer_size()
            if size > SMALL:
                break
        if schema is None:
            schema = small[0].schema
        if size <= SMALL:
            self._cursor.register(name, pa.Table.from_batches(small, schema))
            return
        reader = pa.RecordBatchReader.from_batches(schema, self._rest(small, items))
        with self._errors(), self._permit.stopping(self._cursor.interrupt):
            self._cursor.register("qserv_incoming", reader)
            quoted = name.replace('"', '""')
            self._cursor.execute(f'CREATE TEMP TABLE "{quoted}" AS SELECT * FROM qserv_incoming')  # noqa: S608
            self._cursor.unregister("qserv_incoming")

    def _rest(
        self, small: list[pa.RecordBatch], items: Iterator[pa.RecordBatch | pa.Schema]
    ) -> Iterator[pa.RecordBatch]:
        """All rows for DuckDB, which would hide the kind of an error: it is kept aside."""
        try:
            yield from small
            small.clear()
            for item in items:
                if isinstance(item, pa.RecordBatch):
                    yield item
        except QservError as error:
            self._failure = error
            raise

    def close(self) -> None:
        with contextlib.suppress(duckdb.Error):
            self._cursor.close()
        for path in self._own_files:
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            self._permit.check()
            raise self._failure or merge_error(error) from error


def merge_error(error: Exception) -> QservError:
    """What an error of the czar's DuckDB means; by its text, as in the middle of a stream Arrow hides its class."""
    text = str(error).partition("\n")[0]
    if any(sign in str(error) for sign in ("max_temp_directory_size", "No space left", "temporary directory")):
        return ResourceExhausted(
            "putting the workers' rows together needs more disk than the czar has or may use "
            f"(QSERV_CZAR_SPILL_LIMIT): select fewer rows or columns, or aggregate more. {text}"
        )
    if "Out of Memory Error" in text:
        return ResourceExhausted(
            "putting the workers' rows together needs more memory than the czar may use "
            f"(QSERV_CZAR_MEMORY_LIMIT): select fewer rows or columns, or aggregate more. {text}"
        )
    if "More than one row returned by a subquery" in text:
        return SubqueryRows("Subquery returns more than 1 row")
    if "Out of Range Error" in text or "Conversion Error" in text:
        return ArithmeticOverflow(f"a value is out of its type's range: {text}")
    return QservError(f"putting the answer together failed: {text}")
