"""The plan of one round: a pure function of what was gathered.

It decides in this order, and reads so: which Secrets are missing; where each kind of pod stands in its rollout; which
nodes are lost; how many workers there are to be; accounts and catalogs; the objects; the status. Each concern is a task
of its own in :mod:`qserv_operator.tasks`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from qserv_operator.actions import ChangeSettings, Plan, Step
from qserv_operator.builders.cluster import Choices, build
from qserv_operator.builders.services import disruption_budget
from qserv_operator.builders.workloads import replicas, templates
from qserv_operator.models.base import Condition, quantity
from qserv_operator.models.status import ClusterStatus
from qserv_operator.names import Component, Object
from qserv_operator.reasons import Reason
from qserv_operator.snapshot import EngineSettings, ObjectKey, Snapshot
from qserv_operator.status import Extra, cluster_status, engine_findings, pod_findings
from qserv_operator.tasks.catalogs import Load, catalog_statuses, catalog_task, known_catalogs, loads
from qserv_operator.tasks.findings import Finding, Task, degraded, progress
from qserv_operator.tasks.loss import evacuate, free_stuck_pods, losses, replace_lost, set_domains
from qserv_operator.tasks.rollout import Stage, canary_worker, rollout, stages, stop_candidates, upgrade_step
from qserv_operator.tasks.scale import scale, worker_replicas
from qserv_operator.tasks.users import generated_secrets, kept_accounts, set_accounts, user_statuses

_BUSY = 3.0
_CALM = 15.0


@dataclass(frozen=True)
class Questions:
    """What the engine is to be asked before the plan: see :class:`~qserv_operator.snapshot.Answers`."""

    stop: tuple[str, ...] = ()
    canary: tuple[str, str] | None = None


def questions(snapshot: Snapshot, now: float) -> Questions:
    """Which answers of the engine the plan would depend on."""
    if snapshot.engine is None or snapshot.spec.suspend or snapshot.deleting:
        return Questions()
    found = _stages(snapshot)
    return Questions(stop_candidates(snapshot, found, now), canary_worker(found))


def plan(snapshot: Snapshot, now: float) -> Plan:
    """What to do now. ``now``: seconds since the epoch."""
    if snapshot.deleting:
        return Plan(snapshot.status, requeue=_CALM)
    found, lost, catalogs = _stages(snapshot), losses(snapshot, now), loads(snapshot)
    rolled, remembered = rollout(snapshot, found, now)
    tasks = (
        free_stuck_pods(snapshot),
        replace_lost(snapshot, lost, now),
        evacuate(snapshot),
        set_domains(snapshot),
        scale(snapshot),
        rolled,
        change_settings(snapshot),
        set_accounts(snapshot),
        catalog_task(snapshot, catalogs),
    )
    findings = [finding for task in tasks for finding in task.findings]
    findings = [*_creating(snapshot, found), *engine_findings(snapshot), *findings, *pod_findings(snapshot, now)]
    if snapshot.spec.suspend:
        findings = [
            progress(Reason.SUSPENDED, "spec.suspend is set: nothing is changed but the workers' disruption budget"),
            *findings,
        ]
    carried = _carried(snapshot, found, catalogs)
    if not snapshot.spec.suspend:
        carried = carried.model_copy(update={"rollout": remembered})
    status = cluster_status(snapshot, Extra(tuple(findings), lost, carried), now)
    told = tuple(event for task in tasks for event in task.events)
    doing = not snapshot.spec.suspend and any(task.steps for task in tasks)
    made = Plan(
        status=status,
        requeue=_BUSY if doing or _busy(status) or any(load.busy for load in catalogs) else _CALM,
        events=told,
        users=user_statuses(snapshot, now),
        catalogs=catalog_statuses(catalogs, now),
    )
    return _guarded(snapshot, made) if snapshot.spec.suspend else _with_actions(snapshot, made, found, tasks)


def _guarded(snapshot: Snapshot, made: Plan) -> Plan:
    """Of a suspended cluster only the workers' disruption budget goes on to follow the chunks: it holds others back."""
    if Component.WORKER not in snapshot.sets:
        return made
    return replace(made, apply=(disruption_budget(snapshot.identity, Component.WORKER, _disruptions(snapshot)),))


def _with_actions(snapshot: Snapshot, made: Plan, found: list[Stage], tasks: tuple[Task, ...]) -> Plan:
    objects = build(snapshot.identity, snapshot.spec, _choices(snapshot, found))
    return Plan(
        status=made.status,
        requeue=made.requeue,
        events=made.events,
        users=made.users,
        catalogs=made.catalogs,
        secrets=generated_secrets(snapshot),
        apply=tuple(objects),
        prune=_superfluous(snapshot, objects),
        steps=tuple(step for task in tasks for step in task.steps),
    )


def _stages(snapshot: Snapshot) -> list[Stage]:
    wanted = templates(snapshot.identity, snapshot.spec)
    counts = {component: replicas(snapshot.spec, component) for component in wanted}
    counts[Component.WORKER] = worker_replicas(snapshot)
    return stages(snapshot, wanted, counts)


def _choices(snapshot: Snapshot, found: list[Stage]) -> Choices:
    return Choices(
        templates={stage.component: stage.target for stage in found},
        workers=worker_replicas(snapshot),
        disruptions=_disruptions(snapshot),
    )


def _disruptions(snapshot: Snapshot) -> int:
    """How many workers others may evict at once: none while the engine is silent or a chunk has one copy or none."""
    engine = snapshot.engine
    if engine is None or snapshot.spec.maintenance.evacuate:
        return 0
    needed = engine.chunks.at_risk or engine.chunks.lost or any(item.at_risk for item in engine.workers.values())
    return 0 if needed else 1


def change_settings(snapshot: Snapshot) -> Task:
    """Factor, bandwidth and repair delay, as the engine holds them."""
    if snapshot.engine is None:
        return Task()
    spec = snapshot.spec.replication
    wanted = EngineSettings(spec.factor, int(quantity(spec.bandwidth)), float(spec.repair_delay_seconds))
    return Task() if snapshot.engine.settings == wanted else Task((Step((ChangeSettings(wanted),)),))


def _superfluous(snapshot: Snapshot, objects: list[Object]) -> tuple[ObjectKey, ...]:
    wanted = {ObjectKey(made["apiVersion"], made["kind"], made["metadata"]["name"]) for made in objects}
    return tuple(key for key in snapshot.owned if key not in wanted)


def _creating(snapshot: Snapshot, found: list[Stage]) -> list[Finding]:
    """The first pods are awaited; what others made and the cluster needs is missed."""
    said = []
    new = [str(stage.component) for stage in found if not stage.status.good and not stage.settled]
    if new:
        said.append(progress(Reason.CREATING, f"pods are being made: {', '.join(new)}"))
    return [*said, *_missing_secrets(snapshot)]


def _missing_secrets(snapshot: Snapshot) -> list[Finding]:
    """Secrets that people are to make, and generated ones whose keys were taken away."""
    spec = snapshot.spec
    needed = [(spec.tls.secret_name, key) for key in ("tls.crt", "tls.key", "ca.crt")] if spec.tls else []
    if spec.metadata.external:
        outer = spec.metadata.external
        needed += [(part.name, part.key) for part in (outer.url_secret, outer.password_secret)]
    generated = [(snapshot.identity.secret, "secret"), (snapshot.identity.metadata_secret, "password")]
    needed += [(name, key) for name, key in generated if name in snapshot.secrets]
    wanted: dict[str, list[str]] = {spec.worker.source_secret: []} if spec.worker.source_secret else {}
    for name, key in needed:
        wanted.setdefault(name, []).append(key)
    said = []
    for name, keys in wanted.items():
        secret = snapshot.secrets.get(name)
        lacking = [key for key in keys if secret is None or key not in secret.keys]
        if secret is None or lacking:
            which = f" with {' and '.join(f'the key {key}' for key in lacking)}" if lacking else ""
            said.append(degraded(Reason.SECRET_MISSING, f"make the Secret {name}{which}"))
    return said


def _carried(snapshot: Snapshot, found: list[Stage], catalogs: list[Load]) -> ClusterStatus:
    uniform = all(stage.settled for stage in found)
    return snapshot.status.model_copy(
        update={
            "image": snapshot.spec.image if uniform else snapshot.status.image,
            "upgrade": upgrade_step(found),
            "accounts": kept_accounts(snapshot),
            "catalogs": known_catalogs(snapshot, catalogs),
        }
    )


def _busy(status: ClusterStatus) -> bool:
    """Something goes on that nobody tells of: pods and nodes mark the cluster when they change, the engine does not."""
    chunks = status.chunks
    moving = chunks.at_risk or chunks.lost or chunks.moving or chunks.under_replicated
    resting = (Reason.SUSPENDED, Reason.MAINTENANCE)
    going = any(item.type == "Progressing" and item.reason not in resting for item in _true(status))
    unheard = any(item.reason == Reason.ENGINE_UNREACHABLE for item in _true(status))
    return bool(moving or going or unheard)


def _true(status: ClusterStatus) -> list[Condition]:
    return [item for item in status.conditions if item.status == "True"]
