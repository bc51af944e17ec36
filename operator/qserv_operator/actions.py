"""What a plan consists of: values that :mod:`qserv_operator.apply` carries out, and the simulator too."""

from __future__ import annotations

from dataclasses import dataclass, field

from qserv_operator.models.catalog import CatalogStatus, TableSpec
from qserv_operator.models.status import ClusterStatus
from qserv_operator.models.user import QservUserStatus
from qserv_operator.names import Object
from qserv_operator.reasons import Reason
from qserv_operator.snapshot import Account, EngineSettings, ObjectKey


@dataclass(frozen=True)
class NewSecret:
    """Make a Secret with a random value for each key, unless there is one."""

    name: str
    keys: tuple[str, ...]
    metadata: Object


@dataclass(frozen=True)
class SafeToStop:
    """A guard: ask the engine whether these may be stopped, with those that are down. No: the step ends here."""

    workers: tuple[str, ...]


@dataclass(frozen=True)
class Forget:
    """Take a worker out of the registry. The engine refuses while a chunk would be lost by it: the step ends here."""

    worker: str


@dataclass(frozen=True)
class SetWorkerState:
    worker: str
    state: str


@dataclass(frozen=True)
class ChangeSettings:
    settings: EngineSettings


@dataclass(frozen=True)
class PutAccount:
    """``secret``, ``key``: where the password is; it is read when the account is set, and never kept."""

    account: Account
    secret: str
    key: str
    version: str = ""


@dataclass(frozen=True)
class DropAccount:
    name: str


@dataclass(frozen=True)
class CreateDatabase:
    name: str
    family: Object | None


@dataclass(frozen=True)
class CreateTable:
    database: str
    table: TableSpec


@dataclass(frozen=True)
class StartTransaction:
    database: str
    context: str


@dataclass(frozen=True)
class Contribute:
    transaction: int
    name: str
    table: str
    url: str


@dataclass(frozen=True)
class EndTransaction:
    transaction: int
    state: str


@dataclass(frozen=True)
class PublishTable:
    database: str
    table: str


@dataclass(frozen=True)
class DropDatabase:
    name: str


@dataclass(frozen=True)
class CreateJob:
    """Run a Job of this name, once. What it is told is not told to the log."""

    name: str
    manifest: Object = field(repr=False)


@dataclass(frozen=True)
class DeletePod:
    """Delete this very pod (by uid). ``force``: at once, where no kubelet can confirm it."""

    name: str
    uid: str
    force: bool = False


@dataclass(frozen=True)
class DeleteClaim:
    name: str
    uid: str


@dataclass(frozen=True)
class ScaleWorkers:
    """Lower the number of workers' pods; those of the highest ordinals go."""

    replicas: int


@dataclass(frozen=True)
class SetDomain:
    """Write a node's failure domain to the pod that runs there."""

    pod: str
    domain: str


Call = (
    SafeToStop
    | Forget
    | SetWorkerState
    | ChangeSettings
    | PutAccount
    | DropAccount
    | CreateDatabase
    | CreateTable
    | StartTransaction
    | Contribute
    | EndTransaction
    | PublishTable
    | DropDatabase
    | CreateJob
    | DeletePod
    | DeleteClaim
    | ScaleWorkers
    | SetDomain
)


@dataclass(frozen=True)
class Subject:
    """The resource that an event is about."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True)
class Event:
    """News for people; ``about``: another resource than the cluster's own."""

    reason: Reason
    message: str
    warning: bool = False
    about: Subject | None = None


@dataclass(frozen=True)
class Step:
    """Calls in their order; when one is refused or fails, those after it are left for another round.

    ``event`` is told when all were done.
    """

    calls: tuple[Call, ...]
    event: Event | None = None


@dataclass(frozen=True)
class Outcome:
    """How a plan went: the calls that were done, and what was refused or failed, in words."""

    done: tuple[Call, ...] = ()
    failures: tuple[str, ...] = ()
    lost_lease: bool = False


@dataclass(frozen=True)
class Plan:
    """All that is to be done now, and when to look again (``requeue``, seconds)."""

    status: ClusterStatus
    requeue: float
    secrets: tuple[NewSecret, ...] = ()
    apply: tuple[Object, ...] = ()
    prune: tuple[ObjectKey, ...] = ()
    steps: tuple[Step, ...] = ()
    events: tuple[Event, ...] = ()
    users: tuple[tuple[str, QservUserStatus], ...] = field(default=())
    catalogs: tuple[tuple[str, CatalogStatus], ...] = field(default=())
