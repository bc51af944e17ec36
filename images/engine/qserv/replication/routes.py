"""The routes: each hands what was asked to the service that answers it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from qserv.catalog.messages import Heartbeat, HeartbeatAnswer
from qserv.catalog.resources import (
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
    IndexView,
    RuntimeSettings,
    ScrubView,
    ScrubWish,
    SettingsWish,
    StateWish,
    Status,
    StopAnswer,
    StopWish,
    TableView,
    TransactionEnd,
    TransactionView,
    TransactionWish,
    UnitsAnswer,
    UnitsWish,
    UploadWish,
    WorkerView,
)
from qserv.catalog.spec import TableSpec
from qserv.replication.controller import Controller


def leading(request: Request) -> Controller:
    """This process' controller, if it leads: only the leader answers."""
    controller: Controller = request.app.state.controller
    controller.leader.require()
    return controller


Leading = Annotated[Controller, Depends(leading)]
Number = Annotated[int, Path(ge=0, lt=1 << 63)]
router = APIRouter()


@router.put("/workers/{name}")
def heartbeat(controller: Leading, name: str, beat: Heartbeat) -> HeartbeatAnswer:
    """Hear a worker, or register it; the answer says what it is to do."""
    return controller.heartbeat(name, beat)


@router.get("/workers")
def list_workers(controller: Leading) -> tuple[WorkerView, ...]:
    """All workers: their states, chunks and bytes."""
    return controller.status.workers()


@router.put("/workers/{name}/state")
def set_worker_state(controller: Leading, name: str, wish: StateWish) -> WorkerView:
    """Let a worker take part (`online`), only answer queries (`read-only`), or give its chunks away (`draining`)."""
    return controller.set_worker_state(name, wish.state)


@router.delete("/workers/{name}", status_code=204)
def forget_worker(controller: Leading, name: str) -> None:
    """Strike off a worker that has stopped; refused while it holds the last copy of a chunk."""
    controller.forget_worker(name)


@router.post("/workers/{name}/canary")
def canary(controller: Leading, name: str) -> CanaryAnswer:
    """Ask a worker and another replica fixed queries, and compare the sums of their answers."""
    return controller.canary.check(name)


@router.post("/workers/{name}/damage", status_code=204)
def report_damage(controller: Leading, name: str, report: DamageReport) -> None:
    """Take files that a worker found damaged from queries, and heal them from other copies."""
    controller.scrubs.report(name, report.paths)


@router.get("/status")
def status(controller: Leading) -> Status:
    """How safe chunks are (at risk, under-replicated, lost, moving), and each worker."""
    return controller.status.status()


@router.post("/safe-to-stop")
def safe_to_stop(controller: Leading, wish: StopWish) -> StopAnswer:
    """Whether workers may be stopped together; if not, which chunks forbid it."""
    return controller.status.safe_to_stop(wish.workers)


@router.get("/settings")
def get_settings(controller: Leading) -> RuntimeSettings:
    """What can be changed while the cluster runs."""
    return controller.runtime()


@router.put("/settings")
def put_settings(controller: Leading, wish: SettingsWish) -> RuntimeSettings:
    """Change some of the settings; those that are left out stay."""
    return controller.set_runtime(wish)


@router.get("/accounts")
def list_accounts(controller: Leading) -> list[AccountView]:
    """All accounts."""
    return controller.catalog.accounts()


@router.get("/accounts/{name}")
def get_account(controller: Leading, name: str) -> AccountView:
    """One account: its grants, and whether it is an administrator."""
    return controller.catalog.account(name)


@router.put("/accounts/{name}")
def put_account(controller: Leading, name: str, wish: AccountWish) -> AccountView:
    """Make an account, or change its password, grants or rights; what is left out stays."""
    return controller.catalog.set_account(name, wish)


@router.delete("/accounts/{name}", status_code=204)
def delete_account(controller: Leading, name: str) -> None:
    """Remove an account."""
    controller.catalog.remove_account(name)


@router.post("/databases")
def create_database(controller: Leading, wish: DatabaseWish) -> DatabaseView:
    """Make a database; one that is there with the same family is the same."""
    return controller.catalog.create_database(wish)


@router.get("/databases")
def list_databases(controller: Leading) -> list[DatabaseView]:
    """All databases with their tables."""
    return controller.catalog.databases()


@router.get("/databases/{database}")
def get_database(controller: Leading, database: str) -> DatabaseView:
    """One database with its tables."""
    return controller.catalog.database(database)


@router.delete("/databases/{database}", status_code=204)
def drop_database(controller: Leading, database: str) -> None:
    """Drop a database with all its tables; refused while a transaction is open in it."""
    controller.catalog.drop_database(database)


@router.post("/databases/{database}/tables")
def create_table(controller: Leading, database: str, spec: TableSpec) -> TableView:
    """Make a table by its part of a load spec; nobody sees it until it is published."""
    return controller.catalog.create_table(database, spec)


@router.delete("/databases/{database}/tables/{table}", status_code=204)
def drop_table(controller: Leading, database: str, table: str) -> None:
    """Drop a table; refused while a transaction loads it."""
    controller.catalog.drop_table(database, table)


@router.post("/databases/{database}/tables/{table}/publish")
def publish(controller: Leading, database: str, table: str) -> TableView:
    """Let queries see a table."""
    return controller.catalog.publish(database, table, published=True)


@router.post("/databases/{database}/tables/{table}/unpublish")
def unpublish(controller: Leading, database: str, table: str) -> TableView:
    """Hide a table from queries; its rows stay."""
    return controller.catalog.publish(database, table, published=False)


@router.get("/databases/{database}/tables/{table}/index")
def index(controller: Leading, database: str, table: str) -> IndexView:
    """Where the partitions of a director's index lie."""
    return controller.placer.index(database, table)


@router.post("/transactions")
def start_transaction(controller: Leading, wish: TransactionWish) -> TransactionView:
    """Start a transaction in a database; its context is the client's own, and the same `request` again starts none."""
    return controller.ingest.start(wish.database, wish.context, wish.request)


@router.get("/transactions")
def list_transactions(controller: Leading, database: str | None = None) -> list[TransactionView]:
    """Transactions, newest first: state, rows, bytes, speed, time left."""
    return controller.ingest.transactions(database)


@router.get("/transactions/{transaction}")
def get_transaction(controller: Leading, transaction: Number) -> TransactionView:
    """One transaction."""
    return controller.ingest.transaction(transaction)


@router.put("/transactions/{transaction}")
def end_transaction(controller: Leading, transaction: Number, wish: TransactionEnd) -> TransactionView:
    """Commit or abort a transaction; both go on by themselves, look at its state."""
    if wish.state == "committed":
        return controller.ingest.commit(transaction)
    return controller.ingest.abort(transaction)


@router.post("/transactions/{transaction}/contributions")
def contribute(controller: Leading, transaction: Number, wish: ContributionWish) -> ContributionView:
    """Have a worker read a file by its URL; the same name again is the same contribution."""
    return controller.ingest.contribute(transaction, wish)


@router.put(
    "/transactions/{transaction}/contributions/{name:path}/data",
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "the file, as it is",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload(
    controller: Leading, request: Request, transaction: Number, name: str, table: str, file: str = "data"
) -> ContributionView:
    """Add a contribution whose file is the body, of any size; `file` is its name. Sent again, it is the same one."""
    try:
        wish = UploadWish(name=name, table=table, file=file)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    length = request.headers.get("content-length", "")
    size = int(length) if length.isdecimal() else None
    return await controller.uploading.take(transaction, wish, size, request.stream())


@router.get("/transactions/{transaction}/contributions")
def list_contributions(controller: Leading, transaction: Number) -> list[ContributionView]:
    """The contributions of a transaction: state, rows, bytes, warnings, tries."""
    return controller.ingest.contributions(transaction)


@router.delete("/transactions/{transaction}/contributions/{name:path}")
def cancel_contribution(controller: Leading, transaction: Number, name: str) -> ContributionView:
    """Stop a contribution; its rows are not loaded."""
    return controller.ingest.cancel(transaction, name)


@router.post("/transactions/{transaction}/units")
def place_units(controller: Leading, transaction: Number, wish: UnitsWish) -> UnitsAnswer:
    """Where chunks of a transaction are to lie; asked by workers."""
    return controller.placer.units(transaction, wish, controller.runtime().factor)


@router.post("/scrubs")
def start_scrub(controller: Leading, wish: ScrubWish) -> ScrubView:
    """Read all copies of all files anew, of all workers or one."""
    return controller.scrubs.start(wish.worker)


@router.get("/scrubs")
def list_scrubs(controller: Leading) -> list[ScrubView]:
    """Scrubs, newest first."""
    return controller.scrubs.all()


@router.get("/scrubs/{scrub}")
def get_scrub(controller: Leading, scrub: Number) -> ScrubView:
    """How far a scrub is, and what it found."""
    return controller.scrubs.one(scrub)


@router.delete("/scrubs/{scrub}")
def cancel_scrub(controller: Leading, scrub: Number) -> ScrubView:
    """End a scrub."""
    return controller.scrubs.cancel(scrub)


@router.post("/backups")
def start_backup(controller: Leading, wish: BackupWish) -> BackupView:
    """Start an export or import; one that broke off goes on."""
    return controller.backups.start(wish)


@router.get("/backups")
def list_backups(controller: Leading) -> list[BackupView]:
    """Exports and imports, newest first."""
    return controller.backups.all()


@router.get("/backups/{backup}")
def get_backup(controller: Leading, backup: Number) -> BackupView:
    """How far an export or import is."""
    return controller.backups.one(backup)


@router.delete("/backups/{backup}")
def cancel_backup(controller: Leading, backup: Number) -> BackupView:
    """End an export or import; an import that is ended leaves nothing."""
    return controller.backups.cancel(backup)
