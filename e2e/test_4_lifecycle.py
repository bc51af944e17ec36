"""Deletion and return over kept volumes, a second cluster, bad manifests."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from kubectl import Kubectl, KubectlError, Object, wait_for
from stars import truths
from survey import Cluster

from conftest import make_cluster

BAD: list[Object] = yaml.safe_load(
    (Path(__file__).parent.parent / "operator" / "tests" / "bad" / "manifests.yaml").read_text()
)


def test_a_second_cluster_of_the_same_name_keeps_to_its_namespace(calm: Cluster, operator: Kubectl) -> None:
    other = make_cluster(operator, "other", worker={"replicas": 2})
    other.wait_condition("Available", "True")
    assert other.ask("SHOW DATABASES") == [("information_schema",)]
    assert other.password() != calm.password()
    other.kubectl("delete", "qservcluster", other.name, "--wait=true")
    wait_for("its pods are gone", lambda: not other.pods("worker"))
    assert calm.ask("SELECT COUNT(*) FROM gaia.Star") == truths()["SELECT COUNT(*) FROM gaia.Star"]


def test_deleted_and_made_again_it_has_its_data(calm: Cluster) -> None:
    resource = calm.resource()
    calm.kubectl("delete", "qservcluster", calm.name, "--wait=true")
    wait_for("the pods are gone", lambda: not calm.pods("worker") and not calm.pods("metadata"))
    calm.kubectl.apply(
        {key: resource[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": calm.name}}
    )
    calm.wait_condition("Available", "True")
    for sql, answer in truths().items():
        assert calm.ask(sql) == answer, sql


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: str(bad["name"]))
def test_a_bad_manifest_is_refused_with_words(operator: Kubectl, bad: Object) -> None:
    here = operator.at("default")
    before = bad.get("before")
    head = {"apiVersion": "qserv.io/v1alpha1", "kind": (before or bad)["kind"]}
    named = {"metadata": {"name": "refused", "namespace": "default"} | bad.get("metadata", {})}
    if before is not None:
        quiet = {"suspend": True} if before["kind"] == "QservCluster" else {}
        here.apply(head | named | {"spec": before["spec"] | quiet})
    try:
        with pytest.raises(KubectlError) as refused:
            here.apply(head | named | {"spec": bad["spec"]}, dry_run=True)
        assert bad["message"] in str(refused.value)
    finally:
        here("delete", head["kind"], "refused", "--ignore-not-found", "--wait=true")
