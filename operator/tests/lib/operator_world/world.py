"""Nodes, StatefulSets, scheduling and disks: what Kubernetes does by itself, a step at a time."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from operator_world.api import Api, Key, Object
from operator_world.engine import Engine
from qserv_operator.clock import moment
from qserv_operator.models.base import API_VERSION
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.names import HOSTNAME_LABEL, TEMPLATE_LABEL

NAMESPACE, CLUSTER = "ns", "sky"
_EVICT_AFTER = 4


@dataclass
class Node:
    """``flaps_until``: until then it comes and goes."""

    name: str
    up: bool = True
    down_since: int = 0
    cordoned: bool = False
    flaps_until: float = 0.0


class UnsafeError(AssertionError):
    """The operator did what loses data or puts a chunk out of reach."""


class World:
    """``step`` lets a second or so pass. ``clock`` is the time in it."""

    def __init__(self, nodes: int, workers: int) -> None:
        self.api = Api()
        self.engine = Engine()
        self.nodes = {f"n{i}": Node(f"n{i}") for i in range(nodes)}
        self.time = 1_800_000_000.0
        self.broken_images: set[str] = set()
        self.strict = False
        self.stuck_claims_until = 0.0
        self.api.deleting = self._check_deletion
        for node in self.nodes.values():
            self._show(node)
        spec: dict[str, Any] = {
            "worker": {"replicas": workers, "replacement": {"notReadySeconds": 20, "nodeDeletedSeconds": 5}}
        }
        self.make(ClusterSpec.model_validate(spec).model_dump(mode="json", by_alias=True, exclude_none=True))

    def make(self, spec: Object) -> None:
        """The user applies the cluster's resource."""
        meta = {"name": CLUSTER, "namespace": NAMESPACE}
        self.api.put({"apiVersion": API_VERSION, "kind": "QservCluster", "metadata": meta, "spec": spec})

    def now(self) -> float:
        return self.time

    @property
    def cluster(self) -> Object:
        found = self.api.find("QservCluster", NAMESPACE, CLUSTER)
        assert found is not None
        return found

    def change(self, **parts: Any) -> None:
        """Change the cluster's spec, as a user does."""
        self.api.merge(API_VERSION, "QservCluster", NAMESPACE, CLUSTER, {"spec": copy.deepcopy(parts)})
        self.cluster["metadata"]["generation"] += 1

    def step(self) -> None:
        self.time += 1.0
        for node in self.nodes.values():
            if self.time < node.flaps_until:
                node.up = int(self.time) % 5 < 2
            elif node.flaps_until:
                node.up, node.flaps_until = True, 0.0
            self._show(node)
        self._sets()
        self._volumes()
        self._schedule()
        self._kubelets()
        running = self._running()
        images = {p["metadata"]["name"]: p["spec"]["containers"][0]["image"] for p in self._pods("worker")}
        parts = ("metadata", "replication")
        self.engine.up = all(any(is_ready(pod) for pod in self._pods(part)) for part in parts)
        if self.engine.up:
            self.engine.step(running, images, moves=3)

    def delete(self) -> None:
        """The user deletes the cluster's resource: what it owns goes with it, volumes and generated Secrets stay."""
        uid = self.cluster["metadata"]["uid"]
        self.api.remove(self.cluster)
        for made in list(self.api.objects.values()):
            if any(owner["uid"] == uid for owner in made["metadata"].get("ownerReferences") or ()):
                self.api.remove(made)
        for pod in self.api.of_kind("Pod"):
            pod["metadata"].setdefault("deletionTimestamp", moment(self.time))

    def evict(self, name: str) -> None:
        """``kubectl drain`` of a node, once: pods go whose disruption budget allows it."""
        for pod in self.api.of_kind("Pod"):
            going = "deletionTimestamp" in pod["metadata"]
            if pod["spec"].get("nodeName") != name or going or not self._evictable(pod):
                continue
            if pod["metadata"]["name"] in self._running():
                self._check_stop(pod["metadata"]["name"])
            pod["metadata"]["deletionTimestamp"] = moment(self.time)

    def _evictable(self, pod: Object) -> bool:
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        budget = self.api.find("PodDisruptionBudget", NAMESPACE, f"{CLUSTER}-{component}")
        made = self.api.find("StatefulSet", NAMESPACE, f"{CLUSTER}-{component}")
        if budget is None or made is None:
            return True
        healthy = [p for p in self._pods(component) if is_ready(p) and "deletionTimestamp" not in p["metadata"]]
        return made["spec"]["replicas"] - len(healthy) < budget["spec"]["maxUnavailable"]

    def wipe(self, name: str) -> None:
        """A node is gone with its disks."""
        for claim in list(self.api.of_kind("PersistentVolumeClaim")):
            if claim["metadata"].get("disk-node") == name:
                self._lose(claim["metadata"]["uid"])
        del self.nodes[name]
        node = self.api.find("Node", "", name)
        if node is not None:
            self.api.remove(node)

    def disk_nodes(self) -> dict[str, str]:
        """The node of each disk that is there."""
        claims = self.api.of_kind("PersistentVolumeClaim")
        return {c["metadata"]["uid"]: c["metadata"]["disk-node"] for c in claims if "disk-node" in c["metadata"]}

    def _lose(self, disk: str) -> None:
        for chunk, disks in self.engine.copies.items():
            disks.discard(disk)
            if not disks:
                raise UnsafeError(f"chunk {chunk} is lost for good with disk {disk}")

    def _check_deletion(self, key: Key, made: Object) -> None:
        """Whatever the operator deletes, no chunk that is in reach may be out of reach by it."""
        kind, _, name = key
        if kind == "StatefulSet":
            raise UnsafeError(f"{name} was deleted")
        if kind == "PersistentVolumeClaim":
            disk = made["metadata"]["uid"]
            alone = [chunk for chunk, disks in self.engine.copies.items() if disks == {disk}]
            if alone or "metadata" in name:
                raise UnsafeError(f"claim {name} was deleted with the last copy of chunks {alone}")
        if kind == "Pod" and name in self._running():
            self._check_stop(name)

    def _check_stop(self, name: str) -> None:
        """``strict``: another worker must be seen to run; else it is enough that the engine, which lags, thinks so."""
        known = self.engine.workers.get(name)
        others = {disk for worker, disk in self._running(seen=True).items() if worker != name}
        for chunk, disks in self.engine.copies.items():
            if known is None or known.disk not in disks:
                continue
            engine_counts_on = self.engine.answering(disks, frozenset({name}))
            if not (disks & others if self.strict else engine_counts_on):
                raise UnsafeError(f"worker {name} was stopped though chunk {chunk} needs it")

    def _show(self, node: Node) -> None:
        found = self.api.find("Node", "", node.name)
        if found is None:
            meta = {"name": node.name, "labels": {HOSTNAME_LABEL: node.name}}
            found = self.api.put({"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {}})
        status = "True" if node.up else "Unknown"
        ready = next(iter(found.get("status", {}).get("conditions", [])), {})
        if ready.get("status") != status:
            node.down_since = int(self.time)
            condition = {"type": "Ready", "status": status, "lastTransitionTime": moment(self.time)}
            found["status"] = {"conditions": [condition]}
        if node.cordoned != found["spec"].get("unschedulable", False):
            taint = {"key": "node.kubernetes.io/unschedulable", "timeAdded": moment(self.time)}
            found["spec"] = {"unschedulable": True, "taints": [taint]} if node.cordoned else {}

    def _pods(self, component: str) -> list[Object]:
        label = "app.kubernetes.io/component"
        return [pod for pod in self.api.of_kind("Pod") if pod["metadata"]["labels"][label] == component]

    def _sets(self) -> None:
        for made in self.api.of_kind("StatefulSet"):
            name, spec = made["metadata"]["name"], made["spec"]
            self._revision(made)
            for ordinal in range(spec["replicas"]):
                self._pod(made, f"{name}-{ordinal}")
            for pod in self._pods(made["metadata"]["labels"]["app.kubernetes.io/component"]):
                beyond = int(pod["metadata"]["name"].rsplit("-", 1)[1]) >= spec["replicas"]
                if beyond and "deletionTimestamp" not in pod["metadata"]:
                    if pod["metadata"]["name"] in self._running():
                        self._check_stop(pod["metadata"]["name"])
                    pod["metadata"]["deletionTimestamp"] = moment(self.time)

    def _revision(self, made: Object) -> None:
        template = made["spec"]["template"]
        name = f"{made['metadata']['name']}-{template['metadata']['labels'][TEMPLATE_LABEL]}"
        if self.api.find("ControllerRevision", NAMESPACE, name) is None:
            self.api.put(
                {
                    "apiVersion": "apps/v1",
                    "kind": "ControllerRevision",
                    "metadata": {
                        "name": name,
                        "namespace": NAMESPACE,
                        "labels": dict(made["metadata"]["labels"]),
                        "ownerReferences": [{"name": made["metadata"]["name"], "uid": made["metadata"]["uid"]}],
                    },
                    "data": {"spec": {"template": {**copy.deepcopy(template), "$patch": "replace"}}},
                }
            )

    def _pod(self, made: Object, name: str) -> None:
        if self.api.find("Pod", NAMESPACE, name) is not None:
            return
        for claim in made["spec"].get("volumeClaimTemplates", ()):
            claim_name = f"{claim['metadata']['name']}-{name}"
            found = self.api.find("PersistentVolumeClaim", NAMESPACE, claim_name)
            if found is None:
                meta = {"name": claim_name, "namespace": NAMESPACE, "labels": dict(claim["metadata"]["labels"])}
                self.api.put({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": {}})
            elif "deletionTimestamp" in found["metadata"]:
                return
        template = copy.deepcopy(made["spec"]["template"])
        meta = {**template["metadata"], "name": name, "namespace": NAMESPACE, "creationTimestamp": moment(self.time)}
        self.api.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"], "status": {}})

    def _volumes(self) -> None:
        """A claim that is being deleted goes when no pod uses it, and its disk with it."""
        if self.time < self.stuck_claims_until:
            return
        for claim in list(self.api.of_kind("PersistentVolumeClaim")):
            pod = claim["metadata"]["name"].removeprefix("data-")
            if "deletionTimestamp" in claim["metadata"] and self.api.find("Pod", NAMESPACE, pod) is None:
                self._lose(claim["metadata"]["uid"])
                self.api.remove(claim)

    def _schedule(self) -> None:
        for pod in self.api.of_kind("Pod"):
            if "nodeName" in pod["spec"] or "deletionTimestamp" in pod["metadata"]:
                continue
            node = self._fitting(pod)
            pod["status"] = {"conditions": [{"type": "PodScheduled", "status": str(node is not None)}]}
            if node is None:
                continue
            pod["spec"]["nodeName"] = node
            pod["metadata"]["started"] = self.time
            claim = self.api.find("PersistentVolumeClaim", NAMESPACE, f"data-{pod['metadata']['name']}")
            if claim is not None and "volumeName" not in claim["spec"]:
                self._bind(claim, node)

    def _bind(self, claim: Object, node: str) -> None:
        uid = claim["metadata"]["uid"]
        claim["spec"]["volumeName"] = f"pv-{uid}"
        claim["metadata"]["disk-node"] = node
        affinity = {"key": HOSTNAME_LABEL, "operator": "In", "values": [node]}
        required = {"nodeSelectorTerms": [{"matchExpressions": [affinity]}]}
        self.api.put(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": f"pv-{uid}"},
                "spec": {"nodeAffinity": {"required": required}},
            }
        )

    def _fitting(self, pod: Object) -> str | None:
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        claim = self.api.find("PersistentVolumeClaim", NAMESPACE, f"data-{pod['metadata']['name']}")
        tied = claim["metadata"].get("disk-node") if claim else None
        taken = {other["spec"].get("nodeName") for other in self._pods(component)}
        for node in self.nodes.values():
            free = node.name not in taken or component in ("czar", "replication")
            if node.up and not node.cordoned and free and tied in (None, node.name):
                return node.name
        return None

    def _kubelets(self) -> None:
        for pod in list(self.api.of_kind("Pod")):
            node = self.nodes.get(pod["spec"].get("nodeName", ""))
            going = "deletionTimestamp" in pod["metadata"]
            if node is None:
                if going and "nodeName" not in pod["spec"]:
                    self.api.remove(pod)
                elif "nodeName" in pod["spec"]:
                    pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
                    pod["metadata"]["deletionTimestamp"] = moment(self.time)
            elif not node.up:
                pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
                if self.time - node.down_since > _EVICT_AFTER:
                    pod["metadata"].setdefault("deletionTimestamp", moment(self.time))
            elif going:
                self.api.remove(pod)
            else:
                self._run(pod)

    def _run(self, pod: Object) -> None:
        broken = pod["spec"]["containers"][0]["image"] in self.broken_images
        ready = not broken and self.time - pod["metadata"]["started"] >= 2
        state: Object = {"waiting": {"reason": "ImagePullBackOff"}} if broken else {"running": {}}
        pod["status"]["conditions"] = [{"type": "Ready", "status": str(ready)}]
        pod["status"]["containerStatuses"] = [{"restartCount": 0, "state": state}]

    def _running(self, *, seen: bool = False) -> dict[str, str]:
        """Workers whose pod is ready on a node that is up, with their disk; ``seen``: as the API server knows it."""
        found = {}
        for pod in self._pods("worker"):
            name = pod["metadata"]["name"]
            node = self.nodes.get(pod["spec"].get("nodeName", ""))
            claim = self.api.find("PersistentVolumeClaim", NAMESPACE, f"data-{name}")
            stays = seen and "deletionTimestamp" not in pod["metadata"]
            up = node is not None and (node.up or seen) and (stays or not seen)
            if up and claim is not None and is_ready(pod):
                found[name] = claim["metadata"]["uid"]
        return found


def is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)
