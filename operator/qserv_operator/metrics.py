"""Metrics of the operator, on port 8080."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from qserv_operator.actions import Outcome
from qserv_operator.models.base import Condition
from qserv_operator.models.catalog import CatalogStatus
from qserv_operator.models.status import ClusterStatus
from qserv_operator.reasons import Reason
from qserv_operator.snapshot import Snapshot

_CLUSTER = ("namespace", "cluster")


class Round:
    """How one round went."""

    result = "done"

    def outcome(self, outcome: Outcome) -> None:
        if outcome.lost_lease:
            self.result = "lost-lease"
        elif outcome.failures:
            self.result = "refused"


class Metrics:
    """All metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._rounds = Counter(
            "qserv_operator_reconciles",
            "Rounds, by their result: done, refused, lost-lease, error",
            (*_CLUSTER, "result"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "qserv_operator_reconcile_seconds", "Duration of a round", _CLUSTER, registry=self.registry
        )
        self._last = Gauge(
            "qserv_operator_last_reconcile_timestamp_seconds",
            "When a round last went well",
            _CLUSTER,
            registry=self.registry,
        )
        self._actions = Counter(
            "qserv_operator_actions", "What was done, by kind of call", ("call",), registry=self.registry
        )
        self._events = Counter("qserv_operator_events", "Events, by reason", ("reason",), registry=self.registry)
        self._leader = Gauge("qserv_operator_leader", "1: this operator holds the lease", registry=self.registry)
        self._chunks = Gauge(
            "qserv_cluster_chunks",
            "Chunks by kind: total, at_risk, under_replicated, lost, moving",
            (*_CLUSTER, "kind"),
            registry=self.registry,
        )
        self._workers = Gauge(
            "qserv_cluster_workers", "Workers by kind: wanted, ready, lost", (*_CLUSTER, "kind"), registry=self.registry
        )
        self._catalogs = Gauge(
            "qserv_catalog_state",
            "1 for the state that a QservCatalog has now, with its reason",
            (*_CLUSTER, "catalog", "state", "reason"),
            registry=self.registry,
        )
        self._conditions = Gauge(
            "qserv_cluster_condition",
            "1 for the reason that a condition has now, by its status",
            (*_CLUSTER, "type", "status", "reason"),
            registry=self.registry,
        )

    @contextmanager
    def round(self, namespace: str, cluster: str) -> Iterator[Round]:
        """Measures a round; an exception counts as an error and goes on."""
        measured = Round()
        start = time.perf_counter()
        try:
            yield measured
        except Exception:
            measured.result = "error"
            raise
        finally:
            self._seconds.labels(namespace, cluster).observe(time.perf_counter() - start)
            self._rounds.labels(namespace, cluster, measured.result).inc()
            if measured.result == "done":
                self._last.labels(namespace, cluster).set_to_current_time()

    def leads(self, leads: bool) -> None:
        self._leader.set(int(leads))

    def action(self, call: str) -> None:
        self._actions.labels(call).inc()

    def event(self, reason: Reason) -> None:
        self._events.labels(str(reason)).inc()

    def cluster(self, snapshot: Snapshot, status: ClusterStatus) -> None:
        """Shows a cluster's status as gauges."""
        where = (snapshot.identity.namespace, snapshot.identity.name)
        for kind in ("total", "at_risk", "under_replicated", "lost", "moving"):
            self._chunks.labels(*where, kind).set(getattr(status.chunks, kind))
        self._workers.labels(*where, "wanted").set(snapshot.spec.worker.replicas)
        self._workers.labels(*where, "ready").set(sum(row.ready for row in status.workers))
        self._workers.labels(*where, "lost").set(sum(bool(row.cause) for row in status.workers))
        self.conditions(*where, status.conditions)

    def catalogs(self, namespace: str, cluster: str, catalogs: Sequence[tuple[str, CatalogStatus]]) -> None:
        """Shows the states of a cluster's catalogs as gauges; of those that are gone nothing is left."""
        self._catalogs.remove_by_labels({"namespace": namespace, "cluster": cluster})
        for name, status in catalogs:
            self._catalogs.labels(namespace, cluster, name, status.state, status.conditions[0].reason).set(1)

    def conditions(self, namespace: str, cluster: str, conditions: Sequence[Condition]) -> None:
        """Shows a cluster's conditions as gauges."""
        self._conditions.remove_by_labels({"namespace": namespace, "cluster": cluster})
        for item in conditions:
            self._conditions.labels(namespace, cluster, item.type, item.status, item.reason).set(1)

    def gone(self, namespace: str, cluster: str) -> None:
        """Removes what spoke of a cluster that is gone."""
        labels = {"namespace": namespace, "cluster": cluster}
        shown = (self._chunks, self._workers, self._catalogs, self._conditions)
        for metric in (self._rounds, self._seconds, self._last, *shown):
            metric.remove_by_labels(labels)
