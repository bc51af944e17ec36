"""A cluster as values: workers with disks, the metadata, and what may befall them.

Only what decides is real: :mod:`qserv.replication.moves`, ``placement``, ``safety`` and ``registry.judged``. Metadata
and disks are sets in memory, so that a history takes microseconds a step. Time is the simulation's own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from qserv.catalog.metadata.moving import MoveWish
from qserv.catalog.metadata.units import UnitRow
from qserv.catalog.model import UnitKind, WorkerState

ANSWERING = (WorkerState.ONLINE, WorkerState.READ_ONLY, WorkerState.DRAINING)


class LostLeadError(Exception):
    """A write of a controller that no longer leads."""


@dataclass
class Worker:
    """A worker's process and disk. ``files``: by unit, the numbers of the files that lie there whole."""

    id: int
    name: str
    domain: str
    capacity: int
    up: bool = True
    reachable: bool = True
    boot: int = 0
    disk: int = 0
    files: dict[int, set[int]] = field(default_factory=dict)

    @property
    def answers(self) -> bool:
        return self.up and self.reachable

    def has(self, unit: int, wanted: Iterable[int]) -> bool:
        return self.files.get(unit, set()).issuperset(wanted)


@dataclass
class Unit:
    """A chunk as the metadata knows it: committed files, and the workers that hold all of them."""

    id: int
    size: int
    files: set[int] = field(default_factory=set)
    holders: list[int] = field(default_factory=list)
    given: dict[int, int] = field(default_factory=dict)  # a number for each holder, new when it is given the unit anew

    @property
    def replicas(self) -> set[tuple[int, int]]:
        return {(one, self.given.get(one, 0)) for one in self.holders}


@dataclass
class Record:
    """A worker as the metadata knows it."""

    state: WorkerState
    wanted: WorkerState
    disk: int


@dataclass
class Metadata:
    """What all controllers share. ``garbage``: (worker, unit, file) that a worker may remove."""

    units: dict[int, Unit] = field(default_factory=dict)
    workers: dict[int, Record] = field(default_factory=dict)
    moves: dict[int, MoveWish] = field(default_factory=dict)
    garbage: set[tuple[int, int, int]] = field(default_factory=set)
    factor: int = 3
    holder: str = ""
    epoch: int = 0
    expires: float = 0.0
    moves_made: int = 0
    version: int = 0

    def rows(self) -> list[UnitRow]:
        return [UnitRow(u.id, UnitKind.CHUNK, 1, u.id, u.size, tuple(u.holders)) for u in self.units.values()]


class Violation(AssertionError):
    """An invariant does not hold."""


class World:
    """Workers and metadata, and the two clocks: ``now`` never goes back, the wall's may jump."""

    def __init__(self) -> None:
        self.workers: dict[int, Worker] = {}
        self.metadata = Metadata()
        self.now = 0.0
        self.wall = 1000.0
        self.committed: dict[int, frozenset[int]] = {}  # units of each transaction that was committed
        self.merged: dict[int, frozenset[int]] = {}  # files that became one, by its number
        self.open: set[int] = set()  # transactions under way
        self.numbers = itertools.count(1)
        self.checks = 0

    def whole_copies(self, unit: Unit, without: int | None = None) -> list[int]:
        """The holders whose disks have all committed files of a unit."""
        return [
            one
            for one in unit.holders
            if one != without and one in self.workers and self.workers[one].has(unit.id, unit.files)
        ]

    def drop(self, unit: Unit, worker: int) -> None:
        """The controller takes a worker off a unit's holders: never the last whole copy."""
        self.checks += 1
        if worker in self.whole_copies(unit) and not self.whole_copies(unit, without=worker):
            raise Violation(f"worker {worker} is taken off unit {unit.id}, of which it has the last whole copy")
        unit.holders.remove(worker)
        self.metadata.version += 1

    def delete(self, worker: Worker, unit: int, file: int) -> None:
        """A worker removes a file because it was told to: never one that it is to hold, or the last one there is."""
        self.checks += 1
        known = self.metadata.units[unit]
        if file in known.files and worker.id in known.holders:
            raise Violation(f"worker {worker.id} removes file {file} of unit {unit}, which it is to hold")
        others = any(file in one.files.get(unit, ()) for one in self.workers.values() if one.id != worker.id)
        if file in known.files and not others:
            raise Violation(f"the last copy of file {file} of unit {unit} is removed from worker {worker.id}")
        worker.files.get(unit, set()).discard(file)

    def rows_of(self, file: int) -> list[int]:
        """The transactions whose rows a file has."""
        return [rows for old in self.merged.get(file, ()) for rows in self.rows_of(old)] or [file]

    def check_rows(self) -> None:
        """Committed rows are there exactly once, in every unit of their transaction; others are not."""
        self.checks += 1
        seen: dict[int, set[int]] = {}
        for unit in self.metadata.units.values():
            for file in unit.files:
                for rows in self.rows_of(file):
                    if unit.id in seen.setdefault(rows, set()):
                        raise Violation(f"rows of transaction {rows} are twice in unit {unit.id}")
                    seen[rows].add(unit.id)
        if {key: frozenset(units) for key, units in seen.items()} != self.committed:
            raise Violation("the committed files are not those of the committed transactions")

    def check_holders(self) -> None:
        """A worker that is listed has all files on the disk that the metadata knows it by."""
        self.checks += 1
        for unit in self.metadata.units.values():
            if len(set(unit.holders)) != len(unit.holders):
                raise Violation(f"unit {unit.id} lists a holder twice: {unit.holders}")
            for one in unit.holders:
                worker, record = self.workers[one], self.metadata.workers[one]
                if worker.disk == record.disk and not worker.has(unit.id, unit.files):
                    raise Violation(f"worker {one} is listed for unit {unit.id} and lacks files of it")

    def readable(self, unit: Unit, without: Iterable[int] = ()) -> bool:
        gone = set(without)
        return any(self.workers[one].answers and one not in gone for one in self.whole_copies(unit))
