"""Copies a catalog to a backup: the workers write the files, the controller the lists and, at last, the manifest.

What the backup has already is not copied again, so an export that broke off goes on, and one to the place of an older
one adds what is new. Each worker checks the sum of each file as it sends it; a damaged replica is left out, and another
one is taken.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from qserv.catalog import logs
from qserv.catalog.errors import (
    ChunkUnavailable,
    Conflict,
    DiskFull,
    NotFound,
    QservError,
    SpecError,
    UnknownDatabase,
    WorkerFailed,
)
from qserv.catalog.messages import Export
from qserv.catalog.metadata import Metadata, snapshot, tables, units
from qserv.catalog.metadata.backups import BackupRow
from qserv.catalog.metadata.tables import DatabaseRow, TableRow
from qserv.catalog.metadata.units import FileRow, UnitRow
from qserv.catalog.metadata.workers import WorkerRow
from qserv.catalog.model import WorkerState
from qserv.catalog.resources import RuntimeSettings
from qserv.catalog.spec import FamilySpec
from qserv.replication.batches import spread
from qserv.replication.calls import Calls
from qserv.replication.manifest import (
    NAME,
    BackupDatabase,
    BackupFile,
    BackupTable,
    Manifest,
    read_manifest,
    write_list,
)
from qserv.replication.registry import Registry
from qserv.storage.depot import Depot, depot
from qserv.storage.files import FileName

log = logs.get(__name__)

SECONDS = 1800.0
TRIES = 10
PAUSE = 2.0

Progress = Callable[[tuple[int, int], tuple[int, int]], None]
"""Told files and bytes: done, and in all. Raises when the work is to stop."""


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is exported, at one version."""

    version: int
    databases: tuple[tuple[DatabaseRow, tuple[TableRow, ...]], ...]
    files: tuple[FileRow, ...]
    units: Mapping[int, UnitRow]


class Exporting:
    """Carries one export at a time in the calling thread."""

    def __init__(
        self,
        metadata: Metadata,
        registry: Registry,
        calls: Calls,
        runtime: Callable[[], RuntimeSettings],
        cluster: str,
    ) -> None:
        self._metadata = metadata
        self._registry = registry
        self._calls = calls
        self._runtime = runtime
        self._cluster = cluster

    def run(self, job: BackupRow, tell: Progress) -> None:
        """Export to the end.

        Raises
        ------
        Conflict
            When the place has another cluster's backup.
        ChunkUnavailable
            When no replica of a file is whole and in reach.
        Unavailable, DiskFull
            When the place cannot be written.
        """
        where = depot(job.url)
        self._refuse_strangers(where, job.url)
        picture = self._metadata.read(partial(_picture, names=job.databases))
        self._copy(job.url, where, picture, tell)
        manifest = Manifest(
            cluster=self._cluster,
            version=picture.version,
            created=time.time(),
            databases=tuple(_database(where, database, own, picture) for database, own in picture.databases),
        )
        where.put(NAME, [manifest.model_dump_json(indent=1, exclude_none=True).encode()])
        log.info("exported", url=job.url, files=len(picture.files), version=picture.version)

    def _refuse_strangers(self, where: Depot, url: str) -> None:
        try:
            there = read_manifest(where, url)
        except NotFound:
            return
        if there.cluster != self._cluster:
            raise Conflict(f"{url} has a backup of cluster {there.cluster}: choose another place")

    def _copy(self, url: str, where: Depot, picture: Picture, tell: Progress) -> None:
        there = where.sizes()
        left = {file.path: file for file in picture.files if there.get(file.path) != file.bytes}
        total = len(picture.files), sum(file.bytes for file in picture.files)
        barred: dict[str, set[int]] = defaultdict(set)
        failures: Counter[int] = Counter()
        while True:
            tell((total[0] - len(left), total[1] - sum(file.bytes for file in left.values())), total)
            if not left:
                return
            for worker, (batch, answer) in self._round(url, picture, left.values(), barred).items():
                if not isinstance(answer, QservError):
                    failures.pop(worker, None)
                    for file in batch:
                        del left[file.path]
                else:
                    self._note(worker, answer, barred, failures)

    def _round(
        self, url: str, picture: Picture, left: Iterable[FileRow], barred: Mapping[str, set[int]]
    ) -> dict[int, tuple[list[FileRow], object]]:
        """Each worker's next batch, and how it went."""
        workers = {row.id: row for row in self._registry.rows().values()}

        def holders(file: FileRow) -> list[int]:
            return [
                one
                for one in picture.units[file.unit].workers
                if _there(workers.get(one)) and one not in barred.get(file.path, ())
            ]

        batches = spread(left, holders, lambda file: file.bytes)
        silent = {row.id for row in workers.values() if row.state is WorkerState.SUSPECT}
        if not batches and any(silent.intersection(picture.units[file.unit].workers) for file in left):
            time.sleep(PAUSE)  # they are back soon, or lost
            return {}
        if not batches:
            raise ChunkUnavailable(
                f"{next(iter(left)).path}: no worker that can be reached has a whole copy of it, or its table was"
                " dropped meanwhile; export again"
            )
        bandwidth = self._runtime().bandwidth // len(batches)
        answers = self._calls.all(
            {worker: partial(self._send, workers[worker], url, batch, bandwidth) for worker, batch in batches.items()}
        )
        return {worker: (batches[worker], answer) for worker, answer in answers.items()}

    def _send(self, worker: WorkerRow, url: str, batch: Sequence[FileRow], bandwidth: int) -> None:
        message = Export(
            url=url, files=tuple((file.path, file.sha256, file.bytes) for file in batch), bandwidth=bandwidth
        )
        self._calls.client(worker.flight).action("export", message, timeout=SECONDS)

    def _note(self, worker: int, error: QservError, barred: dict[str, set[int]], failures: Counter[int]) -> None:
        """What a failed batch means: a copy that is not whole, a place that is full, or something that may pass."""
        path = error.details.get("path")
        log.warning("a batch of an export failed", worker=worker, code=error.code, reason=error.message)
        if isinstance(error, WorkerFailed) and isinstance(path, str):
            barred[path].add(worker)
            return
        if isinstance(error, DiskFull | SpecError):
            raise error
        failures[worker] += 1
        if failures[worker] >= TRIES:
            raise error
        time.sleep(PAUSE)


def _there(worker: WorkerRow | None) -> bool:
    return worker is not None and worker.state not in (WorkerState.SUSPECT, WorkerState.LOST)


def _picture(connection: Connection, names: Sequence[str]) -> Picture:
    known = {row.name.casefold(): row for row in tables.databases(connection)}
    for name in names:
        if name.casefold() not in known:
            raise UnknownDatabase(f"there is no database {name!r}")
    wanted = [known[name.casefold()] for name in names] if names else list(known.values())
    homes = tuple((row, tuple(tables.tables(connection, row))) for row in wanted)
    ids = {table.id for _, own in homes for table in own}
    files = tuple(file for file in units.every_file(connection) if file.table in ids)
    return Picture(snapshot.version(connection), homes, files, {unit.id: unit for unit in units.every(connection)})


def _database(where: Depot, database: DatabaseRow, own: Sequence[TableRow], picture: Picture) -> BackupDatabase:
    family = database.family
    return BackupDatabase(
        name=database.name,
        family=FamilySpec(stripes=family.stripes, substripes=family.substripes, overlap=family.overlap)
        if family is not None
        else None,
        index_partitions=family.index_partitions if family is not None else None,
        tables=tuple(_table(where, database.name, table, picture) for table in own),
    )


def _table(where: Depot, database: str, table: TableRow, picture: Picture) -> BackupTable:
    files = [_file(file, picture.units[file.unit]) for file in picture.files if file.table == table.id]
    path, digest = write_list(where, database, table.spec.name, files)
    return BackupTable(
        spec=table.spec.model_copy(update={"source": None}),
        published=table.published,
        margin=table.margin,
        rows=sum(file.rows for file in files if file.kind == "main"),
        bytes=sum(file.bytes for file in files),
        files=path,
        files_sha256=digest,
    )


def _file(file: FileRow, unit: UnitRow) -> BackupFile:
    name = FileName.parse(file.path.rpartition("/")[2])
    transaction = name.transaction if name is not None else 0
    return BackupFile(file.path, file.kind, unit.kind, unit.number, transaction, file.rows, file.bytes, file.sha256)
