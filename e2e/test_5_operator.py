"""The operator's own life: removed, installed in its previous version, upgraded; the clusters run on all the while."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from clusters import Kubernetes
from kubectl import Kubectl
from product import CHARTS, RELEASE, SYSTEM, install_operator, make_cluster, remove_operator
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


def test_limited_to_some_namespaces_it_sees_and_may_touch_no_other(
    sky: Cluster, operator: Kubectl, kubernetes: Kubernetes
) -> None:
    chart, here = CHARTS / "qserv-operator", sky.kubectl.namespace
    unseen = make_cluster(operator, "unseen", suspend=True)
    unseen.wait_condition("Progressing", "True", "Suspended")
    asyncio.run(install_operator(kubernetes.kubeconfig, chart, watchNamespaces=[here]))
    try:
        for what in ("get secrets", "list pods", "patch services", "patch qservclusters/status", "list leases"):
            assert [may(operator, namespace, what) for namespace in ("unseen", SYSTEM)] == [False, False], what
            assert may(operator, here, what) is (what != "list leases"), what
        unseen.spec(restart="again")
        sky.spec(replication={"bandwidth": "160Mi"})
        sky.wait_calm()
        assert unseen.condition("Progressing") == {}, "its status is as old as it was"
    finally:
        asyncio.run(install_operator(kubernetes.kubeconfig, chart))
    unseen.wait_condition("Progressing", "True", "Suspended")
    unseen.kubectl("delete", "namespace", "unseen")


def may(operator: Kubectl, namespace: str, what: str) -> bool:
    """Whether the operator's account has a right in a namespace."""
    # `kubectl auth can-i` ends with an error for a no, so the question is asked as it asks it
    verb, resource = what.split()
    resource, _, subresource = resource.partition("/")
    group = "qserv.io" if resource.startswith("qserv") else "coordination.k8s.io" if resource == "leases" else ""
    asked = {"namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": subresource}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": f"system:serviceaccount:{SYSTEM}:{RELEASE}", "resourceAttributes": asked},
    }
    told = operator("create", "-f", "-", "-o", "json", text=json.dumps(review))
    return bool(json.loads(told)["status"]["allowed"])


def pods(cluster: Cluster) -> dict[str, str]:
    found = (cluster.uids(component) for component in ("metadata", "replication", "worker", "czar"))
    return {name: uid for uids in found for name, uid in uids.items()}


def kind_of_accounts(kubectl: Kubectl) -> str:
    """The type of an account in the status, as the CRD of clusters has it."""
    schema = kubectl.get("crd", "qservclusters.qserv.io")["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return str(schema["properties"]["status"]["properties"]["accounts"]["items"]["type"])
