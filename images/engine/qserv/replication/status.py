"""How the cluster is: chunks, copies, workers; and whether workers may be stopped."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from qserv.catalog.errors import NotFound
from qserv.catalog.metadata import Metadata, ingests, moving, snapshot, tables, units
from qserv.catalog.metadata.units import UnitRow
from qserv.catalog.metadata.workers import WorkerLoad, WorkerRow
from qserv.catalog.model import UnitKind, WorkerState
from qserv.catalog.resources import (
    ChunkStatus,
    RuntimeSettings,
    Status,
    StopAnswer,
    UnitStatus,
    WaitingView,
    WorkerView,
)
from qserv.replication import views
from qserv.replication.leader import Leader
from qserv.replication.registry import Registry
from qserv.replication.safety import Held, safe_to_stop

_SHOWN = 100


_KINDS = tuple(UnitKind)

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Columns:
    """Units that have rows, as columns: ``kind`` (place in ``_KINDS``) and ``bytes`` of each, and for each replica the
    place of its ``unit`` among them and its ``holder``, the id of a worker."""

    kind: Ints
    bytes: Ints
    unit: Ints
    holder: Ints

    @classmethod
    def of(cls, units: Iterable[UnitRow]) -> Columns:
        rows = [unit for unit in units if unit.bytes > 0]
        places = {kind: place for place, kind in enumerate(_KINDS)}
        copies = np.fromiter((len(unit.workers) for unit in rows), np.int64, len(rows))
        return cls(
            np.fromiter((places[unit.kind] for unit in rows), np.int64, len(rows)),
            np.fromiter((unit.bytes for unit in rows), np.int64, len(rows)),
            np.repeat(np.arange(len(rows)), copies),
            np.fromiter(chain.from_iterable(unit.workers for unit in rows), np.int64, int(copies.sum())),
        )

    def bound(self, workers: Iterable[int]) -> int:
        """More than any id of a worker."""
        return max([0, *workers, *([int(self.holder.max())] if self.holder.size else [])]) + 1

    def among(self, workers: Iterable[int], bound: int) -> Flags:
        """Whether each replica is on one of the workers."""
        flags = np.zeros(bound, np.bool_)
        flags[list(workers)] = True
        return flags[self.holder]

    def per_unit(self, replicas: Flags) -> Ints:
        """How many of the replicas each unit has."""
        return np.bincount(self.unit[replicas], minlength=self.kind.size)


@dataclass(frozen=True, slots=True)
class _Known:
    """All units that were ever written to, by their ids, at one version."""

    version: int
    by_id: Mapping[int, UnitRow]
    units: tuple[UnitRow, ...]
    columns: Columns


@dataclass(frozen=True, slots=True)
class Tally:
    """What :func:`count` finds: chunks in all, ``unmet`` ones with fewer copies than the factor, and by worker."""

    kinds: dict[UnitKind, UnitStatus]
    unmet: int
    risk_by_worker: Counter[int]
    loads: dict[int, WorkerLoad]


class StatusService:
    """Answers from a picture of all units that is made anew when the metadata's version changes."""

    def __init__(
        self,
        metadata: Metadata,
        leader: Leader,
        registry: Registry,
        runtime: Callable[[], RuntimeSettings],
        cluster: str,
    ) -> None:
        self._metadata = metadata
        self._leader = leader
        self._registry = registry
        self._runtime = runtime
        self._cluster = cluster
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._tallied: tuple[object, Tally] | None = None

    def status(self) -> Status:
        known = self._units()
        factor = self._runtime().factor
        workers = self._registry.rows()
        tally = self._tally(known, workers, factor)
        going = self._metadata.read(moving.moves)
        left = sum(one.bytes for one in going)
        bandwidth = self._runtime().bandwidth
        return Status(
            cluster=self._cluster,
            version=known.version,
            factor=factor,
            leader=self._leader.address,
            chunks=ChunkStatus(
                **tally.kinds[UnitKind.CHUNK].model_dump(),
                unmet=tally.unmet,
                moving=len(going),
                eta_seconds=left / bandwidth if left and bandwidth else None,
            ),
            index=tally.kinds[UnitKind.INDEX],
            replicated=tally.kinds[UnitKind.FULL],
            waiting=self._metadata.read(_waiting),
            workers=self._worker_views(tally),
        )

    def workers(self) -> tuple[WorkerView, ...]:
        return self._worker_views(self._tally(self._units(), self._registry.rows(), self._runtime().factor))

    def worker(self, name: str) -> WorkerView:
        found = next((view for view in self.workers() if view.name == name), None)
        if found is None:
            raise NotFound(f"there is no worker {name!r}")
        return found

    def safe_to_stop(self, names: Sequence[str]) -> StopAnswer:
        workers = self._registry.rows()
        by_name = {row.name: row for row in workers.values()}
        unknown = [name for name in names if name not in by_name]
        if unknown:
            raise NotFound(f"there is no worker {unknown[0]!r}")
        stopping = {by_name[name].id for name in names}
        states = {row.id: row.state for row in workers.values()}
        held = (Held(_name(unit), unit.workers) for unit in self._units().units if unit.bytes > 0)
        verdict = safe_to_stop(stopping, states, held)
        return StopAnswer(
            safe=verdict.safe,
            reason=verdict.reason,
            count=len(verdict.forbidding),
            chunks=verdict.forbidding[:_SHOWN],
        )

    def picture(self) -> tuple[int, tuple[UnitRow, ...]]:
        """All units, and the version that they are of."""
        known = self._units()
        return known.version, known.units

    def _worker_views(self, tally: Tally) -> tuple[WorkerView, ...]:
        return tuple(
            views.worker_view(
                heard.row,
                tally.loads.get(heard.row.id, WorkerLoad()),
                tally.risk_by_worker[heard.row.id],
                self._registry.silence(heard),
            )
            for _, heard in sorted(self._registry.heard().items())
        )

    def _units(self) -> _Known:
        with self._lock:
            version = self._metadata.version()
            if self._known is None or self._known.version != version:
                self._known = self._metadata.read(partial(_read, old=self._known))
            return self._known

    def _tally(self, known: _Known, workers: dict[int, WorkerRow], factor: int) -> Tally:
        states = {row.id: row.state for row in workers.values()}
        key = (known.version, factor, tuple(sorted(states.items())))
        with self._lock:
            if self._tallied is None or self._tallied[0] != key:
                self._tallied = key, count_columns(known.columns, states, factor)
            return self._tallied[1]


def _waiting(connection: Connection) -> tuple[WaitingView, ...]:
    rows = ingests.ingests(connection, states=("committing",))
    if not rows:
        return ()
    names = {row.id: row.name for row in tables.databases(connection)}
    return tuple(
        WaitingView(id=row.id, database=names[row.database_id], failure=row.failure) for row in rows if row.failure
    )


def _read(connection: Connection, old: _Known | None) -> _Known:
    """The units as they are now; of 150,000, those that changed since ``old`` are read in a moment, all in seconds."""
    now = snapshot.version(connection)
    known = dict(old.by_id) if old is not None else {}
    known.update((unit.id, unit) for unit in units.written(connection, old.version if old is not None else 0))
    if len(known) != units.count_written(connection):
        known = {unit.id: unit for unit in units.written(connection)}  # some were dropped
    found = tuple(known.values())
    return _Known(now, known, found, Columns.of(found))


def count(known: Sequence[UnitRow], states: Mapping[int, WorkerState], factor: int) -> Tally:
    """How safe units with rows are, and what each worker holds."""
    return count_columns(Columns.of(known), states, factor)


def count_columns(columns: Columns, states: Mapping[int, WorkerState], factor: int) -> Tally:
    """As :func:`count`, of units that are columns already: only this is done anew when a worker changes its state."""
    reachable = {worker for worker, state in states.items() if state not in (WorkerState.SUSPECT, WorkerState.LOST)}
    staying = {worker for worker in reachable if states[worker] is not WorkerState.DRAINING}
    few = min(factor, len(staying))
    bound = columns.bound(states)
    here, stay = (columns.among(flags, bound) for flags in (reachable, staying))
    there, secure = columns.per_unit(here), columns.per_unit(stay)
    alone = columns.holder[here & (there == 1)[columns.unit]]
    wanted = np.where(columns.kind == _KINDS.index(UnitKind.FULL), len(staying), few)
    facts = {
        "lost": there == 0,
        "at_risk": (there == 1) & (factor > 1),
        "under_replicated": secure < wanted,
        "unmet": (secure < factor) & (few < factor),
    }
    kinds = {}
    for number, kind in enumerate(_KINDS):
        mine = columns.kind == number
        counts = {name: int(np.count_nonzero(flags & mine)) for name, flags in facts.items() if name != "unmet"}
        kinds[kind] = UnitStatus(total=int(mine.sum()), bytes=int(columns.bytes[mine].sum()), **counts)
    chunk = columns.kind == _KINDS.index(UnitKind.CHUNK)
    chunks = np.bincount(columns.holder[chunk[columns.unit]], minlength=bound)
    sizes = np.bincount(columns.holder, columns.bytes[columns.unit], minlength=bound)
    held = np.flatnonzero(np.bincount(columns.holder, minlength=bound)).tolist()
    return Tally(
        kinds=kinds,
        unmet=int(np.count_nonzero(facts["unmet"] & chunk)),
        risk_by_worker=Counter(dict(enumerate(np.bincount(alone, minlength=bound).tolist()))),
        loads={worker: WorkerLoad(int(chunks[worker]), int(sizes[worker])) for worker in held},
    )


def _name(unit: UnitRow) -> str:
    return f"{unit.kind} {unit.scope}/{unit.number}" if unit.kind is not UnitKind.FULL else f"table {unit.number}"
