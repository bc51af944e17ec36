"""The status of a cluster: conditions, chunk safety, a row a worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qserv_operator.actions import Outcome, Plan, PutAccount
from qserv_operator.clock import moment
from qserv_operator.models.base import Condition
from qserv_operator.models.status import (
    ChunkStatus,
    ClusterStatus,
    KnownAccount,
    RolloutStatus,
    WorkerStatus,
    WorkerSummary,
)
from qserv_operator.names import Component, selector_text
from qserv_operator.reasons import Reason
from qserv_operator.snapshot import EngineFacts, Snapshot
from qserv_operator.tasks.conditions import condition
from qserv_operator.tasks.findings import About, Finding, degraded, listed
from qserv_operator.tasks.loss import Loss, home, reachable, worker_names
from qserv_operator.tasks.rollout import failure

_FULL = 0.05


def engine_findings(snapshot: Snapshot) -> list[Finding]:
    """What the engine's facts say of the state, the worst first."""
    engine = snapshot.engine
    if engine is None:
        began = snapshot.status.rollout.get(Component.REPLICATION, RolloutStatus()).good
        running = began or any(pod.ready for pod in snapshot.pods_of(Component.REPLICATION))
        text = f"no replication controller answers: {snapshot.engine_error or 'none is ready'}"
        return [degraded(Reason.ENGINE_UNREACHABLE, text)] if running else []
    chunks = engine.chunks
    found = []
    if chunks.lost:
        found.append(degraded(Reason.CHUNKS_LOST, f"{chunks.lost} of {chunks.total} chunks cannot be reached"))
    if chunks.at_risk and snapshot.spec.replication.factor > 1:
        found.append(degraded(Reason.CHUNKS_AT_RISK, f"{chunks.at_risk} chunks have one good copy left"))
    if chunks.under_replicated:
        text = f"{chunks.under_replicated} chunks have fewer than {snapshot.spec.replication.factor} copies"
        found.append(degraded(Reason.CHUNKS_UNDER_REPLICATED, text))
    full = [item.name for item in engine.workers.values() if item.capacity and item.free < _FULL * item.capacity]
    if full:
        found.append(degraded(Reason.VOLUME_FULL, f"disks with less than 5 % free: {listed(full)}"))
    if snapshot.spec.replication.factor > snapshot.spec.worker.replicas:
        text = f"{snapshot.spec.worker.replicas} workers cannot hold {snapshot.spec.replication.factor} copies"
        found.append(degraded(Reason.FACTOR_UNMET, text))
    return found


def pod_findings(snapshot: Snapshot, now: float) -> list[Finding]:
    """Pods that will not become ready by waiting; those of lost nodes are spoken of elsewhere."""
    found = []
    for pod in snapshot.pods:
        if not reachable(snapshot, pod):
            continue
        why = failure(pod, now)
        if why is not None:
            found.append(degraded(*why))
        elif pod.unscheduled and not home(snapshot, pod):
            found.append(degraded(Reason.POD_UNSCHEDULABLE, f"no node fits {pod.name}"))
    return found


@dataclass(frozen=True)
class Extra:
    """Parts of the status that tasks made."""

    findings: tuple[Finding, ...]
    losses: Sequence[Loss]
    status: ClusterStatus


def cluster_status(snapshot: Snapshot, extra: Extra, now: float) -> ClusterStatus:
    """The whole status; ``extra.status`` brings what is only carried over."""
    pods = snapshot.pods_of(Component.WORKER)
    ready = sum(pod.ready for pod in pods)
    return extra.status.model_copy(
        update={
            "observed_generation": snapshot.generation,
            "conditions": _conditions(snapshot, extra.findings, now),
            "chunks": _chunks(snapshot.engine) if snapshot.engine else snapshot.status.chunks,
            "worker": WorkerSummary(
                replicas=len(pods),
                ready=f"{ready}/{snapshot.spec.worker.replicas}",
                selector=selector_text(snapshot.identity.selector(Component.WORKER)),
            ),
            "workers": _rows(snapshot, extra.losses),
        }
    )


def _chunks(engine: EngineFacts) -> ChunkStatus:
    chunks = engine.chunks
    return ChunkStatus(
        total=chunks.total,
        at_risk=chunks.at_risk,
        under_replicated=chunks.under_replicated,
        lost=chunks.lost,
        moving=chunks.moving,
        bytes=chunks.bytes,
        eta_seconds=chunks.eta_seconds,
    )


def _rows(snapshot: Snapshot, losses: Sequence[Loss]) -> tuple[WorkerStatus, ...]:
    pods = {pod.name: pod for pod in snapshot.pods_of(Component.WORKER)}
    lost = {loss.worker: loss for loss in losses}
    found = []
    for name in worker_names(snapshot):
        pod, worker, loss = pods.get(name), snapshot.engine_worker(name), lost.get(name)
        found.append(
            WorkerStatus(
                name=name,
                state=worker.state if worker else "",
                node=(home(snapshot, pod) if pod else "") or (loss.node if loss else ""),
                domain=worker.domain if worker else "",
                ready=pod.ready if pod else False,
                chunks=worker.chunks if worker else 0,
                at_risk=worker.at_risk if worker else 0,
                bytes=worker.bytes if worker else 0,
                down_since=moment(loss.since) if loss else None,
                cause=str(loss.cause) if loss else "",
                replace_at=moment(loss.replace_at) if loss and loss.replace_at is not None else None,
            )
        )
    return tuple(found)


def _conditions(snapshot: Snapshot, findings: Sequence[Finding], now: float) -> tuple[Condition, ...]:
    before, generation = snapshot.status.conditions, snapshot.generation
    up, why, text = _available(snapshot)
    made = [condition(before, About.UNAVAILABLE, up, why, text, generation, now)]
    for about, calm, message in (
        (About.PROGRESS, Reason.STABLE, "all is as the resource wants it"),
        (About.DEGRADED, Reason.HEALTHY, "every chunk has all its copies"),
    ):
        spoken = [finding for finding in findings if finding.about is about]
        reason = spoken[0].reason if spoken else calm
        text = "; ".join(finding.message for finding in spoken[:3]) or message
        made.append(condition(before, about, bool(spoken), reason, text, generation, now))
    return tuple(made)


def _available(snapshot: Snapshot) -> tuple[bool, Reason, str]:
    waiting = [
        str(component) for component in (Component.CZAR, Component.WORKER) if not _any_ready(snapshot, component)
    ]
    if waiting:
        return False, Reason.STARTING, f"no ready pod of: {listed(waiting)}"
    if snapshot.engine is not None and snapshot.engine.chunks.lost:
        return False, Reason.CHUNKS_LOST, f"{snapshot.engine.chunks.lost} chunks cannot be reached"
    return True, Reason.SERVING, "SQL is answered"


def _any_ready(snapshot: Snapshot, component: Component) -> bool:
    return any(pod.ready for pod in snapshot.pods_of(component))


def conclude(plan: Plan, before: ClusterStatus, outcome: Outcome, generation: int, now: float) -> ClusterStatus:
    """The planned status with what came of the plan: accounts that were set, and what was refused."""
    accounts = {account.name: account for account in plan.status.accounts}
    for call in outcome.done:
        if isinstance(call, PutAccount):
            name = call.account.name
            accounts[name] = KnownAccount(name=name, secret=call.secret, version=call.version)
    status = plan.status.model_copy(update={"accounts": tuple(accounts[name] for name in sorted(accounts))})
    if not outcome.failures:
        return status
    planned = next(item for item in status.conditions if item.type == About.DEGRADED)
    others = tuple(item for item in status.conditions if item.type != About.DEGRADED)
    worse = planned.status == "True"
    reason = Reason(planned.reason) if worse else Reason.APPLY_REFUSED
    text = "; ".join([*([planned.message] if worse else []), *(f"refused: {text}" for text in outcome.failures[:3])])
    made = condition(before.conditions, About.DEGRADED, True, reason, text, generation, now)
    return status.model_copy(update={"conditions": (*others, made)})
