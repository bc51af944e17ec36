"""Power failures, lost disks, cut cables, frozen processes, nodes that people work on."""

from __future__ import annotations

import pytest
from clusters import Kubernetes
from kubectl import KubectlError, wait_for
from stars import truths
from survey import Cluster, queries_go_on

from faults import Nodes


@pytest.fixture
def nodes(kubernetes: Kubernetes) -> Nodes:
    if kubernetes.nodes is None:
        pytest.skip("nobody told how this cluster's nodes can be hurt (QSERV_E2E_NODES)")
    return kubernetes.nodes


@pytest.fixture
def spare_node(worker_nodes: list[str]) -> None:
    if len(worker_nodes) < 4:
        pytest.skip("a fourth node is needed for a worker to go to")


def spare_worker(cluster: Cluster) -> tuple[str, str]:
    """A worker and its node, on which neither the metadata, a czar nor the web server lies."""
    taken = {pod["spec"]["nodeName"] for component in ("metadata", "czar") for pod in cluster.pods(component)}
    taken.add(Cluster("", cluster.kubectl.at("stars")).node_of("catalogs"))
    for pod in cluster.pods("worker"):
        if pod["spec"]["nodeName"] not in taken:
            return pod["metadata"]["name"], pod["spec"]["nodeName"]
    pytest.skip("every worker shares its node with a czar or the metadata")


def test_a_node_loses_power_under_queries_and_returns(calm: Cluster, nodes: Nodes) -> None:
    pod, node = spare_worker(calm)
    with queries_go_on(calm):
        nodes.power_off(node)
        try:
            calm.wait_condition("Degraded", "True")
        finally:
            nodes.power_on(node)
        wait_for("its worker is back on its disk", lambda: calm.node_of(pod) == node, 300)
        calm.wait_calm(600)


def test_a_lost_node_s_worker_is_made_anew_elsewhere(calm: Cluster, nodes: Nodes, spare_node: None) -> None:
    pod, node = spare_worker(calm)
    calm.spec(
        worker={"replacement": {"notReadySeconds": 5}},
        replication={"repairDelaySeconds": 10},
    )
    calm.wait_calm()
    with queries_go_on(calm):
        nodes.power_off(node)
        try:
            wait_for("the worker has another node", lambda: calm.node_of(pod) not in ("", node), 600)
            calm.wait_calm(600)
            nodes.wipe(node)
        finally:
            nodes.power_on(node)
    assert "WorkerReplaced" in calm.events()


def test_a_cut_cable_is_ridden_out(calm: Cluster, nodes: Nodes) -> None:
    _pod, node = spare_worker(calm)
    calm.spec(worker={"replacement": {"notReadySeconds": 1800}})
    with queries_go_on(calm):
        nodes.cut(node)
        try:
            calm.wait_condition("Degraded", "True")
        finally:
            nodes.heal(node)
        calm.wait_calm(600)


def test_a_node_under_maintenance_is_evacuated(calm: Cluster, spare_node: None) -> None:
    pod, node = spare_worker(calm)
    with queries_go_on(calm):
        calm.spec(maintenance={"nodes": [node], "evacuate": True})
        calm.kubectl("cordon", node)
        try:
            wait_for("its worker has another node", lambda: calm.node_of(pod) not in ("", node), 600)
            assert calm.condition("Degraded").get("reason") not in ("ChunksLost", "ChunksAtRisk")
        finally:
            calm.kubectl("uncordon", node)
            calm.spec(maintenance={"nodes": [], "evacuate": False})
        wait_for("it holds chunks again", lambda: calm.chunks()[pod] > 0, 300)


def test_a_drain_waits_for_copies_of_what_is_nowhere_else(calm: Cluster) -> None:
    pod, node = spare_worker(calm)
    before = calm.uids("worker")
    chosen = f"--pod-selector=app.kubernetes.io/instance={calm.name},app.kubernetes.io/component=worker"
    drain = ("drain", node, chosen, "--delete-emptydir-data")

    def evictable() -> int:
        return int(calm.kubectl.get("pdb", f"{calm.name}-worker")["spec"]["maxUnavailable"])

    with queries_go_on(calm):
        calm.spec(replication={"factor": 1})
        wait_for("a chunk has one copy", lambda: evictable() == 0)
        try:
            with pytest.raises(KubectlError, match="disruption budget"):
                calm.kubectl(*drain, "--timeout=12s")
            assert calm.uids("worker") == before
            calm.spec(replication={"factor": 2})
            calm.kubectl(*drain, "--timeout=170s")
            wait_for("its pod waits for the node", lambda: calm.uids("worker").get(pod) not in (None, before[pod]))
            assert calm.resource()["status"]["chunks"]["lost"] == 0
        finally:
            calm.kubectl("uncordon", node)
        wait_for("its worker is back on its disk", lambda: calm.node_of(pod) == node)


def test_an_engine_that_does_not_answer_is_left_alone(calm: Cluster, nodes: Nodes) -> None:
    where = {pod["spec"]["nodeName"] for pod in calm.pods("replication")}
    workers = calm.uids("worker")
    try:
        for node in where:
            nodes.freeze(node, "qserv replication")
        calm.wait_condition("Degraded", "True", "EngineUnreachable")
        calm.spec(worker={"replicas": 2})
        told = calm.wait_condition("Progressing", "True", "ScalingIn")
        assert "when the engine answers" in told["message"]
        for sql, answer in truths().items():
            assert calm.ask(sql) == answer, sql
        calm.spec(worker={"replicas": 3})
    finally:
        for node in where:
            nodes.thaw(node, "qserv replication")
    calm.wait_calm()
    assert calm.uids("worker") == workers
    assert "EngineUnreachable" in calm.events()
