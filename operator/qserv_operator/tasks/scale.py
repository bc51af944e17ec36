"""Number of workers: out at once; in by emptying first, then the pod, then the registry, then the volume by policy."""

from __future__ import annotations

from collections.abc import Mapping

from qserv_operator.actions import Call, DeleteClaim, Event, Forget, SafeToStop, ScaleWorkers, SetWorkerState, Step
from qserv_operator.models.cluster import Policy
from qserv_operator.names import Component, ordinal_of
from qserv_operator.reasons import Reason
from qserv_operator.snapshot import EngineWorker, Snapshot
from qserv_operator.tasks.findings import Task, listed, progress


def worker_replicas(snapshot: Snapshot) -> int:
    """Pods of workers that the StatefulSet is to have: never fewer than it has, since workers are emptied first."""
    fact = snapshot.sets.get(Component.WORKER)
    return max(snapshot.spec.worker.replicas, fact.replicas) if fact else snapshot.spec.worker.replicas


def scale(snapshot: Snapshot) -> Task:
    fact = snapshot.sets.get(Component.WORKER)
    wanted = snapshot.spec.worker.replicas
    if fact is None:
        return Task()
    if wanted < fact.replicas:
        return _scale_in(snapshot, wanted, fact.replicas)
    steps = (*_back_online(snapshot, wanted), *_tidy(snapshot, wanted))
    ready = sum(pod.ready for pod in snapshot.pods_of(Component.WORKER))
    if wanted > fact.replicas:
        return Task(steps, (progress(Reason.SCALING_OUT, f"{fact.replicas} workers become {wanted}, {ready} ready"),))
    return Task(steps)


def _scale_in(snapshot: Snapshot, wanted: int, present: int) -> Task:
    names = [snapshot.identity.pod(Component.WORKER, ordinal) for ordinal in range(wanted, present)]
    if snapshot.engine is None:
        text = f"{present} workers become {wanted} when the engine answers: chunks must be moved first"
        return Task(findings=(progress(Reason.SCALING_IN, text),))
    workers = snapshot.engine.workers
    # those that stay and were emptied for a maintenance that is over: what the leaving ones hold may need them
    steps = [*_back_online(snapshot, wanted)]
    for name in names:
        worker = workers.get(name)
        if worker is not None and worker.state in ("online", "read-only"):
            event = Event(Reason.WORKER_DRAINING, f"{name}: {worker.chunks} chunks are moved away, then it goes")
            steps.append(Step((SetWorkerState(name, "draining"),), event))
    empty = _empty_from_top(names, workers)
    if empty:
        registered = tuple(name for name in empty if name in workers)
        guard = (SafeToStop(registered),) if registered else ()
        steps.append(Step((*guard, ScaleWorkers(present - len(empty)))))
    left = sum(workers[name].chunks for name in names if name in workers)
    text = f"{present} workers become {wanted}: {left} chunks are still on {listed(names)}"
    return Task(tuple(steps), (progress(Reason.SCALING_IN, text),))


def _empty_from_top(names: list[str], workers: Mapping[str, EngineWorker]) -> list[str]:
    """From the highest ordinal down, those that hold nothing and will be given nothing: drained, or not registered."""
    empty: list[str] = []
    for name in reversed(names):
        worker = workers.get(name)
        if worker is not None and not _dispensable(worker):
            break
        empty.append(name)
    return empty


def _dispensable(worker: EngineWorker) -> bool:
    """It was emptied, or it is lost for long and nothing has its last copy there."""
    drained = worker.state == "draining" and not worker.chunks
    return drained or (worker.state == "lost" and not worker.at_risk)


def _back_online(snapshot: Snapshot, wanted: int) -> tuple[Step, ...]:
    """Workers that were being emptied for a change that was taken back."""
    if snapshot.engine is None:
        return ()
    evacuated = snapshot.spec.maintenance.nodes if snapshot.spec.maintenance.evacuate else ()
    nodes = {pod.name: pod.node for pod in snapshot.pods_of(Component.WORKER)}
    found = []
    for ordinal in range(wanted):
        name = snapshot.identity.pod(Component.WORKER, ordinal)
        worker = snapshot.engine.workers.get(name)
        if worker is not None and worker.state == "draining" and nodes.get(name) not in evacuated:
            found.append(Step((SetWorkerState(name, "online"),)))
    return tuple(found)


def _tidy(snapshot: Snapshot, wanted: int) -> tuple[Step, ...]:
    """Takes emptied workers whose pod is gone out of the registry, and their volume by policy.

    The registry lets a worker go when it is heard no more, which is some seconds after its pod is gone. The claim goes
    before the registry forgets the worker, so that whatever happens in between, only a claim of a worker that is known
    to be empty is ever deleted.
    """
    if snapshot.engine is None:
        return ()
    pods = {pod.name for pod in snapshot.pods_of(Component.WORKER)}
    prefix = f"{snapshot.identity.component(Component.WORKER)}-"
    found = []
    for name, worker in sorted(snapshot.engine.workers.items()):
        if not name.startswith(prefix) or name in pods or ordinal_of(name) < wanted:
            continue
        if worker.state not in ("suspect", "lost") or worker.at_risk or (worker.state == "suspect" and worker.chunks):
            continue
        calls: list[Call] = [SafeToStop((name,))]
        claim = snapshot.claims.get(snapshot.identity.claim(Component.WORKER, ordinal_of(name)))
        drop = snapshot.spec.worker.when_scaled is Policy.DELETE and not worker.chunks
        if drop and claim is not None and not claim.terminating:
            calls.append(DeleteClaim(claim.name, claim.uid))
        calls.append(Forget(name))
        found.append(Step(tuple(calls), Event(Reason.WORKER_REMOVED, f"{name} was emptied and is gone")))
    return tuple(found)
