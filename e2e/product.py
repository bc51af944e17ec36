"""What is tested: the charts, the images and the samples of the documentation as they are in this checkout."""

from __future__ import annotations

from pathlib import Path

import yaml
from kubectl import Kubectl, Object
from pyhelm3 import Client
from survey import Cluster

ROOT = Path(__file__).parent.parent
CHARTS = ROOT / "charts"
EXAMPLES = ROOT / "docs" / "examples"
SYSTEM = "qserv-system"
RELEASE = "qserv-operator"


def version() -> str:
    """The version of the project, and tag of its images."""
    return next(
        line.split('"')[1] for line in (ROOT / "pyproject.toml").read_text().splitlines() if "version =" in line
    )


async def install_operator(kubeconfig: Path, chart: Path, **more: object) -> None:
    """Install or upgrade the operator's release with a chart, a folder or a packed one; ``more``: values of it."""
    helm = Client(kubeconfig=str(kubeconfig))
    values = {"image": {"repository": "localhost/qserv/operator", "tag": version()}} | more
    found = await helm.get_chart(str(chart))
    await helm.install_or_upgrade_release(
        RELEASE, found, values, namespace=SYSTEM, create_namespace=True, wait=True, timeout="180s"
    )


async def remove_operator(kubeconfig: Path) -> None:
    """Uninstall the operator's release; its CRDs stay."""
    await Client(kubeconfig=str(kubeconfig)).uninstall_release(RELEASE, namespace=SYSTEM, wait=True)


def images() -> Object:
    """What a cluster's spec says where no image registry is reached."""
    return {
        "image": f"localhost/qserv/engine:{version()}",
        "metadata": {"image": f"localhost/qserv/metadata:{version()}"},
    }


def make_cluster(kubectl: Kubectl, namespace: str, sample: str = "cluster.yaml", **spec: object) -> Cluster:
    """The sample of the documentation, in a namespace of its own."""
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    resource = yaml.safe_load((EXAMPLES / sample).read_text())
    resource["spec"] |= images() | spec
    here = kubectl.at(namespace)
    here.apply(resource)
    return Cluster(resource["metadata"]["name"], here)


def gaia_catalog(url: str, name: str = "gaia") -> Object:
    """The sample catalog of the documentation, from this URL."""
    catalog: Object = yaml.safe_load((EXAMPLES / "catalog.yaml").read_text())
    catalog["metadata"]["name"] = catalog["spec"]["database"] = name
    catalog["spec"]["tables"][0]["source"]["urls"] = [url]
    return catalog


def kill_operator(operator: Kubectl) -> None:
    """All of its pods at once, without a moment to give back the lease."""
    operator(
        "delete", "pod", "-l", "app.kubernetes.io/name=qserv-operator", "--grace-period=0", "--force", "--wait=false"
    )
