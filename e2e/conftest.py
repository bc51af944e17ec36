"""One Kubernetes for the whole run, the operator installed by Helm, and a cluster with real stars in it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import clusters
import pytest
import yaml
from kubectl import Kubectl, Object, wait_for
from pyhelm3 import Client
from stars import serve_stars, truths
from survey import Cluster

ROOT = Path(__file__).parent.parent
SYSTEM = "qserv-system"
DISKS = 4
"""Local volumes a node: workers of two clusters, their metadata, and one to spare."""


def _version() -> str:
    return next(
        line.split('"')[1] for line in (ROOT / "pyproject.toml").read_text().splitlines() if "version =" in line
    )


@pytest.fixture(scope="session")
def archives() -> list[Path]:
    """The images as archives (docker-archive), in the folder ``QSERV_E2E_IMAGES``; ``make e2e`` makes them."""
    folder = os.environ.get("QSERV_E2E_IMAGES")
    if not folder:
        pytest.skip("no images: run this by 'make e2e'")
    found = [Path(folder) / f"{name}.tar" for name in ("engine", "operator", "metadata")]
    missing = [str(path) for path in found if not path.is_file()]
    assert not missing, f"no images {missing}: make images ARCHIVES={folder}"
    return found


@pytest.fixture(scope="session")
def kubernetes(archives: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[clusters.Kubernetes]:
    lab = os.environ.get("QSERV_E2E_LAB")
    given = os.environ.get("KUBECONFIG")
    if given:
        manager = clusters.given(given)
    elif lab:
        os.environ["PATH"] = f"{clusters.tools(lab)}:{os.environ['PATH']}"
        manager = clusters.lab(lab, 6, DISKS, archives)
    elif clusters.docker_answers():
        manager = clusters.kind(archives, tmp_path_factory.mktemp("kind"))
    else:
        pytest.skip("no Kubernetes: set KUBECONFIG, or have a Docker engine and kind")
    with manager as made:
        for tool in ("kubectl", "helm"):
            assert shutil.which(tool), f"{tool} is not on the PATH"
        yield made


@pytest.fixture(scope="session")
def kubectl(kubernetes: clusters.Kubernetes) -> Kubectl:
    return Kubectl(kubernetes.kubeconfig)


@pytest.fixture(scope="session")
def worker_nodes(kubectl: Kubectl) -> list[str]:
    """Names of the nodes that take ordinary pods."""
    nodes = [node for node in kubectl.find("nodes") if not node["spec"].get("taints")]
    assert len(nodes) >= 3, "the tests need three nodes or more"
    return sorted(node["metadata"]["name"] for node in nodes)


@pytest.fixture(scope="session")
def disks(kubernetes: clusters.Kubernetes, kubectl: Kubectl, worker_nodes: list[str]) -> None:
    """Static local volumes and a default class for them, as a centre's staff makes them."""
    if kubernetes.nodes is None:
        return
    storage: Object = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    volumes = []
    for node in worker_nodes:
        for number in range(1, DISKS + 1):
            path = f"/mnt/disks/pv{number}"
            kubernetes.nodes.prepare_disk(node, path)
            volumes.append(_volume(node, path, number))
    kubectl.apply(storage, *volumes)


def _volume(node: str, path: str, number: int) -> Object:
    host = [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{node}-{number}"},
        "spec": {
            "capacity": {"storage": "200Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "local",
            "local": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": host}]}},
        },
    }


@pytest.fixture(scope="session")
def operator(kubernetes: clusters.Kubernetes, kubectl: Kubectl, disks: None) -> Kubectl:
    """The operator, installed by its chart."""
    helm = Client(kubeconfig=str(kubernetes.kubeconfig))

    async def install() -> None:
        chart = await helm.get_chart(str(ROOT / "charts" / "qserv-operator"))
        values = {"image": {"repository": "localhost/qserv/operator", "tag": _version()}}
        await helm.install_or_upgrade_release(
            "qserv-operator", chart, values, namespace=SYSTEM, create_namespace=True, wait=True, timeout="180s"
        )

    asyncio.run(install())
    return kubectl.at(SYSTEM)


def images() -> Object:
    """What a cluster's spec says where no image registry is reached."""
    return {
        "image": f"localhost/qserv/engine:{_version()}",
        "metadata": {"image": f"localhost/qserv/metadata:{_version()}"},
    }


def make_cluster(kubectl: Kubectl, namespace: str, sample: str = "cluster.yaml", **spec: object) -> Cluster:
    """The sample of the documentation, in a namespace of its own."""
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    resource = yaml.safe_load((ROOT / "docs" / "examples" / sample).read_text())
    resource["spec"] |= images() | spec
    here = kubectl.at(namespace)
    here.apply(resource)
    return Cluster(resource["metadata"]["name"], here)


@pytest.fixture(scope="session")
def sky(operator: Kubectl) -> Cluster:
    """The sample cluster with Gaia's bright stars loaded, every chunk with its copies."""
    cluster = make_cluster(operator, "survey")
    cluster.wait_condition("Available", "True")
    cluster.wait_calm()
    url = serve_stars(cluster.kubectl, str(images()["image"]))
    catalog = yaml.safe_load((ROOT / "docs" / "examples" / "catalog.yaml").read_text())
    catalog["spec"]["tables"][0]["source"]["urls"] = [url]
    cluster.kubectl.apply(catalog)

    def published() -> bool:
        status = cluster.kubectl.get("qservcatalog", "gaia").get("status", {})
        assert status.get("state") != "Failed", status
        return bool(status.get("state") == "Published")

    wait_for("the catalog is published", published, 300)
    for sql, answer in truths().items():
        assert cluster.ask(sql) == answer, sql
    return cluster


@pytest.fixture
def calm(sky: Cluster) -> Iterator[Cluster]:
    """The cluster, calm before the test and after it."""
    sky.wait_calm()
    yield sky
    sky.wait_calm()
