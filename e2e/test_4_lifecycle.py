"""A second cluster whose disks fill up, deletion and return over kept volumes, bad manifests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
import yaml
from certificates import certificate
from kubectl import Kubectl, KubectlError, Object, wait_for
from product import gaia_catalog, make_cluster
from stars import truths
from survey import Cluster

BAD: list[Object] = yaml.safe_load(
    (Path(__file__).parent.parent / "operator" / "tests" / "bad" / "manifests.yaml").read_text()
)
COUNT = "SELECT COUNT(*) FROM gaia.Star"
BALLAST = "head -c 1000000000 /dev/zero > /data/ballast 2> /dev/null; stat -c %s /data/ballast"


@pytest.fixture(scope="module")
def other(sky: Cluster, operator: Kubectl, small_disks: str) -> Iterator[Cluster]:
    """A cluster of the same name in another namespace, with two workers on small disks, and TLS on every port.

    It is deleted at the end.
    """
    storage = {"storageClass": small_disks, "size": "100Mi"}
    other = make_cluster(
        operator, "other", worker={"replicas": 2, "storage": storage}, tls={"secretName": "certificate"}
    )
    other.wait_condition("Degraded", "True", "SecretMissing")
    wait_for("it is news", lambda: "SecretMissing" in other.events())
    other.kubectl.apply(certificate("certificate", other.name, "other"))
    other.wait_condition("Available", "True")
    yield other
    other.kubectl("delete", "qservcluster", other.name, "--ignore-not-found", "--wait=true")
    wait_for("its pods are gone", lambda: not other.pods("worker"))


def test_a_second_cluster_of_the_same_name_keeps_to_its_namespace(other: Cluster, calm: Cluster) -> None:
    assert other.ask("SHOW DATABASES") == [("information_schema",)]
    assert other.password() != calm.password()


def test_clients_and_processes_speak_tls(other: Cluster, tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    authority.write_text(other.secret("certificate", "ca.crt"))
    trusted = {"ssl_ca": str(authority), "ssl_verify_cert": True}
    with other.connection(**trusted) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW DATABASES")
        assert cursor.fetchall() == (("information_schema",),)
    stranger = tmp_path / "stranger.crt"
    stranger.write_text(certificate("", other.name, "other")["stringData"]["ca.crt"])
    with pytest.raises(pymysql.OperationalError, match="certificate verify failed"):
        other.connection(**trusted | {"ssl_ca": str(stranger)}).__enter__()
    pod = f"{other.name}-replication-0"
    with pytest.raises(KubectlError):
        other.kubectl.metrics(pod, 25081)
    assert "qserv_" in other.kubectl.metrics(f"https:{pod}", 25081)


def test_a_volume_that_fills_up_loses_nothing_and_takes_rows_again(other: Cluster, stars_url: str) -> None:
    other.load(gaia_catalog(stars_url))
    workers = list(other.uids("worker"))
    for worker in workers:
        assert int(other.kubectl("exec", worker, "--", "sh", "-c", BALLAST)) > 0
    other.wait_condition("Degraded", "True", "VolumeFull")
    wait_for("it is news", lambda: "VolumeFull" in other.events())
    more = gaia_catalog(stars_url, "more")
    other.kubectl.apply(more)
    wait_for("the load fails", lambda: other.catalog("more").get("state") == "Failed", 300)
    assert "disk is full" in " ".join(other.catalog("more")["errors"])
    for sql, answer in truths().items():
        assert other.ask(sql) == answer, sql
    for worker in workers:
        other.kubectl("exec", worker, "--", "rm", "/data/ballast")
    other.kubectl("delete", "qservcatalog", "more")
    other.wait_calm()
    other.load(more)
    assert other.ask(COUNT.replace("gaia", "more")) == truths()[COUNT]


def test_deleted_in_mid_rollout_and_made_again_it_has_its_data(calm: Cluster) -> None:
    resource = calm.resource()
    before = calm.uids("worker")
    calm.spec(worker={"resources": {"requests": {"cpu": "240m"}}})
    wait_for("a worker is restarted", lambda: calm.uids("worker") != before, 600)
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
