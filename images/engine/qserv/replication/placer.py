"""Gives units to workers: finds those that are placed, and places new ones."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sqlalchemy import Connection

from qserv.catalog.errors import Conflict, TransactionClosed, Unavailable
from qserv.catalog.metadata import Metadata, ingests, tables, units
from qserv.catalog.metadata.tables import TableRow
from qserv.catalog.metadata.units import UnitRow
from qserv.catalog.metadata.workers import WorkerRow, loads
from qserv.catalog.model import FileKind, TableKind, UnitKind, WorkerState
from qserv.catalog.resources import IndexPartition, IndexView, UnitsAnswer, UnitsWish
from qserv.replication.leader import Leader
from qserv.replication.placement import Slot, place
from qserv.replication.registry import Registry

_FIRST_ESTIMATE = 1 << 20
"""Bytes that a new chunk is reckoned as while no chunk has rows."""


class Placer:
    """The only one that places new units; its calls wait for one another."""

    def __init__(self, metadata: Metadata, leader: Leader, registry: Registry) -> None:
        self._metadata = metadata
        self._leader = leader
        self._registry = registry
        self._lock = threading.Lock()

    def units(self, transaction: int, wish: UnitsWish, factor: int) -> UnitsAnswer:
        """The workers of the units that a transaction writes to.

        Raises
        ------
        TransactionClosed
            When the transaction takes no rows any more.
        Unavailable
            When no worker can be given new units, or a unit has no worker in reach.
        """
        table = self._metadata.read(lambda connection: self._table(connection, transaction, wish.table))
        kind, scope = table.unit
        numbers: Sequence[int] = wish.numbers
        if wish.kind is FileKind.INDEX:
            if table.spec.kind is not TableKind.DIRECTOR:
                raise Conflict(f"{wish.table} is a {table.spec.kind} table: only directors have an index")
            kind = UnitKind.INDEX
        elif kind is UnitKind.FULL:
            numbers = (table.id,)
        with self._lock:
            found = self._metadata.read(lambda connection: units.find(connection, kind, scope, numbers))
            new = sorted(set(numbers) - set(found))
            if new:
                found |= self._place(kind, scope, new, factor)
            rows = self._registry.rows()
            if any(unit.bytes == 0 and not _reachable_first(unit, rows) for unit in found.values()):
                found = self._place_anew(found, rows, factor)
        return self._answer([found[number] for number in numbers])

    def index(self, database: str, name: str) -> IndexView:
        """Where a director's committed index lies."""

        def read(connection: Connection) -> tuple[TableRow, dict[int, list[units.FileRow]], dict[int, UnitRow]]:
            table = tables.table(connection, database, name)
            family = table.database.family
            if table.spec.kind is not TableKind.DIRECTOR or family is None:
                raise Conflict(f"{database}.{name} is a {table.spec.kind} table: only directors have an index")
            files = units.index_files(connection, table.id)
            return table, files, units.find(connection, UnitKind.INDEX, family.id, sorted(files))

        table, files, placed = self._metadata.read(read)
        rows = self._registry.rows()
        partitions = tuple(
            IndexPartition(
                number=number,
                workers=tuple(row.name for row in _reachable_first(placed[number], rows)),
                files=tuple(file.path for file in files[number]),
            )
            for number in sorted(files)
        )
        named = {name for partition in partitions for name in partition.workers}
        return IndexView(
            index_partitions=table.database.family.index_partitions if table.database.family else 0,
            workers={row.name: row.flight for row in rows.values() if row.name in named},
            partitions=partitions,
        )

    def slots(self) -> list[Slot]:
        """The workers that take new units, with the room that they have left."""
        held = self._metadata.read(loads)
        estimate = self._metadata.read(units.mean_bytes) or _FIRST_ESTIMATE
        slots = []
        for row in self._registry.rows().values():
            if row.state is WorkerState.ONLINE:
                load = held.get(row.id)
                used = load.bytes + load.empty * estimate if load is not None else 0
                room = min(row.capacity - used, row.free)
                slots.append(Slot(row.id, row.name, row.domain or row.name, room, used / estimate))
        return slots

    def _table(self, connection: Connection, transaction: int, name: str) -> TableRow:
        row = ingests.get(connection, transaction)
        if row.state not in ("started", "committing"):
            raise TransactionClosed(f"transaction {transaction} is {row.state}: it takes no more rows")
        home = next(one for one in tables.databases(connection) if one.id == row.database_id)
        return tables.table(connection, home.name, name)

    def _place(self, kind: UnitKind, scope: int, numbers: Sequence[int], factor: int) -> dict[int, UnitRow]:
        slots = self.slots()
        if not slots:
            raise Unavailable("no worker is online to take new chunks: start workers, or let draining ones stay")
        copies = len(slots) if kind is UnitKind.FULL else factor
        placed = place(numbers, slots, copies)
        return self._leader.write(lambda connection: units.place(connection, kind, scope, placed))

    def _place_anew(self, found: dict[int, UnitRow], rows: dict[int, WorkerRow], factor: int) -> dict[int, UnitRow]:
        """Other workers for units that nobody ever wrote to and whose workers are all gone."""
        gone = {unit.id for unit in found.values() if unit.bytes == 0 and not _reachable_first(unit, rows)}
        slots = self.slots()
        copies = len(slots) if any(unit.kind is UnitKind.FULL for unit in found.values()) else factor
        placed = place(sorted(gone), slots, copies)
        self._leader.write(lambda connection: units.place_anew(connection, placed))
        fresh = self._metadata.read(lambda connection: units.by_id(connection, gone))
        return found | {unit.number: unit for unit in fresh.values()}

    def _answer(self, found: Sequence[UnitRow]) -> UnitsAnswer:
        rows = self._registry.rows()
        holders = [_reachable_first(unit, rows) for unit in found]
        for unit, there in zip(found, holders, strict=True):
            if not there:
                raise Unavailable(f"{unit.kind} {unit.number}: no worker that holds it is in reach")
        named = {row.name: row.flight for there in holders for row in there}
        return UnitsAnswer(workers=named, units=tuple(tuple(row.name for row in there) for there in holders))


def _reachable_first(unit: UnitRow, rows: dict[int, WorkerRow]) -> list[WorkerRow]:
    """A unit's workers that are not lost, in the order in which they were placed: the first is the primary.

    A suspect one keeps its rank, so that all contributions of a transaction write a unit to one primary.
    """
    there = [rows[worker] for worker in unit.workers if worker in rows]
    return [row for row in there if row.state is not WorkerState.LOST]
