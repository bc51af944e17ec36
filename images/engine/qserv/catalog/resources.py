"""What the replication controller's REST interface takes (wishes) and answers (views).

All paths are below ``/api/v1``; errors are :class:`ErrorBody` with the HTTP status of their kind. A controller that
does not lead answers 503 ``unavailable`` with the leader's address in ``details.leader``. Sizes are bytes, times
seconds since 1970, durations seconds.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from qserv.catalog.messages import Failure
from qserv.catalog.model import FileKind, WorkerState
from qserv.catalog.spec import FamilySpec, Name, TableSpec

PREFIX = "/api/v1"

TransactionState = Literal["started", "committing", "committed", "aborting", "aborted", "compacting"]
ScrubState = Literal["running", "done", "cancelled"]
BackupKind = Literal["export", "import"]
BackupState = Literal["running", "cancelling", "done", "failed", "cancelled"]
ContributionStatus = Literal["queued", "running", "done", "failed", "cancelled"]


class Rest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class View(BaseModel):
    """An answer; a client bears fields that a newer controller adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ErrorBody(View):
    code: str
    message: str
    details: dict[str, Any] = Field(default_factory=dict)


class StateWish(Rest):
    state: Literal[WorkerState.ONLINE, WorkerState.READ_ONLY, WorkerState.DRAINING]


class WorkerView(View):
    """A worker, what it holds, and ``at_risk``: the chunks of which it holds the last good copy."""

    name: str
    flight: str
    http: str
    state: WorkerState
    domain: str
    chunks: int
    at_risk: int
    bytes: int
    capacity: int
    free: int
    boot: str
    identity: str
    last_seen_seconds: float


class UnitStatus(View):
    """Of all units of a kind that have rows: ``at_risk`` have one copy left, ``under_replicated`` fewer than wanted as
    far as there are workers, ``lost`` none that can be reached."""

    total: int = 0
    at_risk: int = 0
    under_replicated: int = 0
    lost: int = 0
    bytes: int = 0


class ChunkStatus(UnitStatus):
    """Chunks of the families; ``unmet`` have fewer copies than the factor because there are too few workers.

    ``moving`` are copies of units of any kind that are under way, and ``eta_seconds`` is theirs.
    """

    unmet: int = 0
    moving: int
    eta_seconds: float | None = None


class WaitingView(View):
    """A transaction whose commit does not go on just now, and why."""

    id: int
    database: str
    failure: Failure


class Status(View):
    cluster: str
    version: int
    factor: int
    leader: str
    chunks: ChunkStatus
    index: UnitStatus = Field(default=UnitStatus(), description="partitions of the directors' indexes")
    replicated: UnitStatus = Field(default=UnitStatus(), description="replicated tables, wanted on every worker")
    waiting: tuple[WaitingView, ...] = Field(default=(), description="commits that do not go on just now")
    workers: tuple[WorkerView, ...]


class StopWish(Rest):
    workers: tuple[str, ...] = Field(min_length=1)


class StopAnswer(View):
    """Whether workers may be stopped; if not why, how many chunks forbid it, and the first hundred of them."""

    safe: bool
    reason: str
    count: int = 0
    chunks: tuple[str, ...] = ()


class ScrubWish(Rest):
    worker: str | None = Field(default=None, description="none: all workers")


class ScrubView(View):
    """A scrub and its progress, over all replicas of all files.

    ``damaged`` files were missing or had another sum: their replicas were taken from queries at once, and are healed
    from others. ``lost`` are those among them that no other worker had. ``skipped`` lie on workers that could not be
    asked.
    """

    id: int
    worker: str | None
    state: ScrubState
    files: int
    bytes: int
    total_files: int
    total_bytes: int
    damaged: int
    lost: int
    skipped: int
    started: float
    ended: float | None = None
    eta_seconds: float | None = None


class DamageReport(Rest):
    """Files that could not be read on a worker, relative to its data folder: they are looked at soon."""

    paths: tuple[str, ...] = Field(min_length=1, max_length=1000)


class CanaryAnswer(View):
    ok: bool
    checked: int
    mismatches: tuple[str, ...] = ()


class RuntimeSettings(View):
    """What can be changed while the cluster runs."""

    factor: int = Field(ge=1, le=16)
    bandwidth: int = Field(ge=0, description="bytes a second that repair may move; 0: unlimited")
    lost_after: float = Field(gt=0)
    suspect_after: float = Field(gt=0)
    scrub_interval: float = Field(
        ge=0, description="seconds from a scrub of all workers to the next; 0: none by itself"
    )
    scrub_bandwidth: int = Field(ge=0, description="bytes a second that a scrub reads on each worker; 0: unlimited")
    compact_files: int = Field(ge=0, description="small files of a table in a chunk that are made one file; 0: never")


class SettingsWish(Rest):
    factor: int | None = Field(default=None, ge=1, le=16)
    bandwidth: int | None = Field(default=None, ge=0)
    lost_after: float | None = Field(default=None, gt=0)
    suspect_after: float | None = Field(default=None, gt=0)
    scrub_interval: float | None = Field(default=None, ge=0)
    scrub_bandwidth: int | None = Field(default=None, ge=0)
    compact_files: int | None = Field(default=None, ge=0)


class AccountWish(Rest):
    """An account to create or change. Without ``password`` the present one stays; fields left out stay too."""

    password: SecretStr | None = None
    grants: tuple[str, ...] | None = None
    admin: bool | None = None


class AccountView(View):
    name: str
    grants: tuple[str, ...]
    admin: bool


class DatabaseWish(Rest):
    name: Name
    family: FamilySpec | None = None


class TableView(View):
    id: int
    name: str
    published: bool
    rows: int
    bytes: int
    margin: float
    spec: TableSpec


class DatabaseView(View):
    name: str
    family: FamilySpec | None
    tables: tuple[TableView, ...]


def _as_json(value: dict[str, Any]) -> dict[str, Any]:
    """Python's reader of JSON takes numbers that JSON does not have: they could not be told again."""
    json.dumps(value, allow_nan=False)
    return value


class TransactionWish(Rest):
    database: Name
    context: Annotated[dict[str, Any], AfterValidator(_as_json)] = Field(default_factory=dict)
    request: str | None = Field(
        default=None, min_length=1, max_length=64, description="the client's name of it: one that is sent again is it"
    )


class TransactionEnd(Rest):
    state: Literal["committed", "aborted"]


class TransactionView(View):
    """A transaction and its progress; ``contributions`` counts them by state.

    ``failure`` says why it was aborted, and, while it is committing, why that does not go on just now.
    """

    id: int
    database: str
    state: TransactionState
    context: dict[str, Any]
    failure: Failure | None = None
    started: float
    ended: float | None = None
    rows: int = 0
    bytes: int = 0
    total_bytes: int = 0
    dropped: int = 0
    rows_per_second: float = 0.0
    bytes_per_second: float = 0.0
    chunks: int = Field(default=0, description="that have files of it; told of one transaction, not in a list")
    eta_seconds: float | None = None
    contributions: dict[ContributionStatus, int] = Field(default_factory=dict)


class ContributionWish(Rest):
    name: str = Field(min_length=1, max_length=255)
    table: Name
    url: str = Field(min_length=1, max_length=4096)


class UploadWish(Rest):
    """A contribution whose file comes with the request; ``file`` is its name, whose suffix may tell its format."""

    name: str = Field(min_length=1, max_length=255)
    table: Name
    file: str = Field(default="data", pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")


class ContributionView(View):
    id: int
    name: str
    table: str
    url: str
    state: ContributionStatus
    attempt: int
    worker: str | None
    rows: int
    bytes: int
    total_bytes: int
    dropped: int
    margin: float
    warnings: tuple[str, ...]
    failure: Failure | None


class UnitsWish(Rest):
    """``numbers``: chunks for main and overlap rows, partitions for index rows; of a replicated table none."""

    table: Name
    kind: FileKind
    numbers: tuple[int, ...] = ()


class UnitsAnswer(View):
    """``units[i]`` are the workers of ``numbers[i]``, its primary first; ``workers`` are Flight addresses by name."""

    workers: dict[str, str]
    units: tuple[tuple[str, ...], ...]


class IndexPartition(View):
    number: int
    workers: tuple[str, ...]
    files: tuple[str, ...] = Field(description="paths relative to a worker's data folder")


class IndexView(View):
    """A director's index as far as it is committed; ``workers`` are Flight addresses by name."""

    index_partitions: int
    workers: dict[str, str]
    partitions: tuple[IndexPartition, ...]


class BackupWish(Rest):
    """``url``: the absolute path of a folder that the controller and all workers share, or ``s3://bucket/prefix``."""

    kind: BackupKind
    url: str = Field(min_length=1, max_length=4096)
    databases: tuple[Name, ...] = Field(default=(), description="none: all")


class BackupView(View):
    """An export or import and its progress; files that were there already count as done."""

    id: int
    kind: BackupKind
    url: str
    databases: tuple[str, ...]
    state: BackupState
    files: int
    bytes: int
    total_files: int
    total_bytes: int
    failure: Failure | None = None
    started: float
    ended: float | None = None
    eta_seconds: float | None = None
