"""Reads everything that the plan needs, live, into a frozen snapshot. The only place that understands raw objects."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from qserv_operator.clock import seconds
from qserv_operator.customs import customs, observed
from qserv_operator.engine import CONTEXT, Engine, EngineError
from qserv_operator.kube import Kube, RefusedError
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.models.status import ClusterStatus
from qserv_operator.names import (
    DOMAIN_ANNOTATION,
    HOSTNAME_LABEL,
    TEMPLATE_LABEL,
    Component,
    Identity,
    Object,
    selector_text,
)
from qserv_operator.plan import Questions, questions
from qserv_operator.snapshot import (
    Account,
    Answers,
    CanaryFact,
    Chunks,
    ClaimFact,
    Contribution,
    EngineFacts,
    EngineSettings,
    EngineWorker,
    JobFact,
    NodeFact,
    ObjectKey,
    PodFact,
    SecretFact,
    SetFact,
    Snapshot,
    Transaction,
)
from qserv_operator.tasks.catalogs import OPEN, is_loaded

PRUNED = (
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
)
_MONITOR = ("monitoring.coreos.com/v1", "ServiceMonitor")
ANSWERING = frozenset({"online", "read-only", "draining"})
EngineOf = Callable[[Identity, ClusterSpec, str, str | None], Engine]


def gather(kube: Kube, engine_of: EngineOf, raw: Object, now: float) -> Snapshot:
    """A snapshot of the cluster whose resource is ``raw``. Raises RefusedError; ValueError for an unreadable spec."""
    meta = raw["metadata"]
    identity = Identity(meta["name"], meta["namespace"], meta["uid"])
    spec = ClusterSpec.model_validate(raw.get("spec") or {})
    labels = selector_text(identity.selector())
    secrets = {item["metadata"]["name"]: item for item in kube.list("v1", "Secret", identity.namespace)}
    claims, volumes = _claims(kube, identity, labels)
    users, catalogs, unreadable = customs(kube, identity.namespace, identity.name)
    sets, set_versions = _sets(kube, identity, labels)
    owned, versions = _owned(kube, identity, labels)
    preparing = any(catalog.spec.prepare for catalog in catalogs)
    snapshot = Snapshot(
        identity=identity,
        spec=spec,
        generation=int(meta.get("generation", 1)),
        status=observed(ClusterStatus, raw),
        deleting="deletionTimestamp" in meta,
        sets=sets,
        pods=tuple(_pod(item) for item in kube.list("v1", "Pod", identity.namespace, labels)),
        claims={item["metadata"]["name"]: _claim(item, volumes) for item in claims},
        nodes={item["metadata"]["name"]: _node(item) for item in kube.list("v1", "Node")},
        secrets={name: _secret(item) for name, item in secrets.items()},
        owned=owned,
        versions=versions | set_versions,
        users=users,
        catalogs=catalogs,
        unreadable=unreadable,
        jobs=_jobs(kube, identity, labels) if preparing else {},
    )
    if identity.secret not in secrets:
        return dataclasses.replace(snapshot, engine_error="the cluster's secret is not made yet")
    authority = secrets.get(spec.tls.secret_name) if spec.tls else None
    try:
        engine = engine_of(identity, spec, _token(secrets[identity.secret]), _authority(authority))
    except EngineError as error:
        return dataclasses.replace(snapshot, engine_error=str(error))
    return _with_engine(snapshot, engine, now)


def secret_value(secret: Object, key: str) -> str:
    """A value of a Secret; KeyError where it has no such key."""
    return base64.b64decode(secret["data"][key]).decode().strip()


def _token(secret: Object) -> str:
    """The first line: while a secret is rotated there are several, of which the first is sent and all are taken."""
    name = secret["metadata"]["name"]
    lines = secret_value(secret, "secret").splitlines() if "secret" in (secret.get("data") or {}) else []
    if not lines:
        raise EngineError("unauthenticated", f"the Secret {name} has nothing in its key secret: put the secret back")
    return lines[0].strip()


def _authority(secret: Object | None) -> str | None:
    data = (secret or {}).get("data") or {}
    return secret_value(secret or {}, "ca.crt") if "ca.crt" in data else None


def _with_engine(snapshot: Snapshot, engine: Engine, now: float) -> Snapshot:
    try:
        facts = engine_facts(engine, {catalog.uid for catalog in snapshot.catalogs if not is_loaded(catalog)})
    except EngineError as error:
        return dataclasses.replace(snapshot, engine_error=str(error))
    known = dataclasses.replace(snapshot, engine=facts)
    try:
        answers = ask(engine, questions(known, now), down(known), frozenset(facts.workers))
    except EngineError as error:
        answers = Answers(refusal=f"the engine does not say whether a worker may be stopped: {error}")
    return dataclasses.replace(known, answers=answers)


def engine_facts(engine: Engine, loading: set[str]) -> EngineFacts:
    """What the engine says; of transactions, those of resources (with their files, where the resource, by its uid, is
    loading), unless they are over and nobody's."""
    status, settings = engine.status(), engine.settings()
    transactions = []
    for view in engine.transactions():
        context = str(view.context.get(CONTEXT, ""))
        ours = context.split("/")[0] in loading
        if not context or not (ours or view.state in OPEN):
            continue
        parts = tuple(
            Contribution(
                name=part.name,
                table=part.table,
                state=part.state,
                rows=part.rows,
                bytes=part.bytes,
                error=part.failure.message if part.failure else "",
            )
            for part in (engine.contributions(view.id) if ours else ())
        )
        eta = round(view.eta_seconds) if view.eta_seconds is not None else None
        why = view.failure.message if view.failure else ""
        transactions.append(Transaction(view.id, view.database, view.state, context, parts, eta, why))
    chunks = status.chunks.model_dump(exclude={"eta_seconds"})
    return EngineFacts(
        workers={item.name: EngineWorker(**item.model_dump()) for item in status.workers},
        chunks=Chunks(**chunks, eta_seconds=_rounded(status.chunks.eta_seconds)),
        settings=EngineSettings(settings.factor, settings.bandwidth, settings.lost_after),
        accounts=tuple(Account(item.name, item.grants, item.admin) for item in engine.accounts()),
        databases={item.name: {table.name: table.published for table in item.tables} for item in engine.databases()},
        transactions=tuple(transactions),
    )


def _rounded(value: float | None) -> int | None:
    return round(value) if value is not None else None


def down(snapshot: Snapshot) -> tuple[str, ...]:
    """Workers whose pod is not there for queries now though the engine still counts on them: stopped, in a question.

    Those that the engine knows to be silent are left out: it does not count on their copies anyway.
    """
    ready = {pod.name for pod in snapshot.pods_of(Component.WORKER) if pod.ready and not pod.terminating}
    workers = snapshot.engine.workers.values() if snapshot.engine else ()
    prefix = f"{snapshot.identity.component(Component.WORKER)}-"
    counted = sorted(item.name for item in workers if item.state in ANSWERING)
    return tuple(name for name in counted if name.startswith(prefix) and name not in ready)


def ask(engine: Engine, wanted: Questions, stopped: tuple[str, ...], known: frozenset[str]) -> Answers:
    """The engine's answers: workers are added to those that may be stopped together as long as it agrees.

    One that it does not know (not in ``known``) has nothing that it counts on.
    """
    together: list[str] = [name for name in wanted.stop if name not in known]
    refusal = ""
    for name in (name for name in wanted.stop if name in known):
        answer = engine.safe_to_stop([*(other for other in stopped if other != name), *_among(together, known), name])
        if answer.safe:
            together.append(name)
        elif not refusal:
            refusal = f"{name} cannot be stopped: {answer.reason or f'{answer.count} chunks need it'}"
    canary = None
    if wanted.canary is not None:
        worker, template = wanted.canary
        view = engine.canary(worker)
        canary = CanaryFact(worker, template, view.ok, view.checked, len(view.mismatches))
    return Answers(tuple(together), refusal, canary)


def _among(names: list[str], known: frozenset[str]) -> list[str]:
    return [name for name in names if name in known]


def _component(item: Object) -> Component:
    return Component(item["metadata"]["labels"]["app.kubernetes.io/component"])


def _pod(item: Object) -> PodFact:
    meta, status = item["metadata"], item.get("status") or {}
    conditions = {found["type"]: found for found in status.get("conditions") or ()}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    waiting = [_waiting(found.get("state") or {}) for found in containers]
    scheduled = conditions.get("PodScheduled", {})
    return PodFact(
        name=meta["name"],
        uid=meta["uid"],
        component=_component(item),
        template=meta["labels"].get(TEMPLATE_LABEL, ""),
        image=item["spec"]["containers"][0]["image"],
        node=item["spec"].get("nodeName"),
        ready=conditions.get("Ready", {}).get("status") == "True",
        terminating="deletionTimestamp" in meta,
        unscheduled=scheduled.get("status") == "False",
        waiting=next((reason for reason in waiting if reason not in ("", "PodInitializing", "ContainerCreating")), ""),
        restarts=sum(found.get("restartCount", 0) for found in containers),
        created=seconds(meta.get("creationTimestamp")) or 0.0,
        since=seconds(conditions.get("Ready", {}).get("lastTransitionTime")) or 0.0,
        domain=(meta.get("annotations") or {}).get(DOMAIN_ANNOTATION),
    )


def _waiting(state: Object) -> str:
    """Why a container does not run; one that has just failed is on its way to be held back."""
    if (state.get("terminated") or {}).get("exitCode"):
        return "CrashLoopBackOff"
    return str((state.get("waiting") or {}).get("reason", ""))


def _claims(kube: Kube, identity: Identity, labels: str) -> tuple[list[Object], dict[str, Object]]:
    claims = kube.list("v1", "PersistentVolumeClaim", identity.namespace, labels)
    volumes = {item["metadata"]["name"]: item for item in kube.list("v1", "PersistentVolume")} if claims else {}
    return claims, volumes


def _claim(item: Object, volumes: Mapping[str, Object]) -> ClaimFact:
    meta, name = item["metadata"], item["spec"].get("volumeName")
    volume = volumes.get(name or "")
    return ClaimFact(
        name=meta["name"],
        uid=meta["uid"],
        node=_only_node(volume) if volume else None,
        kept=volume is not None and volume["spec"].get("persistentVolumeReclaimPolicy") == "Retain",
        terminating="deletionTimestamp" in meta,
    )


def _only_node(volume: Object) -> str | None:
    """The one host that a local volume is on."""
    terms = ((volume["spec"].get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or []
    hosts: set[str] = set()
    for term in terms:
        for part in term.get("matchExpressions") or ():
            if part["key"] == HOSTNAME_LABEL and part["operator"] == "In":
                hosts.update(part["values"])
    return hosts.pop() if len(hosts) == 1 else None


def _node(item: Object) -> NodeFact:
    conditions = {found["type"]: found for found in (item.get("status") or {}).get("conditions") or ()}
    ready = conditions.get("Ready", {})
    cordoned: Object = next(
        (found for found in item["spec"].get("taints") or () if found["key"] == "node.kubernetes.io/unschedulable"), {}
    )
    return NodeFact(
        name=item["metadata"]["name"],
        ready=ready.get("status") == "True",
        ready_since=seconds(ready.get("lastTransitionTime")) or 0.0,
        cordoned=bool(item["spec"].get("unschedulable")),
        cordoned_since=seconds(cordoned.get("timeAdded")),
        labels=item["metadata"].get("labels") or {},
    )


def _secret(item: Object) -> SecretFact:
    meta = item["metadata"]
    return SecretFact(meta["name"], frozenset(item.get("data") or ()), str(meta.get("resourceVersion", "")))


def _key(api_version: str, kind: str, item: Object) -> ObjectKey:
    return ObjectKey(api_version, kind, item["metadata"]["name"])


def _sets(kube: Kube, identity: Identity, labels: str) -> tuple[dict[Component, SetFact], dict[ObjectKey, str]]:
    revisions: dict[str, dict[str, Object]] = {}
    for item in kube.list("apps/v1", "ControllerRevision", identity.namespace, labels):
        owner = next((found["name"] for found in item["metadata"].get("ownerReferences") or ()), "")
        template: dict[str, Any] = dict(item["data"]["spec"]["template"])
        template.pop("$patch", None)
        hash_ = template["metadata"]["labels"].get(TEMPLATE_LABEL, "")
        revisions.setdefault(owner, {})[hash_] = template
    found, versions = {}, {}
    for item in kube.list("apps/v1", "StatefulSet", identity.namespace, labels):
        versions[_key("apps/v1", "StatefulSet", item)] = str(item["metadata"].get("resourceVersion", ""))
        template = item["spec"]["template"]
        found[_component(item)] = SetFact(
            replicas=item["spec"]["replicas"],
            hash=template["metadata"]["labels"].get(TEMPLATE_LABEL, ""),
            template=template,
            revisions=revisions.get(item["metadata"]["name"], {}),
        )
    return found, versions


def _jobs(kube: Kube, identity: Identity, labels: str) -> dict[str, JobFact]:
    found = {}
    for item in kube.list("batch/v1", "Job", identity.namespace, labels):
        ended = {
            one["type"]: one for one in (item.get("status") or {}).get("conditions") or () if one["status"] == "True"
        }
        failed: Object = ended.get("Failed", {})
        why = f"{failed.get('reason', '')}: {failed.get('message', '')}" if failed else ""
        name = item["metadata"]["name"]
        found[name] = JobFact(name, done="Complete" in ended, failure=why)
    return found


def _owned(kube: Kube, identity: Identity, labels: str) -> tuple[tuple[ObjectKey, ...], dict[ObjectKey, str]]:
    """Objects of prunable kinds that this resource, by its uid, owns; and the versions of all with its labels."""
    found, versions = [], {}
    for api_version, kind in (*PRUNED, _MONITOR):
        try:
            items = kube.list(api_version, kind, identity.namespace, labels)
        except RefusedError as error:
            if (api_version, kind) == _MONITOR and error.status in (403, 404):
                continue
            raise
        for item in items:
            key = _key(api_version, kind, item)
            versions[key] = str(item["metadata"].get("resourceVersion", ""))
            owners = {owner["uid"] for owner in item["metadata"].get("ownerReferences") or ()}
            if identity.uid in owners:
                found.append(key)
    return tuple(found), versions
