"""Names, labels and ports of everything that a cluster consists of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from qserv_operator.models.base import API_VERSION

MANAGER = "qserv-operator"
TEMPLATE_LABEL = "qserv.io/template"
DOMAIN_ANNOTATION = "qserv.io/failure-domain"
HOSTNAME_LABEL = "kubernetes.io/hostname"

MYSQL_PORT = 4040
CZAR_HTTP_PORT = 4048
CZAR_FLIGHT_PORT = 4042
WORKER_FLIGHT_PORT = 25000
WORKER_HTTP_PORT = 25001
REPLICATION_PORT = 25081
METADATA_PORT = 3306

Object = dict[str, Any]


class Component(StrEnum):
    """The kinds of pod, in the order in which a change is rolled out."""

    METADATA = "metadata"
    REPLICATION = "replication"
    WORKER = "worker"
    CZAR = "czar"


@dataclass(frozen=True)
class Identity:
    """Which cluster: its name, namespace and the uid of its resource."""

    name: str
    namespace: str
    uid: str = ""

    def component(self, component: Component) -> str:
        """Name of a component's StatefulSet and of its headless Service."""
        return f"{self.name}-{component}"

    def pod(self, component: Component, ordinal: int) -> str:
        return f"{self.component(component)}-{ordinal}"

    def host(self, component: Component, ordinal: int) -> str:
        """The stable DNS name of a pod."""
        return f"{self.pod(component, ordinal)}.{self.component(component)}.{self.namespace}.svc"

    def claim(self, component: Component, ordinal: int) -> str:
        """Name of the PersistentVolumeClaim of a pod."""
        return f"data-{self.pod(component, ordinal)}"

    @property
    def secret(self) -> str:
        return f"{self.name}-secret"

    @property
    def metadata_secret(self) -> str:
        return f"{self.name}-metadata"

    def user_secret(self, account: str) -> str:
        return f"{self.name}-user-{account.replace('_', '-')}"

    def controllers(self, count: int, *, tls: bool) -> tuple[str, ...]:
        """Base URLs of the replication controllers."""
        scheme = "https" if tls else "http"
        return tuple(
            f"{scheme}://{self.host(Component.REPLICATION, ordinal)}:{REPLICATION_PORT}" for ordinal in range(count)
        )

    def labels(self, component: str | None = None) -> dict[str, str]:
        return {
            **self.selector(component),
            "app.kubernetes.io/managed-by": MANAGER,
            "app.kubernetes.io/part-of": "qserv",
        }

    def selector(self, component: str | None = None) -> dict[str, str]:
        found = {"app.kubernetes.io/name": "qserv", "app.kubernetes.io/instance": self.name}
        return {**found, "app.kubernetes.io/component": str(component)} if component else found

    @property
    def owner(self) -> Object:
        return {
            "apiVersion": API_VERSION,
            "kind": "QservCluster",
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }

    def meta(self, name: str, component: str | None = None, *, owned: bool = True) -> Object:
        """Metadata of an object; ``owned``: it goes when the cluster's resource goes."""
        found: Object = {"name": name, "namespace": self.namespace, "labels": self.labels(component)}
        return {**found, "ownerReferences": [self.owner]} if owned else found


def ordinal_of(pod: str) -> int:
    """The number at the end of a StatefulSet's pod's name."""
    return int(pod.rsplit("-", 1)[1])


def selector_text(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def fingerprint(value: Any) -> str:
    """Ten characters that stand for a JSON value, the same for equal values; never to be taken for a number."""
    return "t" + hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:9]
