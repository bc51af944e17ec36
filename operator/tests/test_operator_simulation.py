"""Random histories of a cluster with the real gather, plan and apply: nothing unsafe is ever done, and it settles."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from operator_world.api import Object
from operator_world.world import CLUSTER, NAMESPACE, UnsafeError, World

from qserv_operator.engine import StopView
from qserv_operator.lease import Lease
from qserv_operator.metrics import Metrics
from qserv_operator.models.status import ClusterStatus
from qserv_operator.reconcile import Reconciler

STEPS = 120
SETTLE = 250


class KilledError(BaseException):
    """The operator died at this call."""


class Door:
    """A door that an operator dies at, or that answers from the past, as often as asked."""

    def __init__(self, inner: object, fate: Fate) -> None:
        self._inner = inner
        self._fate = fate

    def __getattr__(self, name: str) -> Callable[..., Any]:
        act = getattr(self._inner, name)

        def call(*args: Any, **more: Any) -> Any:
            self._fate.before(name)
            result = act(*args, **more)
            self._fate.after()
            return self._fate.seen(name, args, result)

        return call


class Fate:
    """When an operator dies (after how many more calls), and how often lists are old."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.left: int | None = None
        self.stale = 0.0
        self.credulous = False
        self.meanwhile: Callable[[], None] = lambda: None
        self._old: dict[object, list[Object]] = {}

    def before(self, name: str) -> None:
        if self.left == 0 and self.chance.random() < 0.5:
            raise KilledError
        if self.chance.random() < 0.01:
            self.meanwhile()

    def after(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KilledError

    def seen(self, name: str, args: tuple[object, ...], result: Any) -> Any:
        """A list as it was when this operator last read it, now and then."""
        if name == "safe_to_stop" and self.credulous:
            return StopView(safe=True)
        if name != "list" or args[1] == "Lease":
            return result
        old = self._old.get(args)
        self._old[args] = result
        return old if old is not None and self.chance.random() < self.stale else result


class Operator:
    """One of the operators, with its lease."""

    def __init__(self, world: World, name: str, chance: random.Random) -> None:
        self.world, self.name, self.chance = world, name, chance
        self.fate = Fate(chance)
        self.start()

    def start(self) -> None:
        """Begin anew, with nothing remembered."""
        self.fate.left = None
        kube = Door(self.world.api, self.fate)
        engine = Door(self.world.engine, self.fate)
        holder = f"{self.name}-{self.chance.random()}"
        self.lease = Lease(kube, namespace=NAMESPACE, holder=holder, duration=6.0, clock=self.world.now)
        self.reconciler = Reconciler(
            kube, leads=self.lease.leads, metrics=Metrics(), engine_of=lambda *_: engine, clock=self.world.now
        )

    def turn(self) -> None:
        try:
            if self.lease.renew():
                self.reconciler.reconcile(NAMESPACE, CLUSTER)
        except KilledError:
            self.start()


def settled(world: World) -> bool:
    """All is as it is wanted."""
    status = ClusterStatus.model_validate(world.cluster.get("status") or {})
    conditions = {item.type: item.status for item in status.conditions}
    spec = world.cluster["spec"]
    ready = f"{spec['worker']['replicas']}/{spec['worker']['replicas']}"
    whole = all(len(world.engine.answering(disks)) >= world.engine.factor for disks in world.engine.copies.values())
    calm = conditions == {"Available": "True", "Progressing": "False", "Degraded": "False"}
    return calm and whole and status.worker.ready == ready and status.worker.replicas == spec["worker"]["replicas"]


def settle(world: World, operators: Sequence[Operator]) -> int:
    """Let time pass until all is settled; the number of steps it took."""
    for count in range(SETTLE):
        world.step()
        for operator in operators:
            operator.turn()
        if settled(world):
            return count
    status = ClusterStatus.model_validate(world.cluster["status"])
    raise AssertionError(f"not settled after {SETTLE} steps: {[f'{c.reason}: {c.message}' for c in status.conditions]}")


def disturb(world: World, chance: random.Random) -> None:
    """Something happens to the nodes, or the user changes their mind."""
    down = [node for node in world.nodes.values() if not node.up]
    kind = chance.choice(["down", "down", "up", "up", "wipe", "scale", "image", "bad image", "restart", "nothing"])
    if kind == "down" and not down:
        chance.choice(list(world.nodes.values())).up = False
    elif kind == "up" and down:
        chance.choice(down).up = True
    elif kind == "wipe" and not down and expendable(world):
        world.wipe(chance.choice(expendable(world)))
        name = f"n{chance.randrange(10**6)}"
        world.nodes[name] = type(next(iter(world.nodes.values())))(name)
    elif kind == "scale":
        world.change(worker={"replicas": chance.choice([2, 3, 4, 5])})
    elif kind == "image":
        world.change(image=f"qserv/engine:{chance.randrange(100)}")
    elif kind == "bad image":
        world.broken_images.add("qserv/engine:broken")
        world.change(image="qserv/engine:broken")
    elif kind == "restart":
        world.change(restart=str(chance.randrange(1000)))


def expendable(world: World) -> list[str]:
    """Nodes that may be lost with their disks: whose every chunk has a copy on another node, and not the metadata."""
    nodes = world.disk_nodes()
    metadata = {node for disk, node in nodes.items() if disk not in {w.disk for w in world.engine.workers.values()}}
    found = set(world.nodes) - metadata
    for disks in world.engine.copies.values():
        homes = {nodes.get(disk) for disk in disks}
        if len(homes) == 1:
            found -= homes
    return sorted(found)


def history(seed: int, operators: int, *, kills: float, stale: float, credulous: bool = False) -> World:
    """A random history that ends settled; ``credulous``: the engine is not asked whether a worker may be stopped."""
    chance = random.Random(seed)
    world = World(nodes=6, workers=3)
    team = [Operator(world, f"operator-{index}", chance) for index in range(operators)]
    settle(world, team)
    for operator in team:
        operator.fate.credulous = credulous
        operator.fate.stale = stale
        if operators > 1:
            operator.fate.meanwhile = world.step
    world.strict = operators == 1
    for _ in range(STEPS):
        world.step()
        if chance.random() < 0.2:
            disturb(world, chance)
        for operator in chance.sample(team, chance.randint(0, len(team))):
            if operator.fate.left is None and chance.random() < kills:
                operator.fate.left = chance.randrange(60)
            operator.turn()
    for operator in team:
        operator.fate.stale, operator.fate.left, operator.fate.meanwhile = 0.0, None, lambda: None
    for node in world.nodes.values():
        node.up = True
    world.change(image="qserv/engine:last")
    settle(world, team)
    return world


@pytest.mark.parametrize("seed", range(8))
def test_one_operator_that_dies_anywhere(seed: int) -> None:
    history(seed, 1, kills=0.2, stale=0.0)


@pytest.mark.parametrize("seed", range(100, 106))
def test_two_operators_with_old_lists(seed: int) -> None:
    history(seed, 2, kills=0.2, stale=0.1)


def test_an_operator_that_does_not_ask_is_caught() -> None:
    """The world can tell: without the engine's word, some history does harm."""

    def harms(seed: int) -> bool:
        try:
            history(seed, 1, kills=0.0, stale=0.0, credulous=True)
        except UnsafeError:
            return True
        return False

    assert any(harms(seed) for seed in range(20))


def test_a_calm_cluster_is_left_alone() -> None:
    chance = random.Random(1)
    world = World(nodes=4, workers=3)
    operator = Operator(world, "operator", chance)
    settle(world, [operator])
    for _ in range(3):
        world.step()
        operator.turn()
    before = {key: made["metadata"]["resourceVersion"] for key, made in world.api.objects.items() if key[0] != "Lease"}
    for _ in range(5):
        world.step()
        operator.turn()
    after = {key: made["metadata"]["resourceVersion"] for key, made in world.api.objects.items() if key[0] != "Lease"}
    assert after == before
