"""The Job that makes a catalog's files before they are loaded."""

from __future__ import annotations

from qserv_operator.builders.pods import ENGINE_USER, env, restricted
from qserv_operator.models.base import API_VERSION
from qserv_operator.models.catalog import PrepareSpec
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.names import Identity, Object
from qserv_operator.snapshot import CatalogFact

_KEPT_SECONDS = 86400
"""A Job that ended is there for a day, so that its log can be read."""


def preparation(identity: Identity, spec: ClusterSpec, catalog: CatalogFact, wanted: PrepareSpec, name: str) -> Object:
    """A Job at the `restricted` Pod Security level, owned by the `QservCatalog`.

    Its pods do not have the labels of the cluster's own pods: no policy, budget or Service is about them.
    """
    metadata = identity.meta(name, "prepare", owned=False)
    owner = {"apiVersion": API_VERSION, "kind": "QservCatalog", "name": catalog.name, "uid": catalog.uid}
    pod: Object = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": ENGINE_USER,
            "runAsGroup": ENGINE_USER,
            "fsGroup": ENGINE_USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(spec, wanted)],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            *(
                {"name": f"source-{volume.name}", "persistentVolumeClaim": {"claimName": volume.claim_name}}
                for volume in wanted.volumes
            ),
        ],
    }
    if spec.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret} for secret in spec.image_pull_secrets]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**metadata, "ownerReferences": [owner]},
        "spec": {
            "backoffLimit": wanted.retries,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": {"metadata": {"labels": {"qserv.io/catalog": catalog.name}}, "spec": pod},
        },
    }


def _container(spec: ClusterSpec, wanted: PrepareSpec) -> Object:
    made: Object = {
        "name": "prepare",
        "image": wanted.image or spec.image,
        "imagePullPolicy": spec.image_pull_policy,
        "command": list(wanted.command),
        "env": env(**wanted.env),
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  the pod's own
            *({"name": f"source-{volume.name}", "mountPath": f"/sources/{volume.name}"} for volume in wanted.volumes),
        ],
        "resources": wanted.resources.model_dump(by_alias=True),
        "securityContext": restricted(),
    }
    if wanted.secret:
        made["envFrom"] = [{"secretRef": {"name": wanted.secret}}]
    return made
