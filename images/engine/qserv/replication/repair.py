"""Carries moves out: copies to be made are entered in the metadata, made, and struck out again.

A copy is made by the target worker, which fetches the unit's files from one that holds them and checks their sums. It
counts once all files that are committed by then are there; files that were committed meanwhile are fetched too. What is
given up is removed from disks when no running query reads it any more.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from typing import Literal

from sqlalchemy import Connection

from qserv.catalog import logs
from qserv.catalog.errors import QservError, Unavailable
from qserv.catalog.messages import Discard, Fetch
from qserv.catalog.metadata import Metadata, backups, chores, moving, units
from qserv.catalog.metadata.moving import MoveRow, MoveWish
from qserv.catalog.metadata.units import FileRow, UnitRow
from qserv.catalog.metadata.workers import WorkerRow
from qserv.catalog.model import WorkerState
from qserv.catalog.resources import RuntimeSettings
from qserv.replication import metrics
from qserv.replication.calls import Calls
from qserv.replication.leader import Leader
from qserv.replication.moves import Site, enough, plan
from qserv.replication.registry import Registry

log = logs.get(__name__)

_PLANNED = 256
_FETCH_SECONDS = 1800.0
_GARBAGE_FILES = 1000
_PAUSE_SECONDS = 10.0
_OVERDUE_SECONDS = 30.0
"""Silence after which chunks with one copy left are repaired: a worker that restarts is back before."""

_WAIT_SECONDS = 0.5
_SETTLED_SECONDS = 5.0
"""By then a czar has entered a query that it began: it does so when the query has begun, many at a time."""


Healing = Literal["healing", "lost"]
"""A damaged replica is made whole by another one, or there is none."""


class Repair:
    """One round is :meth:`step`; the leader runs it again and again.

    ``picture`` gives all units at the present version.
    """

    def __init__(
        self,
        metadata: Metadata,
        leader: Leader,
        registry: Registry,
        calls: Calls,
        *,
        runtime: Callable[[], RuntimeSettings],
        picture: Callable[[], tuple[int, tuple[UnitRow, ...]]],
        parallel: int,
    ) -> None:
        self._metadata = metadata
        self._leader = leader
        self._registry = registry
        self._calls = calls
        self._runtime = runtime
        self._picture = picture
        self._parallel = parallel
        self._running: dict[int, tuple[MoveRow, Future[None]]] = {}
        self._failed: dict[int, float] = {}
        self._idle: object = None
        self._versions: deque[tuple[float, int]] = deque()
        # Held while files are chosen and removed: see `_copy`.
        self.removing = threading.Lock()

    def step(self) -> bool:
        """Start what can be started; whether copies are under way, so that the next round is to follow at once."""
        self._running = {key: one for key, one in self._running.items() if not one[1].done()}
        wanted = self._metadata.read(moving.moves)
        metrics.MOVING.set(len(wanted))
        if len(wanted) < _PLANNED // 2:
            self._plan({move.unit for move in wanted})
        for move in wanted:
            if move.id not in self._running and len(self._running) < self._parallel:
                self._running[move.id] = move, self._calls.background(partial(self._carry, move))
        if self._running:
            wait([future for _, future in self._running.values()], _WAIT_SECONDS, FIRST_COMPLETED)
        return bool(self._running)

    def _plan(self, busy: set[int]) -> None:
        """Enter the next moves. Where there were none, the same picture is not looked at again."""
        version, rows = self._picture()
        sites = [
            site(heard.row, overdue=self._registry.silence(heard) > _OVERDUE_SECONDS)
            for heard in self._registry.heard().values()
        ]
        factor = self._runtime().factor
        now = time.monotonic()
        self._failed = {unit: until for unit, until in self._failed.items() if until > now}
        seen = (
            version,
            factor,
            tuple(sorted((site.id, site.state, site.overdue) for site in sites)),
            tuple(self._failed),
        )
        if seen == self._idle and not busy:
            return
        found = plan(rows, sites, factor, _PLANNED - len(busy), frozenset(busy | self._failed.keys()))
        if not found.moves and not found.drops:
            # with copies under way nothing is balanced: the last of them may end before this version was read
            self._idle = None if busy else seen
            return
        by_worker: dict[int, list[int]] = defaultdict(list)
        for drop in found.drops:
            by_worker[drop.worker].append(drop.unit)

        def enter(connection: Connection) -> None:
            moving.begin(connection, found.moves)
            now_held = units.by_id(connection, [drop.unit for drop in found.drops])
            before = {unit.id: unit.workers for unit in rows}
            for worker, given in by_worker.items():
                same = [unit for unit in given if unit in now_held and now_held[unit].workers == before[unit]]
                units.remove_replicas(connection, worker, same, collect=True)

        self._leader.write(enter)
        log.info("moves planned", moves=len(found.moves), drops=len(found.drops))

    def heal(self, unit: int, worker: int, paths: Collection[str]) -> Healing | None:
        """Take a replica of which files are damaged or missing from queries, and have it made whole by another one.

        Its files stay where they are: what is whole is not copied again, and where no other worker has the unit they
        are all that is left of it. None when the worker is not to have any of the files any more.
        """
        return self._leader.write(partial(_quarantine, unit=unit, worker=worker, paths=paths))

    def remove(self, worker: WorkerRow, paths: Sequence[str]) -> None:
        """Have a worker remove files; to be called with ``removing`` held since they were chosen.

        Raises
        ------
        Unavailable
            When this controller leads no longer, and so does not know whether they are still to go.
        """
        self._leader.require()
        self._calls.client(worker.flight).action("discard", Discard(paths=tuple(paths)))

    def _carry(self, move: MoveRow) -> None:
        try:
            self._copy(move)
        except QservError as error:
            metrics.MOVES_FAILED.inc()
            log.warning("a copy failed and is planned anew", unit=move.unit, reason=error.message)
            self._failed[move.unit] = time.monotonic() + _PAUSE_SECONDS
            self._leader.write(partial(_give_up, move=move))
        except Exception:
            log.exception("a copy failed", unit=move.unit)
            self._failed[move.unit] = time.monotonic() + _PAUSE_SECONDS

    def _copy(self, move: MoveRow) -> None:
        with self.removing:
            pass  # What goes just now was chosen before this move was known; later removals spare the move's files.
        done: set[str] = set()
        while True:
            workers = self._registry.rows()
            found = self._metadata.read(partial(units.by_id, identifiers=[move.unit])).get(move.unit)
            target = workers.get(move.target)
            if found is None or not found.workers or target is None or target.state is not WorkerState.ONLINE:
                self._leader.write(partial(_give_up, move=move))
                return
            files = self._metadata.read(partial(units.files_of, identifiers=[move.unit]))
            left = [file for file in files if file.path not in done]
            if left:
                self._fetch(move, _source(found, workers), target, left)
            done |= {file.path for file in left}
            if self._leader.write(partial(_finish, move=move, copied=frozenset(done))):
                metrics.MOVED_BYTES.labels(move.reason).inc(sum(file.bytes for file in files))
                return

    def _fetch(self, move: MoveRow, source: WorkerRow, target: WorkerRow, files: list[FileRow]) -> None:
        share = self._runtime().bandwidth // self._parallel
        message = Fetch(
            source=source.flight,
            files=tuple((file.path, file.sha256, file.bytes) for file in files),
            bandwidth=share,
        )
        self._calls.client(target.flight).action("fetch", message, timeout=_FETCH_SECONDS)
        log.info("copied", unit=move.unit, to=target.name, source=source.name, reason=move.reason)

    def _settled(self) -> int:
        """The version that was there some seconds ago: all queries that read an older one are known by now."""
        now = time.monotonic()
        self._versions.append((now, self._metadata.version()))
        while len(self._versions) > 1 and self._versions[1][0] <= now - _SETTLED_SECONDS:
            self._versions.popleft()
        at, version = self._versions[0]
        return version if at <= now - _SETTLED_SECONDS else 0

    def collect(self) -> None:
        """Have workers remove files that were given up. One that is being copied to may need them again: it waits."""
        with self.removing:
            self._leader.require()
            if self._metadata.read(partial(backups.backups, states=backups.OPEN)):
                return  # an export copies what there was when it began
            until = self._settled()
            targets = {move.target for move in self._metadata.read(moving.moves)}
            works = {}
            paths: dict[int, list[int]] = {}
            rows = self._registry.rows().values()
            copies = enough(self._runtime().factor, (row.state for row in rows))
            for row in rows:
                if row.id in targets or row.state in (WorkerState.SUSPECT, WorkerState.LOST):
                    continue
                found = self._metadata.read(
                    partial(chores.collectable_garbage, worker=row.id, limit=_GARBAGE_FILES, copies=copies, until=until)
                )
                if found:
                    paths[row.id] = [one[0] for one in found]
                    works[row.id] = partial(self.remove, row, [one[1] for one in found])
            for worker, answer in self._calls.all(works).items():
                if isinstance(answer, QservError):
                    log.info("files are removed later", worker=worker, reason=answer.message)
                else:
                    self._leader.write(partial(chores.forget_garbage, identifiers=paths[worker]))


def _quarantine(connection: Connection, unit: int, worker: int, paths: Collection[str]) -> Healing | None:
    found = units.by_id(connection, [unit]).get(unit)
    if found is None or worker not in found.workers:
        return None
    if not any(file.path in paths for file in units.files_of(connection, [unit])):
        return None
    units.remove_replicas(connection, worker, [unit], collect=False)
    if found.workers == (worker,):
        return "lost"
    moving.begin(connection, [MoveWish(unit, worker, None, "heal", found.bytes)])
    return "healing"


def _finish(connection: Connection, move: MoveRow, copied: frozenset[str]) -> bool:
    """Enter the new copy; False when it lacks files that are committed by now."""
    if move not in moving.moves(connection):
        return True  # it ended with its target's disk, or with its unit
    if any(file.path not in copied for file in units.files_of(connection, [move.unit])):
        return False
    now = {file.path for file in units.files_of(connection, [move.unit])}
    chores.keep(connection, move.target, now)
    # Files that became others while they were copied: nobody reads them there.
    chores.collect_later(connection, move.target, sorted(copied - now), 0, None)
    units.add_replica(connection, move.unit, move.target)
    if move.drop is not None:
        units.remove_replicas(connection, move.drop, [move.unit], collect=True)
    moving.end(connection, [move.id])
    return True


def _give_up(connection: Connection, move: MoveRow) -> None:
    """A copy is not made: what of it lies on the target is removed, unless it may be all that is left of the unit."""
    if move not in moving.moves(connection):
        return  # it ended with its target, or with its unit
    moving.end(connection, [move.id])
    held = units.by_id(connection, [move.unit])[move.unit].workers
    if held and move.target not in held and move.reason != "heal":
        units.remove_replicas(connection, move.target, [move.unit], collect=True)


def site(row: WorkerRow, *, overdue: bool) -> Site:
    """A worker as moves see it."""
    return Site(row.id, row.name, row.domain or row.name, row.state, row.capacity, row.free, overdue)


def _source(unit: UnitRow, workers: dict[int, WorkerRow]) -> WorkerRow:
    """Who gives the files: one that is there; which one changes from unit to unit."""
    silent = (WorkerState.SUSPECT, WorkerState.LOST)
    there = [workers[one] for one in unit.workers if one in workers and workers[one].state not in silent]
    if not there:
        raise Unavailable(f"{unit.kind} {unit.number}: no worker that holds it is in reach")
    return there[unit.number % len(there)]
