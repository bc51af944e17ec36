"""What a worker that came back brings: its files are compared with what the metadata says that it holds.

A unit of which it lost files is made whole from another worker. Files of units that nobody in reach holds are adopted,
when their sums are right: also those that a worker gave up and has not removed yet; files that nobody knows any more
(left by ended transactions, or of units that others were given meanwhile) are removed. A worker that had been lost
counts with its files as soon as their sizes are right, and is scrubbed then: all of its files are read, and their sums
compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from qserv.catalog import logs
from qserv.catalog.errors import QservError
from qserv.catalog.messages import Inventory, Verified, Verify
from qserv.catalog.metadata import Metadata, chores, ingests, moving, scrubs, units
from qserv.catalog.metadata.units import FileRow
from qserv.catalog.metadata.workers import WorkerRow
from qserv.catalog.model import WorkerState
from qserv.replication.calls import Calls
from qserv.replication.leader import Leader
from qserv.replication.registry import Registry
from qserv.replication.repair import Repair

log = logs.get(__name__)

_INVENTORY_SECONDS = 300.0
_VERIFY_SECONDS = 3600.0
_STRAYS = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """``damaged``: by unit, files that are missing or of another size; ``strays``: paths that nobody knows;
    ``orphans``: by unit, the files of those that no worker in reach holds and of which all files are here."""

    damaged: Mapping[int, tuple[str, ...]]
    strays: tuple[str, ...]
    orphans: Mapping[int, tuple[FileRow, ...]]


class Adoption:
    """One round is :meth:`step`: each worker that came back is asked for its files."""

    def __init__(self, metadata: Metadata, leader: Leader, registry: Registry, calls: Calls, repair: Repair) -> None:
        self._metadata = metadata
        self._leader = leader
        self._registry = registry
        self._calls = calls
        self._repair = repair
        self._looked = -1

    def step(self) -> None:
        by_name = {row.name: row for row in self._registry.rows().values()}
        self._recall()
        for name, lost in sorted(self._registry.take_returned().items()):
            row = by_name.get(name)
            if row is None:
                continue
            try:
                if row.state in (WorkerState.SUSPECT, WorkerState.LOST):
                    self._registry.give_back(name, lost=lost)
                    continue
                self._adopt(row)
                if lost:
                    self._leader.write(partial(scrubs.start, worker=row.id))
            except QservError as error:
                log.info("inventory is asked for again", worker=name, reason=error.message)
                self._registry.give_back(name, lost=lost)

    def _recall(self) -> None:
        """Have workers looked at again that gave files up which may be all that is in reach of a unit."""
        version = self._metadata.version()
        if version == self._looked:
            return
        rows = self._registry.rows()
        for worker in self._metadata.read(partial(chores.stranded, answering=self._answering())):
            self._registry.give_back(rows[worker].name, lost=False)
        self._looked = version

    def _adopt(self, row: WorkerRow) -> None:
        # Read first: what is committed while the worker looks at its disk is not missing there.
        expected = self._metadata.read(partial(units.files_of_worker, worker=row.id))
        client = self._calls.client(row.flight)
        inventory = client.action("inventory", Inventory(), Inventory, timeout=_INVENTORY_SECONDS)
        there = dict(inventory.files)
        with self._repair.removing:
            found = self._metadata.read(
                partial(_difference, worker=row.id, expected=expected, there=there, answering=self._answering())
            )
            for first in range(0, len(found.strays), _STRAYS):
                self._repair.remove(row, found.strays[first : first + _STRAYS])
        lost = [unit for unit, paths in found.damaged.items() if self._repair.heal(unit, row.id, paths) == "lost"]
        adopted = self._take_orphans(row, found.orphans)
        log.info(
            "files compared",
            worker=row.name,
            files=len(there),
            strays=len(found.strays),
            damaged=len(found.damaged),
            adopted=adopted,
        )
        if lost:
            log.error(
                "files of last copies are missing: bring the disk back, or load again", worker=row.name, units=lost
            )

    def _answering(self) -> set[int]:
        silent = (WorkerState.SUSPECT, WorkerState.LOST)
        return {row.id for row in self._registry.rows().values() if row.state not in silent}

    def _take_orphans(self, row: WorkerRow, orphans: Mapping[int, tuple[FileRow, ...]]) -> int:
        """Make the worker the holder of units that had none, and of which its files are whole; how many."""
        if not orphans:
            return 0
        wish = Verify(paths=tuple(file.path for files in orphans.values() for file in files))
        sums = self._calls.client(row.flight).action("verify", wish, Verified, timeout=_VERIFY_SECONDS).sums
        whole = [unit for unit, files in orphans.items() if all(sums.get(one.path) == one.sha256 for one in files)]
        return self._leader.write(partial(_adopt_units, worker=row.id, identifiers=whole, known=orphans))


def _difference(
    connection: Connection,
    worker: int,
    expected: Sequence[FileRow],
    there: Mapping[str, int],
    answering: Collection[int],
) -> Difference:
    damaged: dict[int, list[str]] = defaultdict(list)
    for file in expected:
        if there.get(file.path) != file.bytes:
            damaged[file.unit].append(file.path)
    known = {file.path for file in units.files_of_worker(connection, worker)} | chores.garbage_of(connection, worker)
    running = {
        row.id for row in ingests.ingests(connection, states=("started", "committing", "aborting", "compacting"))
    }
    coming = {move.unit for move in moving.moves(connection) if move.target == worker}
    known |= {file.path for file in units.files_of(connection, coming)}
    # Whoever else has a unit may never come back: what is here of it may be all that is left.
    unreachable = units.held_by_none(connection, answering)
    held = _files_by_unit(connection, [unit.id for unit in unreachable])
    known |= {file.path for files in held.values() for file in files}
    orphans = {unit.id: held[unit.id] for unit in unreachable if unit.id in held}
    strays = tuple(sorted(path for path in there if path not in known and _transaction(path) not in running))
    whole = {
        unit: files for unit, files in orphans.items() if all(there.get(file.path) == file.bytes for file in files)
    }
    return Difference({unit: tuple(paths) for unit, paths in damaged.items()}, strays, whole)


def _files_by_unit(connection: Connection, identifiers: Collection[int]) -> dict[int, tuple[FileRow, ...]]:
    found: dict[int, tuple[FileRow, ...]] = {}
    for file in units.files_of(connection, identifiers):
        found[file.unit] = (*found.get(file.unit, ()), file)
    return found


def _adopt_units(
    connection: Connection, worker: int, identifiers: Sequence[int], known: Mapping[int, tuple[FileRow, ...]]
) -> int:
    """Enter replicas of units that have no other files than those that were looked at."""
    now = _files_by_unit(connection, identifiers)
    adopted = [unit for unit in units.by_id(connection, identifiers) if now.get(unit) == known[unit]]
    for unit in adopted:
        chores.keep(connection, worker, [file.path for file in known[unit]])
        units.add_replica(connection, unit, worker)
    return len(adopted)


def _transaction(path: str) -> int | None:
    """The transaction that wrote a file: its name says it, ``<kind>-<transaction>-<hash>.<form>``."""
    parts = path.rpartition("/")[2].split("-")
    return int(parts[1]) if len(parts) == 3 and parts[1].isdigit() else None
