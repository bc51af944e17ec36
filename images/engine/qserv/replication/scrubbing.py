"""Reads all replicas anew, compares their sums, and has what is damaged healed from other workers.

A replica with a file that is missing, or has another sum than was committed, is taken off the map at once, so that no
query reads it, and is healed in place: the file comes from a good replica. A damaged file that no other worker has
makes its unit *lost*: a query that needs it fails, and what is left of the unit stays on the disk, to be adopted when
its files are whole again.

Files that a czar or a worker could not read are reported, and are looked at before all else.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial

from sqlalchemy import Connection

from qserv.catalog import logs
from qserv.catalog.errors import QservError, UnknownDatabase, UnknownTable
from qserv.catalog.messages import Verified, Verify
from qserv.catalog.metadata import Metadata, scrubs, tables, units, workers
from qserv.catalog.metadata.scrubs import ReportRow, ScrubRow, Tally
from qserv.catalog.metadata.units import FileRow, UnitRow
from qserv.catalog.metadata.workers import WorkerRow
from qserv.catalog.model import UnitKind, WorkerState
from qserv.catalog.resources import RuntimeSettings, ScrubView
from qserv.replication import metrics
from qserv.replication.calls import Calls, Lane
from qserv.replication.leader import Leader
from qserv.replication.registry import Registry
from qserv.replication.repair import Repair

log = logs.get(__name__)

_UNITS = 1024
_BYTES = 1 << 30
"""What a worker is asked to read at a time: a scrub that is stopped has no more than that to read again."""

_REPORTS = 256
_CALL_SECONDS = 7200.0

Replica = tuple[int, int]  # a unit's and a worker's id
Batch = Sequence[tuple[UnitRow, tuple[FileRow, ...]]]


class Scrubbing:
    """One round is :meth:`step`; the scrub under way is carried on in a thread of its own."""

    def __init__(
        self,
        metadata: Metadata,
        leader: Leader,
        registry: Registry,
        calls: Calls,
        repair: Repair,
        runtime: Callable[[], RuntimeSettings],
    ) -> None:
        self._metadata = metadata
        self._leader = leader
        self._registry = registry
        self._calls = calls
        self._repair = repair
        self._runtime = runtime
        self._running: dict[int, Future[None]] = {}

    def start(self, worker: str | None) -> ScrubView:
        """Begin a scrub of one worker or of all, or find the one under way.

        Raises
        ------
        NotFound
            When there is no such worker.
        """

        def work(connection: Connection) -> ScrubRow:
            return scrubs.start(connection, workers.worker(connection, worker).id if worker is not None else None)

        return self._view(self._leader.write(work))

    def all(self) -> list[ScrubView]:
        return [self._view(row) for row in self._metadata.read(scrubs.scrubs)]

    def one(self, scrub: int) -> ScrubView:
        return self._view(self._metadata.read(partial(scrubs.get, scrub=scrub)))

    def cancel(self, scrub: int) -> ScrubView:
        return self._view(self._leader.write(partial(scrubs.end, scrub=scrub, state="cancelled")))

    def report(self, worker: str, paths: Sequence[str]) -> None:
        """Note files that somebody could not read on a worker."""
        self._leader.write(lambda connection: scrubs.report(connection, workers.worker(connection, worker).id, paths))

    def step(self) -> None:
        self._look_at_reports()
        self._running = {key: future for key, future in self._running.items() if not future.done()}
        open_ = self._metadata.read(partial(scrubs.scrubs, running=True))
        self._begin_when_due(open_)
        for row in open_:
            if row.id not in self._running:
                self._running[row.id] = self._calls.background(partial(self._carry, row))

    def _begin_when_due(self, open_: Sequence[ScrubRow]) -> None:
        interval = self._runtime().scrub_interval
        if not interval or any(row.worker_id is None for row in open_):
            return
        last = self._metadata.read(scrubs.last_begun)
        # Also when the clock was set back by more than that: the last one seems to be yet to come.
        if last is None or abs(time.time() - last) >= interval:
            self._leader.write(partial(scrubs.start, worker=None))

    def _look_at_reports(self) -> None:
        # A worker that is away is asked when it is back: its reports stay as long as it is registered.
        there = [row.id for row in self._registry.rows().values() if _answers(row)]
        reports = self._metadata.read(partial(scrubs.reports, workers=there, limit=_REPORTS))
        if not reports:
            return
        found = self._metadata.read(partial(_reported, reports=reports))
        asked: dict[int, list[FileRow]] = defaultdict(list)
        for row in reports:
            if row.id in found:
                asked[row.worker].append(found[row.id])
        bad, failed = self._verify(asked, "short", bandwidth=0)
        self._quarantine(bad)
        done = [row.id for row in reports if row.worker not in failed]
        if done:
            self._leader.write(partial(scrubs.looked_at, identifiers=done))

    def _carry(self, row: ScrubRow) -> None:
        with logs.bound(scrub=row.id):
            try:
                while row.state == "running":
                    row = self._next(row)
            except QservError as error:
                log.warning("the scrub goes on later", reason=error.message)
            except Exception:
                log.exception("the scrub goes on later")

    def _next(self, row: ScrubRow) -> ScrubRow:
        """Verify the next units; answers the scrub as it is then."""
        batch = self._metadata.read(partial(_batch, row=row))
        if not batch:
            ended = self._leader.write(partial(scrubs.end, scrub=row.id, state="done"))
            log.info("scrub done", files=row.tally.files, damaged=row.tally.damaged, lost=row.tally.lost)
            return ended
        there = self._registry.rows()
        asked: dict[int, list[FileRow]] = defaultdict(list)
        skipped = 0
        for unit, files in batch:
            for worker in unit.workers if row.worker_id is None else [row.worker_id]:
                if _answers(there.get(worker)):
                    asked[worker] += files
                else:
                    skipped += len(files)
        bad, failed = self._verify(asked, "scrub", self._runtime().scrub_bandwidth)
        skipped += sum(len(asked.pop(worker)) for worker in failed)
        damaged, lost = self._quarantine(bad)
        read = [file for files in asked.values() for file in files]
        tally = Tally(len(read), sum(file.bytes for file in read), damaged, lost, skipped)
        metrics.SCRUBBED_BYTES.inc(tally.bytes)
        return self._leader.write(partial(scrubs.progress, scrub=row.id, cursor=batch[-1][0].id, more=tally))

    def _verify(
        self, asked: dict[int, list[FileRow]], lane: Lane, bandwidth: int
    ) -> tuple[dict[Replica, list[FileRow]], set[int]]:
        """Files that are not as committed, by unit and worker; and the workers that could not say."""
        there = self._registry.rows()
        works = {
            worker: partial(self._sums, there[worker], [file.path for file in files], bandwidth)
            for worker, files in asked.items()
        }
        bad: dict[Replica, list[FileRow]] = defaultdict(list)
        failed = set()
        for worker, answer in self._calls.all(works, lane).items():
            if isinstance(answer, QservError):
                log.info("a worker could not verify its files", worker=there[worker].name, reason=answer.message)
                failed.add(worker)
                continue
            for file in asked[worker]:
                if answer.sums.get(file.path) != file.sha256:
                    bad[file.unit, worker].append(file)
        return bad, failed

    def _sums(self, worker: WorkerRow, paths: Sequence[str], bandwidth: int) -> Verified:
        wish = Verify(paths=tuple(paths), bandwidth=bandwidth)
        return self._calls.client(worker.flight).action("verify", wish, Verified, timeout=_CALL_SECONDS)

    def _quarantine(self, bad: dict[Replica, list[FileRow]]) -> tuple[int, int]:
        """Take damaged replicas from queries and have them healed: how many files were damaged, and lost."""
        damaged = lost = 0
        for (unit, worker), files in sorted(bad.items()):
            outcome = self._repair.heal(unit, worker, {file.path for file in files})
            if outcome is None:
                continue  # it was dropped, or given to others, while it was read
            damaged += len(files)
            lost += len(files) if outcome == "lost" else 0
            log.error("files are damaged or missing", worker=worker, outcome=outcome, paths=[f.path for f in files])
        metrics.DAMAGED_FILES.inc(damaged)
        return damaged, lost

    def _view(self, row: ScrubRow) -> ScrubView:
        names = {worker.id: worker.name for worker in self._registry.rows().values()}
        tally = row.tally
        seconds = (row.ended or time.time()) - row.started
        left = max(0, row.total_bytes - tally.bytes)
        return ScrubView(
            id=row.id,
            worker=names.get(row.worker_id) if row.worker_id is not None else None,
            state=row.state,
            files=tally.files,
            bytes=tally.bytes,
            total_files=row.total_files,
            total_bytes=row.total_bytes,
            damaged=tally.damaged,
            lost=tally.lost,
            skipped=tally.skipped,
            started=row.started,
            ended=row.ended,
            eta_seconds=left * seconds / tally.bytes if row.ended is None and tally.bytes else None,
        )


def _answers(row: WorkerRow | None) -> bool:
    return row is not None and row.state not in (WorkerState.SUSPECT, WorkerState.LOST)


def _batch(connection: Connection, row: ScrubRow) -> Batch:
    """The next units, as far as no worker is to read too much of them at a time; at least one, if there is one."""
    load: Counter[int] = Counter()
    batch: list[tuple[UnitRow, tuple[FileRow, ...]]] = []
    for unit, files in scrubs.next_units(connection, row.cursor, row.worker_id, _UNITS):
        size = sum(file.bytes for file in files)
        if batch and any(load[worker] + size > _BYTES for worker in unit.workers):
            break
        load.update(dict.fromkeys(unit.workers, size))
        batch.append((unit, files))
    return batch


def _reported(connection: Connection, reports: Iterable[ReportRow]) -> dict[int, FileRow]:
    """The committed files that reports name, by the report's id; without those that their worker is not to have."""
    found = {}
    for row in reports:
        unit = _unit_of(connection, row.path)
        if unit is not None and row.worker in unit.workers:
            files = {file.path: file for file in units.files_of(connection, [unit.id])}
            if row.path in files:
                found[row.id] = files[row.path]
    return found


def _unit_of(connection: Connection, path: str) -> UnitRow | None:
    parts = path.split("/")
    if len(parts) != 4:
        return None
    try:
        table = tables.table(connection, parts[0], parts[1])
    except (UnknownDatabase, UnknownTable):
        return None
    kind, scope = table.unit
    number = str(table.id) if kind is UnitKind.FULL else parts[2].removeprefix("index-")
    if kind is UnitKind.CHUNK and parts[2] != number:
        kind = UnitKind.INDEX
    return units.find(connection, kind, scope, [int(number)]).get(int(number)) if number.isdecimal() else None
