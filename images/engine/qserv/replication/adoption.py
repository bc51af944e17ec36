"""What a worker that came back brings: its files are compared with what the metadata says that it holds.

Files that it lost take it off the map of their units, as long as another worker holds them; files that nobody knows any
more (left by ended transactions, or of units that were given to others meanwhile) are removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from qserv.catalog import logs
from qserv.catalog.errors import QservError
from qserv.catalog.messages import Discard, Inventory
from qserv.catalog.metadata import Metadata, chores, ingests, moving, units
from qserv.catalog.metadata.workers import WorkerRow
from qserv.catalog.model import WorkerState
from qserv.replication.calls import Calls
from qserv.replication.leader import Leader
from qserv.replication.registry import Registry

log = logs.get(__name__)

_INVENTORY_SECONDS = 300.0
_STRAYS = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """``damaged`` are units of which files are missing or of another size; ``strays`` are paths that nobody knows."""

    damaged: frozenset[int]
    strays: tuple[str, ...]


class Adoption:
    """One round is :meth:`step`: each worker that came back is asked for its files."""

    def __init__(self, metadata: Metadata, leader: Leader, registry: Registry, calls: Calls) -> None:
        self._metadata = metadata
        self._leader = leader
        self._registry = registry
        self._calls = calls

    def step(self) -> None:
        by_name = {row.name: row for row in self._registry.rows().values()}
        for name in sorted(self._registry.take_returned()):
            row = by_name.get(name)
            if row is None:
                continue
            try:
                if row.state in (WorkerState.SUSPECT, WorkerState.LOST):
                    self._registry.give_back(name)
                else:
                    self._adopt(row)
            except QservError as error:
                log.info("inventory is asked for again", worker=name, reason=error.message)
                self._registry.give_back(name)

    def _adopt(self, row: WorkerRow) -> None:
        client = self._calls.client(row.flight)
        inventory = client.action("inventory", Inventory(), Inventory, timeout=_INVENTORY_SECONDS)
        there = dict(inventory.files) if inventory is not None else {}
        found = self._metadata.read(partial(_difference, worker=row.id, there=there))
        for first in range(0, len(found.strays), _STRAYS):
            client.action("discard", Discard(paths=found.strays[first : first + _STRAYS]))
        last = self._leader.write(partial(_take_off, worker=row.id, damaged=found.damaged)) if found.damaged else 0
        log.info(
            "files compared", worker=row.name, files=len(there), strays=len(found.strays), damaged=len(found.damaged)
        )
        if last:
            log.error(
                "files of last copies are missing: bring the disk back, or load again", worker=row.name, units=last
            )


def _difference(connection: Connection, worker: int, there: Mapping[str, int]) -> Difference:
    expected = units.files_of_worker(connection, worker)
    damaged = frozenset(file.unit for file in expected if there.get(file.path) != file.bytes)
    known = {file.path for file in expected} | chores.garbage_of(connection, worker)
    running = {row.id for row in ingests.ingests(connection, states=("started", "committing", "aborting"))}
    coming = {move.unit for move in moving.moves(connection) if move.target == worker}
    known |= {file.path for file in units.files_of(connection, coming)}
    strays = tuple(sorted(path for path in there if path not in known and _transaction(path) not in running))
    return Difference(damaged, strays)


def _take_off(connection: Connection, worker: int, damaged: frozenset[int]) -> int:
    """Take the worker off the units that it lost; how many of them it alone had held."""
    held = units.by_id(connection, damaged)
    spare = [unit for unit, row in held.items() if len(row.workers) > 1]
    units.remove_replicas(connection, worker, spare, collect=False)
    return len(held) - len(spare)


def _transaction(path: str) -> int | None:
    """The transaction that wrote a file: its name says it, ``<kind>-<transaction>-<hash>.<form>``."""
    parts = path.rpartition("/")[2].split("-")
    return int(parts[1]) if len(parts) == 3 and parts[1].isdigit() else None
