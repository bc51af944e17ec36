"""Carries a plan out: Secrets, objects, pruning, then the guarded steps. The only place that changes anything.

Each step is a sequence of calls; one that is refused ends its step, and its words go into the status. Before every call
that changes something the lease is looked at: an operator that lost it stops at once.
"""

from __future__ import annotations

import base64
import secrets as random_secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from qserv_operator import actions
from qserv_operator.engine import Engine, EngineError
from qserv_operator.gather import secret_value
from qserv_operator.kube import Kube, RefusedError
from qserv_operator.names import DOMAIN_ANNOTATION, Component, Identity, Object, fingerprint
from qserv_operator.snapshot import ObjectKey


class LostLeaseError(Exception):
    """Another operator leads now: nothing more is to be changed."""


class NotSafeError(Exception):
    """The engine does not agree that a worker is stopped."""


@dataclass(frozen=True)
class Doors:
    """What a plan is carried out through. ``leads``: whether the lease is held at this moment.

    ``stopped``: registered workers that were down when the plan was made; guards count them as stopped.
    ``versions``: resourceVersions of the objects as they were seen. ``applied``: what this operator applied last, as a
    fingerprint, and the version that it then had; what is still so is not applied again.
    """

    kube: Kube
    engine: Engine | None
    identity: Identity
    leads: Callable[[], bool]
    stopped: tuple[str, ...] = ()
    versions: Mapping[ObjectKey, str] = field(default_factory=dict)
    applied: dict[ObjectKey, tuple[str, str]] = field(default_factory=dict)
    done: Callable[[actions.Step], None] = lambda _step: None

    def fence(self) -> None:
        if not self.leads():
            raise LostLeaseError


def carry_out(plan: actions.Plan, doors: Doors) -> actions.Outcome:
    """Do what the plan says. Never raises for what was refused: see the outcome."""
    failures: list[str] = []
    done: list[actions.Call] = []
    try:
        for secret in plan.secrets:
            _attempt(lambda secret=secret: _create_secret(doors, secret), failures)  # type: ignore[misc]
        for made in plan.apply:
            _attempt(lambda made=made: _apply(doors, made), failures)  # type: ignore[misc]
        for key in plan.prune:
            _attempt(lambda key=key: _prune(doors, key), failures)  # type: ignore[misc]
        for step in plan.steps:
            if _attempt(lambda step=step: _run(doors, step, done), failures):  # type: ignore[misc]
                doors.done(step)
    except LostLeaseError:
        return actions.Outcome(tuple(done), tuple(failures), lost_lease=True)
    return actions.Outcome(tuple(done), tuple(failures))


def _attempt(act: Callable[[], None], failures: list[str]) -> bool:
    """Whether it was done. A conflict (409) means that what was seen is old: the next round sees anew."""
    try:
        act()
    except NotSafeError:
        return False
    except (RefusedError, EngineError) as error:
        if not (isinstance(error, RefusedError) and error.status == 409):
            failures.append(str(error))
        return False
    return True


def _create_secret(doors: Doors, new: actions.NewSecret) -> None:
    doors.fence()
    values = {key: base64.b64encode(random_secrets.token_urlsafe(32).encode()).decode() for key in new.keys}
    made: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": new.metadata, "type": "Opaque", "data": values}
    try:
        doors.kube.create(made)
    except RefusedError as error:
        if error.status != 409:
            raise


def _apply(doors: Doors, made: Object) -> None:
    key = ObjectKey(made["apiVersion"], made["kind"], made["metadata"]["name"])
    print_, version = fingerprint(made), doors.versions.get(key)
    if version and doors.applied.get(key) == (print_, version):
        return
    doors.fence()
    after = doors.kube.apply(made)
    doors.applied[key] = (print_, str(after["metadata"].get("resourceVersion", "")))


def _prune(doors: Doors, key: ObjectKey) -> None:
    doors.fence()
    doors.kube.delete(key.api_version, key.kind, doors.identity.namespace, key.name)


def _run(doors: Doors, step: actions.Step, done: list[actions.Call]) -> None:
    for call in step.calls:
        doors.fence()
        _call(doors, call)
        done.append(call)


def _call(doors: Doors, call: actions.Call) -> None:
    namespace = doors.identity.namespace
    match call:
        case actions.DeletePod(name, uid, force):
            doors.kube.delete("v1", "Pod", namespace, name, uid=uid, grace=0 if force else None)
        case actions.DeleteClaim(name, uid):
            doors.kube.delete("v1", "PersistentVolumeClaim", namespace, name, uid=uid)
        case actions.ScaleWorkers(replicas):
            name = doors.identity.component(Component.WORKER)
            doors.kube.merge("apps/v1", "StatefulSet", namespace, name, {"spec": {"replicas": replicas}})
        case actions.CreateJob(_, manifest):
            doors.kube.create(manifest)
        case actions.SetDomain(pod, domain):
            patch = {"metadata": {"annotations": {DOMAIN_ANNOTATION: domain}}}
            doors.kube.merge("v1", "Pod", namespace, pod, patch)
        case _:
            if doors.engine is None:
                raise EngineError("unavailable", "the engine does not answer")
            _ask(doors, doors.engine, call)


def _ask(doors: Doors, engine: Engine, call: actions.Call) -> None:
    match call:
        case actions.SafeToStop(workers):
            others = [name for name in doors.stopped if name not in workers]
            if not engine.safe_to_stop([*others, *workers]).safe:
                raise NotSafeError
        case actions.Forget(worker):
            engine.forget(worker)
        case actions.SetWorkerState(worker, state):
            engine.set_worker_state(worker, state)
        case actions.ChangeSettings(settings):
            engine.change_settings(settings)
        case actions.PutAccount(account, secret, key):
            found = doors.kube.get("v1", "Secret", doors.identity.namespace, secret)
            if found is None or key not in (found.get("data") or {}):
                raise EngineError("secret-missing", f"the Secret {secret} has no key {key}")
            engine.put_account(account, secret_value(found, key))
        case actions.DropAccount(name):
            engine.drop_account(name)
        case _:
            _ask_ingest(engine, call)


def _ask_ingest(engine: Engine, call: actions.Call) -> None:
    match call:
        case actions.CreateDatabase(name, family):
            engine.create_database(name, family)
        case actions.CreateTable(database, table):
            engine.create_table(database, table)
        case actions.StartTransaction(database, context):
            engine.start_transaction(database, context)
        case actions.Contribute(transaction, name, table_name, url):
            engine.contribute(transaction, name, table_name, url)
        case actions.EndTransaction(transaction, state):
            engine.end_transaction(transaction, state)
        case actions.PublishTable(database, table_name):
            engine.publish(database, table_name)
        case actions.DropDatabase(name):
            engine.drop_database(name)
        case _:
            raise AssertionError(f"no way to carry out {call}")
