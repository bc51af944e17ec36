"""From `helm install` to SQL answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from kubectl import Kubectl, KubectlError
from stars import truths
from survey import Cluster

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"


def test_the_sample_answers_right(sky: Cluster) -> None:
    for sql, answer in truths().items():
        assert sky.ask(sql) == answer, sql


def test_the_list_shows_what_matters(sky: Cluster) -> None:
    header, row = sky.kubectl("get", "qsc").splitlines()[:2]
    assert header.split() == ["NAME", "READY", "WORKERS", "CHUNKS", "AT-RISK", "LOST", "AGE"]
    chunks = sky.ask("SELECT COUNT(DISTINCT chunkId) FROM gaia.Star")[0][0]
    assert row.split()[:6] == ["sky", "True", "3/3", str(chunks), "0", "0"]


def test_fields_are_explained(sky: Cluster) -> None:
    told = sky.kubectl("explain", "qservcluster.spec.replication")
    assert "Copies of each chunk" in told


def test_a_user_resource_is_an_account_with_its_grants(sky: Cluster) -> None:
    sky.kubectl.apply_file(EXAMPLES / "user.yaml")
    sky.kubectl("wait", "--for=condition=Available", "qservuser/reader", "--timeout=60s")
    assert sky.kubectl.exists("secret", "reader-password")


def test_the_pods_run_restricted(sky: Cluster) -> None:
    sky.kubectl(
        "label", "namespace", sky.kubectl.namespace, "pod-security.kubernetes.io/enforce=restricted", "--overwrite"
    )
    for component in ("metadata", "replication", "worker", "czar"):
        for pod in sky.pods(component):
            bare = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"probe-{pod['metadata']['name']}"},
                "spec": pod["spec"] | {"nodeName": ""},
            }
            sky.kubectl.apply(bare, dry_run=True)


def test_the_engine_may_not_read_secrets(sky: Cluster) -> None:
    who = f"system:serviceaccount:{sky.kubectl.namespace}:sky-engine"
    with pytest.raises(KubectlError, match="no"):
        sky.kubectl("auth", "can-i", "get", "secrets", f"--as={who}")


def test_the_operator_may_not_read_nodes_secrets_of_the_system(operator: Kubectl) -> None:
    account = operator.find("deployments")[0]["spec"]["template"]["spec"]["serviceAccountName"]
    who = f"system:serviceaccount:{operator.namespace}:{account}"
    for verb, what in (("create", "clusterrolebindings"), ("delete", "nodes"), ("create", "pods/exec")):
        with pytest.raises(KubectlError, match="no"):
            operator("auth", "can-i", verb, what, f"--as={who}")
