"""What can befall a node, one adapter for each kind of cluster that the tests know how to hurt.

A cluster given from outside has no adapter: the tests that need one are skipped on it, and say so.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Protocol


def run(*argv: str) -> str:
    """A command's output; its error text is part of the exception when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Nodes(Protocol):
    """Power, disk and network of nodes, by the nodes' Kubernetes names."""

    def power_off(self, node: str) -> None: ...

    def power_on(self, node: str) -> None: ...

    def wipe(self, node: str) -> None:
        """The disk of a node that is off is lost."""

    def cut(self, node: str) -> None: ...

    def heal(self, node: str) -> None: ...

    def prepare_disk(self, node: str, path: str, group: int = 0) -> None:
        """An empty folder for a local volume, as the staff of a centre would make one; this group may write to it."""

    def prepare_small_disk(self, node: str, path: str, megabytes: int) -> None:
        """The same on a file system of its own that can be filled; it is empty again after a power failure."""

    def freeze(self, node: str, command: str) -> None:
        """Stop the processes of a node whose command line has this text: connections stay, nothing is said."""

    def thaw(self, node: str, command: str) -> None: ...

    def load(self, archive: Path) -> None:
        """An image (docker-archive) for all nodes."""


def _disk(path: str, group: int = 0) -> tuple[str, ...]:
    return ("install", "--directory", "--mode=2775", f"--group={group}", path)


def _small_disk(path: str, megabytes: int) -> tuple[str, ...]:
    # mode: the kubelet gives the volume to the pod's group, but a tmpfs begins as root's alone
    return ("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", path)


def _signal(name: str, command: str) -> tuple[str, ...]:
    return ("pkill", f"-{name}", "-f", command)


class LabNodes:
    """Nodes of a one-machine test cluster, driven by its command line (``QSERV_E2E_LAB``)."""

    def __init__(self, lab: str) -> None:
        self._lab = lab

    def power_off(self, node: str) -> None:
        run(self._lab, "kill", node)

    def power_on(self, node: str) -> None:
        run(self._lab, "start", node)

    def wipe(self, node: str) -> None:
        run(self._lab, "wipe", node)

    def cut(self, node: str) -> None:
        run(self._lab, "cut", node)

    def heal(self, node: str) -> None:
        run(self._lab, "heal", node)

    def prepare_disk(self, node: str, path: str, group: int = 0) -> None:
        run(self._lab, "exec", node, *_disk(path, group))

    def prepare_small_disk(self, node: str, path: str, megabytes: int) -> None:
        self.prepare_disk(node, path)
        run(self._lab, "exec", node, *_small_disk(path, megabytes))

    def freeze(self, node: str, command: str) -> None:
        run(self._lab, "exec", node, *_signal("STOP", command))

    def thaw(self, node: str, command: str) -> None:
        run(self._lab, "exec", node, *_signal("CONT", command))

    def load(self, archive: Path) -> None:
        run(self._lab, "load", str(archive))


class KindNodes:
    """Nodes of a kind cluster: each is a container of the Docker engine."""

    def __init__(self, cluster: str, kind: str = "kind") -> None:
        self._cluster = cluster
        self._kind = kind

    def power_off(self, node: str) -> None:
        run("docker", "kill", node)

    def power_on(self, node: str) -> None:
        run("docker", "start", node)

    def wipe(self, node: str) -> None:
        # the writable layer of a stopped container is reached by starting it with nothing but a shell
        run("docker", "start", node)
        run("docker", "exec", node, "sh", "-c", "systemctl stop kubelet; rm -rf /mnt/disks/*/* /mnt/disks/*/.[!.]*")
        run("docker", "kill", node)

    def cut(self, node: str) -> None:
        # taken off its network, a node would come back with another address, and without its routes
        self._cable(node, "-I")

    def heal(self, node: str) -> None:
        self._cable(node, "-D")

    @staticmethod
    def _cable(node: str, change: str) -> None:
        for chain, side in (("PREROUTING", "-i"), ("POSTROUTING", "-o")):
            run("docker", "exec", node, "iptables", "-t", "mangle", change, chain, side, "eth0", "-j", "DROP")

    def prepare_disk(self, node: str, path: str, group: int = 0) -> None:
        run("docker", "exec", node, *_disk(path, group))

    def prepare_small_disk(self, node: str, path: str, megabytes: int) -> None:
        self.prepare_disk(node, path)
        run("docker", "exec", node, *_small_disk(path, megabytes))

    def freeze(self, node: str, command: str) -> None:
        run("docker", "exec", node, *_signal("STOP", command))

    def thaw(self, node: str, command: str) -> None:
        run("docker", "exec", node, *_signal("CONT", command))

    def load(self, archive: Path) -> None:
        run(self._kind, "load", "image-archive", str(archive), "--name", self._cluster)
