"""Rollout of templates: one kind of pod after another, each with a canary, and back again when it fails.

The order is that of :class:`~qserv_operator.names.Component`: the metadata's server, the replication controllers (the
one that leads brings the metadata's schema to its version), workers, czars. A kind's new template is put into its
StatefulSet only when the kinds before it run theirs (or when it never ran well itself), so an upgrade is never half
done in the wrong order, whoever is killed meanwhile: where it stands is seen from the pods themselves.

The first pod of a new template is the canary: it must become ready, and a worker must also answer fixed chunk queries
with the same checksums as a replica. If it fails, the former template (which Kubernetes keeps in its revisions) is put
back, and the failed one is not tried again until the spec changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qserv_operator.actions import Call, DeletePod, Event, SafeToStop, Step
from qserv_operator.models.status import RolloutStatus
from qserv_operator.names import TEMPLATE_LABEL, Component, Object
from qserv_operator.reasons import Reason
from qserv_operator.snapshot import CanaryFact, PodFact, SetFact, Snapshot
from qserv_operator.tasks.findings import Finding, Task, degraded, listed, progress
from qserv_operator.tasks.loss import reachable

READY_DEADLINE = 900.0
_LISTENING = 15.0
"""Seconds after which a controller has surely called the workers silent that it does not hear (it does so after 5)."""
_SILENT = frozenset({"suspect", "lost"})
_BAD_IMAGE = frozenset({"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_BAD_START = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


def template_hash(template: Object) -> str:
    return str(template["metadata"]["labels"][TEMPLATE_LABEL])


def failure(pod: PodFact, now: float) -> tuple[Reason, str] | None:
    """Why a pod will not become ready by waiting, or None."""
    if pod.waiting in _BAD_IMAGE:
        return Reason.IMAGE_NOT_PULLABLE, f"{pod.name} cannot pull {pod.image} ({pod.waiting})"
    if pod.waiting == "CrashLoopBackOff" and pod.restarts >= 2:
        return Reason.POD_FAILING, f"{pod.name} fails again and again ({pod.restarts} restarts); read its log"
    if pod.waiting in _BAD_START:
        return Reason.POD_FAILING, f"{pod.name} cannot start ({pod.waiting}); are its Secrets there?"
    if pod.ready or now - max(pod.created, pod.since) <= READY_DEADLINE:
        return None
    if pod.unscheduled:
        return Reason.POD_UNSCHEDULABLE, f"{pod.name} fits no node; look at its requests, taints and volumes"
    if not pod.terminating:
        return Reason.POD_FAILING, f"{pod.name} is not ready after {round(READY_DEADLINE)} s; read its log"
    return None


@dataclass(frozen=True)
class Stage:
    """One kind of pod in a rollout.

    ``target``: the template its StatefulSet is to have now. ``settled``: all its reachable pods are ready on the
    template that is wanted of it. ``reverted``: the wanted one failed before, and the last good one is the target.
    """

    component: Component
    wanted: str
    target: Object
    settled: bool
    reverted: bool
    outdated: tuple[PodFact, ...] = ()
    fresh: tuple[PodFact, ...] = ()
    status: RolloutStatus = RolloutStatus()  # noqa: RUF009  frozen

    @property
    def hash(self) -> str:
        return template_hash(self.target)


def stages(snapshot: Snapshot, templates: Mapping[Component, Object], replicas: Mapping[Component, int]) -> list[Stage]:
    """Where each kind of pod stands, in order."""
    found: list[Stage] = []
    hold = False
    for component in Component:
        if component not in templates:
            continue
        stage = _stage(snapshot, component, templates[component], replicas[component], hold=hold)
        found.append(stage)
        hold = hold or not stage.settled
    return found


def _stage(snapshot: Snapshot, component: Component, wanted: Object, replicas: int, *, hold: bool) -> Stage:
    fact = snapshot.sets.get(component)
    status = snapshot.status.rollout.get(component, RolloutStatus())
    target, reverted = _target(fact, wanted, status, hold=hold)
    hash_ = template_hash(target)
    pods = [pod for pod in snapshot.pods_of(component) if reachable(snapshot, pod)]
    outdated = tuple(pod for pod in pods if pod.template != hash_ and not pod.terminating)
    fresh = tuple(pod for pod in pods if pod.template == hash_ and not pod.terminating)
    lost = sum(not reachable(snapshot, pod) for pod in snapshot.pods_of(component))
    at_wanted = hash_ == template_hash(wanted)
    known = status.good == hash_
    complete = len(fresh) + lost >= replicas and all(pod.ready or (known and pod.unscheduled) for pod in fresh)
    settled = fact is not None and at_wanted and not outdated and complete
    return Stage(component, template_hash(wanted), target, settled, reverted, outdated, fresh, status)


def _target(fact: SetFact | None, wanted: Object, status: RolloutStatus, *, hold: bool) -> tuple[Object, bool]:
    if fact is None:
        return wanted, False
    if status.failed == template_hash(wanted):
        return fact.revisions.get(status.good, fact.template), True
    if hold and status.good and fact.hash != template_hash(wanted):
        good = fact.template if fact.hash == status.good else fact.revisions.get(status.good)
        return good or wanted, False
    return wanted, False


def next_outdated(found: list[Stage]) -> Stage | None:
    """The kind whose pods are to be restarted next; None while there is none, or one is waited for."""
    for stage in found:
        if stage.outdated:
            return stage
        if not stage.settled and not stage.reverted:
            return None
    return None


def stop_candidates(snapshot: Snapshot, found: list[Stage], now: float) -> tuple[str, ...]:
    """Workers that a rollout would stop next, in the order in which the engine is to be asked; one while unproven."""
    stage = next_outdated(found)
    if stage is None or stage.component is not Component.WORKER or _waits(snapshot, stage):
        return ()
    running = tuple(pod.name for pod in stage.outdated if failure(pod, now) is None)
    return running if _proven(stage, snapshot.answers.canary) else running[:1]


def canary_worker(found: list[Stage]) -> tuple[str, str] | None:
    """The worker (and its template) that is to prove a new template now."""
    for stage in found:
        if stage.component is Component.WORKER and stage.fresh and stage.status.proven != stage.hash:
            ready = [pod.name for pod in stage.fresh if pod.ready]
            replaces = stage.outdated or stage.status.good not in ("", stage.hash)
            if replaces and stage.status.good != stage.hash and ready:
                return ready[0], stage.hash
    return None


def _proven(stage: Stage, canary: CanaryFact | None) -> bool:
    if stage.component is not Component.WORKER:
        return True
    if stage.hash in (stage.status.proven, stage.status.good):
        return True
    return canary is not None and canary.template == stage.hash and canary.ok


def _waits(snapshot: Snapshot, stage: Stage) -> bool:
    """A pod restarted before is not ready yet (or its kind is short of pods): the next one has to wait."""
    fact = snapshot.sets.get(stage.component)
    gone = (fact.replicas if fact else 0) - len(snapshot.pods_of(stage.component))
    terminating = any(pod.terminating for pod in snapshot.pods_of(stage.component) if reachable(snapshot, pod))
    return gone > 0 or terminating or any(not pod.ready for pod in stage.fresh)


def rollout(snapshot: Snapshot, found: list[Stage], now: float) -> tuple[Task, dict[str, RolloutStatus]]:
    """Steps of the rollout, and what is to be remembered of the templates."""
    status = {str(stage.component): _remembered(snapshot, stage, now) for stage in found}
    findings: list[Finding] = []
    events: list[Event] = []
    for stage in found:
        after = status[stage.component]
        if after.failed and after.failed != stage.status.failed:
            events.append(Event(Reason.ROLLED_BACK, _failed_text(stage, snapshot, now), warning=True))
        if after.failed == stage.wanted:
            text = f"the {stage.component}'s new template {stage.wanted} failed, and the former one is back: " + (
                "change the spec, or spec.restart to try again"
            )
            findings.append(degraded(Reason.CANARY_FAILED, text))
    if snapshot.spec.maintenance.nodes:
        return Task(findings=tuple(findings), events=tuple(events)), status
    active = next_outdated(found)
    task = _restart(snapshot, active, now) if active is not None else _awaited(found)
    later = [pod for stage in found if stage is not active for pod in _stuck(stage, now)]
    steps = (*task.steps, *(_let_go(pod) for pod in later))
    return Task(steps, (*findings, *task.findings), tuple(events)), status


def _awaited(found: list[Stage]) -> Task:
    """A kind of pod whose last ones run a new template and are not ready yet, before the next kind has its turn."""
    kind = Reason.UPGRADING if any(_new_image(stage) for stage in found) else Reason.ROLLING_OUT
    for stage in found:
        new = stage.status.good not in ("", stage.hash)
        if new and not stage.settled and not stage.reverted:
            return Task(findings=(progress(kind, f"waits until the {stage.component} pods are ready"),))
    return Task()


def _failed_text(stage: Stage, snapshot: Snapshot, now: float) -> str:
    reasons = [why[1] for pod in stage.fresh if (why := failure(pod, now))]
    canary = snapshot.answers.canary
    if not reasons and canary is not None:
        reasons = [_wrong(canary)]
    return (
        f"{stage.component}: template {stage.hash} failed ({listed(reasons, 1)}), template {stage.status.good} is back"
    )


def _wrong(canary: CanaryFact) -> str:
    return f"{canary.worker} answered {canary.mismatches} of {canary.checked} canary queries wrong"


def _remembered(snapshot: Snapshot, stage: Stage, now: float) -> RolloutStatus:
    before = stage.status
    failed = "" if before.failed not in ("", stage.wanted) else before.failed
    canary = snapshot.answers.canary
    proven = before.proven
    if stage.component is Component.WORKER and canary is not None and canary.template == stage.hash and canary.ok:
        proven = stage.hash
    known_good = before.good and before.good != stage.hash
    if known_good and _failing(stage, canary, now):
        failed = stage.hash
    good = stage.hash if stage.settled else before.good
    return RolloutStatus(good=good, proven=proven, failed=failed)


def _failing(stage: Stage, canary: CanaryFact | None, now: float) -> bool:
    if stage.settled:
        return False
    if any(failure(pod, now) for pod in stage.fresh):
        return True
    wrong = canary is not None and canary.template == stage.hash and not canary.ok
    return stage.component is Component.WORKER and wrong


def _restart(snapshot: Snapshot, stage: Stage, now: float) -> Task:
    """Restarts what can be restarted now of one kind of pod."""
    stuck = _stuck(stage, now)
    total = len(stage.outdated) + len(stage.fresh)
    done = f"{len(stage.fresh)} of {total} {stage.component} pods run template {stage.hash}"
    kind = Reason.UPGRADING if _new_image(stage) else Reason.ROLLING_OUT
    if stuck:
        return Task(
            tuple(_let_go(pod) for pod in stuck),
            (progress(kind, f"{done}; stuck ones are restarted: {listed(_names(stuck))}"),),
        )
    if _waits(snapshot, stage):
        proving = not _proven(stage, snapshot.answers.canary)
        reason = Reason.CANARY_RUNNING if proving else kind
        return Task(findings=(progress(reason, f"{done}; waits until they are ready"),))
    if stage.component is Component.WORKER:
        return _restart_workers(snapshot, stage, kind, done, now)
    chosen = stage.outdated[0]
    step = Step((DeletePod(chosen.name, chosen.uid),), Event(kind, f"{chosen.name} is restarted with a new template"))
    return Task((step,), (progress(kind, done),))


def _stuck(stage: Stage, now: float) -> list[PodFact]:
    """Pods of a former template that do not run: a StatefulSet does not replace them by itself."""
    return [pod for pod in stage.outdated if not pod.ready and (failure(pod, now) or pod.unscheduled or pod.waiting)]


def _let_go(pod: PodFact) -> Step:
    return Step((DeletePod(pod.name, pod.uid),))


def _restart_workers(snapshot: Snapshot, stage: Stage, kind: Reason, done: str, now: float) -> Task:
    answers = snapshot.answers
    if snapshot.engine is None:
        return Task(findings=(progress(Reason.WAITING_FOR_SAFETY, f"{done}; the engine does not answer"),))
    if _new_image(stage) and not stage.fresh and _listening(snapshot, now):
        return Task(findings=(progress(kind, f"{done}; whether the new controllers hear the workers is seen first"),))
    if _unheard(snapshot, stage):
        text = f"the new controllers do not hear {listed(_names([*stage.outdated]))}, which run with the former image"
        return Task(findings=(progress(Reason.VERSIONS_APART, f"{done}; {text}"),))
    if stage.fresh and not _proven(stage, answers.canary):
        if answers.canary is not None and not answers.canary.ok and not stage.status.good:
            text = f"{_wrong(answers.canary)}, and no former template is known: change the spec, or spec.restart"
            return Task(findings=(degraded(Reason.CANARY_FAILED, text), progress(Reason.CANARY_RUNNING, done)))
        why = f": {answers.refusal}" if answers.refusal else ""
        return Task(findings=(progress(Reason.CANARY_RUNNING, f"{done}; the first is being proven{why}"),))
    chosen = [pod for pod in stage.outdated if pod.name in answers.stoppable]
    if not chosen:
        return Task(findings=(progress(Reason.WAITING_FOR_SAFETY, f"{done}; {answers.refusal}"),))
    known = tuple(name for name in _names(chosen) if name in snapshot.engine.workers)
    calls: list[Call] = [SafeToStop(known)] if known else []
    calls += [DeletePod(pod.name, pod.uid) for pod in chosen]
    event = Event(Reason.WORKER_STOPPED, f"restarted together, no chunk needs them now: {listed(_names(chosen))}")
    return Task((Step(tuple(calls), event),), (progress(kind, done),))


def _listening(snapshot: Snapshot, now: float) -> bool:
    """A controller may lead for so short a time that it takes each worker for one that it will hear."""
    return any(now - pod.since < _LISTENING for pod in snapshot.pods_of(Component.REPLICATION))


def _unheard(snapshot: Snapshot, stage: Stage) -> bool:
    """All workers of a former image are ready, and silent for the controllers, which have the new image already."""
    workers = snapshot.engine.workers if snapshot.engine else {}
    silent = (pod.ready and pod.name in workers and workers[pod.name].state in _SILENT for pod in stage.outdated)
    return _new_image(stage) and all(silent)


def _names(pods: list[PodFact]) -> list[str]:
    return [pod.name for pod in pods]


def _new_image(stage: Stage) -> bool:
    image = stage.target["spec"]["containers"][0]["image"]
    return any(pod.image and pod.image != image for pod in stage.outdated)


def upgrade_step(found: list[Stage]) -> str:
    """The kind of pod that an upgrade of the image is at, or nothing."""
    return next((str(stage.component) for stage in found if stage.outdated and _new_image(stage)), "")
