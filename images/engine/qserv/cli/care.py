"""``qserv verify``, ``qserv drain`` and ``qserv settings``: the care of a cluster, asked of the controller."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from qserv.catalog.errors import Conflict, UnknownTable
from qserv.catalog.model import WorkerState
from qserv.catalog.resources import RuntimeSettings, ScrubView
from qserv.catalog.rest import Controller

_POLL_SECONDS = 0.2


def verify(controller: Controller, worker: str | None, console: Console) -> ScrubView:
    """Read all replicas anew and show how far it is; the scrub goes on when this program is stopped.

    Raises
    ------
    Conflict
        When files turned out to be damaged of which there is no other copy, or the scrub was cancelled.
    """
    began = controller.start_scrub(worker)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[damaged]:,} damaged"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("verify", total=None, damaged=0)
        while True:
            now = controller.scrub(began.id)
            progress.update(bar, completed=now.bytes, total=now.total_bytes or None, damaged=now.damaged)
            if now.state != "running":
                break
            time.sleep(_POLL_SECONDS)
    if now.state == "cancelled":
        raise Conflict(f"scrub {now.id} was cancelled")
    console.print(f"{now.files:,} files, {decimal(now.bytes)}: {now.damaged:,} damaged, {now.skipped:,} skipped")
    if now.lost:
        raise Conflict(
            f"{now.lost} damaged file(s) had no other copy: put them back into the worker's data folder from a backup"
            " and start it anew, or drop their tables and load them again"
        )
    return now


def drain(controller: Controller, worker: str, console: Console) -> None:
    """Have a worker give its chunks away, and wait until it may be stopped.

    Raises
    ------
    Unsafe
        When no other worker can take them.
    """
    controller.set_worker_state(worker, WorkerState.DRAINING)
    with console.status("draining") as spinner:
        while True:
            view = next(one for one in controller.workers() if one.name == worker)
            left = controller.safe_to_stop([worker])
            if left.safe and view.chunks == 0:
                break
            spinner.update(f"draining: {view.chunks:,} chunks, {decimal(view.bytes)} left")
            time.sleep(_POLL_SECONDS)
    console.print(f"{worker} holds no chunk any more: it may be stopped")


def drop(controller: Controller, name: str, sure: Callable[[str], bool]) -> None:
    """Drop ``database`` or ``database.table``, once ``sure`` has said yes to what would go.

    Raises
    ------
    UnknownDatabase, UnknownTable
        For what is not there.
    Conflict
        For what a transaction is being loaded into.
    """
    database, _, table = name.partition(".")
    there = controller.database(database)
    going = [one for one in there.tables if not table or one.name.casefold() == table.casefold()]
    if table and not going:
        raise UnknownTable(f"there is no table {name}")
    rows = sum(one.rows for one in going)
    loads = _loads(controller, there.name, {one.id for one in going})
    names = ", ".join(one.name for one in going) or "no table"
    aborted = ", and abort the load that goes on" if loads else ""
    if not sure(f"drop {names} of {there.name}, rows: {rows:,}{aborted}?"):
        return
    for load in loads:
        controller.end_transaction(load, "aborted")
    while _loads(controller, there.name, {one.id for one in going}):
        time.sleep(_POLL_SECONDS)
    if table:
        controller.drop_table(there.name, going[0].name)
    else:
        controller.drop_database(there.name)


def _loads(controller: Controller, database: str, tables: set[int]) -> list[int]:
    """The transactions of ``qserv load`` that still fill any of these tables."""
    return [
        row.id
        for row in controller.transactions(database)
        if row.state in ("started", "aborting") and tables.intersection(row.context.get("tables", ()))
    ]


def settings(found: RuntimeSettings, console: Console) -> None:
    for name, value in found.model_dump().items():
        console.print(f"{name.replace('_', '-')}: {value:,.10g}", highlight=False)
