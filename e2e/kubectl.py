"""Kubernetes as its users meet it: kubectl, and a port forwarded to a Service."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

Object = dict[str, Any]
T = TypeVar("T")
POLL_SECONDS = 0.5


class KubectlError(RuntimeError):
    """kubectl ended with an error; its message is the server's."""


def wait_for(what: str, look: Callable[[], T | None], seconds: float = 180) -> T:
    """The first truthy value that ``look`` returns; a timeout names what was waited for and what was last seen."""
    end = time.monotonic() + seconds
    seen: object = None
    while time.monotonic() < end:
        try:
            found = look()
        except (KubectlError, OSError) as error:
            seen = error
        else:
            if found:
                return found
            seen = found
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"{what} did not happen in {seconds:.0f} s; last seen: {seen!r}")


class Kubectl:
    """kubectl on one cluster and one namespace."""

    def __init__(self, kubeconfig: Path, namespace: str = "default") -> None:
        self.kubeconfig = kubeconfig
        self.namespace = namespace

    def at(self, namespace: str) -> Kubectl:
        return Kubectl(self.kubeconfig, namespace)

    def __call__(self, *argv: str, text: str | None = None, timeout: float = 180) -> str:
        command = ["kubectl", "--kubeconfig", str(self.kubeconfig), "--namespace", self.namespace, *argv]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout)
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def apply(self, *objects: Object, dry_run: bool = False) -> str:
        options = ("--dry-run=server",) if dry_run else ()
        return self("apply", *options, "-f", "-", text=yaml.safe_dump_all(objects))

    def apply_file(self, path: Path) -> str:
        return self("apply", "-f", str(path))

    def get(self, kind: str, name: str) -> Object:
        return dict(json.loads(self("get", kind, name, "-o", "json")))

    def find(self, kind: str, selector: str = "") -> list[Object]:
        options = ("-l", selector) if selector else ()
        return list(json.loads(self("get", kind, *options, "-o", "json"))["items"])

    def exists(self, kind: str, name: str) -> bool:
        return bool(self("get", kind, name, "--ignore-not-found", "-o", "name").strip())

    def patch(self, kind: str, name: str, change: Object) -> None:
        self("patch", kind, name, "--type", "merge", "-p", json.dumps(change))

    def metrics(self, pod: str, port: int) -> str:
        """What ``/metrics`` of a pod says."""
        return self("get", "--raw", f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{port}/proxy/metrics")

    @contextmanager
    def forwarded(self, target: str, port: int) -> Iterator[int]:
        """A local port that leads to a port of a Service or pod."""
        command = ["kubectl", "--kubeconfig", str(self.kubeconfig), "--namespace", self.namespace]
        forward = subprocess.Popen(
            [*command, "port-forward", "--address", "127.0.0.1", target, f":{port}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert forward.stdout is not None
            first = forward.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+)", first)
            if found is None:
                raise KubectlError(f"port-forward {target}: {first}{forward.stdout.read()}")
            yield int(found[1])
        finally:
            forward.terminate()
            forward.wait(10)
            if forward.stdout is not None:
                forward.stdout.close()
