"""What happens to a cluster: nodes fail and come back, people work on them, and the user changes their mind."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

from operator_world.api import Object
from operator_world.world import CLUSTER, NAMESPACE, Node, World
from qserv_operator.models.base import API_VERSION

CATALOG = "gaia"
Act = Callable[[World, random.Random], None]


def _any(world: World, chance: random.Random) -> Node:
    return chance.choice(list(world.nodes.values()))


def _down(world: World) -> list[Node]:
    return [node for node in world.nodes.values() if not node.up]


def power_off(world: World, chance: random.Random) -> None:
    if not _down(world):
        _any(world, chance).up = False


def power_on(world: World, chance: random.Random) -> None:
    if down := _down(world):
        chance.choice(down).up = True


def flap(world: World, chance: random.Random) -> None:
    if not _down(world):
        _any(world, chance).flaps_until = world.time + 20


def wipe(world: World, chance: random.Random) -> None:
    """A node is lost with its disks, another comes instead."""
    if not _down(world) and (lost := expendable(world)):
        world.wipe(chance.choice(lost))
        name = f"n{chance.randrange(10**6)}"
        world.nodes[name] = Node(name)


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


def drain(world: World, chance: random.Random) -> None:
    """``kubectl drain``, and ``uncordon`` of another node: one at a time is worked on."""
    for node in world.nodes.values():
        node.cordoned = False
    node = _any(world, chance)
    node.cordoned = True
    world.evict(node.name)


def drain_on(world: World, chance: random.Random) -> None:
    """The drain asks again."""
    for node in world.nodes.values():
        if node.cordoned:
            world.evict(node.name)


def uncordon(world: World, chance: random.Random) -> None:
    for node in world.nodes.values():
        node.cordoned = False


def maintain(world: World, chance: random.Random) -> None:
    node = _any(world, chance)
    node.cordoned = chance.random() < 0.5
    world.change(maintenance={"nodes": [node.name], "evacuate": chance.random() < 0.7})


def end_maintenance(world: World, chance: random.Random) -> None:
    uncordon(world, chance)
    world.change(maintenance={"nodes": [], "evacuate": False})


def scale(world: World, chance: random.Random) -> None:
    world.change(worker={"replicas": chance.choice([2, 3, 4, 5])})


def change_image(world: World, chance: random.Random) -> None:
    world.change(image=f"qserv/engine:{chance.randrange(100)}")


def bad_image(world: World, chance: random.Random) -> None:
    world.broken_images.add("qserv/engine:broken")
    world.change(image="qserv/engine:broken")


def wrong_answers(world: World, chance: random.Random) -> None:
    world.engine.bad_images = frozenset({"qserv/engine:wrong"})
    world.change(image="qserv/engine:wrong")


def restart(world: World, chance: random.Random) -> None:
    world.change(restart=str(chance.randrange(1000)))


def suspend(world: World, chance: random.Random) -> None:
    world.change(suspend=chance.random() < 0.5)


def factor(world: World, chance: random.Random) -> None:
    world.change(replication={"factor": chance.choice([2, 2, 3])})


def delete_pod(world: World, chance: random.Random) -> None:
    """A pod that holds no chunks is deleted by hand."""
    pods = [p for p in world.api.of_kind("Pod") if "-worker-" not in p["metadata"]["name"]]
    if pods:
        chance.choice(pods)["metadata"].setdefault("deletionTimestamp", "2027-01-01T00:00:00Z")


def stick_claims(world: World, chance: random.Random) -> None:
    world.stuck_claims_until = world.time + 15


def drift(world: World, chance: random.Random) -> None:
    """Somebody edits or deletes what the operator made."""
    kinds = ("Service", "PodDisruptionBudget", "NetworkPolicy", "ConfigMap")
    made = [item for kind in kinds for item in world.api.of_kind(kind)]
    if made:
        item = chance.choice(made)
        if chance.random() < 0.5:
            world.api.remove(item)
        else:
            where = item["metadata"]["namespace"], item["metadata"]["name"]
            world.api.merge(item["apiVersion"], item["kind"], *where, {"spec": {"selector": {"by": "hand"}}})


def recreate(world: World, chance: random.Random) -> None:
    """The cluster is deleted in the middle of whatever goes on, and made again over its volumes."""
    spec = world.cluster["spec"]
    world.delete()
    for _ in range(chance.randrange(12)):
        world.step()
    world.make(spec)


def catalog_of(files: list[str], policy: str) -> Object:
    table: dict[str, Any] = {
        "name": "Filter",
        "kind": "replicated",
        "columns": [{"name": "id", "type": "INT"}],
        "source": {"urls": [f"https://files/{name}" for name in files]},
    }
    return {"cluster": CLUSTER, "database": CATALOG, "tables": [table], "deletionPolicy": policy}


def load(world: World, chance: random.Random) -> None:
    """A catalog is made, or its files are others now; some cannot be read."""
    files = sorted({chance.choice("abcd") for _ in range(2)}) + (["broken"] if chance.random() < 0.3 else [])
    put_catalog(world, catalog_of(files, chance.choice(["Delete", "Retain"])))


def put_catalog(world: World, spec: Object) -> None:
    if world.api.find("QservCatalog", NAMESPACE, CATALOG) is None:
        meta = {"name": CATALOG, "namespace": NAMESPACE}
        world.api.put({"apiVersion": API_VERSION, "kind": "QservCatalog", "metadata": meta, "spec": spec})
    else:
        made = world.api.merge(API_VERSION, "QservCatalog", NAMESPACE, CATALOG, {"spec": spec})
        world.api.objects["QservCatalog", NAMESPACE, CATALOG]["metadata"]["generation"] = (
            made["metadata"]["generation"] + 1
        )


def unload(world: World, chance: random.Random) -> None:
    found = world.api.find("QservCatalog", NAMESPACE, CATALOG)
    if found is not None:
        world.api.remove(found)


ACTS: dict[Act, int] = {
    power_off: 4,
    power_on: 4,
    flap: 1,
    wipe: 2,
    drain: 1,
    drain_on: 2,
    uncordon: 1,
    maintain: 1,
    end_maintenance: 2,
    scale: 2,
    change_image: 2,
    bad_image: 2,
    wrong_answers: 1,
    restart: 2,
    suspend: 1,
    factor: 1,
    delete_pod: 1,
    stick_claims: 1,
    drift: 1,
    recreate: 1,
    load: 2,
    unload: 1,
}
"""What happens, and how often."""


def disturb(world: World, chance: random.Random) -> None:
    """Something happens."""
    chance.choices(list(ACTS), list(ACTS.values()))[0](world, chance)


def obey(world: World) -> None:
    """A person gives up the disk of a lost node as the status says, when nothing is on it."""
    needed = {disk for disks in world.engine.copies.values() for disk in disks}
    for condition in world.cluster.get("status", {}).get("conditions", []):
        for name in re.findall(r"kubectl delete pvc ([a-z0-9-]+)", condition["message"]):
            claim = world.api.find("PersistentVolumeClaim", NAMESPACE, name)
            if claim is not None and claim["metadata"]["uid"] not in needed:
                claim["metadata"].setdefault("deletionTimestamp", "2027-01-01T00:00:00Z")


def calm_down(world: World) -> None:
    """Nobody touches anything any more, all nodes are up, and what is wanted can be had; what failed is tried again."""
    for node in world.nodes.values():
        node.up, node.cordoned, node.flaps_until = True, False, 0.0
    world.stuck_claims_until = 0.0
    world.change(image="qserv/engine:last", restart="last", suspend=False, replication={"factor": 2})
    world.change(maintenance={"nodes": [], "evacuate": False})
    if world.api.find("QservCatalog", NAMESPACE, CATALOG) is not None:
        put_catalog(world, catalog_of(["a", "last"], "Retain"))
