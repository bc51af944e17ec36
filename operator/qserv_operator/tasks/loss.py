"""Loss of nodes: a countdown by its cause, then a new worker of the same name on another node.

The engine makes the copies that are missing by itself. What is left to do here is to give the worker's name a new disk,
and only when the engine, asked at that moment, says that nothing is lost by it. Of a worker that it does not know it
cannot say so: such a claim is deleted only where its volume outlives it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from qserv_operator.actions import (
    Call,
    DeleteClaim,
    DeletePod,
    Event,
    Forget,
    SafeToStop,
    SetDomain,
    SetWorkerState,
    Step,
)
from qserv_operator.clock import moment, seconds
from qserv_operator.names import HOSTNAME_LABEL, Component, ordinal_of
from qserv_operator.reasons import Reason
from qserv_operator.snapshot import ClaimFact, NodeFact, PodFact, Snapshot
from qserv_operator.tasks.findings import Finding, Task, degraded, listed, progress


class Cause(StrEnum):
    NODE_DELETED = "NodeDeleted"
    NODE_NOT_READY = "NodeNotReady"
    NODE_DRAINED = "NodeDrained"
    NODE_TAKEN = "NodeTaken"


@dataclass(frozen=True)
class Loss:
    """A worker whose node is lost, since when, and when it is to be replaced (None: not by itself)."""

    worker: str
    node: str
    cause: Cause
    since: float
    replace_at: float | None
    pod: PodFact | None
    claim: ClaimFact | None

    @property
    def text(self) -> str:
        when = "not replaced by itself" if self.replace_at is None else f"replaced at {moment(self.replace_at)}"
        return f"{self.worker} ({self.node}: {self.cause}, {when})"


def worker_names(snapshot: Snapshot) -> list[str]:
    """All workers that have a place in the StatefulSet."""
    fact = snapshot.sets.get(Component.WORKER)
    return [snapshot.identity.pod(Component.WORKER, ordinal) for ordinal in range(fact.replicas if fact else 0)]


def node_cause(node_name: str, node: NodeFact | None, *, running: bool) -> Cause | None:
    """Why a node is lost for a pod that is (not) running there; None: it is not."""
    if not node_name:
        return None
    if node is None:
        return Cause.NODE_DELETED
    if not node.ready:
        return Cause.NODE_NOT_READY
    if node.cordoned and not running:
        return Cause.NODE_DRAINED
    return None


def home(snapshot: Snapshot, pod: PodFact) -> str:
    """The node that a pod runs on or, while it waits, the one its volume ties it to."""
    if pod.node:
        return pod.node
    claim = snapshot.claims.get(f"data-{pod.name}")
    return (claim.node if claim else None) or ""


def pod_cause(snapshot: Snapshot, pod: PodFact) -> Cause | None:
    """Why the node of a pod is lost for it; None: it is not.

    A node is taken where another worker has come to run while this one was away: its own volume ties it to a host on
    which it finds no place any more.
    """
    node = home(snapshot, pod)
    cause = node_cause(node, snapshot.nodes.get(node), running=pod.node is not None)
    if cause is None and pod.unscheduled and pod.component is Component.WORKER and node:
        others = {other.node for other in snapshot.pods_of(Component.WORKER) if other.name != pod.name}
        return Cause.NODE_TAKEN if node in others else None
    return cause


def reachable(snapshot: Snapshot, pod: PodFact) -> bool:
    """Its node is not lost: what a rollout may act on, and wait for."""
    return pod_cause(snapshot, pod) is None


def losses(snapshot: Snapshot, now: float) -> list[Loss]:
    """Workers whose node is lost."""
    pods = {pod.name: pod for pod in snapshot.pods_of(Component.WORKER)}
    rows = {row.name: row for row in snapshot.status.workers}
    found = []
    for name in worker_names(snapshot):
        pod = pods.get(name)
        claim = snapshot.claims.get(snapshot.identity.claim(Component.WORKER, ordinal_of(name)))
        node_name = (pod.node if pod and pod.node else None) or (claim.node if claim else None) or ""
        node = snapshot.nodes.get(node_name)
        running = pod is not None and pod.node is not None and not pod.terminating
        cause = node_cause(node_name, node, running=running) or (pod_cause(snapshot, pod) if pod else None)
        if cause is None:
            continue
        row = rows.get(name)
        remembered = seconds(row.down_since) if row and row.cause == cause else None
        # a clock that was set back leaves a time that is still to come
        since = min(now, remembered) if remembered is not None else _since(node, cause, now)
        found.append(Loss(name, node_name, cause, since, _replace_at(snapshot, node_name, cause, since), pod, claim))
    return found


def _since(node: NodeFact | None, cause: Cause, now: float) -> float:
    if node is not None and cause is Cause.NODE_NOT_READY:
        return min(now, node.ready_since)
    if node is not None and cause is Cause.NODE_DRAINED and node.cordoned_since is not None:
        return min(now, node.cordoned_since)
    return now


def _replace_at(snapshot: Snapshot, node: str, cause: Cause, since: float) -> float | None:
    rule = snapshot.spec.worker.replacement
    if node in snapshot.spec.maintenance.nodes:
        return since if snapshot.spec.maintenance.evacuate and cause is Cause.NODE_DRAINED else None
    if not rule.enabled:
        return None
    delays = {
        Cause.NODE_DELETED: rule.node_deleted_seconds,
        Cause.NODE_NOT_READY: rule.not_ready_seconds,
        Cause.NODE_DRAINED: rule.drained_seconds,
        Cause.NODE_TAKEN: rule.not_ready_seconds,
    }
    return since + delays[cause]


def replace_lost(snapshot: Snapshot, lost: list[Loss], now: float) -> Task:
    """Replaces workers whose time has come, and says what is waited for."""
    if not lost:
        return Task()
    steps: list[Step] = []
    blocked = []
    unknown = []
    for loss in lost:
        if loss.replace_at is None or now < loss.replace_at or snapshot.engine is None:
            continue
        registered = snapshot.engine.workers.get(loss.worker)
        if registered is not None and registered.at_risk:
            blocked.append(f"{loss.worker} ({registered.at_risk} chunks)")
        elif registered is None and loss.claim is not None and not (loss.claim.terminating or loss.claim.kept):
            unknown.append(f"kubectl delete pvc {loss.claim.name}")
        else:
            steps.append(_replacement(loss, registered=registered is not None))
    findings: list[Finding] = []
    if blocked:
        findings.append(degraded(Reason.REPLACEMENT_BLOCKED, f"last copies are on lost nodes: {listed(blocked)}"))
    if unknown:
        text = f"nobody knows what is on disks of workers that the engine does not know; if nothing: {listed(unknown)}"
        findings.append(degraded(Reason.REPLACEMENT_BLOCKED, text))
    findings.append(degraded(Reason.NODE_LOST, f"workers without their node: {listed([loss.text for loss in lost])}"))
    if steps:
        findings.append(progress(Reason.REPLACING, f"{len(steps)} workers are made anew on other nodes"))
    return Task(tuple(steps), tuple(findings))


def _replacement(loss: Loss, *, registered: bool) -> Step:
    """The claim first, or it would stay; then the pod. The registry last: whoever is killed in between, a claim that is
    deleted is one of a worker of which the engine has just said that nothing is lost by it."""
    calls: list[Call] = [SafeToStop((loss.worker,))] if registered else []
    if loss.claim is not None and not loss.claim.terminating:
        calls.append(DeleteClaim(loss.claim.name, loss.claim.uid))
    if loss.pod is not None:
        calls.append(
            DeletePod(loss.pod.name, loss.pod.uid, force=loss.cause in (Cause.NODE_DELETED, Cause.NODE_NOT_READY))
        )
    if registered:
        calls.append(Forget(loss.worker))
    where = "all its chunks have copies elsewhere" if registered else "the engine does not know it"
    message = f"{loss.worker}: its node {loss.node} is lost ({loss.cause}), {where}"
    return Step(tuple(calls), Event(Reason.WORKER_REPLACED, message, warning=True))


def free_stuck_pods(snapshot: Snapshot) -> Task:
    """Pods that hang on a lost node and hold no data, or are scaled away, are let go: Kubernetes waits for their node.

    The metadata's pod is left alone unless its node was deleted and its volume can move: two servers on one volume
    would be worse than none.
    """
    steps = []
    findings = []
    kept = set(worker_names(snapshot))
    for pod in snapshot.pods:
        node, cause = home(snapshot, pod), pod_cause(snapshot, pod)
        if pod.name in kept or cause is None:
            continue
        if pod.component is Component.METADATA:
            claim = snapshot.claims.get(snapshot.identity.claim(Component.METADATA, 0))
            movable = claim is not None and claim.node is None
            free = cause is Cause.NODE_DELETED and movable
            if not free:
                findings.append(degraded(Reason.NODE_LOST, _metadata_text(pod, node, cause, movable=movable)))
        else:
            free = cause is Cause.NODE_DELETED or pod.terminating
        if free and pod.node is not None:
            steps.append(Step((DeletePod(pod.name, pod.uid, force=True),)))
    return Task(tuple(steps), tuple(findings))


def _metadata_text(pod: PodFact, node: str, cause: Cause, *, movable: bool) -> str:
    where = f"the metadata's pod {pod.name} is on node {node} ({cause})"
    if movable:
        return f"{where}, its volume can move: when that machine is off for sure, kubectl delete node {node}"
    return f"{where}, and so is its volume: bring that node back, or restore a backup into a new cluster"


def evacuate(snapshot: Snapshot) -> Task:
    """Empties workers on nodes under maintenance, where that is asked for."""
    spec = snapshot.spec.maintenance
    if not spec.nodes:
        return Task()
    unknown = [name for name in spec.nodes if name not in snapshot.nodes]
    text = f"; there is no node {listed(unknown)}" if unknown else ""
    found = [progress(Reason.MAINTENANCE, f"nodes under maintenance: {listed(spec.nodes)}{text}")]
    if not spec.evacuate or snapshot.engine is None:
        return Task(findings=tuple(found))
    steps = []
    emptied = []
    for name, row in _on_nodes(snapshot, spec.nodes):
        worker = snapshot.engine.workers.get(name)
        if worker is None:
            continue
        if worker.state == "online":
            event = Event(Reason.WORKER_DRAINING, f"{name}: its node {row.node} is evacuated")
            steps.append(Step((SetWorkerState(name, "draining"),), event))
        elif worker.state == "draining" and worker.chunks:
            found.append(progress(Reason.MAINTENANCE, f"{worker.chunks} chunks are still on {name}"))
        elif worker.state == "draining" and not _cordoned(snapshot, row):
            emptied.append(f"{name} (kubectl cordon {row.node})")
        elif worker.state == "draining":
            claim = snapshot.claims.get(snapshot.identity.claim(Component.WORKER, ordinal_of(name)))
            calls: tuple[Call, ...] = (SafeToStop((name,)),)
            if claim is not None and not claim.terminating:
                calls = (*calls, DeleteClaim(claim.name, claim.uid))
            steps.append(Step((*calls, DeletePod(row.name, row.uid), Forget(name))))
    if emptied:
        text = f"empty, and go to other nodes when theirs take no pods any more: {listed(emptied)}"
        found.append(progress(Reason.MAINTENANCE, text))
    return Task(tuple(steps), tuple(found))


def _on_nodes(snapshot: Snapshot, nodes: tuple[str, ...]) -> Iterator[tuple[str, PodFact]]:
    for pod in snapshot.pods_of(Component.WORKER):
        if pod.node in nodes and not pod.terminating:
            yield pod.name, pod


def _cordoned(snapshot: Snapshot, pod: PodFact) -> bool:
    node = snapshot.nodes.get(pod.node or "")
    return node is not None and node.cordoned


def set_domains(snapshot: Snapshot) -> Task:
    """Tells each worker's pod the failure domain of its node, which a pod cannot read by itself."""
    label = snapshot.spec.worker.failure_domain_label
    if label == HOSTNAME_LABEL:
        return Task()
    steps = []
    for pod in snapshot.pods_of(Component.WORKER):
        node = snapshot.nodes.get(pod.node or "")
        if node is not None and pod.domain != node.domain(label) and not pod.terminating:
            steps.append(Step((SetDomain(pod.name, node.domain(label)),)))
    return Task(tuple(steps))
