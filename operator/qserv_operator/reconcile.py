"""One round for one cluster: gather, plan, apply, and tell. Blocking; the caller runs it in a thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog
from pydantic import ValidationError

from qserv_operator.actions import Event, Outcome, Plan, Step
from qserv_operator.apply import Doors, carry_out
from qserv_operator.clock import moment
from qserv_operator.engine import Controllers, Engine
from qserv_operator.gather import EngineOf, down, gather
from qserv_operator.kube import Kube, RefusedError
from qserv_operator.metrics import Metrics
from qserv_operator.models.base import API_VERSION
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.models.status import ClusterStatus
from qserv_operator.names import MANAGER, Identity, Object
from qserv_operator.plan import plan
from qserv_operator.reasons import Reason
from qserv_operator.snapshot import Snapshot
from qserv_operator.status import conclude
from qserv_operator.tasks.conditions import condition

log = structlog.get_logger()
_RETRY = 5.0


class Reconciler:
    """Reconciles clusters through a door to Kubernetes and doors to their engines.

    Parameters
    ----------
    leads : whether this operator holds the lease now; asked before every change.
    engine_of : makes a client of a cluster's engine.
    clock : seconds since the epoch.
    """

    def __init__(
        self,
        kube: Kube,
        *,
        leads: Callable[[], bool],
        metrics: Metrics,
        engine_of: EngineOf | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kube = kube
        self._leads = leads
        self._metrics = metrics
        self._engine_of = engine_of or self._controllers
        self._clock = clock
        self._engines: dict[tuple[str, str], tuple[object, Controllers]] = {}

    def clusters(self) -> list[tuple[str, str]]:
        """(namespace, name) of every cluster that there is."""
        found = self._kube.list(API_VERSION, "QservCluster")
        return [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in found]

    def reconcile(self, namespace: str, name: str) -> float | None:
        """One round; answers after how many seconds to look again, None when the cluster is gone."""
        raw = self._kube.get(API_VERSION, "QservCluster", namespace, name)
        if raw is None:
            self._forget(namespace, name)
            return None
        with self._metrics.round(namespace, name) as measured:
            now = self._clock()
            try:
                snapshot = gather(self._kube, self._engine_of, raw, now)
            except ValidationError as error:
                self._unreadable(raw, error, now)
                return 60.0
            made = plan(snapshot, now)
            outcome = self._apply(snapshot, made)
            measured.outcome(outcome)
            if outcome.lost_lease:
                return _RETRY
            status = conclude(made, snapshot.status, outcome, snapshot.generation, now)
            self._tell(raw, snapshot, made, status)
        self._metrics.cluster(snapshot, status)
        return min(made.requeue, _RETRY) if outcome.failures else made.requeue

    def _apply(self, snapshot: Snapshot, made: Plan) -> Outcome:
        identity = snapshot.identity
        doors = Doors(
            kube=self._kube,
            engine=self._known_engine(snapshot),
            identity=identity,
            leads=self._leads,
            stopped=down(snapshot),
            done=lambda step: self._done(identity, step),
        )
        return carry_out(made, doors)

    def _done(self, identity: Identity, step: Step) -> None:
        for call in step.calls:
            self._metrics.action(type(call).__name__)
            log.info("done", namespace=identity.namespace, cluster=identity.name, call=repr(call))
        if step.event is not None:
            self._event(identity, step.event)

    def _known_engine(self, snapshot: Snapshot) -> Engine | None:
        cached = self._engines.get((snapshot.identity.namespace, snapshot.identity.name))
        if snapshot.engine is None:
            return None
        return cached[1] if cached is not None else self._engine_of(snapshot.identity, snapshot.spec, "", None)

    def _controllers(self, identity: Identity, spec: ClusterSpec, secret: str, authority: str | None) -> Engine:
        key = (identity.namespace, identity.name)
        urls = identity.controllers(spec.replication.controllers, tls=spec.tls is not None)
        wanted: object = (urls, secret, authority)
        cached = self._engines.get(key)
        if cached is not None and cached[0] == wanted:
            return cached[1]
        if cached is not None:
            cached[1].close()
        made = Controllers(urls, secret, authority)
        self._engines[key] = (wanted, made)
        return made

    def _forget(self, namespace: str, name: str) -> None:
        cached = self._engines.pop((namespace, name), None)
        if cached is not None:
            cached[1].close()
        self._metrics.gone(namespace, name)

    def _unreadable(self, raw: Object, error: ValidationError, now: float) -> None:
        """The API server keeps such specs out; one may be left from another version of the CRD."""
        first = error.errors()[0]
        text = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        before = ClusterStatus.model_validate(raw.get("status") or {})
        generation = int(raw["metadata"].get("generation", 1))
        made = condition(before.conditions, "Degraded", True, Reason.INVALID_SPEC, text, generation, now)
        others = tuple(item for item in before.conditions if item.type != "Degraded")
        self._write_status(raw, before.model_copy(update={"conditions": (*others, made)}))

    def _tell(self, raw: Object, snapshot: Snapshot, made: Plan, status: ClusterStatus) -> None:
        self._write_status(raw, status)
        identity = snapshot.identity
        users = {user.name: user.status for user in snapshot.users}
        for name, user in made.users:
            if users[name] != user:
                self._write("QservUser", identity.namespace, name, user)
        catalogs = {catalog.name: catalog.status for catalog in snapshot.catalogs}
        for name, catalog in made.catalogs:
            if catalogs[name] != catalog:
                self._write("QservCatalog", identity.namespace, name, catalog)
        for event in made.events:
            self._event(identity, event)

    def _write_status(self, raw: Object, status: ClusterStatus) -> None:
        if ClusterStatus.model_validate(raw.get("status") or {}) != status:
            self._write("QservCluster", raw["metadata"]["namespace"], raw["metadata"]["name"], status)

    def _write(self, kind: str, namespace: str, name: str, status: Any) -> None:
        made = {
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        try:
            self._kube.apply(made, subresource="status")
        except RefusedError as error:
            if error.status != 404:
                raise

    def _event(self, identity: Identity, event: Event) -> None:
        """An event on the cluster's resource. One that cannot be written is only logged: events are news, not state."""
        at = moment(self._clock())
        made: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{identity.name}.", "namespace": identity.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": "QservCluster",
                "name": identity.name,
                "namespace": identity.namespace,
                "uid": identity.uid,
            },
            "reason": str(event.reason),
            "message": event.message[:1000],
            "type": "Warning" if event.warning else "Normal",
            "source": {"component": MANAGER},
            "reportingComponent": MANAGER,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
        self._metrics.event(event.reason)
        try:
            self._kube.create(made)
        except RefusedError as error:
            log.warning("an event was not written", cluster=identity.name, reason=str(event.reason), error=str(error))
