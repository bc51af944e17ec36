"""StatefulSets of the four components."""

from __future__ import annotations

from qserv_operator.builders.pods import (
    ENGINE_USER,
    METADATA_USER,
    Container,
    apart,
    apart_preferred,
    claim_template,
    env,
    from_field,
    health,
    json_list,
    limits_of,
    metadata_env,
    process_env,
    process_volumes,
    restricted,
    secret_volume,
    template,
)
from qserv_operator.models.base import Resources, quantity
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.names import (
    CZAR_FLIGHT_PORT,
    CZAR_HTTP_PORT,
    DOMAIN_ANNOTATION,
    HOSTNAME_LABEL,
    METADATA_PORT,
    MYSQL_PORT,
    REPLICATION_PORT,
    WORKER_FLIGHT_PORT,
    WORKER_HTTP_PORT,
    Component,
    Identity,
    Object,
)

_WAIT_FOR_DOMAIN = "until test -s /run/qserv/pod/domain; do sleep 1; done"


def czar_template(identity: Identity, spec: ClusterSpec) -> Object:
    czar = spec.czar
    memory, threads = limits_of(czar.resources)
    results = czar.result_storage
    volumes, mounts = process_volumes(identity, spec, metadata=True)
    readiness, alive = health(spec, "http")
    settings = {"QSERV_CZAR_RESULT_DIR": "/results", "QSERV_CZAR_SPILL_LIMIT": str(int(quantity(results.size) * 0.95))}
    if memory:
        settings["QSERV_CZAR_MEMORY_LIMIT"] = str(memory // 2)
    if threads:
        settings["QSERV_CZAR_THREADS"] = str(threads)
    container = Container(
        image=spec.image,
        user=ENGINE_USER,
        command=("qserv", "czar"),
        env=[
            *process_env(identity, spec, Component.CZAR),
            *metadata_env(identity, spec, Component.CZAR),
            *env(**settings),
        ],
        ports={"mysql": MYSQL_PORT, "http": CZAR_HTTP_PORT, "flight": CZAR_FLIGHT_PORT},
        mounts=[*mounts, {"name": "results", "mountPath": "/results"}],
        volumes=[*volumes, _results(identity, spec)],
        resources=_or_default(czar.resources, cpu="250m", memory="512Mi"),
        readiness=readiness,
        alive=alive,
        grace=120,
    )
    return template(
        identity,
        spec,
        Component.CZAR,
        container,
        affinity=apart_preferred(identity, Component.CZAR),
        node_selector=czar.node_selector,
        tolerations=czar.tolerations,
    )


def _results(identity: Identity, spec: ClusterSpec) -> Object:
    results = spec.czar.result_storage
    if results.storage_class is None:
        return {"name": "results", "emptyDir": {"sizeLimit": results.size}}
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": results.storage_class,
        "resources": {"requests": {"storage": results.size}},
    }
    labels = identity.labels(Component.CZAR)
    return {"name": "results", "ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": labels}, "spec": claim}}}


def worker_template(identity: Identity, spec: ClusterSpec) -> Object:
    worker = spec.worker
    memory, threads = limits_of(worker.resources)
    volumes, mounts = process_volumes(identity, spec, metadata=False)
    readiness, alive = health(spec, "http")
    controllers = identity.controllers(spec.replication.controllers, tls=spec.tls is not None)
    settings = {"QSERV_WORKER_DATA_DIR": "/data", "QSERV_WORKER_CONTROLLERS": json_list(controllers)}
    if memory:
        settings["QSERV_WORKER_MEMORY_LIMIT"] = str(memory // 2)
        settings["QSERV_WORKER_POINT_MEMORY_LIMIT"] = str(memory // 8)
        settings["QSERV_WORKER_INGEST_MEMORY_LIMIT"] = str(memory // 8)
    if threads:
        settings["QSERV_WORKER_THREADS"] = str(threads)
    by_host = worker.failure_domain_label == HOSTNAME_LABEL
    domain = "spec.nodeName" if by_host else f"metadata.annotations['{DOMAIN_ANNOTATION}']"
    if worker.source_volumes:
        settings["QSERV_WORKER_SOURCE_DIRS"] = json_list(["/sources"])
    for source in worker.source_volumes:
        name = f"source-{source.name}"
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": source.claim_name, "readOnly": True}})
        mounts.append({"name": name, "mountPath": f"/sources/{source.name}", "readOnly": True})
    if not by_host:
        item = {"path": "domain", "fieldRef": {"fieldPath": domain}}
        volumes.append({"name": "pod", "downwardAPI": {"items": [item]}})
    container = Container(
        image=spec.image,
        user=ENGINE_USER,
        command=("qserv", "worker"),
        env_secret=worker.source_secret,
        env=[
            *process_env(identity, spec, Component.WORKER),
            from_field("QSERV_WORKER_DOMAIN", domain),
            *env(**settings),
        ],
        ports={"flight": WORKER_FLIGHT_PORT, "http": WORKER_HTTP_PORT},
        mounts=[{"name": "data", "mountPath": "/data"}, *mounts],
        volumes=volumes,
        resources=_or_default(worker.resources, cpu="250m", memory="1Gi"),
        readiness=readiness,
        alive=alive,
        grace=60,
    )
    return template(
        identity,
        spec,
        Component.WORKER,
        container,
        affinity=_worker_affinity(identity, spec),
        node_selector=worker.node_selector,
        tolerations=worker.tolerations,
        init=() if by_host else (_domain_wait(spec),),
    )


def _domain_wait(spec: ClusterSpec) -> Object:
    """Waits until the operator has written the node's failure domain to the pod.

    A pod cannot read the labels of its node, and a worker that starts without its domain would be given copies that
    belong elsewhere.
    """
    return {
        "name": "failure-domain",
        "image": spec.image,
        "imagePullPolicy": spec.image_pull_policy,
        "command": ["sh", "-c", _WAIT_FOR_DOMAIN],
        "volumeMounts": [{"name": "pod", "mountPath": "/run/qserv/pod", "readOnly": True}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": restricted(),
    }


def _worker_affinity(identity: Identity, spec: ClusterSpec) -> Object:
    affinity = apart(identity, Component.WORKER)
    if spec.worker.nodes:
        chosen = {"key": HOSTNAME_LABEL, "operator": "In", "values": sorted(spec.worker.nodes)}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [chosen]}]}
        affinity["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    return affinity


def replication_template(identity: Identity, spec: ClusterSpec) -> Object:
    volumes, mounts = process_volumes(identity, spec, metadata=True)
    readiness, alive = health(spec, "http")
    container = Container(
        image=spec.image,
        user=ENGINE_USER,
        command=("qserv", "replication"),
        env=[
            *process_env(identity, spec, Component.REPLICATION),
            *metadata_env(identity, spec, Component.REPLICATION),
        ],
        ports={"http": REPLICATION_PORT},
        mounts=mounts,
        volumes=volumes,
        resources=_or_default(spec.replication.resources, cpu="100m", memory="256Mi"),
        readiness=readiness,
        alive=alive,
        grace=30,
    )
    return template(
        identity,
        spec,
        Component.REPLICATION,
        container,
        affinity=apart_preferred(identity, Component.REPLICATION),
        node_selector=spec.replication.node_selector,
        tolerations=spec.replication.tolerations,
    )


def metadata_template(identity: Identity, spec: ClusterSpec) -> Object:
    """MariaDB as the official image runs it; the password goes by file, never by argument."""
    ping = 'MYSQL_PWD="$(cat /run/qserv/metadata/password)" mariadb-admin --host=127.0.0.1 --user=qserv ping'
    container = Container(
        image=spec.metadata.image,
        user=METADATA_USER,
        env=env(
            MARIADB_DATABASE="qserv",
            MARIADB_USER="qserv",
            MARIADB_PASSWORD_FILE="/run/qserv/metadata/password",  # noqa: S106  a path
            MARIADB_ROOT_PASSWORD_FILE="/run/qserv/metadata/root-password",  # noqa: S106
        ),
        ports={"mysql": METADATA_PORT},
        mounts=[
            {"name": "data", "mountPath": "/var/lib/mysql"},
            {"name": "metadata", "mountPath": "/run/qserv/metadata", "readOnly": True},
            {"name": "config", "mountPath": "/etc/mysql/conf.d/qserv.cnf", "subPath": "qserv.cnf", "readOnly": True},
            {"name": "run", "mountPath": "/run/mysqld"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
        volumes=[
            secret_volume(
                "metadata", identity.metadata_secret, {"password": "password", "root-password": "root-password"}
            ),
            {"name": "config", "configMap": {"name": f"{identity.name}-metadata"}},
            {"name": "run", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
        ],
        resources=_or_default(spec.metadata.resources, cpu="100m", memory="512Mi"),
        readiness={
            "exec": {"command": ["sh", "-c", ping]},
            "periodSeconds": 5,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        alive={"exec": {"command": ["sh", "-c", ping]}},
        grace=300,
    )
    return template(
        identity,
        spec,
        Component.METADATA,
        container,
        affinity=apart(identity, Component.METADATA),
        node_selector=spec.metadata.node_selector,
        tolerations=spec.metadata.tolerations,
    )


def _or_default(resources: Resources, *, cpu: str, memory: str) -> Resources:
    """Requests where none are given; where a limit is, Kubernetes takes that for the request."""
    defaults = {name: text for name, text in (("cpu", cpu), ("memory", memory)) if name not in resources.limits}
    return Resources(requests={**defaults, **resources.requests}, limits=resources.limits)


def templates(identity: Identity, spec: ClusterSpec) -> dict[Component, Object]:
    """The pod template of each component that the cluster has."""
    found = {
        Component.REPLICATION: replication_template(identity, spec),
        Component.WORKER: worker_template(identity, spec),
        Component.CZAR: czar_template(identity, spec),
    }
    if spec.metadata.external is None:
        found[Component.METADATA] = metadata_template(identity, spec)
    return found


def claims(identity: Identity, spec: ClusterSpec, component: Component) -> tuple[Object, ...]:
    """The volumes that each pod of a component has of its own."""
    if component is Component.WORKER:
        storage = spec.worker.storage
    elif component is Component.METADATA:
        storage = spec.metadata.storage
    else:
        return ()
    return (claim_template(identity, component, storage.size, storage.storage_class),)


def replicas(spec: ClusterSpec, component: Component) -> int:
    """Pods of a component that are wanted."""
    wanted = {
        Component.METADATA: 1,
        Component.REPLICATION: spec.replication.controllers,
        Component.WORKER: spec.worker.replicas,
        Component.CZAR: spec.czar.replicas,
    }
    return wanted[component]
