"""What the operator asks of the engine: a client of the replication controllers' REST interface, with its own models.

Only the fields that the operator reads are named here; a controller may answer more. Errors are :class:`EngineError`,
with the engine's own code and message.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from qserv_operator.models.catalog import TableSpec
from qserv_operator.snapshot import Account, EngineSettings

CONTEXT = "kubernetes"
_PREFIX = "/api/v1"


class EngineError(Exception):
    """The engine refused (``code`` is its own), or could not be reached (``unavailable``)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class WorkerView(View):
    name: str
    state: str
    domain: str = ""
    chunks: int = 0
    at_risk: int = 0
    bytes: int = 0
    capacity: int = 0
    free: int = 0


class ChunksView(View):
    total: int = 0
    at_risk: int = 0
    under_replicated: int = 0
    lost: int = 0
    moving: int = 0
    bytes: int = 0
    eta_seconds: float | None = None


class StatusView(View):
    chunks: ChunksView
    workers: tuple[WorkerView, ...] = ()


class SettingsView(View):
    factor: int
    bandwidth: int
    lost_after: float


class StopView(View):
    safe: bool
    reason: str = ""
    count: int = 0
    chunks: tuple[str | int, ...] = ()


class CanaryView(View):
    ok: bool
    checked: int = 0
    mismatches: tuple[Any, ...] = ()


class AccountView(View):
    name: str
    grants: tuple[str, ...] = ()
    admin: bool = False


class TableView(View):
    name: str
    published: bool = False


class DatabaseView(View):
    name: str
    tables: tuple[TableView, ...] = ()


class FailureView(View):
    message: str = ""


class TransactionView(View):
    id: int
    database: str
    state: str
    context: dict[str, Any] = Field(default_factory=dict)
    failure: FailureView | None = None
    eta_seconds: float | None = None


class ContributionView(View):
    name: str
    table: str
    url: str = ""
    state: str
    rows: int = 0
    bytes: int = 0
    failure: FailureView | None = None


class ErrorView(View):
    code: str
    message: str
    details: dict[str, Any] = Field(default_factory=dict)


class Engine(Protocol):
    """What the operator asks of an engine. All raise :class:`EngineError`."""

    def status(self) -> StatusView: ...
    def settings(self) -> SettingsView: ...
    def accounts(self) -> tuple[AccountView, ...]: ...
    def databases(self) -> tuple[DatabaseView, ...]: ...
    def transactions(self) -> tuple[TransactionView, ...]: ...
    def contributions(self, transaction: int) -> tuple[ContributionView, ...]: ...
    def safe_to_stop(self, workers: Sequence[str]) -> StopView: ...
    def canary(self, worker: str) -> CanaryView: ...
    def set_worker_state(self, worker: str, state: str) -> None: ...
    def forget(self, worker: str) -> None: ...
    def change_settings(self, settings: EngineSettings) -> None: ...
    def put_account(self, account: Account, password: str) -> None: ...
    def drop_account(self, name: str) -> None: ...
    def create_database(self, name: str, family: dict[str, Any] | None) -> None: ...
    def create_table(self, database: str, table: TableSpec) -> None: ...
    def publish(self, database: str, table: str) -> None: ...
    def drop_database(self, name: str) -> None: ...
    def start_transaction(self, database: str, context: str) -> None: ...
    def end_transaction(self, transaction: int, state: str) -> None: ...
    def contribute(self, transaction: int, name: str, table: str, url: str) -> None: ...


Answer = TypeVar("Answer")


class Controllers:
    """:class:`Engine` over HTTP: asks each controller in turn until the one that leads answers.

    Parameters
    ----------
    urls : base URLs of the controllers.
    secret : the cluster's secret, sent as a bearer token.
    authority : PEM text of the authority that signed the controllers' certificates; None for plain HTTP.
    """

    def __init__(self, urls: Sequence[str], secret: str, authority: str | None = None, timeout: float = 10.0) -> None:
        self._urls = tuple(urls)
        verify = ssl.create_default_context(cadata=authority) if authority else True
        limit = httpx.Timeout(timeout, connect=3.0)
        self._http = httpx.Client(headers={"authorization": f"Bearer {secret}"}, verify=verify, timeout=limit)

    def close(self) -> None:
        self._http.close()

    def status(self) -> StatusView:
        return self._ask(StatusView, "GET", "/status")

    def settings(self) -> SettingsView:
        return self._ask(SettingsView, "GET", "/settings")

    def accounts(self) -> tuple[AccountView, ...]:
        return self._ask(tuple[AccountView, ...], "GET", "/accounts")

    def databases(self) -> tuple[DatabaseView, ...]:
        return self._ask(tuple[DatabaseView, ...], "GET", "/databases")

    def transactions(self) -> tuple[TransactionView, ...]:
        return self._ask(tuple[TransactionView, ...], "GET", "/transactions")

    def contributions(self, transaction: int) -> tuple[ContributionView, ...]:
        return self._ask(tuple[ContributionView, ...], "GET", f"/transactions/{transaction}/contributions")

    def safe_to_stop(self, workers: Sequence[str]) -> StopView:
        return self._ask(StopView, "POST", "/safe-to-stop", {"workers": list(workers)})

    def canary(self, worker: str) -> CanaryView:
        return self._ask(CanaryView, "POST", f"/workers/{quote(worker)}/canary")

    def set_worker_state(self, worker: str, state: str) -> None:
        self._send("PUT", f"/workers/{quote(worker)}/state", {"state": state})

    def forget(self, worker: str) -> None:
        self._gone("DELETE", f"/workers/{quote(worker)}")

    def change_settings(self, settings: EngineSettings) -> None:
        body = {"factor": settings.factor, "bandwidth": settings.bandwidth, "lost_after": settings.lost_after}
        self._send("PUT", "/settings", body)

    def put_account(self, account: Account, password: str) -> None:
        body = {"password": password, "grants": list(account.grants), "admin": account.admin}
        self._send("PUT", f"/accounts/{quote(account.name)}", body)

    def drop_account(self, name: str) -> None:
        self._gone("DELETE", f"/accounts/{quote(name)}")

    def create_database(self, name: str, family: dict[str, Any] | None) -> None:
        self._send("POST", "/databases", {"name": name, "family": family})

    def create_table(self, database: str, table: TableSpec) -> None:
        self._send("POST", f"/databases/{quote(database)}/tables", load_spec(table))

    def publish(self, database: str, table: str) -> None:
        self._send("POST", f"/databases/{quote(database)}/tables/{quote(table)}/publish")

    def drop_database(self, name: str) -> None:
        self._gone("DELETE", f"/databases/{quote(name)}")

    def start_transaction(self, database: str, context: str) -> None:
        self._send("POST", "/transactions", {"database": database, "context": {CONTEXT: context}})

    def end_transaction(self, transaction: int, state: str) -> None:
        self._send("PUT", f"/transactions/{transaction}", {"state": state})

    def contribute(self, transaction: int, name: str, table: str, url: str) -> None:
        self._send("POST", f"/transactions/{transaction}/contributions", {"name": name, "table": table, "url": url})

    def _ask(self, answer: type[Answer], method: str, path: str, body: Any = None) -> Answer:
        return TypeAdapter(answer).validate_json(self._send(method, path, body).content)

    def _gone(self, method: str, path: str) -> None:
        """What is not there any more is as good as removed."""
        try:
            self._send(method, path)
        except EngineError as error:
            if error.code != "not-found":
                raise

    def _send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        failed = EngineError("unavailable", "the cluster has no replication controller")
        for base in self._urls:
            try:
                answer = self._http.request(method, base + _PREFIX + path, json=body)
            except httpx.TransportError as error:
                failed = EngineError("unavailable", f"{base} cannot be reached: {error}")
                continue
            if answer.is_success:
                return answer
            failed = _error(answer)
            if failed.code != "unavailable":
                break
        raise failed


def _error(answer: httpx.Response) -> EngineError:
    try:
        body = ErrorView.model_validate_json(answer.content)
    except ValueError:
        return EngineError("unavailable", f"{answer.request.url} answered {answer.status_code}")
    return EngineError(body.code, body.message)


def load_spec(table: TableSpec) -> dict[str, Any]:
    """A table as the engine's load spec has it."""
    spec = table.model_dump(mode="json", exclude_none=True)
    source = spec.pop("source")
    return {
        **spec,
        "source": {**{key: value for key, value in source.items() if key != "urls"}, "path": source["urls"]},
    }
