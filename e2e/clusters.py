"""The Kubernetes that the tests run on: one given by ``KUBECONFIG``, one made with kind, or a one-machine lab.

``KUBECONFIG``         any cluster of three or more nodes that has the images and volumes; with
                       ``QSERV_E2E_NODES=kind:<cluster>`` its nodes are kind's, are given both, and are hurt.
``QSERV_E2E_LAB``      the command line of a one-machine test cluster (``up``, ``down``, ``kill`` …).
neither                a cluster of its own with kind, where a Docker engine answers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faults import KindNodes, LabNodes, Nodes, run

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Kubernetes:
    """A cluster to test on. ``nodes`` is None where nobody told how its nodes can be hurt."""

    kubeconfig: Path
    nodes: Nodes | None
    kind: str


@contextmanager
def given(kubeconfig: str, archives: list[Path]) -> Iterator[Kubernetes]:
    how = os.environ.get("QSERV_E2E_NODES", "")
    nodes = KindNodes(how.removeprefix("kind:")) if how.startswith("kind:") else None
    if nodes is not None:
        for archive in archives:
            nodes.load(archive)
    yield Kubernetes(Path(kubeconfig), nodes, "given")


def tools(lab_command: str) -> str:
    """The folder of the lab's kubectl and helm."""
    return run(lab_command, "path").strip()


@contextmanager
def lab(command: str, workers: int, disks: int, archives: list[Path]) -> Iterator[Kubernetes]:
    run(command, "down")
    images = [part for archive in archives for part in ("--image", str(archive))]
    told = run(command, "up", "--workers", str(workers), "--pvs", str(disks), *images)
    kubeconfig = told.strip().splitlines()[-1]
    try:
        yield Kubernetes(Path(kubeconfig), LabNodes(command), "lab")
    finally:
        run(command, "down")


@contextmanager
def kind(archives: list[Path], folder: Path) -> Iterator[Kubernetes]:
    kubeconfig = folder / "kubeconfig"
    run(
        "kind",
        "create",
        "cluster",
        "--config",
        str(HERE / "kind.yaml"),
        "--kubeconfig",
        str(kubeconfig),
        "--wait",
        "180s",
    )
    nodes = KindNodes("qserv-e2e")
    try:
        for archive in archives:
            nodes.load(archive)
        yield Kubernetes(kubeconfig, nodes, "kind")
    finally:
        run("kind", "delete", "cluster", "--name", "qserv-e2e")


def docker_answers() -> bool:
    return (
        bool(shutil.which("docker") and shutil.which("kind"))
        and not subprocess.run(["docker", "info"], capture_output=True, timeout=30).returncode
    )
