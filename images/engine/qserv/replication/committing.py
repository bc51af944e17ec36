"""Carries commits and aborts to their end.

A commit goes: every worker with staged rows *prepares* (writes and syncs its files, which are entered into the metadata
as they come), the other holders of each unit *fetch* the files, and one transaction of the metadata makes them visible.
Each step may be done again by this or another controller: what is prepared is known, and files that are there are not
fetched twice. A worker that restarts before it has prepared takes its staged rows with it: the contributions that sent
them are run anew (``Contributing``), and the commit goes on when they are done.

A holder that cannot be given the new files is taken off the map of the units that they belong to, and repair makes
another: a commit does not wait for a worker that is gone. It does wait for a second copy of each new file, where there
are workers for it: units that would have one are given other holders first. Wrong data (a key that is there twice)
aborts the transaction. Commits in one database go one after another, in the order in which they were asked for: each
checks its keys against all that were committed before it.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from qserv.catalog import logs
from qserv.catalog.errors import Conflict, DataError, DiskFull, QservError, Unavailable, WorkerFailed
from qserv.catalog.flight import failure_of
from qserv.catalog.messages import Discard, Failure, Fetch, Prepare, Prepared
from qserv.catalog.metadata import Metadata, chores, ingests, moving, tables, units
from qserv.catalog.metadata.ingests import ContributionRow, IngestRow
from qserv.catalog.metadata.tables import TableRow
from qserv.catalog.metadata.units import FileRow
from qserv.catalog.metadata.workers import WorkerRow
from qserv.catalog.model import FileKind, TableKind, UnitKind, WorkerState
from qserv.catalog.resources import RuntimeSettings
from qserv.replication import metrics, views
from qserv.replication.calls import Calls
from qserv.replication.leader import Leader
from qserv.replication.moves import enough, plan
from qserv.replication.registry import Registry
from qserv.replication.repair import site

log = logs.get(__name__)

_PREPARE_SECONDS = 1800.0
_FETCH_SECONDS = 600.0
_FETCH_FILES = 200
_FETCH_TRIES = 3

_PATIENCE_SECONDS = 300.0
"""How long a commit waits for second copies, or for room on a disk."""

_PAUSE_SECONDS = 1.0
"""Until a commit that could not go on is looked at again."""

Absent = dict[int, set[int]]  # workers that could not be given a unit's new files, by the unit's id


class Committing:
    """One round is :meth:`step`; each open end of a transaction is carried on in a thread of its own."""

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
        self._running: dict[int, Future[None]] = {}
        # By transaction, in monotonic seconds: since when it lacks copies or room, and when it is looked at again.
        self._stuck: dict[int, float] = {}
        self._again: dict[int, float] = {}
        # By transaction: worker, process and path of files that were fetched, which are not to be looked at again.
        self._there: dict[int, set[tuple[int, str, str]]] = {}

    def step(self) -> bool | None:
        """False when no transaction is ending, and nothing of one is left to be removed on workers that are there."""
        self._running = {key: future for key, future in self._running.items() if not future.done()}
        aborting = self._metadata.read(partial(ingests.ingests, states=("aborting",)))
        committing = self._metadata.read(partial(ingests.ingests, states=("committing",)))
        open_ = {row.id for row in (*aborting, *committing)}
        self._there = {key: files for key, files in self._there.items() if key in open_}
        self._stuck = {key: since for key, since in self._stuck.items() if key in open_}
        self._again = {key: at for key, at in self._again.items() if key in open_}
        first = {
            row.database_id: row for row in sorted(committing, key=lambda one: one.committing or 0.0, reverse=True)
        }
        for row in (*aborting, *first.values()):
            if row.id not in self._running and self._again.get(row.id, 0.0) <= time.monotonic():
                self._running[row.id] = self._calls.background(partial(self._carry, row))
        discarded = self._discard()
        return None if discarded or aborting or committing else False

    def _carry(self, row: IngestRow) -> None:
        with logs.bound(transaction=row.id):
            try:
                if row.state == "aborting":
                    self._leader.write(partial(ingests.abort, transaction=row.id))
                    metrics.TRANSACTIONS.labels("aborted").inc()
                    log.info("transaction aborted")
                else:
                    self._commit(row)
            except (DataError, Conflict) as error:
                log.warning("commit refused", code=error.code, reason=error.message)
                self._give_up(row.id, failure_of(error))
            except QservError as error:
                self._wait(row, failure_of(error), ends=isinstance(error, DiskFull))
            except Exception:
                log.exception("commit is tried again")
                self._wait(row, Failure(code=QservError.code, message="the controller failed: look at its log"))

    def _wait(self, row: IngestRow, why: Failure, *, ends: bool = False) -> None:
        """A commit does not go on just now: say why, and have it tried again; where it ``ends``, not for ever."""
        now = time.monotonic()
        self._again[row.id] = now + _PAUSE_SECONDS
        since = self._stuck.setdefault(row.id, now) if ends else now
        if not ends:
            self._stuck.pop(row.id, None)
        try:
            if now - since > _PATIENCE_SECONDS:
                self._give_up(row.id, why)
            elif why != row.failure:
                log.warning("commit is tried again", code=why.code, reason=why.message)
                self._leader.write(partial(ingests.waits, transaction=row.id, why=why))
        except QservError as error:
            log.warning("the metadata does not take why a commit waits", reason=error.message)

    def _give_up(self, transaction: int, failure: Failure) -> None:
        self._leader.write(
            partial(
                ingests.set_state, transaction=transaction, state="aborting", failure=failure, among=("committing",)
            )
        )

    def _commit(self, row: IngestRow) -> None:
        transaction = row.id
        contributions = self._metadata.read(partial(ingests.contributions, transaction=transaction))
        failed = next((one for one in contributions if one.state == "failed"), None)
        if failed is not None:
            reason = failed.failure or Failure(code=WorkerFailed.code, message="it failed")
            self._give_up(transaction, reason.model_copy(update={"message": f"{failed.name}: {reason.message}"}))
            return
        if any(one.state in ("queued", "running") for one in contributions):
            return
        done = [one for one in contributions if one.state == "done"]
        if not self._prepare(transaction, done):
            return
        files = self._metadata.read(partial(ingests.prepared_files, transaction=transaction))
        if not self._counted(done, files):
            return
        written = {file.unit for file in files}
        held = self._metadata.read(partial(units.replicas, identifiers=written))
        asked = {unit: {worker for worker, _ in held.get(unit, ())} for unit in written}
        absent = self._spread(transaction, files, asked)
        if not self._kept_twice(row, asked, absent):
            return
        known = set(self._registry.rows())

        def finish(connection: Connection) -> bool:
            if not ingests.still_done(connection, transaction, [(one.id, one.attempt) for one in done]):
                return False
            now = units.replicas(connection, written)
            if any(now.get(unit, frozenset()) - held.get(unit, frozenset()) for unit in written):
                return False  # a unit was given another holder meanwhile, or one anew: it needs the files too
            version = ingests.commit(connection, transaction, absent)
            holders = {unit: {worker for worker, _ in now.get(unit, ())} for unit in written}
            for file in files:
                # Units may have moved on meanwhile: who holds one no more keeps none of its new files either.
                for worker in ((asked[file.unit] | {file.source}) - holders[file.unit]) & known:
                    chores.collect_later(connection, worker, [file.path], version, file.unit)
            return True

        if self._leader.write(finish):
            metrics.TRANSACTIONS.labels("committed").inc()
            log.info("transaction committed", files=len(files), bytes=sum(file.bytes for file in files))

    def _counted(self, done: Sequence[ContributionRow], files: Sequence[FileRow]) -> bool:
        """Whether the files hold each row that was read, once; if not, all is read anew."""
        read: Counter[int] = Counter()
        written: Counter[int] = Counter()
        for row in done:
            read[row.table_id] += row.rows
        for file in files:
            if file.kind is FileKind.MAIN:
                written[file.table] += file.rows
        if +read == +written:
            return True
        log.error("files do not hold the rows that were read", read=dict(read), written=dict(written))
        reason = Failure(code=WorkerFailed.code, message="the files written did not hold all rows")

        def again(connection: Connection) -> None:
            for row in done:
                ingests.requeue(connection, row.id, row.attempt, reason)

        self._leader.write(again)
        return False

    def _prepare(self, transaction: int, done: Sequence[ContributionRow]) -> bool:
        """Have all staged rows written; False when some are lost, and are staged anew first."""
        by_name = {row.name: row for row in self._registry.rows().values()}
        staged: dict[str, list[ContributionRow]] = defaultdict(list)
        for row in done:
            for name in row.boots:
                staged[name].append(row)
        ready = self._metadata.read(partial(ingests.prepared_workers, transaction=transaction))
        waiting = [name for name in staged if name not in by_name or by_name[name].id not in ready]
        if not _alive(staged, by_name, waiting):
            return False
        facts = self._metadata.read(partial(_facts, ids=sorted({row.table_id for row in done})))
        scopes = {table.id: table.database.family.id if table.database.family else 0 for table in facts}
        works = {}
        for name in waiting:
            worker = by_name[name]
            existing = self._metadata.read(partial(_existing_index, directors=facts, worker=worker.id))
            message = Prepare(
                transaction=transaction,
                tables=tuple(views.table_facts(table) for table in facts),
                contributions=tuple((row.id, row.attempt) for row in staged[name]),
                existing_index=existing,
            )
            works[name] = partial(self._prepare_one, worker, message, scopes)
        # These wait for calls of their own, and so not in the same threads.
        for answer in self._calls.all(works, "commit").values():
            if isinstance(answer, QservError):
                raise answer
            if not answer:
                return False
        return True

    def _prepare_one(self, worker: WorkerRow, message: Prepare, scopes: Mapping[int, int]) -> bool:
        """Have a worker's files written, entered, and fetched while others still write; whether they count."""
        answer = self._calls.client(worker.flight).action("prepare", message, Prepared, timeout=_PREPARE_SECONDS)
        # Files of a worker that restarted may lack rows, or lie on another disk than the one that is on the map.
        if not answer.boot == worker.boot == self._registry.rows()[worker.id].boot:
            return False
        transaction = message.transaction

        def enter(connection: Connection) -> bool:
            if not ingests.still_done(connection, transaction, message.contributions):
                return False
            ingests.enter_prepared(connection, transaction, worker.id, answer.files, scopes)
            return True

        if not self._leader.write(enter):
            return False
        prepared = self._metadata.read(partial(ingests.prepared_files, transaction=transaction))
        files = [file for file in prepared if file.source == worker.id]
        held = self._metadata.read(partial(units.replicas, identifiers={file.unit for file in files}))
        self._fetch_all(transaction, files, {unit: {one for one, _ in pairs} for unit, pairs in held.items()})
        return True

    def _spread(self, transaction: int, files: Sequence[FileRow], holders: Mapping[int, set[int]]) -> Absent:
        """Have all holders of each unit fetch its new files; answers those that could not."""
        absent = self._fetch_all(transaction, files, holders)
        for unit, missing in absent.items():
            if missing >= holders[unit]:
                raise Unavailable(f"unit {unit}: no worker that holds it can take its new files")
        return absent

    def _fetch_all(self, transaction: int, files: Sequence[FileRow], holders: Mapping[int, set[int]]) -> Absent:
        workers = self._registry.rows()
        there = self._there.setdefault(transaction, set())
        wanted: dict[tuple[int, int], list[FileRow]] = defaultdict(list)
        for file in files:
            for holder in holders.get(file.unit, set()) - {file.source}:
                if (holder, workers[holder].boot, file.path) in there:
                    continue
                wanted[file.source, holder].append(file)
        answers = self._calls.all(
            {pair: partial(self._fetch, workers, pair, batch) for pair, batch in sorted(wanted.items())}
        )
        absent: Absent = defaultdict(set)
        for pair, answer in answers.items():
            if isinstance(answer, QservError):
                log.warning("a holder is left behind", worker=workers[pair[1]].name, reason=answer.message)
                for file in wanted[pair]:
                    absent[file.unit].add(pair[1])
            else:
                there.update((pair[1], workers[pair[1]].boot, file.path) for file in wanted[pair])
        return absent

    def _kept_twice(self, row: IngestRow, asked: Mapping[int, set[int]], absent: Absent) -> bool:
        """Whether all new files lie on two workers, where so many are wanted; else units are given other holders."""
        states = [worker.state for worker in self._registry.rows().values()]
        copies = min(2, enough(self._runtime().factor, states))
        short = [unit for unit, held in asked.items() if len(held - absent.get(unit, set())) < copies]
        if not short:
            return True
        message = f"new files of {len(short)} units could not be copied to a second worker: look at the workers"
        self._wait(row, Failure(code=Unavailable.code, message=message), ends=True)
        self._widen(short, set().union(*absent.values()))
        return False

    def _widen(self, short: Sequence[int], absent: set[int]) -> None:
        """Have other workers than those that are absent made holders of units."""
        sites = [
            replace(seen, state=WorkerState.LOST) if seen.id in absent else seen
            for seen in (site(row, overdue=True) for row in self._registry.rows().values())
        ]
        held = self._metadata.read(partial(units.by_id, identifiers=short))
        found = plan(held.values(), sites, self._runtime().factor, len(short), frozenset())
        wishes = [move for move in found.moves if move.reason == "repair"]
        self._leader.write(partial(moving.begin, wishes=wishes))
        log.info("units are given other holders", units=len(short), moves=len(wishes))

    def _fetch(self, workers: Mapping[int, WorkerRow], pair: tuple[int, int], files: Sequence[FileRow]) -> None:
        source, target = workers[pair[0]], workers[pair[1]]
        if target.state is WorkerState.LOST:
            raise Unavailable(f"worker {target.name} is lost")
        for first in range(0, len(files), _FETCH_FILES):
            part = files[first : first + _FETCH_FILES]
            message = Fetch(source=source.flight, files=tuple((file.path, file.sha256, file.bytes) for file in part))
            self._fetch_part(target, message)

    def _fetch_part(self, target: WorkerRow, message: Fetch) -> None:
        for left in reversed(range(_FETCH_TRIES)):
            try:
                self._calls.client(target.flight).action("fetch", message, timeout=_FETCH_SECONDS)
                return
            except QservError as error:
                if left == 0:
                    raise
                log.info("fetch is tried again", worker=target.name, reason=error.message)

    def _discard(self) -> bool:
        """Have the workers that are there remove what ended transactions left on them; whether there was any."""
        works = {}
        for row in self._registry.rows().values():
            if row.state in (WorkerState.SUSPECT, WorkerState.LOST):
                continue
            for transaction, aborted in self._metadata.read(partial(chores.discards, worker=row.id)).items():
                wish = Discard(transaction=transaction) if aborted else Discard(staged=transaction)
                works[row.id, transaction] = partial(self._calls.client(row.flight).action, "discard", wish)
        for (worker, transaction), answer in self._calls.all(works).items():
            if isinstance(answer, QservError):
                log.info("discard is tried again", worker=worker, transaction=transaction, reason=answer.message)
            else:
                self._leader.write(partial(chores.discarded, worker=worker, transactions=[transaction]))
        return bool(works)


def _alive(
    staged: Mapping[str, Sequence[ContributionRow]], workers: Mapping[str, WorkerRow], names: Iterable[str]
) -> bool:
    """Whether the processes that took the rows are still the same; those that are lost are left to ``Contributing``."""
    return all(
        name in workers
        and workers[name].state is not WorkerState.LOST
        and all(row.boots[name] == workers[name].boot for row in staged[name])
        for name in names
    )


def _facts(connection: Connection, ids: Sequence[int]) -> list[TableRow]:
    return [tables.by_id(connection, identifier) for identifier in ids]


def _existing_index(connection: Connection, directors: Sequence[TableRow], worker: int) -> dict[str, tuple[str, ...]]:
    """The committed index files, on one worker, of the directors whose keys are unique."""
    found: dict[str, tuple[str, ...]] = {}
    for table in directors:
        family = table.database.family
        if table.spec.kind is not TableKind.DIRECTOR or not table.spec.unique or family is None:
            continue
        files = units.index_files(connection, table.id)
        placed = units.find(connection, UnitKind.INDEX, family.id, sorted(files))
        for number, rows in files.items():
            if worker in placed[number].workers:
                found[f"{table.id}/{number}"] = tuple(file.path for file in rows)
    return found
