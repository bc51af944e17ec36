"""Restores a catalog from a backup, into a cluster of any size.

All tables are created at once, unpublished, with the transactions that are to fill them; a transaction's context says
which import it belongs to. The first holder of each unit restores its files from the backup, checked by their sums, and
the commit is an ordinary one: it has the other holders fetch the files, and counts the rows. Tables are published when
all is committed. Every step looks at what is there first, so that a new controller goes on where another stopped.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from qserv.catalog import logs
from qserv.catalog.errors import Conflict, DataError, NotFound, QservError, from_code
from qserv.catalog.messages import Restore, StagedUnit
from qserv.catalog.metadata import Metadata, backups, ingests, tables, units
from qserv.catalog.metadata.backups import BackupRow, WholeTable
from qserv.catalog.metadata.ingests import IngestRow
from qserv.catalog.metadata.tables import TableRow
from qserv.catalog.metadata.units import UnitRow
from qserv.catalog.metadata.workers import WorkerRow
from qserv.catalog.model import FileKind, TableKind, UnitKind, WorkerState
from qserv.catalog.resources import RuntimeSettings, TransactionState, UnitsWish
from qserv.replication.batches import spread
from qserv.replication.calls import Calls
from qserv.replication.exporting import PAUSE, SECONDS, TRIES, Progress
from qserv.replication.leader import Leader
from qserv.replication.manifest import (
    BackupDatabase,
    Manifest,
    Restored,
    read_list,
    read_manifest,
    rounds,
)
from qserv.replication.placer import Placer
from qserv.replication.registry import Registry
from qserv.storage.depot import depot

log = logs.get(__name__)

_COMMIT_POLL = 0.2
_OPEN: tuple[TransactionState, ...] = ("started", "committing")
_UNITS = 5000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to restore in a transaction: whose it is, where it goes."""

    table: TableRow
    file: Restored
    unit: UnitKind
    number: int
    path: str


@dataclass(frozen=True, slots=True)
class Part:
    """A transaction of the import and the files that it consists of, by path."""

    transaction: int
    files: Mapping[str, Wanted]
    margins: Mapping[int, float]


class Importing:
    """Carries one import at a time in the calling thread."""

    def __init__(
        self,
        metadata: Metadata,
        leader: Leader,
        registry: Registry,
        calls: Calls,
        placer: Placer,
        runtime: Callable[[], RuntimeSettings],
    ) -> None:
        self._metadata = metadata
        self._leader = leader
        self._registry = registry
        self._calls = calls
        self._placer = placer
        self._runtime = runtime

    def run(self, job: BackupRow, tell: Progress) -> None:
        """Import to the end.

        Raises
        ------
        Conflict
            When a table of the backup is there, or its database has another family.
        DataError, NotFound
            When the backup is not whole.
        """
        where = depot(job.url)
        wanted = _chosen(read_manifest(where, job.url), job.databases, job.url)
        lists = {
            (home.name, table.spec.name): rounds(read_list(where, table)) for home in wanted for table in home.tables
        }
        self._leader.write(partial(_begin, job=job, wanted=wanted, rounds_of=_round_counts(wanted, lists)))
        parts = self._metadata.read(partial(_parts, job=job, wanted=wanted, lists=lists))
        total = sum(len(part.files) for part in parts), sum(_bytes(part.files.values()) for part in parts)
        done = (0, 0)
        for part in parts:
            done = self._fill(job, part, tell, done, total)
        tell(total, total)
        self._leader.write(partial(_publish, job=job, wanted=wanted))
        log.info("imported", url=job.url, files=total[0], bytes=total[1])

    def remove(self, job: BackupRow) -> None:
        """Take away what an import that failed or was cancelled has made, but for tables that are published."""
        for row in self._metadata.read(partial(backups.transactions, backup=job.id)):
            if row.state in _OPEN:
                self._leader.write(partial(ingests.set_state, transaction=row.id, state="aborting", among=_OPEN))
        while any(row.state == "aborting" for row in self._metadata.read(partial(backups.transactions, backup=job.id))):
            self._leader.require()
            time.sleep(_COMMIT_POLL)
        self._leader.write(partial(_drop, job=job))

    def _fill(
        self, job: BackupRow, part: Part, tell: Progress, before: tuple[int, int], total: tuple[int, int]
    ) -> tuple[int, int]:
        """Restore a transaction's files and have it committed; answers what is done now."""
        failures: Counter[int] = Counter()
        while True:
            row = self._metadata.read(partial(ingests.get, transaction=part.transaction))
            if row.state == "aborted":
                failure = row.failure
                raise (from_code(failure.code, failure.message) if failure is not None else Conflict("it was aborted"))
            left = [] if row.state == "committed" else self._missing(part)
            after = (
                before[0] + len(part.files) - len(left),
                before[1] + _bytes(part.files.values()) - _bytes(left),
            )
            tell(after, total)
            if row.state == "committed":
                return after
            if left:
                self._restore(job, part, left, failures)
            elif row.state == "started":
                whole = _whole(part, job.url)
                self._leader.write(partial(backups.complete, transaction=part.transaction, tables=whole))
            else:
                time.sleep(_COMMIT_POLL)

    def _missing(self, part: Part) -> list[Wanted]:
        """The files that no worker in reach has yet, as the source from which others are to fetch them."""
        entered = self._metadata.read(partial(ingests.prepared_files, transaction=part.transaction))
        held = self._metadata.read(partial(units.by_id, identifiers={file.unit for file in entered}))
        workers = self._registry.rows()
        there = {
            file.path for file in entered if file.source in held[file.unit].workers and _alive(workers.get(file.source))
        }
        return [file for path, file in part.files.items() if path not in there]

    def _restore(self, job: BackupRow, part: Part, left: Sequence[Wanted], failures: Counter[int]) -> None:
        holders = self._holders(part.transaction, left)
        workers = self._registry.rows()

        def first(file: Wanted) -> list[int]:
            """One that is silent is waited for until it is back, or lost."""
            there = [one for one in holders[file.table.id, file.unit, file.number].workers if _alive(workers.get(one))]
            return [one for one in there[:1] if workers[one].state is not WorkerState.SUSPECT]

        batches = spread(left, first, lambda file: file.file.source.bytes)
        if not batches:
            time.sleep(PAUSE)
            return
        bandwidth = self._runtime().bandwidth // len(batches)
        answers = self._calls.all(
            {one: partial(self._send, workers[one], job.url, batch, bandwidth) for one, batch in batches.items()}
        )
        for worker, answer in answers.items():
            if isinstance(answer, QservError):
                self._note(worker, answer, failures)
                continue
            failures.pop(worker, None)
            ids = {
                (file.unit, file.number): holders[file.table.id, file.unit, file.number].id for file in batches[worker]
            }
            staged = [_staged(file) for file in batches[worker]]
            self._leader.write(
                partial(
                    backups.enter_files,
                    transaction=part.transaction,
                    worker=worker,
                    files=staged,
                    unit_ids=ids,
                )
            )

    def _send(self, worker: WorkerRow, url: str, batch: Sequence[Wanted], bandwidth: int) -> None:
        files = tuple((one.file.source.path, one.path, one.file.source.sha256, one.file.source.bytes) for one in batch)
        message = Restore(url=url, files=files, bandwidth=bandwidth)
        self._calls.client(worker.flight).action("restore", message, timeout=SECONDS)

    def _note(self, worker: int, error: QservError, failures: Counter[int]) -> None:
        log.warning("a batch of an import failed", worker=worker, code=error.code, reason=error.message)
        failures[worker] += 1
        if isinstance(error, DataError | NotFound) or failures[worker] >= TRIES:
            raise error
        time.sleep(PAUSE)

    def _holders(self, transaction: int, left: Sequence[Wanted]) -> dict[tuple[int, UnitKind, int], UnitRow]:
        """The units of files, placed where they are not yet; by table, kind and number."""
        found: dict[tuple[int, UnitKind, int], UnitRow] = {}
        groups: dict[tuple[int, UnitKind], tuple[TableRow, set[int]]] = {}
        for file in left:
            groups.setdefault((file.table.id, file.unit), (file.table, set()))[1].add(file.number)
        factor = self._runtime().factor
        for (table, kind), (row, numbers) in groups.items():
            ordered = sorted(numbers)
            for at in range(0, len(ordered), _UNITS):
                some = ordered[at : at + _UNITS]
                self._placer.units(
                    transaction,
                    UnitsWish(
                        table=row.spec.name,
                        kind=FileKind.INDEX if kind is UnitKind.INDEX else FileKind.MAIN,
                        numbers=() if kind is UnitKind.FULL else tuple(some),
                    ),
                    factor,
                )
                placed = self._metadata.read(partial(units.find, kind=kind, scope=_scope(row), numbers=some))
                found |= {(table, kind, number): unit for number, unit in placed.items()}
        return found


def _chosen(manifest: Manifest, names: Sequence[str], url: str) -> list[BackupDatabase]:
    known = {database.name.casefold(): database for database in manifest.databases}
    for name in names:
        if name.casefold() not in known:
            there = ", ".join(database.name for database in manifest.databases) or "none"
            raise NotFound(f"{url} has no database {name!r}: it has {there}")
    return [known[name.casefold()] for name in names] if names else list(manifest.databases)


Lists = Mapping[tuple[str, str], list[Restored]]


def _round_counts(wanted: Sequence[BackupDatabase], lists: Lists) -> dict[str, int]:
    """In how many transactions each database is restored."""
    return {
        home.name: max(
            (file.round + 1 for table in home.tables for file in lists[home.name, table.spec.name]), default=0
        )
        for home in wanted
    }


def _begin(
    connection: Connection, job: BackupRow, wanted: Sequence[BackupDatabase], rounds_of: Mapping[str, int]
) -> None:
    """Create all tables and start all transactions, unless that was done."""
    if backups.transactions(connection, job.id):
        return
    known = {row.name.casefold() for row in tables.databases(connection)}
    for home in wanted:
        row = tables.create_database(connection, home.name, home.family)
        if row.family is not None and row.family.index_partitions != home.index_partitions:
            raise Conflict(
                f"the director indexes of {home.name} are cut into {home.index_partitions} partitions,"
                f" this cluster's into {row.family.index_partitions}: import it into another cluster"
            )
    made: dict[str, list[int]] = {home.name: [] for home in wanted}
    # Directors first: what is placed by them needs them, whichever database it is of.
    every = [(home, table) for home in wanted for table in home.tables]
    for home, table in sorted(every, key=lambda one: one[1].spec.kind not in _FIRST):
        made[home.name].append(tables.create_table(connection, home.name, table.spec).id)
    for home in wanted:
        database = tables.database(connection, home.name)
        for number in range(max(1, rounds_of[home.name])):
            context = {
                "import": job.id,
                "round": number,
                "tables": made[home.name],
                "made": home.name.casefold() not in known,
            }
            ingests.start(connection, database.id, context)


_FIRST = frozenset({TableKind.DIRECTOR, TableKind.REPLICATED})


def _parts(connection: Connection, job: BackupRow, wanted: Sequence[BackupDatabase], lists: Lists) -> list[Part]:
    """The import's transactions, with the files of each."""
    homes = {row.id: row for row in tables.databases(connection)}
    specs = {home.name: {table.spec.name: table for table in home.tables} for home in wanted}
    found = []
    for row in backups.transactions(connection, job.id):
        home = homes[row.database_id]
        own = [table for table in tables.tables(connection, home) if table.id in row.context["tables"]]
        files = {
            one.path: one
            for table in own
            for file in lists[home.name, table.spec.name]
            if file.round == row.context["round"]
            for one in (_wanted(table, file, row),)
        }
        margins = {table.id: specs[home.name][table.spec.name].margin for table in own}
        found.append(Part(row.id, files, margins))
    return found


def _wanted(table: TableRow, file: Restored, row: IngestRow) -> Wanted:
    unit = file.source.unit
    number = table.id if unit is UnitKind.FULL else file.source.number
    path = file.path(table.database.name, table.spec.name, number, row.id)
    return Wanted(table, file, unit, number, path)


def _whole(part: Part, url: str) -> list[WholeTable]:
    """The tables of a transaction as their contributions tell them."""
    rows: Counter[int] = Counter()
    size: Counter[int] = Counter()
    known: dict[int, TableRow] = {}
    for one in part.files.values():
        known[one.table.id] = one.table
        size[one.table.id] += one.file.source.bytes
        rows[one.table.id] += one.file.source.rows if one.file.source.kind is FileKind.MAIN else 0
    return [
        WholeTable(
            key,
            table.spec.name,
            f"{url}/{table.database.name}/{table.spec.name}",
            rows[key],
            size[key],
            part.margins[key],
        )
        for key, table in sorted(known.items())
    ]


def _staged(one: Wanted) -> StagedUnit:
    source = one.file.source
    return StagedUnit(
        table=one.table.id,
        kind=source.kind,
        unit=one.unit,
        number=one.number,
        path=one.path,
        sha256=source.sha256,
        rows=source.rows,
        bytes=source.bytes,
    )


def _publish(connection: Connection, job: BackupRow, wanted: Sequence[BackupDatabase]) -> None:
    for home in wanted:
        for table in home.tables:
            if table.published:
                tables.set_published(connection, home.name, table.spec.name, True)
    backups.end(connection, job.id, "done")


def _drop(connection: Connection, job: BackupRow) -> None:
    homes = {row.id: row for row in tables.databases(connection)}
    rows = [row for row in backups.transactions(connection, job.id) if row.database_id in homes]
    own = {table for row in rows for table in row.context["tables"]}
    for home in {row.database_id for row in rows}:
        there = [table for table in tables.tables(connection, homes[home]) if table.id in own and not table.published]
        for table in sorted(there, key=lambda one: one.spec.kind in _FIRST):
            tables.drop_table(connection, homes[home].name, table.spec.name)
    for home in {row.database_id for row in rows if row.context["made"]}:
        if not tables.tables(connection, homes[home]):
            tables.drop_database(connection, homes[home].name)


def _alive(worker: WorkerRow | None) -> bool:
    return worker is not None and worker.state is not WorkerState.LOST


def _scope(table: TableRow) -> int:
    return table.database.family.id if table.unit[0] is not UnitKind.FULL and table.database.family else 0


def _bytes(files: Iterable[Wanted]) -> int:
    return sum(one.file.source.bytes for one in files)
