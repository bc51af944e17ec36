"""A replication controller over a :class:`World`, cut into single steps, after any of which it may crash or stall.

Each write checks the lease first, as ``Leader.write`` does. What a controller remembers (when it heard a worker, copies
under way) is gone with its process; what it wrote stays.
"""

from __future__ import annotations

from qserv.catalog.metadata.units import FileRow
from qserv.catalog.model import FileKind, WorkerState
from qserv.replication.compacting import choose
from qserv.replication.placement import Slot, place
from simulation.keeping import Commit, Compaction, Keeper
from simulation.world import LostLeadError


class Controller(Keeper):
    """One process, known by ``name``; its steps are methods without arguments, chosen by chance."""

    def step(self) -> None:
        if not self.leads or self.chance.random() < 0.05:
            self.prolong()
            return
        work = self.chance.choice(
            (
                *(self.hear, self.hear, self.watch, self.adopt, self.plan, self.carry, self.carry),
                *(self.collect, self.load, self.compact),
            )
        )
        try:
            work()
        except LostLeadError:
            self.epoch = None

    def load(self) -> None:
        """One step of a transaction: begun, written by primaries, spread to other holders, committed."""
        if self.commit is None:
            if self.chance.random() < 0.2:
                self.begin()
        elif not self.commit.prepared:
            self.prepare(self.commit)
        elif self.commit.todo:
            self.spread(self.commit)
        else:
            self.end(self.commit)

    def begin(self) -> None:
        data, world = self.world.metadata, self.world
        self.guard()
        number = next(world.numbers)
        units = self.chance.sample(sorted(data.units), k=min(3, len(data.units)))
        slots = [
            Slot(site.id, site.name, site.domain, site.free)
            for site in self.sites()
            if site.state is WorkerState.ONLINE
        ]
        for unit in units:
            if not data.units[unit].holders and not data.units[unit].files:
                data.units[unit].holders = list(place([unit], slots, data.factor)[unit])
        if all(data.units[unit].holders for unit in units):
            world.open.add(number)
            self.commit = Commit(number, tuple(units))

    def prepare(self, commit: Commit) -> None:
        data, world = self.world.metadata, self.world
        for unit in commit.units:
            holders = list(data.units[unit].holders)
            commit.asked[unit] = data.units[unit].replicas
            able = [
                one for one in holders if world.workers[one].answers and world.workers[one].boot == self.boots.get(one)
            ]
            if not able:
                self.abort(commit)
                return
            commit.source[unit] = able[0]
            world.workers[able[0]].files.setdefault(unit, set()).add(commit.number)
            commit.todo += [(unit, one) for one in holders if one != able[0]]
        commit.prepared = True

    def spread(self, commit: Commit) -> None:
        unit, holder = commit.todo.pop()
        worker, source = self.world.workers[holder], self.world.workers[commit.source[unit]]
        if worker.answers and source.answers and source.has(unit, {commit.number}) and self.chance.random() > 0.02:
            worker.files.setdefault(unit, set()).add(commit.number)
        else:
            commit.absent.setdefault(unit, set()).add(holder)

    def end(self, commit: Commit) -> None:
        """Make it visible, unless a unit was given another holder meanwhile, or lost the one that has the file."""
        data, world = self.world.metadata, self.world
        self.guard()
        for unit in commit.units:
            held = data.units[unit]
            whole = {one for one, _ in commit.asked[unit]} - commit.absent.get(unit, set())
            kept = whole & set(held.holders)
            if held.replicas - commit.asked[unit] or not kept or len(whole) < min(2, self.enough()):
                self.abort(commit)
                return
        for unit in commit.units:
            data.units[unit].files.add(commit.number)
            gone = {one for one, _ in commit.asked[unit]} - set(data.units[unit].holders)
            data.garbage |= {(one, unit, commit.number) for one in gone}
            absent = commit.absent.get(unit, set()) - gone
            data.garbage |= {(one, unit, file) for one in absent for file in data.units[unit].files}
            data.units[unit].holders = [
                one for one in data.units[unit].holders if one not in commit.absent.get(unit, set())
            ]
        world.open.discard(commit.number)
        world.committed[commit.number] = frozenset(commit.units)
        data.version += 1
        self.commit = None

    def compact(self) -> None:
        """One step of a compaction: written, spread to other holders, swapped."""
        if self.compaction is None:
            self.merge()
            return
        compaction, world = self.compaction, self.world
        if compaction.left:
            worker, writer = world.workers[compaction.left.pop()], world.workers[compaction.writer]
            there = writer.has(compaction.unit, {compaction.number})
            if worker.answers and writer.answers and there and self.chance.random() > 0.05:
                worker.files.setdefault(compaction.unit, set()).add(compaction.number)
                return
            self.drop_compaction(compaction)
            return
        self.guard()
        unit = world.metadata.units[compaction.unit]
        unwanted = {compaction.number}
        if unit.replicas <= compaction.held and compaction.old <= unit.files:
            unit.files = unit.files - compaction.old | {compaction.number}
            world.merged[compaction.number] = compaction.old
            world.metadata.version += 1
            unwanted = set(compaction.old)
        world.metadata.garbage |= {(one, unit.id, file) for one, _ in compaction.held for file in unwanted}
        world.open.discard(compaction.number)
        self.compaction = None

    def merge(self) -> None:
        data, world = self.world.metadata, self.world
        unit = data.units[self.chance.choice(sorted(data.units))]
        known = [
            FileRow(file, unit.id, 1, FileKind.MAIN, str(file), "", 1, 10 * len(world.rows_of(file)), 1)
            for file in sorted(unit.files)
        ]
        old = frozenset(file.id for file in choose(known, 2))
        there = all(data.workers[one].state is WorkerState.ONLINE for one in unit.holders)
        if not old or not unit.holders or not there:
            return
        writer = world.workers[self.chance.choice(unit.holders)]
        if not writer.answers or not writer.has(unit.id, old):
            return
        self.guard()
        number = next(world.numbers)
        world.open.add(number)
        writer.files.setdefault(unit.id, set()).add(number)
        left = [one for one in unit.holders if one != writer.id]
        self.compaction = Compaction(unit.id, old, number, writer.id, left, frozenset(unit.replicas))

    def drop_compaction(self, compaction: Compaction) -> None:
        """Its file is void: all workers remove it, those that are away when they are back."""
        self.guard()
        self.world.open.discard(compaction.number)
        self.returned |= set(self.world.metadata.workers)
        self.compaction = None

    def abort(self, commit: Commit) -> None:
        """Its files are strays from now on, removed when each worker is compared again."""
        self.world.open.discard(commit.number)
        self.returned |= set(self.world.metadata.workers)
        self.commit = None
