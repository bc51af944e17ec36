"""A client of the replication controller's REST interface, which finds the one that leads.

The models are in :mod:`qserv.catalog.resources`.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlencode

import httpx
from pydantic import BaseModel

from qserv.catalog.errors import DataError, QservError, Unavailable, from_code
from qserv.catalog.messages import Heartbeat, HeartbeatAnswer
from qserv.catalog.model import FileKind, WorkerState
from qserv.catalog.resources import (
    PREFIX,
    AccountView,
    AccountWish,
    BackupView,
    BackupWish,
    CanaryAnswer,
    ContributionView,
    ContributionWish,
    DamageReport,
    DatabaseView,
    DatabaseWish,
    ErrorBody,
    IndexView,
    RuntimeSettings,
    ScrubView,
    ScrubWish,
    SettingsWish,
    Status,
    StopAnswer,
    StopWish,
    TableView,
    TransactionEnd,
    TransactionView,
    TransactionWish,
    UnitsAnswer,
    UnitsWish,
    WorkerView,
)
from qserv.catalog.spec import FamilySpec, TableSpec
from qserv.catalog.trust import Trust

Model = TypeVar("Model", bound=BaseModel)


_PIECE = 1 << 20
_UPLOAD_SECONDS = 300.0
"""Of silence, while a file is sent."""

_SENT = re.compile(r"[^A-Za-z0-9._-]")


class Controller:
    """A client of the replication controllers: asks the one that leads. Thread-safe and blocking.

    Parameters
    ----------
    urls : base URLs of the controllers, such as ``http://host:25081``.
    trust : the cluster's secret and certificates; or ``account``, a person's (name, password).
    patience : seconds for which a controller that is away, or still without a lease, is asked again.
    """

    def __init__(
        self,
        urls: Sequence[str],
        trust: Trust | None,
        *,
        account: tuple[str, str] | None = None,
        patience: float = 15.0,
        timeout: float = 30.0,
    ) -> None:
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._leader = self._urls[0]
        self._patience = patience
        self._lock = threading.Lock()
        verify = trust.client_context() if trust is not None and trust.tls else True
        auth = httpx.BasicAuth(*account) if account is not None else trust.auth if trust is not None else None
        self._http = httpx.Client(auth=auth, verify=verify, timeout=timeout)

    def close(self) -> None:
        self._http.close()

    def heartbeat(self, name: str, beat: Heartbeat) -> HeartbeatAnswer:
        return self._ask(HeartbeatAnswer, "PUT", f"/workers/{_part(name)}", beat)

    def workers(self) -> tuple[WorkerView, ...]:
        return self._ask_all(WorkerView, "/workers")

    def set_worker_state(self, name: str, state: WorkerState) -> WorkerView:
        return self._ask(WorkerView, "PUT", f"/workers/{_part(name)}/state", {"state": state})

    def forget_worker(self, name: str) -> None:
        self._send("DELETE", f"/workers/{_part(name)}")

    def canary(self, name: str) -> CanaryAnswer:
        return self._ask(CanaryAnswer, "POST", f"/workers/{_part(name)}/canary")

    def status(self) -> Status:
        return self._ask(Status, "GET", "/status")

    def safe_to_stop(self, workers: Sequence[str]) -> StopAnswer:
        return self._ask(StopAnswer, "POST", "/safe-to-stop", StopWish(workers=tuple(workers)))

    def settings(self) -> RuntimeSettings:
        return self._ask(RuntimeSettings, "GET", "/settings")

    def set_settings(self, wish: SettingsWish) -> RuntimeSettings:
        return self._ask(RuntimeSettings, "PUT", "/settings", wish)

    def accounts(self) -> tuple[AccountView, ...]:
        return self._ask_all(AccountView, "/accounts")

    def set_account(self, name: str, wish: AccountWish) -> AccountView:
        body = wish.model_dump(exclude_none=True, exclude={"password"})
        if wish.password is not None:
            body["password"] = wish.password.get_secret_value()
        return self._ask(AccountView, "PUT", f"/accounts/{_part(name)}", body)

    def remove_account(self, name: str) -> None:
        self._send("DELETE", f"/accounts/{_part(name)}")

    def create_database(self, name: str, family: FamilySpec | None) -> DatabaseView:
        """Create a database; one that is there with the same family is left as it is."""
        return self._ask(DatabaseView, "POST", "/databases", DatabaseWish(name=name, family=family))

    def databases(self) -> tuple[DatabaseView, ...]:
        return self._ask_all(DatabaseView, "/databases")

    def database(self, name: str) -> DatabaseView:
        return self._ask(DatabaseView, "GET", f"/databases/{_part(name)}")

    def drop_database(self, name: str) -> None:
        self._send("DELETE", f"/databases/{_part(name)}")

    def create_table(self, database: str, spec: TableSpec) -> TableView:
        """Create a table, unpublished; its columns must be given. One that is there is ``AlreadyExists``."""
        return self._ask(TableView, "POST", f"/databases/{_part(database)}/tables", spec)

    def drop_table(self, database: str, table: str) -> None:
        self._send("DELETE", _table(database, table))

    def publish(self, database: str, table: str) -> TableView:
        return self._ask(TableView, "POST", f"{_table(database, table)}/publish")

    def unpublish(self, database: str, table: str) -> TableView:
        return self._ask(TableView, "POST", f"{_table(database, table)}/unpublish")

    def index(self, database: str, table: str) -> IndexView:
        return self._ask(IndexView, "GET", f"{_table(database, table)}/index")

    def start_transaction(self, database: str, context: dict[str, Any] | None = None) -> TransactionView:
        wish = TransactionWish(database=database, context=context or {}, request=uuid.uuid4().hex)
        return self._ask(TransactionView, "POST", "/transactions", wish)

    def transactions(self, database: str | None = None) -> tuple[TransactionView, ...]:
        """All transactions, newest first; of one database, or of all."""
        return self._ask_all(TransactionView, "/transactions" + (f"?database={_part(database)}" if database else ""))

    def transaction(self, transaction: int) -> TransactionView:
        return self._ask(TransactionView, "GET", f"/transactions/{transaction}")

    def end_transaction(self, transaction: int, state: Literal["committed", "aborted"]) -> TransactionView:
        """Begin to commit or to abort; answers at once: ask :meth:`transaction` until it is done."""
        return self._ask(TransactionView, "PUT", f"/transactions/{transaction}", TransactionEnd(state=state))

    def contribute(self, transaction: int, wish: ContributionWish) -> ContributionView:
        """Add a file; the same name again is the same contribution."""
        return self._ask(ContributionView, "POST", f"/transactions/{transaction}/contributions", wish)

    def upload(self, transaction: int, name: str, table: str, path: Path) -> ContributionView:
        """Add a file of this machine, which is sent; the same name and file again are the same contribution.

        Raises
        ------
        DataError
            When the file cannot be read.
        """
        query = urlencode({"table": table, "file": _SENT.sub("_", path.name)[-128:].lstrip("._-") or "data"})

        def body() -> Iterator[bytes]:
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    yield piece

        if not path.is_file():
            raise DataError(f"{path}: there is no such file", file=str(path))
        headers = {"content-type": "application/octet-stream", "content-length": str(path.stat().st_size)}
        where = f"/transactions/{transaction}/contributions/{_part(name)}/data?{query}"
        return ContributionView.model_validate_json(self._asked("PUT", where, body, headers, _UPLOAD_SECONDS).content)

    def contributions(self, transaction: int) -> tuple[ContributionView, ...]:
        return self._ask_all(ContributionView, f"/transactions/{transaction}/contributions")

    def cancel_contribution(self, transaction: int, name: str) -> None:
        self._send("DELETE", f"/transactions/{transaction}/contributions/{_part(name)}")

    def units(self, transaction: int, table: str, kind: FileKind, numbers: Sequence[int] = ()) -> UnitsAnswer:
        """The workers that hold, or are to hold, units of a table; new units are placed."""
        wish = UnitsWish(table=table, kind=kind, numbers=tuple(numbers))
        return self._ask(UnitsAnswer, "POST", f"/transactions/{transaction}/units", wish)

    def start_scrub(self, worker: str | None = None) -> ScrubView:
        """Begin to read all replicas anew, of one worker or of all, or find the same scrub under way."""
        return self._ask(ScrubView, "POST", "/scrubs", ScrubWish(worker=worker))

    def scrubs(self) -> tuple[ScrubView, ...]:
        return self._ask_all(ScrubView, "/scrubs")

    def scrub(self, scrub: int) -> ScrubView:
        return self._ask(ScrubView, "GET", f"/scrubs/{scrub}")

    def cancel_scrub(self, scrub: int) -> ScrubView:
        return self._ask(ScrubView, "DELETE", f"/scrubs/{scrub}")

    def report_damage(self, worker: str, paths: Sequence[str]) -> None:
        """Tell of files that could not be read on a worker: they are looked at, and healed."""
        self._send("POST", f"/workers/{_part(worker)}/damage", DamageReport(paths=tuple(paths)))

    def start_backup(self, wish: BackupWish) -> BackupView:
        """Begin an export or import, or find the same one that is under way; ask :meth:`backup` how far it is."""
        return self._ask(BackupView, "POST", "/backups", wish)

    def backups(self) -> tuple[BackupView, ...]:
        return self._ask_all(BackupView, "/backups")

    def backup(self, backup: int) -> BackupView:
        return self._ask(BackupView, "GET", f"/backups/{backup}")

    def cancel_backup(self, backup: int) -> BackupView:
        """Have it stop. A cancelled export goes on when it is asked for again; a cancelled import leaves nothing."""
        return self._ask(BackupView, "DELETE", f"/backups/{backup}")

    def _ask(
        self, answer: type[Model], method: str, path: str, body: BaseModel | dict[str, Any] | None = None
    ) -> Model:
        return answer.model_validate_json(self._send(method, path, body).content)

    def _ask_all(self, answer: type[Model], path: str) -> tuple[Model, ...]:
        return tuple(answer.model_validate(item) for item in self._send("GET", path).json())

    def _send(self, method: str, path: str, body: BaseModel | dict[str, Any] | None = None) -> httpx.Response:
        content = body.model_dump_json() if isinstance(body, BaseModel) else json.dumps(body or {})
        return self._asked(method, path, lambda: content, {"content-type": "application/json"})

    def _asked(
        self,
        method: str,
        path: str,
        content: Callable[[], str | Iterator[bytes]],
        headers: dict[str, str],
        timeout: float | None = None,
    ) -> httpx.Response:
        """The leader's answer. Who leads is asked again while there is none, or none can be reached.

        A request whose answer was lost may have been carried out, and is sent again: none does a thing twice, but what
        was created may be said to be there already, and what was removed not to be there.
        """
        deadline = time.monotonic() + self._patience
        attempt = 0
        while True:
            base = self._leader
            try:
                answer = self._http.request(
                    method,
                    base + PREFIX + path,
                    content=content(),
                    headers=headers,
                    timeout=timeout if timeout is not None else httpx.USE_CLIENT_DEFAULT,
                )
                if answer.is_success:
                    return answer
                error = _error(answer)
                leader = error.details.get("leader")
            except httpx.TransportError as cause:
                error = Unavailable(f"the replication controller {base} cannot be reached: {cause}")
                error.__cause__ = cause
                leader = None
            if not isinstance(error, Unavailable) or time.monotonic() > deadline:
                raise error
            self._turn(base, leader if isinstance(leader, str) else None)
            attempt += 1
            if leader is None and attempt % len(self._urls) == 0:
                time.sleep(random.uniform(0.1, 0.4))  # noqa: S311 -- spreads retries, guards nothing

    def _turn(self, failed: str, leader: str | None) -> None:
        """Ask another controller next: the one that was named, or the next of the list."""
        with self._lock:
            if self._leader != failed:
                return
            if leader is not None and leader != failed:
                self._leader = leader.rstrip("/")
            elif failed in self._urls:
                self._leader = self._urls[(self._urls.index(failed) + 1) % len(self._urls)]
            else:
                self._leader = self._urls[0]


def _part(text: str) -> str:
    return quote(text, safe="")


def _table(database: str, table: str) -> str:
    return f"/databases/{_part(database)}/tables/{_part(table)}"


def _error(answer: httpx.Response) -> QservError:
    try:
        body = ErrorBody.model_validate_json(answer.content)
    except ValueError:
        return Unavailable(f"{answer.request.url} answered {answer.status_code}: is it a replication controller?")
    return from_code(body.code, body.message, **body.details)
