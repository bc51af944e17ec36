"""Random histories of a cluster with the real gather, plan and apply: nothing unsafe is ever done, and it settles."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from operator_world.acts import CATALOG, calm_down, disturb, obey
from operator_world.api import Object
from operator_world.world import CLUSTER, NAMESPACE, UnsafeError, World

from qserv_operator.engine import EngineError, StopView
from qserv_operator.kube import RefusedError
from qserv_operator.lease import Lease
from qserv_operator.metrics import Metrics
from qserv_operator.models.status import ClusterStatus
from qserv_operator.reconcile import Reconciler

STEPS = 120
SETTLE = 250


class KilledError(BaseException):
    """The operator died at this call."""


class Door:
    """A door that an operator dies at, that refuses, or that answers from the past, as often as asked."""

    def __init__(self, inner: object, fate: Fate, refused: Callable[[int], Exception]) -> None:
        self._inner = inner
        self._fate = fate
        self._refused = refused

    def __getattr__(self, name: str) -> Callable[..., Any]:
        act = getattr(self._inner, name)

        def call(*args: Any, **more: Any) -> Any:
            self._fate.before(name)
            refused = self._fate.refuses(name, args)
            if refused > 0:
                raise self._refused(refused)
            result = act(*args, **more)
            self._fate.after()
            if refused == 0:
                raise self._refused(0)  # it was done, and nobody was told
            return self._fate.seen(name, args, result)

        return call


class Fate:
    """When an operator dies (after how many more calls), and how often lists are old."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.left: int | None = None
        self.stale = 0.0
        self.credulous = False
        self.errors = 0.0
        self.over_quota: frozenset[str] = frozenset()
        self.skew = 0.0
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

    def refuses(self, name: str, args: tuple[object, ...]) -> int:
        """The status of a refusal, 0 for an answer that is lost on its way, -1 where all is well."""
        kind = args[0].get("kind") if args and isinstance(args[0], dict) else None
        if name in ("apply", "create") and kind in self.over_quota:
            return 403
        if self.chance.random() >= self.errors:
            return -1
        return self.chance.choice([0, 0, 409, 429, 500, 503])

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
        kube = Door(self.world.api, self.fate, lambda status: RefusedError(status, "asked", "refused"))
        engine = Door(self.world.engine, self.fate, lambda status: EngineError("unavailable", f"answered {status}"))
        holder = f"{self.name}-{self.chance.random()}"
        self.lease = Lease(kube, namespace=NAMESPACE, holder=holder, duration=6.0, clock=self.world.now)
        self.reconciler = Reconciler(
            kube,
            leads=self.lease.leads,
            metrics=Metrics(),
            engine_of=lambda *_: engine,
            clock=lambda: self.world.now() + self.fate.skew,
        )

    def turn(self) -> None:
        try:
            if self.lease.renew():
                self.reconciler.reconcile(NAMESPACE, CLUSTER)
        except KilledError:
            self.start()
        except RefusedError:
            pass  # the round is begun anew, as the program does it


def settled(world: World) -> bool:
    """All is as it is wanted."""
    status = ClusterStatus.model_validate(world.cluster.get("status") or {})
    conditions = {item.type: item.status for item in status.conditions}
    spec = world.cluster["spec"]
    ready = f"{spec['worker']['replicas']}/{spec['worker']['replicas']}"
    whole = all(len(world.engine.answering(disks)) >= world.engine.factor for disks in world.engine.copies.values())
    calm = conditions == {"Available": "True", "Progressing": "False", "Degraded": "False"}
    pods = status.worker.ready == ready and status.worker.replicas == spec["worker"]["replicas"]
    catalog = world.api.find("QservCatalog", NAMESPACE, CATALOG)
    loaded = catalog is None or catalog.get("status", {}).get("state") == "Published"
    seen = all(_seen(made) for made in (world.cluster, catalog) if made is not None)
    return seen and calm and whole and pods and loaded and not world.engine.open_loads()


def _seen(made: Object) -> bool:
    """Its status speaks of its spec as it is now."""
    return bool(made.get("status", {}).get("observedGeneration") == made["metadata"]["generation"])


def check_loads(world: World) -> None:
    """Each file that is wanted is loaded once by the catalog that there is, whatever happened on the way."""
    catalog = world.api.find("QservCatalog", NAMESPACE, CATALOG)
    if catalog is not None:
        urls = world.engine.loaded(catalog["metadata"]["uid"])
        wanted = catalog["spec"]["tables"][0]["source"]["urls"]
        assert [urls.count(url) for url in wanted] == [1] * len(wanted)


def settle(world: World, operators: Sequence[Operator]) -> int:
    """Let time pass until all is settled; the number of steps it took."""
    for count in range(SETTLE):
        world.step()
        for operator in operators:
            operator.turn()
        obey(world)
        if settled(world):
            return count
    status = ClusterStatus.model_validate(world.cluster["status"])
    raise AssertionError(f"not settled after {SETTLE} steps: {[f'{c.reason}: {c.message}' for c in status.conditions]}")


def history(
    seed: int, operators: int, *, kills: float, stale: float, errors: float = 0.0, credulous: bool = False
) -> World:
    """A random history that ends settled.

    ``errors``: how often a call is refused or its answer is lost; then quotas and clocks that jump belong to it too.
    ``credulous``: the engine is not asked whether a worker may be stopped.
    """
    chance = random.Random(seed)
    world = World(nodes=6, workers=3)
    team = [Operator(world, f"operator-{index}", chance) for index in range(operators)]
    settle(world, team)
    for operator in team:
        operator.fate.credulous = credulous
        operator.fate.stale, operator.fate.errors = stale, errors
        if operators > 1:
            operator.fate.meanwhile = world.step
    world.strict = operators == 1
    for _ in range(STEPS):
        world.step()
        if chance.random() < 0.2:
            disturb(world, chance)
        if errors and chance.random() < 0.05:
            fate = chance.choice(team).fate
            fate.over_quota = frozenset(chance.sample(["Service", "StatefulSet", "NetworkPolicy", "Secret"], 2))
            fate.skew = chance.choice([-3600.0, -30.0, 30.0, 3600.0])
        elif errors and chance.random() < 0.1:
            for operator in team:
                operator.fate.over_quota, operator.fate.skew = frozenset(), 0.0
        for operator in chance.sample(team, chance.randint(0, len(team))):
            if operator.fate.left is None and chance.random() < kills:
                operator.fate.left = chance.randrange(60)
            operator.turn()
    for operator in team:
        operator.fate.stale, operator.fate.left, operator.fate.meanwhile = 0.0, None, lambda: None
        operator.fate.errors, operator.fate.over_quota, operator.fate.skew = 0.0, frozenset(), 0.0
    calm_down(world)
    settle(world, team)
    check_loads(world)
    return world


@pytest.mark.parametrize("seed", range(8))
def test_one_operator_that_dies_anywhere(seed: int) -> None:
    history(seed, 1, kills=0.2, stale=0.0)


@pytest.mark.parametrize("seed", range(100, 106))
def test_two_operators_with_old_lists(seed: int) -> None:
    history(seed, 2, kills=0.2, stale=0.1)


@pytest.mark.parametrize("seed", range(200, 206))
def test_servers_that_refuse_and_clocks_that_jump(seed: int) -> None:
    history(seed, 2, kills=0.1, stale=0.0, errors=0.05)


def test_an_operator_that_does_not_ask_is_caught() -> None:
    """The world can tell: without the engine's word, some history does harm."""

    def harms(seed: int) -> bool:
        try:
            history(seed, 1, kills=0.0, stale=0.0, credulous=True)
        except UnsafeError:
            return True
        return False

    assert any(harms(seed) for seed in range(20, 40))


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
