"""Tells people: statuses of resources, and events. A status is written only when it changes, an event only once."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from pydantic import BaseModel

from qserv_operator.actions import Event, Plan, Subject
from qserv_operator.clock import moment
from qserv_operator.customs import customs, observed
from qserv_operator.kube import Kube, RefusedError
from qserv_operator.metrics import Metrics
from qserv_operator.models.base import API_VERSION
from qserv_operator.models.catalog import CatalogStatus
from qserv_operator.models.status import ClusterStatus
from qserv_operator.models.user import QservUserStatus
from qserv_operator.names import MANAGER, Identity, Object
from qserv_operator.reasons import Reason
from qserv_operator.snapshot import Snapshot, Unreadable
from qserv_operator.tasks.conditions import condition, news

log = structlog.get_logger()
_SAME_NEWS = 60.0
"""Seconds in which the same event is told once."""


class Teller:
    """Writes statuses and events of clusters, and of their users and catalogs, while this operator leads."""

    def __init__(self, kube: Kube, *, leads: Callable[[], bool], metrics: Metrics, clock: Callable[[], float]) -> None:
        self._kube = kube
        self._leads = leads
        self._metrics = metrics
        self._clock = clock
        self._told: dict[tuple[str, str], dict[tuple[object, ...], float]] = {}

    def forget(self, namespace: str, name: str) -> None:
        """Of a cluster that is gone."""
        self._told.pop((namespace, name), None)

    def hindered(self, raw: Object, reason: Reason, text: str, now: float) -> None:
        """Says why nothing can be planned at all."""
        if not self._leads():
            return
        meta, before = raw["metadata"], observed(ClusterStatus, raw)
        generation = int(meta.get("generation", 1))
        made = condition(before.conditions, "Degraded", True, reason, text, generation, now)
        others = tuple(item for item in before.conditions if item.type != "Degraded")
        status = before.model_copy(update={"conditions": (*others, made)})
        self._write_status(raw, status)
        self._metrics.conditions(meta["namespace"], meta["name"], status.conditions)
        for event in news(before.conditions, status.conditions):
            self.event(Identity(meta["name"], meta["namespace"], meta["uid"]), event)

    def orphans(self, namespace: str, name: str) -> None:
        """Users and catalogs that name a cluster which is not there."""
        users, catalogs, _ = customs(self._kube, namespace, name)
        now = self._clock()
        text = f"there is no QservCluster {name} in the namespace {namespace}: make it, or name another"
        for kind, found in (("QservUser", users), ("QservCatalog", catalogs)):
            for item in found:
                made = condition(
                    item.status.conditions, "Available", False, Reason.CLUSTER_MISSING, text, item.generation, now
                )
                after = item.status.model_copy(update={"observed_generation": item.generation, "conditions": (made,)})
                if after != item.status and self._leads():
                    self._write(Subject(kind, item.name, item.uid), namespace, after)

    def round(self, raw: Object, snapshot: Snapshot, made: Plan, status: ClusterStatus) -> None:
        """What came of a round: the statuses of all resources, and events of what changed in them."""
        self._write_status(raw, status)
        identity = snapshot.identity
        for event in (*made.events, *news(snapshot.status.conditions, status.conditions)):
            self.event(identity, event)
        users = {user.name: user for user in snapshot.users}
        catalogs = {catalog.name: catalog for catalog in snapshot.catalogs}
        for kind, facts, statuses in (("QservUser", users, made.users), ("QservCatalog", catalogs, made.catalogs)):
            for name, after in statuses:
                about, before = Subject(kind, name, facts[name].uid), facts[name].status
                if before != after:
                    self._write(about, identity.namespace, after)
                    for event in news(before.conditions, after.conditions, about):
                        self.event(identity, event)
        for item in snapshot.unreadable:
            self._unreadable(identity, item)

    def _unreadable(self, identity: Identity, item: Unreadable) -> None:
        made = condition(
            item.conditions, "Available", False, Reason.INVALID_SPEC, item.message, item.generation, self._clock()
        )
        if (made,) == item.conditions:
            return
        about = Subject(item.kind, item.name, item.uid)
        model = QservUserStatus if item.kind == "QservUser" else CatalogStatus
        self._write(about, identity.namespace, model(observed_generation=item.generation, conditions=(made,)))
        for event in news(item.conditions, (made,), about):
            self.event(identity, event)

    def _write_status(self, raw: Object, status: ClusterStatus) -> None:
        if observed(ClusterStatus, raw) != status:
            meta = raw["metadata"]
            self._write(Subject("QservCluster", meta["name"], meta["uid"]), meta["namespace"], status)

    def _write(self, about: Subject, namespace: str, status: BaseModel) -> None:
        """Write a status, to this very resource (by uid): one that is gone or another now needs none."""
        made = {
            "apiVersion": API_VERSION,
            "kind": about.kind,
            "metadata": {"name": about.name, "namespace": namespace, "uid": about.uid},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        try:
            self._kube.apply(made, subresource="status")
        except RefusedError as error:
            if error.status not in (404, 409):
                raise

    def _is_new(self, identity: Identity, event: Event, now: float) -> bool:
        told = self._told.setdefault((identity.namespace, identity.name), {})
        for key in [key for key, at in told.items() if abs(now - at) >= _SAME_NEWS]:
            del told[key]
        key = (event.about, event.reason, event.message)
        new = key not in told
        told.setdefault(key, now)
        return new

    def event(self, identity: Identity, event: Event) -> None:
        """An event on the resource that it is about. One that cannot be written is only logged: it is news."""
        now = self._clock()
        if not self._is_new(identity, event, now):
            return
        about = event.about or Subject("QservCluster", identity.name, identity.uid)
        made: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{about.name}.", "namespace": identity.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": about.kind,
                "name": about.name,
                "namespace": identity.namespace,
                "uid": about.uid,
            },
            "reason": str(event.reason),
            "message": event.message[:1000],
            "type": "Warning" if event.warning else "Normal",
            "source": {"component": MANAGER},
            "reportingComponent": MANAGER,
            "firstTimestamp": moment(now),
            "lastTimestamp": moment(now),
            "count": 1,
        }
        self._metrics.event(event.reason)
        known = {"namespace": identity.namespace, "cluster": identity.name, "reason": str(event.reason)}
        log.info("told", about=f"{about.kind} {about.name}", message=event.message, **known)
        try:
            self._kube.create(made)
        except RefusedError as error:
            log.warning("an event was not written", error=str(error), **known)
