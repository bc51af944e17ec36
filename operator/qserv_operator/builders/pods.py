"""What the pods of all components share: security, probes, secrets, placement, the template's fingerprint."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qserv_operator.models.base import Resources, Toleration, quantity
from qserv_operator.models.cluster import ClusterSpec, Policy
from qserv_operator.names import METADATA_PORT, TEMPLATE_LABEL, Component, Identity, Object, fingerprint

ENGINE_USER = 10001
METADATA_USER = 999  # `mysql` in the official image of MariaDB
SECRET_FOLDER = "/run/qserv/secret"  # noqa: S105  a folder, not a secret
PASSWORD_FOLDER = "/run/qserv/metadata"  # noqa: S105
TLS_FOLDER = "/run/qserv/tls"
_STARTS = {"periodSeconds": 2, "timeoutSeconds": 10, "failureThreshold": 1800}
"""An hour: a schema that is brought up, an inventory that is read, a database that recovers must not be broken off."""
_LIVES = {"periodSeconds": 20, "timeoutSeconds": 10, "failureThreshold": 9}


@dataclass(frozen=True)
class Container:
    """The main container of a pod, and what it needs around it. ``alive``: how to see that it has started and lives."""

    image: str
    user: int
    env: Sequence[Object]
    ports: Mapping[str, int]
    mounts: Sequence[Object]
    volumes: Sequence[Object]
    resources: Resources
    readiness: Object
    alive: Object
    grace: int
    command: Sequence[str] = ()
    env_secret: str | None = None


def env(**values: str) -> list[Object]:
    return [{"name": name, "value": value} for name, value in values.items()]


def from_field(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def process_env(identity: Identity, spec: ClusterSpec, component: Component) -> list[Object]:
    """Settings that every process of the engine has."""
    prefix = f"QSERV_{component.upper()}_"
    found = [
        from_field(f"{prefix}NAME", "metadata.name"),
        *env(
            **{
                f"{prefix}HOST": "0.0.0.0",  # noqa: S104  a pod listens on its own address only
                f"{prefix}ADVERTISE": f"$({prefix}NAME).{identity.component(component)}.{identity.namespace}.svc",
                f"{prefix}SECRET_FILE": f"{SECRET_FOLDER}/secret",
            }
        ),
    ]
    if spec.tls:
        found += env(
            **{
                f"{prefix}TLS_CERT": f"{TLS_FOLDER}/tls.crt",
                f"{prefix}TLS_KEY": f"{TLS_FOLDER}/tls.key",
                f"{prefix}TLS_CA": f"{TLS_FOLDER}/ca.crt",
            }
        )
    return found


def metadata_env(identity: Identity, spec: ClusterSpec, component: Component) -> list[Object]:
    """Settings of the processes that open the metadata database."""
    prefix = f"QSERV_{component.upper()}_"
    host = f"{identity.component(Component.METADATA)}.{identity.namespace}.svc:{METADATA_PORT}"
    external = spec.metadata.external
    url: Object = (
        {"valueFrom": {"secretKeyRef": {"name": external.url_secret.name, "key": external.url_secret.key}}}
        if external
        else {"value": f"mysql+pymysql://qserv@{host}/qserv"}
    )
    return [
        {"name": f"{prefix}METADATA_URL", **url},
        *env(**{f"{prefix}METADATA_PASSWORD_FILE": f"{PASSWORD_FOLDER}/password"}),
    ]


def secret_volume(name: str, secret: str, items: Mapping[str, str]) -> Object:
    keys = [{"key": key, "path": path} for key, path in items.items()]
    return {"name": name, "secret": {"secretName": secret, "items": keys, "defaultMode": 0o440}}


def process_volumes(identity: Identity, spec: ClusterSpec, *, metadata: bool) -> tuple[list[Object], list[Object]]:
    """Volumes and mounts of the secrets that a process reads."""
    volumes = [secret_volume("secret", identity.secret, {"secret": "secret"}), {"name": "tmp", "emptyDir": {}}]
    mounts: list[Object] = [
        {"name": "secret", "mountPath": SECRET_FOLDER, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  the pod's own
    ]
    if metadata:
        external = spec.metadata.external
        secret, key = (
            (external.password_secret.name, external.password_secret.key)
            if external
            else (identity.metadata_secret, "password")
        )
        volumes.append(secret_volume("metadata", secret, {key: "password"}))
        mounts.append({"name": "metadata", "mountPath": PASSWORD_FOLDER, "readOnly": True})
    if spec.tls:
        files = {"tls.crt": "tls.crt", "tls.key": "tls.key", "ca.crt": "ca.crt"}
        volumes.append(secret_volume("tls", spec.tls.secret_name, files))
        mounts.append({"name": "tls", "mountPath": TLS_FOLDER, "readOnly": True})
    return volumes, mounts


def health(spec: ClusterSpec, port: str) -> tuple[Object, Object]:
    """Readiness by the process's own word; alive by its port alone, so that a busy process is not shot."""
    get: Object = {"path": "/health", "port": port}
    if spec.tls:
        get["scheme"] = "HTTPS"
    readiness = {"httpGet": get, "periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": 3}
    return readiness, {"tcpSocket": {"port": port}}


def limits_of(resources: Resources) -> tuple[int | None, int | None]:
    """Bytes of memory and number of threads that resources speak of; None where they don't."""
    memory = resources.limits.get("memory") or resources.requests.get("memory")
    cpu = resources.limits.get("cpu") or resources.requests.get("cpu")
    return (int(quantity(memory)) if memory else None, max(1, math.ceil(quantity(cpu))) if cpu else None)


def apart(identity: Identity, component: Component) -> Object:
    """No two pods of a component on one host: a host's loss is then one worker's loss."""
    term = {"labelSelector": {"matchLabels": identity.selector(component)}, "topologyKey": "kubernetes.io/hostname"}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def apart_preferred(identity: Identity, component: Component) -> Object:
    """On different hosts where there are enough of them."""
    term = {"labelSelector": {"matchLabels": identity.selector(component)}, "topologyKey": "kubernetes.io/hostname"}
    weighted = {"weight": 100, "podAffinityTerm": term}
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]}}


def _tolerations(tolerations: Sequence[Toleration]) -> list[Object]:
    return [toleration.model_dump(by_alias=True, exclude_none=True) for toleration in tolerations]


def restricted() -> Object:
    """A container's security context at the `restricted` Pod Security level."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def template(
    identity: Identity,
    spec: ClusterSpec,
    component: Component,
    container: Container,
    *,
    affinity: Object,
    node_selector: Mapping[str, str] | None = None,
    tolerations: Sequence[Toleration] = (),
    init: Sequence[Object] = (),
) -> Object:
    """A pod template with its fingerprint as a label, by which pods of an older template are told."""
    main: Object = {
        "name": str(component),
        "image": container.image,
        "imagePullPolicy": spec.image_pull_policy,
        "env": list(container.env),
        "ports": [{"name": name, "containerPort": port} for name, port in container.ports.items()],
        "volumeMounts": list(container.mounts),
        "resources": container.resources.model_dump(by_alias=True),
        "securityContext": restricted(),
        "startupProbe": {**container.alive, **_STARTS},
        "readinessProbe": container.readiness,
        "livenessProbe": {**container.alive, **_LIVES},
    }
    if container.command:
        main["command"] = list(container.command)
    if container.env_secret:
        main["envFrom"] = [{"secretRef": {"name": container.env_secret}}]
    pod: Object = {
        "serviceAccountName": f"{identity.name}-engine",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": container.grace,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": container.user,
            "runAsGroup": container.user,
            "fsGroup": container.user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": affinity,
        "containers": [main],
        "volumes": list(container.volumes),
    }
    if init:
        pod["initContainers"] = list(init)
    if node_selector:
        pod["nodeSelector"] = dict(node_selector)
    if tolerations:
        pod["tolerations"] = _tolerations(tolerations)
    if spec.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in spec.image_pull_secrets]
    annotations = {"qserv.io/restart": spec.restart} if spec.restart else {}
    hashed = fingerprint([pod, annotations])
    return {
        "metadata": {
            "labels": {**identity.labels(component), TEMPLATE_LABEL: hashed},
            **({"annotations": annotations} if annotations else {}),
        },
        "spec": pod,
    }


def stateful_set(
    identity: Identity,
    spec: ClusterSpec,
    component: Component,
    *,
    replicas: int,
    pod_template: Object,
    claims: Sequence[Object] = (),
) -> Object:
    """A StatefulSet used as a factory of pods: it makes all at once, and deletes none by itself for a change."""
    body: Object = {
        "serviceName": identity.component(component),
        "replicas": replicas,
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete"},
        "revisionHistoryLimit": 10,
        "selector": {"matchLabels": identity.selector(component)},
        "template": pod_template,
    }
    if claims:
        body["volumeClaimTemplates"] = list(claims)
        deleted = "Delete" if spec.deletion_policy is Policy.DELETE else "Retain"
        body["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": deleted, "whenScaled": "Retain"}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": identity.meta(identity.component(component), component),
        "spec": body,
    }


def claim_template(identity: Identity, component: Component, size: str, storage_class: str | None) -> Object:
    body: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if storage_class:
        body["storageClassName"] = storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "labels": identity.labels(component)},
        "spec": body,
    }


def json_list(values: Sequence[str]) -> str:
    """A list as the engine's settings take it from the environment."""
    return json.dumps(list(values))
