"""The status of a `QservCluster`."""

from __future__ import annotations

from pydantic import Field

from qserv_operator.models.base import Condition, Observed
from qserv_operator.models.cluster import Policy


class ChunkStatus(Observed):
    """How safe the data is, in chunks."""

    total: int = Field(default=0, description="Chunks with data.")
    at_risk: int = Field(default=0, description="Chunks with one good copy left.")
    under_replicated: int = Field(default=0, description="Chunks with fewer good copies than the factor.")
    lost: int = Field(default=0, description="Chunks without a good copy that can be reached.")
    moving: int = Field(default=0, description="Copies being made.")
    bytes: int = Field(default=0, description="Bytes of all copies.")
    eta_seconds: int | None = Field(default=None, description="Seconds until all copies are there, as it goes now.")


class WorkerSummary(Observed):
    """The workers in all; read by the scale subresource."""

    replicas: int = Field(default=0, description="Pods of workers that there are.")
    ready: str = Field(default="", description="Workers that are ready, of those wanted.")
    selector: str = Field(default="", description="Labels of the workers' pods.")


class WorkerStatus(Observed):
    """One worker."""

    name: str = Field(description="Its name, that of its pod.")
    state: str = Field(
        default="", description="What the engine says of it: online, read-only, draining, suspect, lost."
    )
    node: str = Field(default="", description="The node of its pod, or of its volume.")
    domain: str = Field(default="", description="Its failure domain.")
    ready: bool = Field(default=False, description="Its pod is ready.")
    chunks: int = Field(default=0, description="Chunks it holds.")
    at_risk: int = Field(default=0, description="Chunks whose last good copy it holds.")
    bytes: int = Field(default=0, description="Bytes it holds.")
    down_since: str | None = Field(
        default=None, json_schema_extra={"format": "date-time"}, description="Since when its node is lost."
    )
    cause: str = Field(
        default="", description="Why its node is lost: NodeDeleted, NodeNotReady, NodeDrained, NodeTaken."
    )
    replace_at: str | None = Field(
        default=None, json_schema_extra={"format": "date-time"}, description="When it is replaced on another node."
    )


class RolloutStatus(Observed):
    """What is known of the templates of one kind of pod."""

    good: str = Field(default="", description="Template on which all pods were ready.")
    proven: str = Field(default="", description="Template whose canary answered right.")
    failed: str = Field(default="", description="Template whose first pod failed; not tried again until it changes.")


class KnownAccount(Observed):
    """A database account that a resource made."""

    name: str = Field(description="Its name.")
    secret: str = Field(default="", description="The Secret with its password.")
    version: str = Field(default="", description="Version of the Secret whose password was set.")


class KnownCatalog(Observed):
    """A catalog that was loaded by a resource, remembered for its deletion."""

    database: str = Field(description="Its database.")
    deletion_policy: Policy = Field(default=Policy.RETAIN, description="What becomes of it when its resource is gone.")


class ClusterStatus(Observed):
    """What is so."""

    observed_generation: int = Field(default=0, description="Generation of the resource that this speaks of.")
    image: str = Field(default="", description="Image that all pods of the engine run.")
    upgrade: str = Field(default="", description="The step of an upgrade that goes on: replication, worker, czar.")
    conditions: tuple[Condition, ...] = Field(default=(), description="Available, Progressing, Degraded.")
    chunks: ChunkStatus = Field(default_factory=ChunkStatus, description="How safe the data is.")
    worker: WorkerSummary = Field(default_factory=WorkerSummary, description="The workers in all.")
    workers: tuple[WorkerStatus, ...] = Field(default=(), description="A row a worker.")
    rollout: dict[str, RolloutStatus] = Field(
        default_factory=dict, description="By kind of pod, which templates are good."
    )
    accounts: tuple[KnownAccount, ...] = Field(default=(), description="Database accounts that resources made.")
    catalogs: tuple[KnownCatalog, ...] = Field(default=(), description="Catalogs that resources loaded.")
