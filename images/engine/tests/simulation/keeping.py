"""What a controller does to keep copies: it hears workers, plans and makes moves, and has files removed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from qserv.catalog.metadata.chores import CLOCK_JUMP
from qserv.catalog.model import WorkerState
from qserv.catalog.resources import RuntimeSettings
from qserv.replication.moves import Site, enough, plan
from qserv.replication.registry import judged
from simulation.world import ANSWERING, LostLeadError, Unit, World

LEASE = 5.0
OVERDUE = 30.0
PARALLEL = 4
PLANNED = 64
SETTINGS = RuntimeSettings.model_construct(lost_after=600.0, suspect_after=5.0)


@dataclass
class Copy:
    """A move under way: the files that lie on the target already."""

    done: set[int] = field(default_factory=set)


@dataclass
class Commit:
    """A transaction's way: units that are to get its file, holders that were asked, holders that did not take it."""

    number: int
    units: tuple[int, ...]
    asked: dict[int, set[tuple[int, int]]] = field(default_factory=dict)
    source: dict[int, int] = field(default_factory=dict)
    absent: dict[int, set[int]] = field(default_factory=dict)
    todo: list[tuple[int, int]] = field(default_factory=list)
    prepared: bool = False


@dataclass
class Compaction:
    """Files of a unit that are to be one, ``number``, which ``writer`` wrote; ``left`` are to fetch it still."""

    unit: int
    old: frozenset[int]
    number: int
    writer: int
    left: list[int]
    held: frozenset[tuple[int, int]]


class Keeper:
    """A controller without its transactions."""

    def __init__(self, world: World, name: str, chance: random.Random) -> None:
        self.world = world
        self.name = name
        self.chance = chance
        self.lives = 0
        self.restart()

    def restart(self) -> None:
        self.lives += 1
        self.holder = f"{self.name}/{self.lives}"
        self.epoch: int | None = None
        self.until = 0.0
        self.heard: dict[int, float] = {}
        self.boots: dict[int, int] = {}
        self.returned: set[int] = set()
        self.copies: dict[int, Copy] = {}
        self.commit: Commit | None = None
        self.compaction: Compaction | None = None
        self.failed: dict[int, float] = {}
        self.collecting: tuple[int, list[tuple[int, int]]] | None = None

    @property
    def leads(self) -> bool:
        return self.epoch is not None and self.world.now < self.until

    def guard(self) -> None:
        """What every write begins with."""
        data = self.world.metadata
        if self.epoch is None or data.holder != self.holder or data.epoch != self.epoch:
            raise LostLeadError

    def prolong(self) -> None:
        data, world = self.world.metadata, self.world
        if data.holder != self.holder and world.wall < data.expires <= world.wall + LEASE + CLOCK_JUMP:
            self.epoch = None
            return
        if data.holder != self.holder or world.wall >= data.expires:
            data.holder, data.epoch = self.holder, data.epoch + 1
        data.expires = world.wall + LEASE
        if self.epoch != data.epoch:
            self.heard = dict.fromkeys(data.workers, world.now)
            self.boots = {}
            self.returned = set(data.workers)
            self.copies, self.commit, self.collecting, self.compaction = {}, None, None, None
            world.open.clear()  # no other can end them any more: they count as aborted
        self.epoch, self.until = data.epoch, world.now + LEASE

    def hear(self) -> None:
        """A heartbeat of some worker comes."""
        worker = self.chance.choice(list(self.world.workers.values()))
        if worker.answers:
            self.beat(worker.id)

    def beat(self, number: int) -> None:
        world, data = self.world, self.world.metadata
        worker, record = world.workers[number], data.workers[number]
        fresh = self.boots.get(number) != worker.boot or record.state is WorkerState.LOST
        if record.disk != worker.disk:
            self.guard()
            for unit in data.units.values():
                if number in unit.holders:
                    unit.holders.remove(number)
            data.garbage = {one for one in data.garbage if one[0] != number}
            data.moves = {key: move for key, move in data.moves.items() if move.target != number}
            record.disk = worker.disk
            data.version += 1
        if record.state is not record.wanted:
            self.guard()
            record.state = record.wanted
            data.version += 1
        self.boots[number] = worker.boot
        self.heard[number] = world.now
        if fresh:
            self.returned.add(number)

    def watch(self) -> None:
        for number, at in self.heard.items():
            record = self.world.metadata.workers[number]
            told = judged(record.state, self.world.now - at, SETTINGS)
            if told is not None:
                self.guard()
                record.state = told
                self.world.metadata.version += 1

    def adopt(self) -> None:
        """Compare what a worker that came back has with what it is to have."""
        if not self.returned:
            return
        number = min(self.returned)
        worker, data = self.world.workers[number], self.world.metadata
        if not worker.answers or data.workers[number].state not in ANSWERING:
            return
        self.guard()
        coming = {move.unit for move in data.moves.values() if move.target == number}
        for unit in data.units.values():
            mine = number in unit.holders
            if mine and not worker.has(unit.id, unit.files) and len(unit.holders) > 1:
                self.world.drop(unit, number)
            for file in list(worker.files.get(unit.id, ())):
                listed = number in unit.holders and file in unit.files
                kept = unit.id in coming and file in unit.files
                if (
                    not listed
                    and not kept
                    and file not in self.world.open
                    and (number, unit.id, file) not in data.garbage
                ):
                    self.world.delete(worker, unit.id, file)
        self.returned.discard(number)

    def sites(self) -> list[Site]:
        data = self.world.metadata
        found = []
        for number, record in sorted(data.workers.items()):
            worker = self.world.workers[number]
            overdue = self.world.now - self.heard.get(number, self.world.now) > OVERDUE
            used = sum(data.units[unit].size for unit in worker.files)
            free = max(0, worker.capacity - used)
            found.append(Site(number, worker.name, worker.domain, record.state, worker.capacity, free, overdue))
        return found

    def plan(self) -> None:
        data = self.world.metadata
        if len(data.moves) >= PLANNED // 2:
            return
        self.failed = {unit: until for unit, until in self.failed.items() if until > self.world.now}
        busy = {move.unit for move in data.moves.values()}
        rows = data.rows()
        found = plan(rows, self.sites(), data.factor, PLANNED - len(busy), frozenset(busy | self.failed.keys()))
        self.guard()
        for move in found.moves:
            if move.unit not in busy:
                data.moves_made += 1
                data.moves[data.moves_made] = move
                busy.add(move.unit)
        for drop in found.drops:
            unit = data.units[drop.unit]
            if drop.worker in unit.holders:
                self.give_up(unit, drop.worker)

    def give_up(self, unit: Unit, worker: int) -> None:
        self.world.drop(unit, worker)
        self.world.metadata.garbage |= {(worker, unit.id, file) for file in unit.files}

    def carry(self) -> None:
        """One step of one move: a file that is fetched, or the copy that is entered."""
        data, world = self.world.metadata, self.world
        if not data.moves:
            return
        key = self.chance.choice(sorted(data.moves)[:PARALLEL])
        move, copy = data.moves[key], self.copies.setdefault(key, Copy())
        unit, target = data.units[move.unit], world.workers[move.target]
        if data.workers[target.id].state is not WorkerState.ONLINE:
            self.abandon(key, unit, target.id)
            return
        left = unit.files - copy.done
        if not left:
            self.finish(key, unit, target.id, move.drop)
            return
        sources = [
            one
            for one in unit.holders
            if data.workers[one].state in ANSWERING
            and world.workers[one].answers
            and world.workers[one].has(unit.id, left)
        ]
        if not target.answers or not sources:
            self.abandon(key, unit, target.id)
            self.failed[unit.id] = world.now + 10.0
            return
        file = min(left)
        if self.collecting is not None and self.collecting[0] == target.id:
            return
        target.files.setdefault(unit.id, set()).add(file)
        if self.chance.random() > 0.05:  # else the word that it is there is lost
            copy.done.add(file)

    def finish(self, key: int, unit: Unit, target: int, drop: int | None) -> None:
        data = self.world.metadata
        self.guard()
        copied = self.copies[key].done if key in self.copies else set()
        data.garbage -= {(target, unit.id, file) for file in unit.files}
        data.garbage |= {(target, unit.id, file) for file in copied - unit.files}
        if target not in unit.holders:
            unit.holders.append(target)
            unit.given[target] = next(self.world.numbers)
            data.version += 1
        if drop is not None and drop in unit.holders:
            self.give_up(unit, drop)
        del data.moves[key]
        self.copies.pop(key, None)

    def abandon(self, key: int, unit: Unit, target: int) -> None:
        """A copy is not made: what lies on the target is removed, unless nobody else has the unit."""
        self.guard()
        del self.world.metadata.moves[key]
        self.copies.pop(key, None)
        if unit.holders and target not in unit.holders:
            self.world.metadata.garbage |= {(target, unit.id, file) for file in unit.files}

    def collect(self) -> None:
        """Have a worker remove what was given up, then strike it out: two steps."""
        data, world = self.world.metadata, self.world
        if self.collecting is not None:
            self.guard()
            number, removed = self.collecting
            data.garbage -= {(number, unit, file) for unit, file in removed}
            self.collecting = None
            return
        targets = {move.target for move in data.moves.values()}
        waiting = sorted({one[0] for one in data.garbage} - targets)
        able = [one for one in waiting if world.workers[one].answers and data.workers[one].state in ANSWERING]
        if not able:
            return
        self.guard()
        number = self.chance.choice(able)
        gone = sorted(
            (unit, file) for worker, unit, file in data.garbage if worker == number and self.spare(unit, file)
        )
        for unit, file in gone:
            if file in world.workers[number].files.get(unit, ()):
                world.delete(world.workers[number], unit, file)
        self.collecting = number, gone

    def enough(self) -> int:
        """Holders that are enough to do without another copy."""
        data = self.world.metadata
        return enough(data.factor, (record.state for record in data.workers.values()))

    def spare(self, number: int, file: int) -> bool:
        """Whether a file that was given up is needed by nobody any more."""
        data = self.world.metadata
        unit = data.units[number]
        heard = [one for one in unit.holders if data.workers[one].state in ANSWERING]
        return file not in unit.files or len(heard) >= self.enough()
