"""The page for a computing centre, followed as it is written; and fields of the resource that no other test sets."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
import yaml
from clusters import Kubernetes
from kubectl import Kubectl, Object, wait_for
from product import ROOT, gaia_catalog, images, make_cluster, version
from stars import truths
from survey import Cluster
from volumes import local_volume, storage_class

PAGE = (ROOT / "docs" / "how-to" / "install.md").read_text()
COUNT = "SELECT COUNT(*) FROM gaia.Star"
RACK = "topology.kubernetes.io/rack"
SPARE = "/mnt/disks/ssd3"
ENGINE_GROUP = 10001
FETCH = "import sys, urllib.request; urllib.request.urlretrieve(sys.argv[1], sys.argv[2])"


def block(language: str, holds: str) -> str:
    """A block of the page that has this text."""
    return next(text for text in re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S) if holds in text)


def shell(command: str, kubeconfig: Path) -> str:
    """What a command of the page tells."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"export KUBECONFIG={kubeconfig}; {command}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not done.returncode, f"{command}: {done.stderr}"
    return done.stdout


def values(nodes: list[str], url: str) -> Object:
    """The page's values with the names of these nodes; their memory is not a centre's."""
    found: Object = yaml.safe_load(block("yaml", "localDisks"))
    named = {f"node-{number}": node for number, node in enumerate(nodes, 1)}
    for disk in found["localDisks"]["disks"]:
        disk["node"] = named[disk["node"]]
    spec = found["spec"]
    del spec["worker"]["resources"]
    spec["worker"]["whenScaled"] = spec["deletionPolicy"] = "Delete"
    spec["metadata"]["nodeSelector"] = {key: named[name] for key, name in spec["metadata"]["nodeSelector"].items()}
    spec["metadata"] |= images()["metadata"]
    spec["image"] = images()["image"]
    catalog = gaia_catalog(url)["spec"]
    del catalog["cluster"]
    return found | {"catalogs": {"gaia": catalog}, "users": {"reader": {"name": "reader", "grants": ["gaia"]}}}


@pytest.fixture(scope="module")
def centre(
    operator: Kubectl,
    kubernetes: Kubernetes,
    worker_nodes: list[str],
    stars_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    """The page's cluster by its chart, on disks that the chart makes volumes of."""
    if kubernetes.nodes is None:
        pytest.skip("nobody told how this cluster's nodes get a disk (QSERV_E2E_NODES)")
    made = values(worker_nodes[:3], stars_url)
    if len(worker_nodes) > 3:
        made["localDisks"]["disks"].append({"node": worker_nodes[3], "path": SPARE, "size": "4Ti"})
    for disk in made["localDisks"]["disks"]:
        kubernetes.nodes.prepare_disk(disk["node"], disk["path"])
    for number, node in enumerate(worker_nodes):
        operator("label", "node", node, f"{RACK}=r{number}", "--overwrite")
    file = tmp_path_factory.mktemp("centre") / "values.yaml"
    file.write_text(yaml.safe_dump(made))
    shell("kubectl --namespace qserv-system rollout status deployment/qserv-operator", kubernetes.kubeconfig)
    install = block("sh", "charts/qserv-cluster").splitlines()[0]
    assert install.startswith("helm install sky charts/qserv-cluster --namespace survey ")
    shell(install.replace("survey", "centre").replace("values.yaml", str(file)), kubernetes.kubeconfig)
    cluster = Cluster("sky", operator.at("centre"))
    cluster.wait_condition("Available", "True")
    yield cluster
    shell("helm uninstall sky --namespace centre --wait", kubernetes.kubeconfig)
    wait_for("its pods are gone", lambda: not cluster.kubectl.find("pods"))


def test_the_centre_s_cluster_has_its_catalog_its_account_and_a_copy_in_each_rack(centre: Cluster) -> None:
    centre.kubectl("wait", "--for=condition=Available", "qservcatalog/gaia", "--timeout=300s")
    centre.kubectl("wait", "--for=condition=Available", "qservuser/reader", "--timeout=60s")
    centre.wait_calm()
    rows = centre.resource()["status"]["workers"]
    racks = {row["node"]: row["domain"] for row in rows}
    labels = {node: centre.kubectl.get("node", node)["metadata"]["labels"][RACK] for node in racks}
    assert racks == labels
    assert len(set(racks.values())) == 3
    total = centre.resource()["status"]["chunks"]["total"]
    assert [row["chunks"] for row in rows] == [total] * 3
    metadata = centre.kubectl.get("pvc", "data-sky-metadata-0")
    assert metadata["status"]["capacity"]["storage"] == "100Gi", "it took no worker's disk"
    classes = {claim["spec"]["storageClassName"] for claim in centre.kubectl.find("pvc")}
    assert classes == {"qserv-local"}


def test_sql_answers_at_the_service_s_address_with_the_page_s_password(centre: Cluster, kubernetes: Kubernetes) -> None:
    told = block("sh", "sky-user-qserv").splitlines()[0].replace("survey", "centre")
    password = shell(told, kubernetes.kubeconfig)
    service = centre.kubectl.get("service", "sky")["spec"]
    assert service["type"] == "LoadBalancer"
    port = next(port["nodePort"] for port in service["ports"] if port["port"] == 4040)
    node = centre.kubectl.get("node", centre.pods("czar")[0]["spec"]["nodeName"])
    address = next(item["address"] for item in node["status"]["addresses"] if item["type"] == "InternalIP")
    with pymysql.connect(host=address, port=port, user="qserv", password=password, connect_timeout=10) as connection:
        cursor = connection.cursor()
        for sql, answer in truths().items():
            cursor.execute(sql)
            assert list(cursor.fetchall()) == answer, sql


def test_a_worker_scaled_away_takes_its_volume_along_where_it_is_to(centre: Cluster, worker_nodes: list[str]) -> None:
    if len(worker_nodes) < 4:
        pytest.skip("a fourth node is needed")
    shell_scale = ("scale", "qservcluster", "sky")
    centre.kubectl(*shell_scale, "--replicas=4")
    wait_for("the fourth holds chunks", lambda: centre.chunks().get("sky-worker-3"), 300)
    assert centre.kubectl.exists("pvc", "data-sky-worker-3")
    centre.wait_calm()
    centre.kubectl(*shell_scale, "--replicas=3")
    wait_for("its volume is given up", lambda: not centre.kubectl.exists("pvc", "data-sky-worker-3"), 300)
    centre.wait_calm()
    assert centre.ask(COUNT) == truths()[COUNT]
    wait_for("it is news", lambda: "WorkerRemoved" in centre.events(), 60)


def test_deleted_by_policy_it_leaves_neither_claims_nor_secrets(centre: Cluster, kubernetes: Kubernetes) -> None:
    centre.kubectl("delete", "qservcluster", "sky", "--wait=true")
    wait_for("claims are gone", lambda: not centre.kubectl.find("pvc"))
    ours = ("sky-secret", "sky-metadata", "sky-user-qserv")
    wait_for("Secrets are gone", lambda: not any(centre.kubectl.exists("secret", name) for name in ours))
    volumes = [pv for pv in centre.kubectl.find("pv") if pv["spec"]["storageClassName"] == "qserv-local"]
    assert {pv["spec"]["persistentVolumeReclaimPolicy"] for pv in volumes} == {"Retain"}, (
        "the disks keep what is on them"
    )


DATABASE = {
    "MARIADB_DATABASE": "qserv",
    "MARIADB_USER": "qserv",
    "MARIADB_PASSWORD": "open sesame",
    "MARIADB_ROOT_PASSWORD": "root",
}
MONITORS: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
    "spec": {
        "group": "monitoring.coreos.com",
        "scope": "Namespaced",
        "names": {"kind": "ServiceMonitor", "plural": "servicemonitors"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
"""Prometheus's own is stricter; that it is there is what matters here."""


def database(kubectl: Kubectl) -> Object:
    """A MariaDB that others run, and what ``metadata.external`` says of it."""
    labels = {"app": "database"}
    run = {"name": "run", "mountPath": "/run/mysqld"}
    container = {
        "name": "mariadb",
        "image": images()["metadata"]["image"],
        "env": [{"name": key, "value": value} for key, value in DATABASE.items()],
        "volumeMounts": [run, {"name": "data", "mountPath": "/var/lib/mysql"}],
    }
    volumes = [{"name": "run", "emptyDir": {}}, {"name": "data", "emptyDir": {}}]
    security = {"runAsUser": 999, "runAsGroup": 999, "fsGroup": 999}
    spec = {"containers": [container], "volumes": volumes, "securityContext": security}
    url = {"url": "mysql+pymysql://qserv@database:3306/qserv", "word": DATABASE["MARIADB_PASSWORD"]}
    port = {"selector": labels, "ports": [{"port": 3306}]}
    kubectl.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "database", "labels": labels}, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "database"}, "spec": port},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "database"}, "stringData": url},
    )
    secret = {"urlSecret": {"name": "database", "key": "url"}, "passwordSecret": {"name": "database", "key": "word"}}
    return {"external": secret}


@pytest.fixture
def store(operator: Kubectl, kubernetes: Kubernetes, worker_nodes: list[str]) -> str:
    """The claim of a volume that a Job writes to and the workers on a node read."""
    if kubernetes.nodes is None:
        pytest.skip("nobody told how this cluster's nodes get a disk (QSERV_E2E_NODES)")
    node, path = worker_nodes[-1], "/mnt/store"
    kubernetes.nodes.prepare_disk(node, path, ENGINE_GROUP)
    operator.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fields"}},
        storage_class("store"),
        local_volume("store", node, path, "1Gi"),
    )
    claim = {
        "storageClassName": "store",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    operator.at("fields").apply(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "store"}, "spec": claim}
    )
    return "store"


def test_an_outer_database_a_source_volume_chosen_nodes_and_an_image_that_is_put_right(
    operator: Kubectl, disks: None, store: str, stars_url: str, worker_nodes: list[str]
) -> None:
    kubectl = operator.at("fields")
    node = worker_nodes[-1]
    operator.apply(MONITORS)
    operator("label", "node", node, "qserv.io/test=fields", "--overwrite")
    keys = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys"},
        "stringData": {"AWS_ENDPOINT_URL": "http://s3", "word": "open sesame"},
    }
    kubectl.apply(keys)
    cluster = make_cluster(
        operator,
        "fields",
        image=f"localhost/qserv/engine:{version()}-none",
        imagePullSecrets=["registry"],
        worker={
            "replicas": 1,
            "nodes": [node],
            "nodeSelector": {"qserv.io/test": "fields"},
            "tolerations": [{"key": "qserv.io/test", "operator": "Exists"}],
            "sourceVolumes": [{"name": "store", "claimName": store}],
            "sourceSecret": "keys",
            "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
        },
        czar={
            "service": {"type": "NodePort", "nodePort": 30444},
            "resultStorage": {"size": "1Gi", "storageClass": "local"},
        },
        replication={"factor": 1, "controllers": 1, "nodeSelector": {"kubernetes.io/os": "linux"}},
        metadata=database(kubectl),
        monitoring={"serviceMonitor": True, "labels": {"release": "prometheus"}},
        users=[{"name": "chief", "admin": True, "passwordSecret": {"name": "keys", "key": "word"}}],
    )
    cluster.wait_condition("Degraded", "True", "ImageNotPullable")
    wait_for("it is news", lambda: "ImageNotPullable" in cluster.events())
    cluster.spec(image=images()["image"])
    cluster.wait_condition("Available", "True")
    cluster.wait_calm()

    assert not cluster.pods("metadata")
    (worker,) = cluster.pods("worker")
    assert worker["spec"]["nodeName"] == node
    assert (
        cluster.kubectl("exec", worker["metadata"]["name"], "--", "printenv", "AWS_ENDPOINT_URL").strip() == "http://s3"
    )
    assert worker["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert cluster.kubectl.get("service", "sky")["spec"]["ports"][0]["nodePort"] == 30444
    assert cluster.kubectl.get("servicemonitor", "sky")["metadata"]["labels"]["release"] == "prometheus"
    (results,) = [item for item in cluster.kubectl.find("pvc") if item["metadata"]["name"].endswith("-results")]
    assert results["status"]["phase"] == "Bound"

    catalog = gaia_catalog("file:///sources/store/stars.csv")
    catalog["spec"]["prepare"] = {
        "command": ["python", "-c", FETCH, stars_url, "/sources/store/stars.csv"],
        "volumes": [{"name": "store", "claimName": store}],
    }
    cluster.load(catalog)
    with cluster.connection(user="chief", password="open sesame") as connection, connection.cursor() as cursor:
        cursor.execute(COUNT)
        assert list(cursor.fetchall()) == truths()[COUNT]
    cluster.kubectl("delete", "qservcluster", "sky", "--wait=true")
    wait_for("its pods are gone", lambda: not cluster.pods("worker"))
    assert cluster.kubectl.exists("pvc", "data-sky-worker-0"), "by default volumes stay"
