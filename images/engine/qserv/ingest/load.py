"""Loads a load spec through the replication controller's REST interface.

Tables are created unpublished, filled, and published when all are whole. Directors and replicated tables are loaded
first, in one transaction, then what is placed by directors, in another. A transaction carries the load's mark and its
tables' ids in its context, so that the same load run again after a crash takes up what is there: it goes on with an
open transaction, and does not repeat a committed one. A load that fails for its data removes the tables it created.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from qserv.catalog.errors import (
    AlreadyExists,
    DataError,
    NotFound,
    QservError,
    SpecError,
    TransactionClosed,
    Unavailable,
    UnknownDatabase,
    from_code,
)
from qserv.catalog.model import TableKind
from qserv.catalog.resources import ContributionView, ContributionWish, TableView, TransactionView
from qserv.catalog.rest import Controller
from qserv.catalog.spec import ColumnSpec, Format, LoadSpec, TableSpec
from qserv.storage.readers import file_columns
from qserv.storage.sources import expand, local_path, part_of, part_url

_FIRST_POLL, _LONGEST_POLL = 0.02, 0.2
"""Seconds between questions how far a load is: small loads are not to wait, long ones not to ask too often."""

PART_BYTES = 64 << 20
"""Of a file that several workers read: as much as one of them reads at least."""

_DIRECTORS, _PLACED = "directors", "placed"
"""The two transactions of a load: directors and replicated tables, and what is placed by directors."""

_FIRST = frozenset({TableKind.DIRECTOR, TableKind.REPLICATED})


@dataclass(frozen=True, slots=True)
class TableProgress:
    """How far a table is. ``total_bytes`` is of its files, as far as their sizes are known.

    ``waits`` says why it does not go on just now, if it does not.
    """

    name: str
    files: int
    files_done: int = 0
    rows: int = 0
    bytes: int = 0
    total_bytes: int = 0
    dropped: int = 0
    phase: str = "waiting"
    waits: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did. ``there``: everything had been loaded before by the same spec."""

    database: str
    tables: tuple[TableProgress, ...]
    seconds: float
    there: bool = False
    warnings: tuple[str, ...] = ()


Report = Callable[[Sequence[TableProgress]], None]


@dataclass(slots=True)
class _Task:
    """A table of the load, with its columns, and the files that fill it."""

    spec: TableSpec
    files: tuple[str, ...]
    created: bool = False
    id: int = 0
    progress: TableProgress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = TableProgress(self.spec.name, len(self.files), total_bytes=sum(map(_size, self.files)))


class Load:
    """One load of one spec.

    Parameters
    ----------
    base : folder where the spec's relative paths begin.
    append : add rows to tables that are there, rather than create them.
    upload : send files of this machine to the workers, which need not see them.
    report : told how far the tables are, some times a second.
    """

    def __init__(
        self,
        controller: Controller,
        spec: LoadSpec,
        base: Path,
        *,
        append: bool = False,
        upload: bool = False,
        report: Report = lambda _progress: None,
    ) -> None:
        self._controller = controller
        self._spec = spec
        self._append = append
        self._upload = upload
        self._report = report
        self._tasks = [_task(table, base, whole=upload) for table in spec.tables]
        self._mark = _mark(spec, self._tasks)
        self._made_database = False
        self._warnings: list[str] = []

    def run(self) -> Loaded:
        """Load, commit, publish.

        Raises
        ------
        SpecError, DataError
            For a spec or rows that cannot be loaded: nothing of the load is left behind.
        AlreadyExists
            When a table is there that this load did not make.
        Unavailable
            When the cluster cannot be reached: the same load run again goes on.
        """
        began = time.monotonic()
        try:
            there = self._create()
            for level in (_DIRECTORS, _PLACED):
                if self._level(level) and not there:
                    self._fill(level)
            for task in self._tasks:
                self._controller.publish(self._spec.database, task.spec.name)
        except Unavailable:
            raise
        except QservError:
            self._remove()
            raise
        return Loaded(
            database=self._spec.database,
            tables=tuple(task.progress for task in self._tasks),
            seconds=time.monotonic() - began,
            there=there,
            warnings=tuple(self._warnings),
        )

    def _level(self, level: str) -> list[_Task]:
        return [task for task in self._tasks if (task.spec.kind in _FIRST) is (level == _DIRECTORS)]

    def _create(self) -> bool:
        """Create the database and the tables, or take up those of this load; whether all was loaded before."""
        name = self._spec.database
        try:
            known = {table.name.casefold(): table for table in self._controller.database(name).tables}
        except UnknownDatabase:
            if self._append:
                raise
            known, self._made_database = {}, True
        if not self._append:
            self._controller.create_database(name, self._spec.family)
        for task in self._tasks:
            task.id = known[task.spec.name.casefold()].id if task.spec.name.casefold() in known else 0
        done = not self._append and all(self._committed(level) for level in (_DIRECTORS, _PLACED))
        for task in (*self._level(_DIRECTORS), *self._level(_PLACED)):
            there = known.get(task.spec.name.casefold())
            if self._append and there is None:
                raise NotFound(f"there is no table {name}.{task.spec.name} to append to: load it first")
            if there is not None:
                self._take_up(task, there, done=done)
            else:
                task.id = self._controller.create_table(name, task.spec).id
                task.created = True
        return done

    def _take_up(self, task: _Task, there: TableView, *, done: bool) -> None:
        """Use a table that is there: one of this load, left by a crash, or one to append to."""
        if self._append:
            return
        name = f"{self._spec.database}.{there.name}"
        same = _shape(there.spec) == _shape(task.spec)
        if not same or (there.published and not done):
            raise AlreadyExists(
                f"there is a table {name}: add rows to it with --append, or take it away with 'qserv drop {name}'"
                if there.published
                else f"a load with another spec has begun to fill {name}: end it with that spec,"
                f" or take it away with 'qserv drop {name}'"
            )
        task.created = not there.published

    def _committed(self, level: str) -> bool:
        return not self._level(level) or any(row.state == "committed" for row in self._mine(level))

    def _mine(self, level: str) -> list[TransactionView]:
        """The transactions of this load that filled these very tables, in this run or a former one; newest first."""
        context = self._context(level)
        return [row for row in self._controller.transactions(self._spec.database) if row.context == context]

    def _context(self, level: str) -> dict[str, Any]:
        return {"load": self._mark, "level": level, "tables": [task.id for task in self._level(level)]}

    def _fill(self, level: str) -> None:
        tasks = self._level(level)
        transaction = self._transaction(level)
        if transaction.state == "started":
            known = {row.name for row in self._controller.contributions(transaction.id)} if self._upload else set()
            for task in tasks:
                for number, url in enumerate(task.files):
                    self._contribute(transaction.id, task, number, url, known)
            self._follow(transaction.id, tasks)
            self._controller.end_transaction(transaction.id, "committed")
        self._commit(transaction.id, tasks)

    def _transaction(self, level: str) -> TransactionView:
        """The transaction of a level: one of a former run that still counts, or a new one."""
        for row in self._mine(level):
            if row.state in ("started", "committing", "committed"):
                return row
        return self._controller.start_transaction(self._spec.database, self._context(level))

    def _contribute(self, transaction: int, task: _Task, number: int, url: str, known: Collection[str]) -> None:
        name = f"{task.spec.name}/{number:06d}"
        path = local_path(url) if self._upload else None
        if path is not None:
            if name not in known:
                self._controller.upload(transaction, name, task.spec.name, path)
            return
        self._controller.contribute(transaction, ContributionWish(name=name, table=task.spec.name, url=url))

    def _follow(self, transaction: int, tasks: Sequence[_Task]) -> None:
        """Wait until all files are read.

        Raises
        ------
        DataError
            Of the first file that cannot be loaded; the transaction is aborted.
        """
        for pause in _pauses():
            rows = self._controller.contributions(transaction)
            self._tell(tasks, rows, "reading")
            failed = next((row for row in rows if row.state == "failed"), None)
            if failed is not None:
                self._abort(transaction)
                raise _failure(failed)
            if all(row.state in ("done", "cancelled") for row in rows):
                self._warnings += [f"{row.name}: {text}" for row in rows for text in row.warnings]
                return
            time.sleep(pause)

    def _commit(self, transaction: int, tasks: Sequence[_Task]) -> None:
        for pause in _pauses():
            row = self._controller.transaction(transaction)
            phase = "loaded" if row.state == "committed" else f"writing {row.chunks:,} chunks"
            why = f"{row.failure.code}: {row.failure.message}" if row.failure and row.state == "committing" else ""
            self._tell(tasks, self._controller.contributions(transaction), phase, why)
            if row.state == "committed":
                return
            if row.state == "aborted":
                if row.failure is None:
                    raise TransactionClosed(f"transaction {transaction} was aborted by someone else: load again")
                raise from_code(row.failure.code, row.failure.message, **row.failure.details)
            time.sleep(pause)

    def _abort(self, transaction: int) -> None:
        self._controller.end_transaction(transaction, "aborted")
        for pause in _pauses():
            if self._controller.transaction(transaction).state == "aborted":
                return
            time.sleep(pause)

    def _tell(self, tasks: Sequence[_Task], rows: Sequence[ContributionView], phase: str, why: str = "") -> None:
        for task in tasks:
            own = [row for row in rows if row.table == task.spec.name]
            task.progress = TableProgress(
                name=task.spec.name,
                files=len(task.files),
                files_done=sum(row.state == "done" for row in own),
                rows=sum(row.rows for row in own),
                bytes=sum(row.bytes for row in own),
                total_bytes=max(task.progress.total_bytes, sum(row.total_bytes for row in own)),
                dropped=sum(row.dropped for row in own),
                phase=phase,
                waits=why or next((_waits(row) for row in own if row.state == "queued" and row.failure), ""),
            )
        self._report([task.progress for task in self._tasks])

    def _remove(self) -> None:
        """Take away what this load made: open transactions, unpublished tables, a database that was not there."""
        for row in (*self._mine(_DIRECTORS), *self._mine(_PLACED)):
            if row.state == "started":
                self._abort(row.id)
        for task in (*self._level(_PLACED), *self._level(_DIRECTORS)):
            if task.created:
                self._controller.drop_table(self._spec.database, task.spec.name)
        if self._made_database and not self._controller.database(self._spec.database).tables:
            self._controller.drop_database(self._spec.database)


def _waits(row: ContributionView) -> str:
    """Why a file is to be read anew."""
    return f"{row.name}: {row.failure.code}: {row.failure.message}" if row.failure else ""


def _pauses() -> Iterator[float]:
    pause = _FIRST_POLL
    while True:
        yield pause
        pause = min(1.3 * pause, _LONGEST_POLL)


def _task(table: TableSpec, base: Path, *, whole: bool) -> _Task:
    """A table with its files and its columns, which a file tells where the spec does not.

    Large Parquet files are cut into parts, for several workers, unless they are to stay ``whole``.

    Raises
    ------
    SpecError
        For a table without a source, or whose columns are neither declared nor told by its file.
    """
    if table.source is None:
        raise SpecError(f"tables.{table.name}.source: say which files fill the table")
    try:
        files = expand(table.source, base)
    except DataError as error:
        raise SpecError(f"tables.{table.name}.source.path: {error.message}") from error
    cut = tuple(part for file in files for part in _parts(file, table.source.format)) if not whole else files
    if table.columns is not None:
        return _Task(table, cut)
    with tempfile.TemporaryDirectory(prefix="qserv-load-") as spool:
        found = file_columns(files[0], table.source, Path(spool))
    columns = tuple(ColumnSpec(name=one.name, type=str(one.type), nullable=one.nullable) for one in found)
    return _Task(TableSpec.model_validate(table.model_dump() | {"columns": columns}), cut)


def _parts(url: str, form: Format) -> tuple[str, ...]:
    """The parts of a file, of whole row groups and some :data:`PART_BYTES` each; a small file is one part."""
    path = local_path(url)
    if form not in (Format.PARQUET, Format.HATS) or path is None or path.stat().st_size < 2 * PART_BYTES:
        return (url,)
    try:
        groups = pq.read_metadata(path).num_row_groups
    except (pa.ArrowException, OSError):
        return (url,)  # the worker that reads it says what is wrong with it
    count = min(groups, path.stat().st_size // PART_BYTES)
    edges = [groups * number // count for number in range(count + 1)] if count > 1 else [0]
    return tuple(part_url(url, first, end - 1) for first, end in pairwise(edges)) or (url,)


def _mark(spec: LoadSpec, tasks: Sequence[_Task]) -> str:
    """What tells this load from others: the spec and the names of its files."""
    digest = hashlib.sha256(spec.model_dump_json().encode())
    for task in tasks:
        for file in task.files:
            digest.update(file.encode() + b"\0")
    return digest.hexdigest()[:32]


def _shape(spec: TableSpec) -> TableSpec:
    """A table's spec without where its rows came from."""
    return spec.model_copy(update={"source": None})


def _failure(row: ContributionView) -> QservError:
    if row.failure is None:
        return DataError(f"{row.url}: it could not be loaded")
    return from_code(row.failure.code, f"{row.table}: {row.failure.message}", **row.failure.details)


def _size(url: str) -> int:
    file, part = part_of(url)
    path = Path(file)
    return path.stat().st_size if path.is_file() and part is None else 0
