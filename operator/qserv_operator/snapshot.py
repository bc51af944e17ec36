"""What the operator knows of a cluster at one moment: frozen facts, from which the plan is made.

Times are seconds since the epoch. Facts of the engine are absent (``None``) when it does not answer: then nothing that
needs its word is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from qserv_operator.models.base import Condition
from qserv_operator.models.catalog import CatalogSpec, CatalogStatus
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.models.status import ClusterStatus
from qserv_operator.models.user import QservUserSpec, QservUserStatus
from qserv_operator.names import HOSTNAME_LABEL, Component, Identity, Object


@dataclass(frozen=True)
class PodFact:
    """A pod of the cluster.

    ``waiting``: why its container cannot start (``ImagePullBackOff``, ``CrashLoopBackOff`` …), empty when it runs.
    ``unscheduled``: the scheduler finds no node for it. ``since``: when it became ready, or ceased to be.
    """

    name: str
    uid: str
    component: Component
    template: str
    image: str = ""
    node: str | None = None
    ready: bool = False
    terminating: bool = False
    unscheduled: bool = False
    waiting: str = ""
    restarts: int = 0
    created: float = 0.0
    since: float = 0.0
    domain: str | None = None


@dataclass(frozen=True)
class ClaimFact:
    """The PersistentVolumeClaim of a pod.

    ``node``: the only node that its volume can be reached from, if any. ``kept``: the volume, with what is on it, stays
    when the claim is deleted.
    """

    name: str
    uid: str
    node: str | None = None
    kept: bool = False
    terminating: bool = False


@dataclass(frozen=True)
class NodeFact:
    name: str
    ready: bool = True
    ready_since: float = 0.0
    cordoned: bool = False
    cordoned_since: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def domain(self, label: str) -> str:
        """Its failure domain: the label's value, or the node itself when it has no such label."""
        return self.labels.get(label) or self.labels.get(HOSTNAME_LABEL) or self.name


@dataclass(frozen=True)
class SetFact:
    """A StatefulSet as it is. ``revisions``: the templates it had, by fingerprint, that Kubernetes still knows."""

    replicas: int
    hash: str
    template: Object
    revisions: Mapping[str, Object] = field(default_factory=dict)


@dataclass(frozen=True)
class SecretFact:
    """Which keys a Secret has, and its version; never its values."""

    name: str
    keys: frozenset[str] = frozenset()
    version: str = ""


@dataclass(frozen=True)
class EngineWorker:
    name: str
    state: str
    domain: str = ""
    chunks: int = 0
    at_risk: int = 0
    bytes: int = 0
    free: int = 0
    capacity: int = 0


@dataclass(frozen=True)
class Chunks:
    total: int = 0
    at_risk: int = 0
    under_replicated: int = 0
    lost: int = 0
    moving: int = 0
    bytes: int = 0
    eta_seconds: int | None = None


@dataclass(frozen=True)
class EngineSettings:
    """Bandwidth is bytes a second, ``lost_after`` seconds."""

    factor: int
    bandwidth: int
    lost_after: float


@dataclass(frozen=True)
class Account:
    name: str
    grants: tuple[str, ...] = ()
    admin: bool = False


@dataclass(frozen=True)
class Contribution:
    name: str
    table: str
    state: str
    rows: int = 0
    bytes: int = 0
    error: str = ""


@dataclass(frozen=True)
class Transaction:
    """An ingest transaction of the engine; ``state``: started, committing, committed, aborted; ``failure``: why it
    waits or was aborted, where the engine says so."""

    id: int
    database: str
    state: str
    context: str = ""
    contributions: tuple[Contribution, ...] = ()
    eta_seconds: int | None = None
    failure: str = ""


@dataclass(frozen=True)
class EngineFacts:
    """What the replication controller says."""

    workers: Mapping[str, EngineWorker]
    chunks: Chunks
    settings: EngineSettings
    accounts: tuple[Account, ...] = ()
    databases: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    transactions: tuple[Transaction, ...] = ()


@dataclass(frozen=True)
class CanaryFact:
    """What a worker of a new template answered to the fixed chunk queries."""

    worker: str
    template: str
    ok: bool
    checked: int = 0
    mismatches: int = 0


@dataclass(frozen=True)
class Answers:
    """The engine's answers to what the facts made the operator ask.

    ``stoppable``: workers that may be stopped now, all of them together. ``refusal``: why the next one may not.
    """

    stoppable: tuple[str, ...] = ()
    refusal: str = ""
    canary: CanaryFact | None = None


@dataclass(frozen=True)
class UserFact:
    """A `QservUser` resource."""

    name: str
    spec: QservUserSpec
    status: QservUserStatus = field(default_factory=QservUserStatus)
    generation: int = 1
    created: float = 0.0
    uid: str = ""


@dataclass(frozen=True)
class CatalogFact:
    """A `QservCatalog` resource."""

    name: str
    spec: CatalogSpec
    status: CatalogStatus = field(default_factory=CatalogStatus)
    generation: int = 1
    created: float = 0.0
    uid: str = ""


@dataclass(frozen=True)
class Unreadable:
    """A `QservUser` or `QservCatalog` whose spec is not what the models say, as one of another version may be.

    ``database``, ``account``: what it claims, if any: it is not to be dropped.
    """

    kind: str
    name: str
    uid: str
    generation: int
    message: str
    conditions: tuple[Condition, ...] = ()
    database: str = ""
    account: str = ""


@dataclass(frozen=True)
class JobFact:
    """A Job; ``failure``: why it failed for good."""

    name: str
    done: bool = False
    failure: str = ""


@dataclass(frozen=True)
class ObjectKey:
    """Which object: its kind, and its name in the cluster's namespace."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True)
class Snapshot:
    """All of it.

    ``owned``: objects that this cluster's resource owns and that may be pruned. ``versions``: of all objects with its
    labels, their resourceVersion.
    """

    identity: Identity
    spec: ClusterSpec
    generation: int = 1
    status: ClusterStatus = field(default_factory=ClusterStatus)
    deleting: bool = False
    sets: Mapping[Component, SetFact] = field(default_factory=dict)
    pods: tuple[PodFact, ...] = ()
    claims: Mapping[str, ClaimFact] = field(default_factory=dict)
    nodes: Mapping[str, NodeFact] = field(default_factory=dict)
    secrets: Mapping[str, SecretFact] = field(default_factory=dict)
    owned: tuple[ObjectKey, ...] = ()
    versions: Mapping[ObjectKey, str] = field(default_factory=dict)
    engine: EngineFacts | None = None
    engine_error: str = ""
    answers: Answers = Answers()
    users: tuple[UserFact, ...] = ()
    catalogs: tuple[CatalogFact, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    jobs: Mapping[str, JobFact] = field(default_factory=dict)

    def pods_of(self, component: Component) -> tuple[PodFact, ...]:
        return tuple(pod for pod in self.pods if pod.component is component)

    def engine_worker(self, name: str) -> EngineWorker | None:
        return self.engine.workers.get(name) if self.engine else None
