"""The routes: each hands what was asked to the service that answers it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
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
router = APIRouter()


@router.put("/workers/{name}")
def heartbeat(controller: Leading, name: str, beat: Heartbeat) -> HeartbeatAnswer:
    return controller.heartbeat(name, beat)


@router.get("/workers")
def list_workers(controller: Leading) -> tuple[WorkerView, ...]:
    return controller.status.workers()


@router.put("/workers/{name}/state")
def set_worker_state(controller: Leading, name: str, wish: StateWish) -> WorkerView:
    return controller.set_worker_state(name, wish.state)


@router.delete("/workers/{name}", status_code=204)
def forget_worker(controller: Leading, name: str) -> None:
    controller.forget_worker(name)


@router.post("/workers/{name}/canary")
def canary(controller: Leading, name: str) -> CanaryAnswer:
    return controller.canary.check(name)


@router.post("/workers/{name}/damage", status_code=204)
def report_damage(controller: Leading, name: str, report: DamageReport) -> None:
    controller.scrubs.report(name, report.paths)


@router.get("/status")
def status(controller: Leading) -> Status:
    return controller.status.status()


@router.post("/safe-to-stop")
def safe_to_stop(controller: Leading, wish: StopWish) -> StopAnswer:
    return controller.status.safe_to_stop(wish.workers)


@router.get("/settings")
def get_settings(controller: Leading) -> RuntimeSettings:
    return controller.runtime()


@router.put("/settings")
def put_settings(controller: Leading, wish: SettingsWish) -> RuntimeSettings:
    return controller.set_runtime(wish)


@router.get("/accounts")
def list_accounts(controller: Leading) -> list[AccountView]:
    return controller.catalog.accounts()


@router.get("/accounts/{name}")
def get_account(controller: Leading, name: str) -> AccountView:
    return controller.catalog.account(name)


@router.put("/accounts/{name}")
def put_account(controller: Leading, name: str, wish: AccountWish) -> AccountView:
    return controller.catalog.set_account(name, wish)


@router.delete("/accounts/{name}", status_code=204)
def delete_account(controller: Leading, name: str) -> None:
    controller.catalog.remove_account(name)


@router.post("/databases")
def create_database(controller: Leading, wish: DatabaseWish) -> DatabaseView:
    return controller.catalog.create_database(wish)


@router.get("/databases")
def list_databases(controller: Leading) -> list[DatabaseView]:
    return controller.catalog.databases()


@router.get("/databases/{database}")
def get_database(controller: Leading, database: str) -> DatabaseView:
    return controller.catalog.database(database)


@router.delete("/databases/{database}", status_code=204)
def drop_database(controller: Leading, database: str) -> None:
    controller.catalog.drop_database(database)


@router.post("/databases/{database}/tables")
def create_table(controller: Leading, database: str, spec: TableSpec) -> TableView:
    return controller.catalog.create_table(database, spec)


@router.delete("/databases/{database}/tables/{table}", status_code=204)
def drop_table(controller: Leading, database: str, table: str) -> None:
    controller.catalog.drop_table(database, table)


@router.post("/databases/{database}/tables/{table}/publish")
def publish(controller: Leading, database: str, table: str) -> TableView:
    return controller.catalog.publish(database, table, published=True)


@router.post("/databases/{database}/tables/{table}/unpublish")
def unpublish(controller: Leading, database: str, table: str) -> TableView:
    return controller.catalog.publish(database, table, published=False)


@router.get("/databases/{database}/tables/{table}/index")
def index(controller: Leading, database: str, table: str) -> IndexView:
    return controller.placer.index(database, table)


@router.post("/transactions")
def start_transaction(controller: Leading, wish: TransactionWish) -> TransactionView:
    return controller.ingest.start(wish.database, wish.context)


@router.get("/transactions")
def list_transactions(controller: Leading, database: str | None = None) -> list[TransactionView]:
    return controller.ingest.transactions(database)


@router.get("/transactions/{transaction}")
def get_transaction(controller: Leading, transaction: int) -> TransactionView:
    return controller.ingest.transaction(transaction)


@router.put("/transactions/{transaction}")
def end_transaction(controller: Leading, transaction: int, wish: TransactionEnd) -> TransactionView:
    if wish.state == "committed":
        return controller.ingest.commit(transaction)
    return controller.ingest.abort(transaction)


@router.post("/transactions/{transaction}/contributions")
def contribute(controller: Leading, transaction: int, wish: ContributionWish) -> ContributionView:
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
    controller: Leading, request: Request, transaction: int, name: str, table: str, file: str = "data"
) -> ContributionView:
    """Add a contribution whose file is the body, of any size; ``file`` is its name. Sent again, it is the same one."""
    try:
        wish = UploadWish(name=name, table=table, file=file)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    length = request.headers.get("content-length", "")
    size = int(length) if length.isdecimal() else None
    return await controller.uploading.take(transaction, wish, size, request.stream())


@router.get("/transactions/{transaction}/contributions")
def list_contributions(controller: Leading, transaction: int) -> list[ContributionView]:
    return controller.ingest.contributions(transaction)


@router.delete("/transactions/{transaction}/contributions/{name:path}")
def cancel_contribution(controller: Leading, transaction: int, name: str) -> ContributionView:
    return controller.ingest.cancel(transaction, name)


@router.post("/transactions/{transaction}/units")
def place_units(controller: Leading, transaction: int, wish: UnitsWish) -> UnitsAnswer:
    return controller.placer.units(transaction, wish, controller.runtime().factor)


@router.post("/scrubs")
def start_scrub(controller: Leading, wish: ScrubWish) -> ScrubView:
    return controller.scrubs.start(wish.worker)


@router.get("/scrubs")
def list_scrubs(controller: Leading) -> list[ScrubView]:
    return controller.scrubs.all()


@router.get("/scrubs/{scrub}")
def get_scrub(controller: Leading, scrub: int) -> ScrubView:
    return controller.scrubs.one(scrub)


@router.delete("/scrubs/{scrub}")
def cancel_scrub(controller: Leading, scrub: int) -> ScrubView:
    return controller.scrubs.cancel(scrub)


@router.post("/backups")
def start_backup(controller: Leading, wish: BackupWish) -> BackupView:
    return controller.backups.start(wish)


@router.get("/backups")
def list_backups(controller: Leading) -> list[BackupView]:
    return controller.backups.all()


@router.get("/backups/{backup}")
def get_backup(controller: Leading, backup: int) -> BackupView:
    return controller.backups.one(backup)


@router.delete("/backups/{backup}")
def cancel_backup(controller: Leading, backup: int) -> BackupView:
    return controller.backups.cancel(backup)
