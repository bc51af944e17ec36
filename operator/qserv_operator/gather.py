"""Reads everything that the plan needs, live, into a frozen snapshot. The only place that understands raw objects."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from qserv_operator.clock import seconds
from qserv_operator.engine import CONTEXT, Engine, EngineError
from qserv_operator.kube import Kube, RefusedError
from qserv_operator.models.base import API_VERSION
from qserv_operator.models.catalog import CatalogSpec, CatalogStatus
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.models.status import ClusterStatus
from qserv_operator.models.user import QservUserSpec, QservUserStatus
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
    CatalogFact,
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
    UserFact,
)

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
    catalogs = _catalogs(kube, identity)
    preparing = any(catalog.spec.prepare for catalog in catalogs)
    snapshot = Snapshot(
        identity=identity,
        spec=spec,
        generation=int(meta.get("generation", 1)),
        status=ClusterStatus.model_validate(raw.get("status") or {}),
        deleting="deletionTimestamp" in meta,
        sets=_sets(kube, identity, labels),
        pods=tuple(_pod(item) for item in kube.list("v1", "Pod", identity.namespace, labels)),
        claims={item["metadata"]["name"]: _claim(item, volumes) for item in claims},
        nodes={item["metadata"]["name"]: _node(item) for item in kube.list("v1", "Node")},
        secrets={name: _secret(item) for name, item in secrets.items()},
        owned=_owned(kube, identity, labels),
        users=_users(kube, identity),
        catalogs=catalogs,
        jobs=_jobs(kube, identity, labels) if preparing else {},
    )
    if identity.secret not in secrets:
        return dataclasses.replace(snapshot, engine_error="the cluster's secret is not made yet")
    authority = secrets.get(spec.tls.secret_name) if spec.tls else None
    engine = engine_of(
        identity, spec, secret_value(secrets[identity.secret], "secret"), _authority(authority) if authority else None
    )
    return _with_engine(snapshot, engine, now)


def secret_value(secret: Object, key: str) -> str:
    """A value of a Secret; KeyError where it has no such key."""
    return base64.b64decode(secret["data"][key]).decode().strip()


def _authority(secret: Object) -> str | None:
    return secret_value(secret, "ca.crt") if "ca.crt" in (secret.get("data") or {}) else None


def _with_engine(snapshot: Snapshot, engine: Engine, now: float) -> Snapshot:
    try:
        facts = engine_facts(engine, {catalog.uid for catalog in snapshot.catalogs})
    except EngineError as error:
        return dataclasses.replace(snapshot, engine_error=str(error))
    known = dataclasses.replace(snapshot, engine=facts)
    try:
        answers = ask(engine, questions(known, now), down(known))
    except EngineError as error:
        answers = Answers(refusal=f"the engine does not say whether a worker may be stopped: {error}")
    return dataclasses.replace(known, answers=answers)


def engine_facts(engine: Engine, catalogs: set[str]) -> EngineFacts:
    """What the engine says; the contributions of those transactions only that belong to these resources (uids)."""
    status, settings = engine.status(), engine.settings()
    transactions = []
    for view in engine.transactions():
        context = str(view.context.get(CONTEXT, ""))
        if context.split("/")[0] not in catalogs:
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
            for part in engine.contributions(view.id)
        )
        eta = round(view.eta_seconds) if view.eta_seconds is not None else None
        transactions.append(Transaction(view.id, view.database, view.state, context, parts, eta))
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


def ask(engine: Engine, wanted: Questions, stopped: tuple[str, ...]) -> Answers:
    """The engine's answers: workers are added to those that may be stopped together as long as it agrees."""
    together: list[str] = []
    refusal = ""
    for name in wanted.stop:
        answer = engine.safe_to_stop([*(other for other in stopped if other != name), *together, name])
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
        bound=(item.get("status") or {}).get("phase") == "Bound",
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


def _sets(kube: Kube, identity: Identity, labels: str) -> dict[Component, SetFact]:
    revisions: dict[str, dict[str, Object]] = {}
    for item in kube.list("apps/v1", "ControllerRevision", identity.namespace, labels):
        owner = next((found["name"] for found in item["metadata"].get("ownerReferences") or ()), "")
        template: dict[str, Any] = dict(item["data"]["spec"]["template"])
        template.pop("$patch", None)
        hash_ = template["metadata"]["labels"].get(TEMPLATE_LABEL, "")
        revisions.setdefault(owner, {})[hash_] = template
    found = {}
    for item in kube.list("apps/v1", "StatefulSet", identity.namespace, labels):
        template = item["spec"]["template"]
        found[_component(item)] = SetFact(
            replicas=item["spec"]["replicas"],
            hash=template["metadata"]["labels"].get(TEMPLATE_LABEL, ""),
            template=template,
            revisions=revisions.get(item["metadata"]["name"], {}),
        )
    return found


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


def _owned(kube: Kube, identity: Identity, labels: str) -> tuple[ObjectKey, ...]:
    """Objects of prunable kinds that this resource, by its uid, owns."""
    found = []
    for api_version, kind in (*PRUNED, _MONITOR):
        try:
            items = kube.list(api_version, kind, identity.namespace, labels)
        except RefusedError as error:
            if (api_version, kind) == _MONITOR and error.status in (403, 404):
                continue
            raise
        for item in items:
            owners = {owner["uid"] for owner in item["metadata"].get("ownerReferences") or ()}
            if identity.uid in owners:
                found.append(ObjectKey(api_version, kind, item["metadata"]["name"]))
    return tuple(found)


def _users(kube: Kube, identity: Identity) -> tuple[UserFact, ...]:
    return tuple(
        UserFact(
            name=item["metadata"]["name"],
            spec=QservUserSpec.model_validate(item["spec"]),
            status=QservUserStatus.model_validate(item.get("status") or {}),
            generation=int(item["metadata"].get("generation", 1)),
            created=seconds(item["metadata"].get("creationTimestamp")) or 0.0,
            uid=item["metadata"]["uid"],
        )
        for item in kube.list(API_VERSION, "QservUser", identity.namespace)
        if item["spec"]["cluster"] == identity.name and "deletionTimestamp" not in item["metadata"]
    )


def _catalogs(kube: Kube, identity: Identity) -> tuple[CatalogFact, ...]:
    return tuple(
        CatalogFact(
            name=item["metadata"]["name"],
            spec=CatalogSpec.model_validate(item["spec"]),
            status=CatalogStatus.model_validate(item.get("status") or {}),
            generation=int(item["metadata"].get("generation", 1)),
            created=seconds(item["metadata"].get("creationTimestamp")) or 0.0,
            uid=item["metadata"]["uid"],
        )
        for item in kube.list(API_VERSION, "QservCatalog", identity.namespace)
        if item["spec"]["cluster"] == identity.name and "deletionTimestamp" not in item["metadata"]
    )
