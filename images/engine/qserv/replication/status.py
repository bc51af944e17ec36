"""How the cluster is: chunks, copies, workers; and whether workers may be stopped."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from qserv.catalog.errors import NotFound
from qserv.catalog.metadata import Metadata, moving, snapshot, units
from qserv.catalog.metadata.units import UnitRow
from qserv.catalog.metadata.workers import WorkerLoad, WorkerRow
from qserv.catalog.model import UnitKind, WorkerState
from qserv.catalog.resources import ChunkStatus, RuntimeSettings, Status, StopAnswer, UnitStatus, WorkerView
from qserv.replication import views
from qserv.replication.leader import Leader
from qserv.replication.registry import Registry
from qserv.replication.safety import Held, safe_to_stop

_SHOWN = 100


@dataclass(frozen=True, slots=True)
class _Known:
    """All units at one version."""

    version: int
    units: tuple[UnitRow, ...]


@dataclass(frozen=True, slots=True)
class _Tally:
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
        self._tallied: tuple[object, _Tally] | None = None

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

    def _worker_views(self, tally: _Tally) -> tuple[WorkerView, ...]:
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
                self._known = self._metadata.read(_read)
            return self._known

    def _tally(self, known: _Known, workers: dict[int, WorkerRow], factor: int) -> _Tally:
        states = {row.id: row.state for row in workers.values()}
        key = (known.version, factor, tuple(sorted(states.items())))
        with self._lock:
            if self._tallied is None or self._tallied[0] != key:
                self._tallied = key, count(known.units, states, factor)
            return self._tallied[1]


def _read(connection: Connection) -> _Known:
    return _Known(snapshot.version(connection), tuple(units.every(connection)))


def count(known: Sequence[UnitRow], states: dict[int, WorkerState], factor: int) -> _Tally:
    reachable = {worker for worker, state in states.items() if state not in (WorkerState.SUSPECT, WorkerState.LOST)}
    staying = {worker for worker in reachable if states[worker] is not WorkerState.DRAINING}
    few = min(factor, len(staying))
    wanted = {UnitKind.CHUNK: few, UnitKind.INDEX: few, UnitKind.FULL: len(staying)}
    counts: dict[UnitKind, Counter[str]] = {kind: Counter() for kind in UnitKind}
    risk: Counter[int] = Counter()
    chunks: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    for unit in known:
        if unit.bytes == 0:
            continue
        for worker in unit.workers:
            sizes[worker] += unit.bytes
            chunks[worker] += unit.kind is UnitKind.CHUNK
        there = [worker for worker in unit.workers if worker in reachable]
        secure = sum(worker in staying for worker in there)
        tally = counts[unit.kind]
        tally["bytes"] += unit.bytes
        tally["total"] += 1
        tally["lost"] += not there
        tally["at_risk"] += len(there) == 1 and factor > 1
        tally["under_replicated"] += secure < wanted[unit.kind]
        tally["unmet"] += few < factor and secure < factor
        if len(there) == 1:
            risk[there[0]] += 1
    return _Tally(
        kinds={kind: UnitStatus.model_validate(dict(tally)) for kind, tally in counts.items()},
        unmet=counts[UnitKind.CHUNK]["unmet"],
        risk_by_worker=risk,
        loads={worker: WorkerLoad(chunks[worker], size) for worker, size in sizes.items()},
    )


def _name(unit: UnitRow) -> str:
    return f"{unit.kind} {unit.scope}/{unit.number}" if unit.kind is not UnitKind.FULL else f"table {unit.number}"
