"""The operator's own life: removed, installed in its previous version, upgraded; the clusters run on all the while."""

from __future__ import annotations

import asyncio
from pathlib import Path

from clusters import Kubernetes
from kubectl import Kubectl
from product import CHARTS, install_operator, remove_operator
from stars import truths
from survey import Cluster

PREVIOUS = Path(__file__).parent / "previous" / "qserv-operator-0.0.9.tgz"
"""The chart of before 0.1.0 with the CRDs of then, in which accounts in the status were plain names."""


def test_removed_installed_as_it_was_and_upgraded_it_restarts_no_pod(
    sky: Cluster, operator: Kubectl, kubernetes: Kubernetes
) -> None:
    sky.wait_calm(600)
    before = pods(sky)
    assert kind_of_accounts(operator) == "object"

    asyncio.run(remove_operator(kubernetes.kubeconfig))
    assert not operator.find("deployments")
    for sql, answer in truths().items():
        assert sky.ask(sql) == answer, sql

    asyncio.run(install_operator(kubernetes.kubeconfig, PREVIOUS))
    assert kind_of_accounts(operator) == "string", "the CRDs are those of the previous chart"

    asyncio.run(install_operator(kubernetes.kubeconfig, CHARTS / "qserv-operator"))
    assert kind_of_accounts(operator) == "object", "the upgrade of the release brings the CRDs up to date"
    sky.spec(replication={"bandwidth": "150Mi"})
    sky.wait_calm()
    assert pods(sky) == before


def pods(cluster: Cluster) -> dict[str, str]:
    found = (cluster.uids(component) for component in ("metadata", "replication", "worker", "czar"))
    return {name: uid for uids in found for name, uid in uids.items()}


def kind_of_accounts(kubectl: Kubectl) -> str:
    """The type of an account in the status, as the CRD of clusters has it."""
    schema = kubectl.get("crd", "qservclusters.qserv.io")["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return str(schema["properties"]["status"]["properties"]["accounts"]["items"]["type"])
