"""One Kubernetes for the whole run, the operator installed by Helm, and a cluster with real stars in it."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import clusters
import pytest
from kubectl import Kubectl
from product import CHARTS, SYSTEM, gaia_catalog, images, install_operator, kill_operator, make_cluster
from stars import serve_stars, truths
from survey import Cluster
from volumes import local_volume, storage_class

DISKS = 4
"""Local volumes a node: workers of two clusters, their metadata, and one to spare."""


SMALL_MEGABYTES = 160


def pytest_report_header() -> str:
    seed = os.environ.get("QSERV_E2E_SEED") or str(random.randrange(10**6))
    random.seed(seed)
    return f"QSERV_E2E_SEED={seed}: moments at which the operator is killed"


@pytest.fixture(scope="session")
def archives() -> list[Path]:
    """The images as archives (docker-archive), in the folder ``QSERV_E2E_IMAGES``; ``make e2e`` makes them."""
    folder = os.environ.get("QSERV_E2E_IMAGES")
    if not folder:
        pytest.skip("no images: run this by 'make e2e'")
    found = [Path(folder) / f"{name}.tar" for name in ("engine", "engine-next", "engine-far", "operator", "metadata")]
    missing = [str(path) for path in found if not path.is_file()]
    assert not missing, f"no images {missing}: make images ARCHIVES={folder}"
    return found


@pytest.fixture(scope="session")
def kubernetes(archives: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[clusters.Kubernetes]:
    lab = os.environ.get("QSERV_E2E_LAB")
    given = os.environ.get("KUBECONFIG")
    if given:
        manager = clusters.given(given, archives)
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
    volumes = []
    for node in worker_nodes:
        for number in range(1, DISKS + 1):
            path = f"/mnt/disks/pv{number}"
            kubernetes.nodes.prepare_disk(node, path)
            volumes.append(local_volume("local", node, path, "200Gi"))
    kubectl.apply(storage_class("local", default=True), *volumes)


@pytest.fixture(scope="session")
def small_disks(kubernetes: clusters.Kubernetes, kubectl: Kubectl, worker_nodes: list[str]) -> str:
    """The class of a volume on each node that is soon full."""
    if kubernetes.nodes is None:
        pytest.skip("nobody told how this cluster's nodes get a disk (QSERV_E2E_NODES)")
    path = "/mnt/small"
    for node in worker_nodes:
        kubernetes.nodes.prepare_small_disk(node, path, SMALL_MEGABYTES)
    volumes = [local_volume("small", node, path, f"{SMALL_MEGABYTES}Mi") for node in worker_nodes]
    kubectl.apply(storage_class("small"), *volumes)
    return "small"


@pytest.fixture(scope="session")
def operator(kubernetes: clusters.Kubernetes, kubectl: Kubectl, disks: None) -> Kubectl:
    """The operator, installed by its chart."""
    asyncio.run(install_operator(kubernetes.kubeconfig, CHARTS / "qserv-operator"))
    return kubectl.at(SYSTEM)


@pytest.fixture(scope="session")
def stars_url(kubectl: Kubectl) -> str:
    """Where pods find the stars as CSV."""
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "stars"}})
    return serve_stars(kubectl.at("stars"), str(images()["image"]))


@pytest.fixture(scope="session")
def sky(operator: Kubectl, stars_url: str) -> Cluster:
    """The sample cluster with Gaia's bright stars loaded, every chunk with its copies."""
    cluster = make_cluster(operator, "survey")
    cluster.wait_condition("Available", "True")
    cluster.wait_calm()
    cluster.load(gaia_catalog(stars_url))
    for sql, answer in truths().items():
        assert cluster.ask(sql) == answer, sql
    return cluster


@pytest.fixture
def calm(sky: Cluster, operator: Kubectl) -> Iterator[Cluster]:
    """The cluster, calm before the test and after it; during the test, at a random moment, the operator is killed."""
    sky.wait_calm()
    moment = random.uniform(0, 20)
    ended = threading.Event()

    def kill() -> None:
        if not ended.wait(moment):
            kill_operator(operator)

    thread = threading.Thread(target=kill)
    thread.start()
    print(f"the operator is killed after {moment:.1f} s")
    try:
        yield sky
    finally:
        ended.set()
        thread.join()
    sky.wait_calm(600)
