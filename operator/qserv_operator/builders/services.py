"""Services, the metadata's configuration, the pods' account, disruption budgets and the Prometheus monitor."""

from __future__ import annotations

from qserv_operator.models.cluster import ClusterSpec, ServiceType
from qserv_operator.names import (
    CZAR_FLIGHT_PORT,
    CZAR_HTTP_PORT,
    METADATA_PORT,
    MYSQL_PORT,
    REPLICATION_PORT,
    WORKER_FLIGHT_PORT,
    WORKER_HTTP_PORT,
    Component,
    Identity,
    Object,
)

PORTS: dict[Component, dict[str, int]] = {
    Component.METADATA: {"mysql": METADATA_PORT},
    Component.REPLICATION: {"http": REPLICATION_PORT},
    Component.WORKER: {"flight": WORKER_FLIGHT_PORT, "http": WORKER_HTTP_PORT},
    Component.CZAR: {"mysql": MYSQL_PORT, "http": CZAR_HTTP_PORT, "flight": CZAR_FLIGHT_PORT},
}

_METADATA_CONFIG = """\
[mariadbd]
character-set-server = utf8mb4
collation-server = utf8mb4_bin
ignore-db-dirs = lost+found
innodb-flush-log-at-trx-commit = 1
max-connections = 500
skip-name-resolve
transaction-isolation = READ-COMMITTED
"""


def _ports(ports: dict[str, int]) -> list[Object]:
    return [{"name": name, "port": port, "targetPort": name, "protocol": "TCP"} for name, port in ports.items()]


def headless(identity: Identity, component: Component) -> Object:
    """Gives each pod a DNS name, also before it is ready: a worker must be reached to become so."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": identity.meta(identity.component(component), component),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": component is not Component.METADATA,
            "selector": identity.selector(component),
            "ports": _ports(PORTS[component]),
        },
    }


def sql_service(identity: Identity, spec: ClusterSpec) -> Object:
    """Where clients send SQL; it has the cluster's own name."""
    wanted = spec.czar.service
    ports = _ports({"mysql": MYSQL_PORT, "http": CZAR_HTTP_PORT})
    if wanted.node_port is not None and wanted.type is not ServiceType.CLUSTER_IP:
        ports[0]["nodePort"] = wanted.node_port
    metadata = identity.meta(identity.name, "sql")
    if wanted.annotations:
        metadata["annotations"] = dict(wanted.annotations)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"type": str(wanted.type), "selector": identity.selector(Component.CZAR), "ports": ports},
    }


def ingest_service(identity: Identity) -> Object:
    """Where loaders and dashboards reach a replication controller."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": identity.meta(f"{identity.name}-ingest", "ingest"),
        "spec": {
            "type": "ClusterIP",
            "selector": identity.selector(Component.REPLICATION),
            "ports": _ports(PORTS[Component.REPLICATION]),
        },
    }


def service_account(identity: Identity) -> Object:
    """The pods' account. No role is bound to it and no token mounted: the engine never speaks to Kubernetes."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": identity.meta(f"{identity.name}-engine"),
        "automountServiceAccountToken": False,
    }


def metadata_config(identity: Identity) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": identity.meta(f"{identity.name}-metadata", Component.METADATA),
        "data": {"qserv.cnf": _METADATA_CONFIG},
    }


def disruption_budget(identity: Identity, component: Component, allowed: int) -> Object:
    """How many pods of a component others, such as ``kubectl drain``, may evict at once."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": identity.meta(identity.component(component), component),
        "spec": {
            "maxUnavailable": allowed,
            "selector": {"matchLabels": identity.selector(component)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow" if component is not Component.WORKER else "IfHealthyBudget",
        },
    }


def service_monitor(identity: Identity, spec: ClusterSpec) -> Object:
    """Prometheus reads the metrics of every pod of the engine through the headless Services."""
    endpoint: Object = {"port": "http", "path": "/metrics", "scheme": "https" if spec.tls else "http"}
    if spec.tls:
        # pods are read by their addresses, which no certificate names
        endpoint["tlsConfig"] = {
            "ca": {"secret": {"name": spec.tls.secret_name, "key": "ca.crt"}},
            "serverName": f"{identity.name}.{identity.namespace}.svc",
        }
    components = [str(Component.CZAR), str(Component.REPLICATION), str(Component.WORKER)]
    chosen = {"key": "app.kubernetes.io/component", "operator": "In", "values": components}
    metadata = identity.meta(identity.name)
    metadata["labels"] = {**metadata["labels"], **spec.monitoring.labels}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": identity.selector(), "matchExpressions": [chosen]},
            "podTargetLabels": ["app.kubernetes.io/instance", "app.kubernetes.io/component"],
            "endpoints": [endpoint],
        },
    }
