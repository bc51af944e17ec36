"""One round for one cluster: gather, plan, apply, and tell. Blocking; the caller runs it in a thread."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable

import structlog
from pydantic import ValidationError

from qserv_operator.actions import Outcome, Plan, Step
from qserv_operator.apply import Doors, carry_out
from qserv_operator.customs import explained
from qserv_operator.engine import Controllers, Engine, EngineError
from qserv_operator.gather import EngineOf, down, gather
from qserv_operator.kube import Kube, RefusedError
from qserv_operator.metrics import Metrics
from qserv_operator.models.base import API_VERSION
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.names import Identity
from qserv_operator.plan import plan
from qserv_operator.reasons import Reason
from qserv_operator.snapshot import ObjectKey, Snapshot
from qserv_operator.status import conclude
from qserv_operator.tell import Teller

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
        self._applied: dict[tuple[str, str], dict[ObjectKey, tuple[str, str]]] = {}
        self._teller = Teller(kube, leads=leads, metrics=metrics, clock=clock)

    def reconcile(self, namespace: str, name: str) -> float | None:
        """One round; answers after how many seconds to look again, None when the cluster is gone."""
        raw = self._kube.get(API_VERSION, "QservCluster", namespace, name)
        if raw is None:
            self._forget(namespace, name)
            self._teller.orphans(namespace, name)
            return None
        with self._metrics.round(namespace, name) as measured:
            now = self._clock()
            try:
                snapshot = gather(self._kube, self._engine_of, raw, now)
            except ValidationError as error:
                # the API server keeps such specs out; one may be left from another version of the CRD
                self._teller.hindered(raw, Reason.INVALID_SPEC, explained(error), now)
                return 60.0
            except RefusedError as error:
                if error.status == 403:
                    self._teller.hindered(raw, Reason.APPLY_REFUSED, f"refused: {error}", now)
                raise
            made = plan(snapshot, now)
            outcome = self._apply(snapshot, made)
            measured.outcome(outcome)
            if outcome.lost_lease or not self._leads():
                return _RETRY
            for failure in outcome.failures:
                log.warning("refused", namespace=namespace, cluster=name, error=failure)
            status = conclude(made, snapshot.status, outcome, snapshot.generation, now)
            self._teller.round(raw, snapshot, made, status)
        self._metrics.cluster(snapshot, status)
        self._metrics.catalogs(namespace, name, made.catalogs)
        return min(made.requeue, _RETRY) if outcome.failures else made.requeue

    def _apply(self, snapshot: Snapshot, made: Plan) -> Outcome:
        identity = snapshot.identity
        doors = Doors(
            kube=self._kube,
            engine=self._known_engine(snapshot),
            identity=identity,
            leads=self._leads,
            stopped=down(snapshot),
            versions=snapshot.versions,
            applied=self._applied.setdefault((identity.namespace, identity.name), {}),
            done=lambda step: self._done(identity, step),
        )
        return carry_out(made, doors)

    def _done(self, identity: Identity, step: Step) -> None:
        for call in step.calls:
            self._metrics.action(type(call).__name__)
            log.info("done", namespace=identity.namespace, cluster=identity.name, call=repr(call))
        if step.event is not None:
            self._teller.event(identity, step.event)

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
            self._engines.pop(key)[1].close()
        made = _client(urls, secret, authority, spec)
        self._engines[key] = (wanted, made)
        return made

    def _forget(self, namespace: str, name: str) -> None:
        cached = self._engines.pop((namespace, name), None)
        if cached is not None:
            cached[1].close()
        self._applied.pop((namespace, name), None)
        self._teller.forget(namespace, name)
        self._metrics.gone(namespace, name)


def _client(urls: tuple[str, ...], secret: str, authority: str | None, spec: ClusterSpec) -> Controllers:
    try:
        return Controllers(urls, secret, authority)
    except ssl.SSLError as error:
        name = spec.tls.secret_name if spec.tls else ""
        raise EngineError("unavailable", f"ca.crt of the Secret {name} is not a certificate: {error}") from error
