"""Power failures, lost disks, cut cables."""

from __future__ import annotations

import pytest
from clusters import Kubernetes
from kubectl import Kubectl, wait_for
from survey import Cluster
from test_2_changes import kill_operator, queries_go_on

from faults import Nodes


@pytest.fixture
def nodes(kubernetes: Kubernetes) -> Nodes:
    if kubernetes.nodes is None:
        pytest.skip("nobody told how this cluster's nodes can be hurt (QSERV_E2E_NODES)")
    return kubernetes.nodes


def spare_worker(cluster: Cluster) -> tuple[str, str]:
    """A worker and its node, on which neither the metadata, a czar nor the web server lies."""
    taken = {pod["spec"]["nodeName"] for component in ("metadata", "czar") for pod in cluster.pods(component)}
    taken.add(cluster.node_of("catalogs"))
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


def test_a_lost_node_s_worker_is_made_anew_elsewhere(calm: Cluster, nodes: Nodes, operator: Kubectl) -> None:
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
            kill_operator(operator)
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
