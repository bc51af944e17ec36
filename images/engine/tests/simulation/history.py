"""Random histories of a cluster: what befalls it, and what must hold all along and once it is left in peace.

The same seed makes the same history.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from qserv.catalog.model import WorkerState
from qserv.replication.moves import BALANCE, plan
from qserv.replication.safety import Held, safe_to_stop
from simulation.controllers import Controller
from simulation.world import ANSWERING, Record, Unit, Violation, Worker, World

UNITS = 40
FIRST_WORKERS = 5
MOST_WORKERS = 9
CAPACITY = 10**6
PEACE_EVERY = 2500
PEACE_ROUNDS = 4000


@dataclass
class Tally:
    """What a history had."""

    steps: int = 0
    events: int = 0
    moves: int = 0
    transactions: int = 0
    compactions: int = 0
    checks: int = 0
    peaces: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


class History:
    """One history of so many steps. :meth:`run` raises :class:`Violation` where an invariant does not hold."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.world = World()
        self.tally = Tally()
        self.world.metadata.units = {n: Unit(n, self.chance.randint(2000, 6000)) for n in range(1, UNITS + 1)}
        for _ in range(FIRST_WORKERS):
            self.join()
        self.controllers = [Controller(self.world, name, self.chance) for name in ("a", "b")]
        self.stalled: dict[str, float] = {}
        self.events: list[tuple[int, Callable[[], None]]] = [
            (1, self.join),
            (6, self.kill),
            (14, self.start),
            (5, self.cut_off),
            (10, self.reconnect),
            (1, self.wipe),
            (4, self.crash_controller),
            (4, self.stall_controller),
            (3, self.jump_wall_clock),
            (2, self.set_factor),
            (2, self.drain),
            (3, self.stay),
            (3, self.stop_safely),
            (2, self.pass_long),
        ]

    def run(self, steps: int) -> Tally:
        for step in range(1, steps + 1):
            self.step()
            if step % PEACE_EVERY == 0 or step == steps:
                self.peace()
        self.tally.steps = steps
        self.tally.moves = self.world.metadata.moves_made
        self.tally.transactions = len(self.world.committed)
        self.tally.compactions = len(self.world.merged)
        self.tally.checks = self.world.checks
        return self.tally

    def step(self) -> None:
        self.pass_time(self.chance.uniform(0.0, 0.3))
        if self.chance.random() < 0.03:
            self.tally.events += 1
            weights = [weight for weight, _ in self.events]
            self.chance.choices([event for _, event in self.events], weights)[0]()
        for controller in self.controllers:
            if self.stalled.get(controller.name, 0.0) <= self.world.now:
                controller.step()
        if self.chance.random() < 0.05:
            self.world.check_rows()
            self.world.check_holders()

    def pass_time(self, seconds: float) -> None:
        self.world.now += seconds
        self.world.wall += seconds

    def pass_long(self) -> None:
        """Minutes pass in which those who are up are heard."""
        for _ in range(self.chance.randint(1, 40)):
            self.pass_time(20.0)
            for controller in self.controllers:
                controller.prolong()
                if controller.leads:
                    for worker in self.world.workers.values():
                        if worker.answers:
                            controller.beat(worker.id)
                    controller.watch()

    def join(self) -> None:
        number = len(self.world.workers) + 1
        if number > MOST_WORKERS:
            return
        capacity = CAPACITY * self.chance.choice((1, 1, 2))
        self.world.workers[number] = Worker(number, f"worker-{number:02}", f"rack-{number % 4}", capacity)
        self.world.metadata.workers[number] = Record(WorkerState.ONLINE, WorkerState.ONLINE, 0)

    def kill(self) -> None:
        self.chance.choice(list(self.world.workers.values())).up = False

    def start(self) -> None:
        worker = self.chance.choice(list(self.world.workers.values()))
        if not worker.up:
            worker.up, worker.boot = True, worker.boot + 1

    def cut_off(self) -> None:
        self.chance.choice(list(self.world.workers.values())).reachable = False

    def reconnect(self) -> None:
        for worker in self.world.workers.values():
            worker.reachable = worker.reachable or self.chance.random() < 0.5

    def wipe(self) -> None:
        """A disk is lost; never one with the last whole copy of a unit, for then no controller could help.

        Nor one with the last copy of a file that is about to be committed.
        """
        worker = self.chance.choice(list(self.world.workers.values()))
        for unit, file in [(unit, file) for unit, files in worker.files.items() for file in files & self.world.open]:
            if not any(file in one.files.get(unit, ()) for one in self.world.workers.values() if one is not worker):
                return
        for unit in self.world.metadata.units.values():
            if unit.files and not self.world.whole_copies(unit, without=worker.id):
                return
        worker.files.clear()
        worker.disk, worker.boot, worker.up = worker.disk + 1, worker.boot + 1, True

    def crash_controller(self) -> None:
        self.chance.choice(self.controllers).restart()

    def stall_controller(self) -> None:
        """One is stopped and goes on later, unaware of it."""
        self.stalled[self.chance.choice(self.controllers).name] = self.world.now + self.chance.uniform(1.0, 60.0)

    def jump_wall_clock(self) -> None:
        self.world.wall += self.chance.choice((-3600.0, -10.0, 10.0, 3600.0))

    def set_factor(self) -> None:
        self.world.metadata.factor = self.chance.choice((2, 3, 3))

    def drain(self) -> None:
        record = self.chance.choice(list(self.world.metadata.workers.values()))
        others = [one for one in self.world.metadata.workers.values() if one is not record]
        if any(one.state is WorkerState.ONLINE for one in others):
            record.wanted = WorkerState.DRAINING

    def stay(self) -> None:
        self.chance.choice(list(self.world.metadata.workers.values())).wanted = WorkerState.ONLINE

    def stop_safely(self) -> None:
        """Workers are stopped that may be: nothing that was in reach is out of reach then."""
        data = self.world.metadata
        wanted = self.chance.sample(sorted(self.world.workers), k=self.chance.choice((1, 1, 2)))
        if any(
            (record.state in ANSWERING) != self.world.workers[number].answers for number, record in data.workers.items()
        ):
            return  # the metadata has not heard yet of what happened a moment ago
        states = {number: record.state for number, record in data.workers.items()}
        units = [Held(str(unit.id), tuple(unit.holders)) for unit in data.units.values() if unit.files]
        if not safe_to_stop(wanted, states, units).safe:
            return
        self.world.checks += 1
        for unit in data.units.values():
            honest = unit.files and all(self.world.workers[one].disk == data.workers[one].disk for one in unit.holders)
            if honest and self.world.readable(unit) and not self.world.readable(unit, without=wanted):
                raise Violation(f"unit {unit.id} is out of reach, though workers {wanted} might be stopped")
        for number in wanted:
            self.world.workers[number].up = False

    def peace(self) -> None:
        """Nothing befalls the cluster any more: it converges, in few moves, and then nothing moves."""
        self.tally.peaces += 1
        data = self.world.metadata
        for worker in self.world.workers.values():
            worker.reachable = True
            if not worker.up:
                worker.up, worker.boot = True, worker.boot + 1
        for record in data.workers.values():
            record.wanted = WorkerState.ONLINE
        self.stalled.clear()
        before = data.moves_made
        most = self.enough()
        for round_ in range(PEACE_ROUNDS):
            self.pass_time(0.5)
            for controller in self.controllers:
                controller.prolong()
                if controller.leads:
                    self.work(controller)
            if round_ > 30 and self.settled():
                break
        else:
            raise Violation(f"no peace after {PEACE_ROUNDS} rounds: {len(data.moves)} moves are open")
        if data.moves_made - before > most:
            raise Violation(f"{data.moves_made - before} moves were made where {most} should do")
        self.check_peace()

    def enough(self) -> int:
        """The most moves that peace may need: each copy is made, put into its own domain, and balanced once."""
        return 3 * UNITS * max(3, self.world.metadata.factor)

    def work(self, controller: Controller) -> None:
        for worker in self.world.workers.values():
            controller.beat(worker.id)
        for _ in range(len(self.world.workers)):
            controller.adopt()
        controller.watch()
        controller.plan()
        for _ in range(12):
            controller.carry()
        controller.collect()
        if controller.commit is not None:
            controller.load()
        if controller.compaction is not None:
            controller.compact()

    def settled(self) -> bool:
        data = self.world.metadata
        if data.moves or data.garbage or any(one.commit or one.compaction for one in self.controllers if one.leads):
            return False
        leader = next((one for one in self.controllers if one.leads), None)
        if leader is None or leader.returned or leader.failed or leader.collecting is not None:
            return False
        found = plan(data.rows(), leader.sites(), data.factor, UNITS, frozenset())
        return not found.moves and not found.drops

    def check_peace(self) -> None:
        self.world.check_rows()
        self.world.check_holders()
        data = self.world.metadata
        copies = min(data.factor, len(self.world.workers))
        domains = {worker.domain for worker in self.world.workers.values()}
        for unit in data.units.values():
            if not unit.files and not unit.holders:
                continue
            if len(unit.holders) != copies or len(self.world.whole_copies(unit)) != copies:
                raise Violation(f"unit {unit.id} has the holders {unit.holders}, not {copies} whole copies")
            used = Counter(self.world.workers[one].domain for one in unit.holders)
            if len(used) < min(copies, len(domains)):
                raise Violation(f"unit {unit.id} has copies in {dict(used)} while there are {len(domains)} domains")
            for number, worker in self.world.workers.items():
                if number not in unit.holders and worker.files.get(unit.id):
                    raise Violation(f"worker {number} still has files of unit {unit.id}")
        self.check_balance()

    def check_balance(self) -> None:
        """Bytes are in proportion to capacity within 5 %, as far as whole units and the domains let them be."""
        workers = self.world.workers
        held: Counter[int] = Counter()
        for unit in self.world.metadata.units.values():
            for one in unit.holders:
                held[one] += unit.size
        mean = sum(held.values()) / sum(worker.capacity for worker in workers.values())
        grain = max(unit.size for unit in self.world.metadata.units.values())
        for number, worker in workers.items():
            excess = held[number] - mean * worker.capacity
            if excess > BALANCE * mean * worker.capacity + grain and self.could_give(number, held, mean):
                raise Violation(f"worker {number} holds {held[number]}, {excess:.0f} bytes above its share")

    def could_give(self, source: int, held: Counter[int], mean: float) -> bool:
        """Whether some unit of the source could go to a worker below its share, in a domain of its own there."""
        for unit in self.world.metadata.units.values():
            if source not in unit.holders:
                continue
            others = {self.world.workers[one].domain for one in unit.holders if one != source}
            for number, worker in self.world.workers.items():
                room = mean * worker.capacity - held[number]
                if number not in unit.holders and worker.domain not in others and room >= unit.size:
                    return True
        return False


def simulate(seed: int, steps: int) -> Tally:
    """Run the history of a seed; a violation tells the seed."""
    try:
        return History(seed).run(steps)
    except Exception as error:
        error.add_note(f"seed {seed}, {steps} steps: python -m simulation --seed {seed} --steps {steps}")
        raise
