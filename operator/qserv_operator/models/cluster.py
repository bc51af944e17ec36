"""`QservCluster`: a whole engine. ``spec: {worker: {replicas: 3}}`` is a working cluster."""

from __future__ import annotations

from enum import StrEnum

from pydantic import ConfigDict, Field

from qserv_operator import __version__
from qserv_operator.models.base import (
    Label,
    LabelKey,
    Model,
    ObjectName,
    Quantity,
    Resources,
    SecretKey,
    Storage,
    Toleration,
    rules,
)
from qserv_operator.models.user import AccountName, Grant


class Policy(StrEnum):
    RETAIN = "Retain"
    DELETE = "Delete"


class ServiceType(StrEnum):
    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class ClientService(Model):
    """The Service that SQL clients connect to."""

    type: ServiceType = Field(
        default=ServiceType.CLUSTER_IP, description="How clients outside of the cluster reach it."
    )
    node_port: int | None = Field(
        default=None, ge=1, le=65535, description="Fixed port of the nodes for SQL; for type NodePort."
    )
    annotations: dict[LabelKey, str] = Field(
        default_factory=dict, description="Annotations, as load balancers ask for them."
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.nodePort) || self.type != 'ClusterIP'",
                "nodePort needs type NodePort or LoadBalancer: write the type too, or leave nodePort away",
            )
        )
    )


class ResultStorage(Model):
    """Where a czar spills merges and keeps results until they are fetched."""

    size: Quantity = Field(default="20Gi", description="Limit of the space; also the czar's own spill limit.")
    storage_class: ObjectName | None = Field(
        default=None, description="A class for ephemeral volumes; absent: the node's own disk (emptyDir)."
    )


class PodPlace(Model):
    """Where pods may run."""

    node_selector: dict[LabelKey, Label] = Field(default_factory=dict, description="Labels that a node must have.")
    tolerations: tuple[Toleration, ...] = Field(
        default=(), max_length=32, description="Taints that the pods put up with."
    )


class CzarSpec(PodPlace):
    """The czars: they take SQL, plan it, and merge what workers answer."""

    replicas: int = Field(default=1, ge=1, le=64, description="Number of czars.")
    resources: Resources = Field(default_factory=Resources, description="Requests and limits of a czar.")
    service: ClientService = Field(default_factory=ClientService, description="The Service of SQL clients.")
    result_storage: ResultStorage = Field(default_factory=ResultStorage, description="Space for results.")


class Replacement(Model):
    """When a worker whose node is lost is made anew on another node, by the cause of the loss, in seconds.

    Only after the engine says that every chunk it held has a good copy elsewhere.
    """

    enabled: bool = Field(default=True, description="False: the operator waits for a person.")
    node_deleted_seconds: int = Field(default=60, ge=0, le=31536000, description="After the Node object is gone.")
    not_ready_seconds: int = Field(
        default=1800,
        ge=0,
        le=31536000,
        description="After the node stopped answering, or another worker took the place that its volume is tied to.",
    )
    drained_seconds: int = Field(
        default=86400, ge=0, le=31536000, description="After the node was cordoned and the pod evicted."
    )


class SourceVolume(Model):
    """A volume with input files, mounted read-only at ``/sources/<name>`` of each worker."""

    name: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40, description="Name, and folder below /sources."
    )
    claim_name: ObjectName = Field(description="A PersistentVolumeClaim that many nodes may read.")


class WorkerSpec(PodPlace):
    """The workers: each holds replicas of chunks on its own disk and answers queries about them."""

    replicas: int = Field(
        default=3, ge=1, le=1000, description="Number of workers. Fewer: their chunks are moved away first."
    )
    resources: Resources = Field(default_factory=Resources, description="Requests and limits of a worker.")
    storage: Storage = Field(default_factory=Storage, description="The disk of each worker.")
    nodes: tuple[ObjectName, ...] = Field(
        default=(),
        max_length=1000,
        description="Names of the nodes (label kubernetes.io/hostname) that may be used; empty: all.",
    )
    failure_domain_label: LabelKey = Field(
        default="kubernetes.io/hostname",
        description="Label of nodes whose value is the failure domain, such as a rack: copies of a chunk keep apart.",
    )
    replacement: Replacement = Field(
        default_factory=Replacement, description="What happens when a worker's node is lost."
    )
    when_scaled: Policy = Field(
        default=Policy.RETAIN, description="What becomes of the emptied volume of a worker that was scaled away."
    )
    source_volumes: tuple[SourceVolume, ...] = Field(
        default=(), max_length=16, description="Volumes with files that catalogs are loaded from."
    )
    source_secret: ObjectName | None = Field(
        default=None,
        description="A Secret whose keys are environment variables of the workers: AWS_ACCESS_KEY_ID and the like, "
        "for s3:// URLs.",
    )


class ReplicationSpec(PodPlace):
    """Copies of chunks, and the controllers that keep them."""

    factor: int = Field(default=2, ge=1, le=16, description="Copies of each chunk.")
    controllers: int = Field(
        default=2, ge=1, le=5, description="Replication controllers: one leads, the others stand by."
    )
    repair_delay_seconds: int = Field(
        default=600,
        ge=10,
        le=604800,
        description="Silence of a worker after which its copies are made anew. Last copies: at once.",
    )
    bandwidth: Quantity = Field(default="200Mi", description="Bytes a second that repair may move, in all.")
    resources: Resources = Field(default_factory=Resources, description="Requests and limits of a controller.")


class ExternalDatabase(Model):
    """A MariaDB that others run: 10.6.18, 10.11.8, 11.4.2 or newer."""

    url_secret: SecretKey = Field(
        description="Key with its URL, mysql+pymysql://USER@HOST:PORT/DATABASE, without the password."
    )
    password_secret: SecretKey = Field(description="Key with its password.")
    port: int = Field(default=3306, ge=1, le=65535, description="Its port, for the network policies.")


class MetadataStorage(Storage):
    """The disk of the metadata database."""

    size: Quantity = Field(default="20Gi", description="Size that the volume must at least have.")


class MetadataSpec(PodPlace):
    """The database of metadata: which tables, chunks and replicas there are."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.external) == has(oldSelf.external)",
                "the metadata cannot move between an own and an external database: "
                "export the catalogs and load them into a new cluster",
            )
        )
    )

    image: str = Field(default="mariadb:11.4", min_length=1, max_length=500, description="Image of MariaDB.")
    storage: MetadataStorage = Field(default_factory=MetadataStorage, description="Its disk.")
    resources: Resources = Field(default_factory=Resources, description="Its requests and limits.")
    external: ExternalDatabase | None = Field(
        default=None, description="Use this MariaDB (10.6.18, 10.11.8, 11.4.2 or newer) instead of an own one."
    )


class UserSpec(Model):
    """A database account of the cluster."""

    name: AccountName = Field(description="The account's name.")
    password_secret: SecretKey | None = Field(
        default=None, description="Where its password is; absent: one is generated in the Secret <cluster>-user-<name>."
    )
    grants: tuple[Grant, ...] = Field(default=("*",), max_length=256, description="Databases it may read; * for all.")
    admin: bool = Field(default=False, description="May see and kill the queries of others.")


class Peer(Model):
    """Who may connect: pods of namespaces with these labels, or addresses."""

    namespace_labels: dict[LabelKey, Label] | None = Field(
        default=None, description="Labels of namespaces; {} for all."
    )
    pod_labels: dict[LabelKey, Label] | None = Field(
        default=None, description="Labels of pods in them; absent: all pods."
    )
    cidr: str | None = Field(default=None, max_length=43, description="A range of addresses, such as 192.0.2.0/24.")

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.cidr) != (has(self.namespaceLabels) || has(self.podLabels))",
                "give either a cidr, or namespaceLabels and podLabels",
            )
        )
    )


class NetworkSpec(Model):
    """NetworkPolicies: only the flows that the engine needs."""

    enabled: bool = Field(default=True, description="Make NetworkPolicies.")
    clients: tuple[Peer, ...] = Field(default=(), max_length=64, description="Who may send SQL; empty: anyone.")
    loaders: tuple[Peer, ...] = Field(
        default=(), max_length=64, description="Who, besides the operator, may use the ingest service."
    )
    monitoring: tuple[Peer, ...] = Field(default=(), max_length=64, description="Who may read metrics; empty: nobody.")
    sources: tuple[str, ...] = Field(
        default=("0.0.0.0/0", "::/0"),
        max_length=64,
        description="Addresses from which workers may fetch input files (HTTP, HTTPS, S3).",
    )


class MonitoringSpec(Model):
    """Prometheus."""

    service_monitor: bool = Field(default=False, description="Make a ServiceMonitor (needs the Prometheus operator).")
    labels: dict[LabelKey, Label] = Field(default_factory=dict, description="Labels of it, as your Prometheus selects.")


class TlsSpec(Model):
    """TLS on every port."""

    secret_name: ObjectName = Field(
        description="Secret with tls.crt, tls.key and ca.crt, valid for the names of all Services."
    )


class MaintenanceSpec(Model):
    """Nodes that people work on: their workers are not replaced, and no worker is stopped for a rollout meanwhile."""

    nodes: tuple[ObjectName, ...] = Field(default=(), max_length=1000, description="Names of the nodes.")
    evacuate: bool = Field(
        default=False, description="Move all chunks off these nodes, then their workers to other nodes."
    )


_SHRINK = "self.worker.replicas >= self.replication.factor || self.worker.replicas >= oldSelf.worker.replicas"


class ClusterSpec(Model):
    """What is wanted of a cluster."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                _SHRINK,
                "worker.replicas cannot shrink below replication.factor: lower the factor first, or keep more workers",
            ),
            (
                "self.worker.nodes.size() == 0 || self.worker.nodes.size() >= self.worker.replicas",
                "worker.nodes must name at least as many nodes as worker.replicas: each worker needs a node of its own",
            ),
            (
                "has(self.tls) == has(oldSelf.tls)",
                "tls cannot come or go while the cluster runs, its processes would not hear each other: delete the "
                "QservCluster (deletionPolicy: Retain) and make it anew, with the same name, over its volumes",
            ),
        )
    )

    image: str = Field(
        default=f"qserv/engine:{__version__}",
        min_length=1,
        max_length=500,
        description="Image of the engine, the same for all its processes.",
    )
    image_pull_policy: str = Field(
        default="IfNotPresent",
        json_schema_extra={"enum": ["IfNotPresent", "Always", "Never"]},
        description="When images are pulled.",
    )
    image_pull_secrets: tuple[ObjectName, ...] = Field(
        default=(), max_length=16, description="Secrets for the image registry."
    )
    czar: CzarSpec = Field(default_factory=CzarSpec, description="The czars.")
    worker: WorkerSpec = Field(default_factory=WorkerSpec, description="The workers.")
    replication: ReplicationSpec = Field(default_factory=ReplicationSpec, description="Copies, and their controllers.")
    metadata: MetadataSpec = Field(default_factory=MetadataSpec, description="The metadata database.")
    users: tuple[UserSpec, ...] = Field(
        default=(UserSpec(name="qserv", admin=True),),
        max_length=64,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        description="Accounts; more by QservUser resources.",
    )
    network_policy: NetworkSpec = Field(default_factory=NetworkSpec, description="Who may talk to whom.")
    monitoring: MonitoringSpec = Field(default_factory=MonitoringSpec, description="Prometheus.")
    tls: TlsSpec | None = Field(default=None, description="Certificates; absent: no TLS.")
    suspend: bool = Field(
        default=False,
        description="True: the operator changes nothing but the workers' disruption budget, and reports.",
    )
    maintenance: MaintenanceSpec = Field(default_factory=MaintenanceSpec, description="Nodes under maintenance.")
    deletion_policy: Policy = Field(
        default=Policy.RETAIN,
        description="What becomes of volumes, and of Secrets generated under it, when the cluster is deleted.",
    )
    restart: str = Field(
        default="",
        max_length=63,
        description="Change this text to restart all pods, one after another, or to retry a rollout.",
    )
