"""Small files are made one: what many loads into the same chunks leave behind is read faster, and counted sooner.

One holder of a unit writes the new file out of the old ones, the others fetch it, and one transaction of the metadata
lets it take their place. Queries that began before read the old files, which are collected after them. Whatever ends on
the way, the old files are what counts, and the new ones are removed: a compaction is begun anew, never gone on with.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from qserv.catalog import logs
from qserv.catalog.errors import FileMissing, QservError, WorkerFailed
from qserv.catalog.messages import Compact, Fetch, Merge, Prepared, StagedUnit
from qserv.catalog.metadata import Metadata, backups, compactions, ingests, scrubs, tables, units
from qserv.catalog.metadata.compactions import Merged
from qserv.catalog.metadata.tables import TableRow
from qserv.catalog.metadata.units import FileRow, UnitRow
from qserv.catalog.metadata.workers import WorkerRow
from qserv.catalog.model import FileKind, WorkerState
from qserv.catalog.resources import RuntimeSettings
from qserv.replication import metrics, views
from qserv.replication.calls import Calls
from qserv.replication.leader import Leader
from qserv.replication.registry import Registry

log = logs.get(__name__)

SMALL_BYTES = 32 << 20
"""A file as large as this stays as it is."""

MERGED_BYTES = 256 << 20
"""The most that becomes one file."""

_MUCH = 4
_UNITS = 500
_MERGES = 64
_BATCH_BYTES = 1 << 30
_SECONDS = 1800.0
_PAUSE_SECONDS = 4.0
_LONGEST_PAUSE_SECONDS = 300.0
"""After a failure, at first and after several in a row: each read and wrote up to a gigabyte in vain."""

_AMONG = (WorkerState.ONLINE, WorkerState.READ_ONLY)


@dataclass(frozen=True, slots=True)
class Group:
    """Files of one table and kind in a unit, which are to be one."""

    unit: UnitRow
    files: tuple[FileRow, ...]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


def choose(files: Iterable[FileRow], least: int) -> tuple[FileRow, ...]:
    """Which files of one table and kind in a unit are to be one, in the order in which they came; perhaps none.

    A file that is much larger than all that are smaller than it together is left out: so a row is written anew as often
    as the logarithm of the number of loads, not as often as there are loads.
    """
    small = sorted((file for file in files if file.bytes < SMALL_BYTES), key=lambda file: (file.bytes, file.id))
    while len(small) > 1 and small[-1].bytes > _MUCH * sum(file.bytes for file in small[:-1]):
        small.pop()
    if len(small) < max(2, least):
        return ()
    total = 0
    chosen = []
    for file in small:
        total += file.bytes
        if total > MERGED_BYTES:
            break
        chosen.append(file)
    return tuple(sorted(chosen, key=lambda file: file.id))


class Compacting:
    """One round is :meth:`step`: the files of some units of one table on one worker."""

    def __init__(
        self,
        metadata: Metadata,
        leader: Leader,
        registry: Registry,
        calls: Calls,
        runtime: Callable[[], RuntimeSettings],
    ) -> None:
        self._metadata = metadata
        self._leader = leader
        self._registry = registry
        self._calls = calls
        self._runtime = runtime
        self._idle: object = None
        self._pause = 0.0
        self._again = 0.0

    def step(self) -> bool:
        """Whether there is more to do at once."""
        for row in self._metadata.read(partial(ingests.ingests, states=("compacting",))):
            self._leader.write(partial(compactions.abort, transaction=row.id))
        if time.monotonic() < self._again:
            return False
        least = self._runtime().compact_files
        rows = self._registry.rows()
        seen = self._metadata.version(), least, tuple(sorted((row.id, row.state) for row in rows.values()))
        if least == 0 or seen == self._idle or self._metadata.read(partial(backups.backups, states=backups.OPEN)):
            return False
        found = self._metadata.read(partial(_groups, least=max(2, least)))
        batch = _batch(found, rows)
        if not batch:
            self._idle = seen
            return False
        worker, table, groups = batch
        return self._compact(rows, worker, self._metadata.read(partial(tables.by_id, identifier=table)), groups)

    def _compact(
        self, rows: Mapping[int, WorkerRow], writer: WorkerRow, table: TableRow, groups: Sequence[Group]
    ) -> bool:
        """Whether files were made one."""
        begin = partial(compactions.begin, database_id=table.database.id, table=table.spec.name)
        transaction = self._leader.write(begin).id
        with logs.bound(transaction=transaction):
            try:
                held = self._metadata.read(partial(units.replicas, identifiers=[group.unit.id for group in groups]))
                written = self._write(writer, transaction, table, groups)
                merged = self._spread(rows, writer, groups, written, held)
                swap = partial(compactions.swap, transaction=transaction, worker=writer.id, merged=merged)
                done = self._leader.write(swap)
            except QservError as error:
                log.warning("files stay as they are", table=table.spec.name, reason=error.message)
                self._report(writer, error)
                self._leader.write(partial(compactions.abort, transaction=transaction))
                self._idle = None
                self._pause = min(max(_PAUSE_SECONDS, 2 * self._pause), _LONGEST_PAUSE_SECONDS)
                self._again = time.monotonic() + self._pause
                raise
        self._pause = 0.0
        files = sum(len(one.old) for one in done)
        metrics.COMPACTED_FILES.inc(files)
        log.info("files were made one", table=table.spec.name, units=len(done), files=files)
        return bool(done)

    def _write(
        self, writer: WorkerRow, transaction: int, table: TableRow, groups: Sequence[Group]
    ) -> dict[tuple[int, FileKind], StagedUnit]:
        wish = Compact(
            transaction=transaction,
            table=views.table_facts(table),
            merges=tuple(
                Merge(
                    unit=group.unit.kind,
                    number=group.unit.number,
                    kind=group.files[0].kind,
                    files=tuple((file.path, file.sha256, file.bytes) for file in group.files),
                )
                for group in groups
            ),
        )
        answer = self._calls.client(writer.flight).action("compact", wish, Prepared, timeout=_SECONDS)
        written = {(one.number, one.kind): one for one in answer.files}
        for group in groups:
            new = written.get((group.unit.number, group.files[0].kind))
            if new is None or new.rows != sum(file.rows for file in group.files):
                raise WorkerFailed(f"worker {writer.name} did not write all rows of {group.files[0].path}")
        return written

    def _spread(
        self,
        rows: Mapping[int, WorkerRow],
        writer: WorkerRow,
        groups: Sequence[Group],
        written: Mapping[tuple[int, FileKind], StagedUnit],
        held: Mapping[int, frozenset[tuple[int, int]]],
    ) -> list[Merged]:
        """Have the other holders fetch the new files."""
        files: dict[int, list[StagedUnit]] = defaultdict(list)
        merged = []
        for group in groups:
            new = written[group.unit.number, group.files[0].kind]
            for holder in {worker for worker, _ in held.get(group.unit.id, ())} - {writer.id}:
                files[holder].append(new)
            merged.append(Merged(group.unit.id, group.files, new, held.get(group.unit.id, frozenset())))
        works = {}
        for holder, wanted in files.items():
            wish = Fetch(source=writer.flight, files=tuple((one.path, one.sha256, one.bytes) for one in wanted))
            works[holder] = partial(self._calls.client(rows[holder].flight).action, "fetch", wish, timeout=_SECONDS)
        for answer in self._calls.all(works, "compact").values():
            if isinstance(answer, QservError):
                raise answer
        return merged

    def _report(self, writer: WorkerRow, error: QservError) -> None:
        """A file that is not as it was written is looked at, and healed, as if a query had found it."""
        path = error.details.get("path")
        if isinstance(error, FileMissing) and isinstance(path, str):
            self._leader.write(partial(scrubs.report, worker=writer.id, paths=[path]))


def _groups(connection: Connection, least: int) -> list[Group]:
    """What is to be made one. Loads look keys up in index files, so these wait until no transaction is open."""
    loading = ingests.ingests(connection, states=("started", "committing", "aborting"))
    index = not loading
    crowded = compactions.crowded(connection, least, _UNITS, index=index)
    by_kind: dict[tuple[int, int, FileKind], list[FileRow]] = defaultdict(list)
    for file in units.files_of(connection, crowded):
        if index or file.kind is not FileKind.INDEX:
            by_kind[file.unit, file.table, file.kind].append(file)
    known = units.by_id(connection, crowded)
    chosen = ((unit, choose(files, least)) for (unit, _, _), files in sorted(by_kind.items()))
    return [Group(known[unit], files) for unit, files in chosen if files]


def _batch(groups: Sequence[Group], rows: Mapping[int, WorkerRow]) -> tuple[WorkerRow, int, list[Group]] | None:
    """The groups of one table that one worker writes next; units with a holder that is not there wait for it."""
    found: dict[tuple[int, int], list[Group]] = defaultdict(list)
    for group in groups:
        holders = group.unit.workers
        if holders and all(one in rows and rows[one].state in _AMONG for one in holders):
            batch = found[holders[group.unit.number % len(holders)], group.files[0].table]
            if len(batch) < _MERGES and sum(one.bytes for one in batch) < _BATCH_BYTES:
                batch.append(group)
    if not found:
        return None
    (worker, table), batch = max(found.items(), key=lambda one: (len(one[1]), one[0]))
    return rows[worker], table, batch
