"""Rounds over a small world: what is applied, what is told, and what one bad resource does to the others."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from operator_world.acts import CATALOG, catalog_of, put_catalog
from operator_world.api import Object
from operator_world.world import CLUSTER, NAMESPACE, World
from prometheus_client import generate_latest

from qserv_operator.engine import Engine, EngineError
from qserv_operator.gather import gather
from qserv_operator.kube import RefusedError
from qserv_operator.metrics import Metrics
from qserv_operator.models.base import API_VERSION
from qserv_operator.reconcile import Reconciler


class Round:
    """A world with one operator; what it applies and tells is noted."""

    def __init__(self) -> None:
        self.world = World(nodes=4, workers=3)
        self.metrics = Metrics()
        self.applied: list[str] = []
        self.refusing: dict[str, RefusedError] = {}
        api, apply, listed = self.world.api, self.world.api.apply, self.world.api.list

        def noted(made: Object, *, subresource: str = "") -> Object:
            if made["kind"] in self.refusing:
                raise self.refusing[made["kind"]]
            self.applied.append(subresource or made["kind"])
            return apply(made, subresource=subresource)

        def read(api_version: str, kind: str, namespace: str | None = None, selector: str = "") -> list[Object]:
            if f"list {kind}" in self.refusing:
                raise self.refusing[f"list {kind}"]
            return listed(api_version, kind, namespace, selector)

        api.apply, api.list = noted, read  # type: ignore[method-assign]
        self.reconciler = Reconciler(
            api,
            leads=lambda: True,
            metrics=self.metrics,
            engine_of=lambda *_: self.world.engine,
            clock=self.world.now,
        )

    def pass_(self, rounds: int) -> None:
        for _ in range(rounds):
            self.world.step()
            self.reconciler.reconcile(NAMESPACE, CLUSTER)

    def events(self, kind: str = "QservCluster") -> list[str]:
        found = [item for item in self.world.api.of_kind("Event") if item["involvedObject"]["kind"] == kind]
        return [item["reason"] for item in found]

    def condition(self, kind: str = "QservCluster", name: str = CLUSTER, type_: str = "Degraded") -> dict[str, Any]:
        found = self.world.api.find(kind, NAMESPACE, name)
        assert found is not None
        return next(dict(item) for item in found["status"]["conditions"] if item["type"] == type_)


@pytest.fixture
def calm() -> Round:
    found = Round()
    found.pass_(25)
    assert found.condition()["status"] == "False"
    found.applied.clear()
    return found


def test_what_is_as_it_was_applied_is_not_applied_again(calm: Round) -> None:
    calm.pass_(5)
    assert calm.applied == []


@pytest.mark.parametrize("deleted", [True, False])
def test_what_somebody_changed_or_deleted_is_put_right(calm: Round, deleted: bool) -> None:
    before = calm.world.api.find("Service", NAMESPACE, CLUSTER)
    assert before is not None
    selector = dict(before["spec"]["selector"])
    if deleted:
        calm.world.api.remove(before)
    else:
        change = {"spec": {"selector": {"app.kubernetes.io/component": "other"}}}
        calm.world.api.merge("v1", "Service", NAMESPACE, CLUSTER, change)
    calm.pass_(2)
    assert calm.applied == ["Service"]
    after = calm.world.api.find("Service", NAMESPACE, CLUSTER)
    assert after is not None
    assert after["spec"]["selector"] == selector


def test_a_refusal_is_told_once_and_hides_nothing_worse(calm: Round) -> None:
    service = calm.world.api.find("Service", NAMESPACE, CLUSTER)
    assert service is not None
    calm.world.api.remove(service)
    calm.refusing["Service"] = RefusedError(403, "PATCH services", "exceeded quota")
    before = calm.events().count("ApplyRefused")
    calm.pass_(10)
    assert calm.condition()["reason"] == "ApplyRefused"
    assert "exceeded quota" in calm.condition()["message"]
    assert calm.events().count("ApplyRefused") == before + 1
    calm.world.nodes["n1"].up = False
    calm.pass_(5)
    assert calm.condition()["reason"] in ("ChunksAtRisk", "NodeLost")
    assert "exceeded quota" in calm.condition()["message"]
    calm.refusing.clear()
    calm.pass_(2)
    assert calm.world.api.find("Service", NAMESPACE, CLUSTER) is not None


def test_a_right_to_read_that_is_missing_is_told(calm: Round) -> None:
    calm.refusing["list Pod"] = RefusedError(403, "GET pods", "cannot list resource pods")
    for _ in range(2):
        with pytest.raises(RefusedError):
            calm.pass_(1)
    assert "cannot list resource pods" in calm.condition()["message"]
    assert calm.condition()["reason"] == "ApplyRefused"


def test_a_spec_that_cannot_be_read_is_told_and_measured(calm: Round) -> None:
    calm.world.cluster["spec"]["worker"]["replicas"] = "three"
    calm.pass_(2)
    assert calm.condition()["reason"] == "InvalidSpec"
    assert "worker.replicas" in calm.condition()["message"]
    assert calm.events().count("InvalidSpec") == 1
    assert b'reason="InvalidSpec"' in generate_latest(calm.metrics.registry)


def test_a_status_of_another_version_is_begun_anew(calm: Round) -> None:
    calm.world.cluster["status"]["accounts"] = ["qserv"]
    calm.pass_(3)
    assert calm.condition()["status"] == "False"
    assert calm.world.cluster["status"]["accounts"][0]["name"] == "qserv"


def test_a_catalog_tells_of_itself(calm: Round) -> None:
    put_catalog(calm.world, catalog_of(["a"], "Retain"))
    calm.pass_(10)
    assert calm.events("QservCatalog")[-1] == "Published"
    assert {"Loading", "Committing", "Published"} == set(calm.events("QservCatalog"))
    put_catalog(calm.world, catalog_of(["a", "broken"], "Retain"))
    calm.pass_(10)
    assert calm.events("QservCatalog").count("LoadFailed") == 1


def test_a_failed_catalog_is_measured_until_it_is_gone(calm: Round) -> None:
    put_catalog(calm.world, catalog_of(["broken"], "Retain"))
    calm.pass_(8)
    labels = {"namespace": NAMESPACE, "cluster": CLUSTER, "catalog": CATALOG, "state": "Failed", "reason": "LoadFailed"}
    assert calm.metrics.registry.get_sample_value("qserv_catalog_state", labels) == 1
    gone = calm.world.api.find("QservCatalog", NAMESPACE, CATALOG)
    assert gone is not None
    calm.world.api.remove(gone)
    calm.pass_(1)
    assert calm.metrics.registry.get_sample_value("qserv_catalog_state", labels) is None


@pytest.mark.parametrize("suspended", [False, True])
def test_evictions_are_held_back_while_chunks_are_at_risk(calm: Round, suspended: bool) -> None:
    def allowed() -> int:
        budget = calm.world.api.find("PodDisruptionBudget", NAMESPACE, f"{CLUSTER}-worker")
        assert budget is not None
        return int(budget["spec"]["maxUnavailable"])

    assert allowed() == 1
    calm.world.change(suspend=suspended, restart="later")
    calm.world.nodes["n1"].up = False
    calm.pass_(3)
    assert allowed() == 0
    assert not suspended or set(calm.applied) == {"PodDisruptionBudget", "status"}
    calm.world.nodes["n1"].up = True
    calm.pass_(20)
    assert allowed() == 1


@pytest.mark.parametrize(("policy", "kept"), [("Delete", True), ("Retain", False)])
def test_a_disk_that_nobody_knows_is_given_up_only_where_its_volume_stays(calm: Round, policy: str, kept: bool) -> None:
    world, name = calm.world, f"data-{CLUSTER}-worker-1"
    for volume in world.api.of_kind("PersistentVolume"):
        volume["spec"]["persistentVolumeReclaimPolicy"] = policy
    claim = world.api.find("PersistentVolumeClaim", NAMESPACE, name)
    assert claim is not None
    world.nodes[claim["metadata"]["disk-node"]].up = False
    del world.engine.workers[f"{CLUSTER}-worker-1"]
    calm.pass_(40)
    after = world.api.find("PersistentVolumeClaim", NAMESPACE, name)
    assert (after is claim) is kept
    assert calm.condition()["reason"] == ("ReplacementBlocked" if kept else "Healthy")
    assert not kept or f"kubectl delete pvc {name}" in calm.condition()["message"]


def test_a_load_that_failed_is_tried_again_when_asked(calm: Round) -> None:
    put_catalog(calm.world, catalog_of(["broken"], "Retain"))
    calm.pass_(8)
    assert calm.condition("QservCatalog", CATALOG)["reason"] == "LoadFailed"
    loads = len(calm.world.engine.loads)
    calm.pass_(8)
    assert len(calm.world.engine.loads) == loads
    put_catalog(calm.world, {**catalog_of(["broken"], "Retain"), "retry": "again"})
    calm.pass_(8)
    assert len(calm.world.engine.loads) == loads + 1


def test_a_catalog_that_cannot_be_read_keeps_the_cluster_from_nothing(calm: Round) -> None:
    put_catalog(calm.world, {"cluster": CLUSTER, "database": CATALOG, "tables": "none"})
    calm.world.change(czar={"replicas": 2})
    calm.pass_(8)
    assert calm.condition("QservCatalog", CATALOG, "Available")["reason"] == "InvalidSpec"
    assert calm.events("QservCatalog") == ["InvalidSpec"]
    assert len([pod for pod in calm.world.api.of_kind("Pod") if "-czar-" in pod["metadata"]["name"]]) == 2


def test_who_names_a_cluster_that_is_not_there_is_told() -> None:
    found = Round()
    found.world.api.remove(found.world.cluster)
    put_catalog(found.world, catalog_of(["a"], "Retain"))
    user = {"cluster": CLUSTER, "name": "reader"}
    meta = {"name": "reader", "namespace": NAMESPACE}
    found.world.api.put({"apiVersion": API_VERSION, "kind": "QservUser", "metadata": meta, "spec": user})
    assert found.reconciler.reconcile(NAMESPACE, CLUSTER) is None
    for kind, name in (("QservCatalog", CATALOG), ("QservUser", "reader")):
        assert found.condition(kind, name, "Available")["reason"] == "ClusterMissing"
    found.applied.clear()
    found.reconciler.reconcile(NAMESPACE, CLUSTER)
    assert found.applied == []


def test_a_status_is_not_written_to_another_resource_of_the_name(calm: Round) -> None:
    spec = calm.world.cluster["spec"]
    calm.world.cluster["metadata"]["uid"] = "before"
    gone = dict(calm.world.cluster)
    calm.world.api.remove(calm.world.cluster)
    calm.world.make(spec)
    calm.world.api.get = lambda *_: gone  # type: ignore[method-assign]
    calm.reconciler.reconcile(NAMESPACE, CLUSTER)
    assert "status" not in calm.world.cluster


def tokens(secret: str) -> list[str]:
    """The credentials that an operator sends while the cluster's Secret holds this text."""
    world, sent = World(nodes=3, workers=3), []

    def engine_of(_identity: object, _spec: object, token: str, _authority: object) -> Engine:
        sent.append(token)
        raise EngineError("unavailable", "not now")

    meta = {"name": f"{CLUSTER}-secret", "namespace": NAMESPACE}
    data = {"secret": base64.b64encode(secret.encode()).decode()}
    world.api.put({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})
    snapshot = gather(world.api, engine_of, world.cluster, world.now())
    return [*sent, snapshot.engine_error]


def test_of_a_secret_that_is_being_rotated_the_first_line_is_sent() -> None:
    assert tokens("new\nold\n") == ["new", "not now"]


def test_a_secret_that_was_emptied_is_missed() -> None:
    (error,) = tokens("\n")
    assert "sky-secret has nothing in its key secret" in error


def test_a_cluster_made_suspended_is_given_nothing() -> None:
    found = Round()
    found.world.change(suspend=True)
    found.pass_(3)
    assert set(found.applied) == {"status"}
    assert found.condition(type_="Progressing")["reason"] == "Suspended"
