"""What the command line prints of loads and of a cluster's state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from qserv.catalog.resources import AccountView, Status
from qserv.ingest.load import Loaded, Report, TableProgress

_STATES = {"online": "green", "read-only": "cyan", "draining": "yellow", "suspect": "yellow", "lost": "red"}


class _Speeds(ProgressColumn):
    """Rows and bytes a second since the table's load began."""

    def render(self, task: Task) -> Text:
        seconds = task.finished_time or task.elapsed
        if not seconds:
            return Text("")
        return Text(f"{task.fields['rows'] / seconds:,.0f}/s {decimal(int(task.completed / seconds))}/s", style="cyan")


@contextmanager
def load_progress(database: str, console: Console) -> Iterator[Report]:
    """A bar a table: rows, bytes, speed, time left."""
    progress = Progress(
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=12),
        TextColumn("{task.fields[rows]:,} rows", table_column=Column(justify="right", no_wrap=True)),
        _Speeds(table_column=Column(justify="right", no_wrap=True)),
        TextColumn("{task.fields[phase]}", style="dim"),
        TimeRemainingColumn(elapsed_when_finished=True, compact=True),
        console=console,
    )
    bars: dict[str, TaskID] = {}
    told = set[str]()

    def report(tables: Sequence[TableProgress]) -> None:
        progress.start()
        for table in tables:
            if table.name not in bars:
                name = f"{database}.{table.name}"
                bars[table.name] = progress.add_task(name, rows=0, phase="", start=False, total=None)
            if table.waits and table.waits not in told:
                told.add(table.waits)
                console.print(f"waits: {table.waits}", style="yellow", markup=False, highlight=False)
            if table.phase != "waiting":
                progress.start_task(bars[table.name])
            progress.update(
                bars[table.name],
                completed=table.bytes,
                total=table.total_bytes or None,
                rows=table.rows,
                phase=table.phase,
            )

    try:
        yield report
    finally:
        if bars:
            progress.stop()


def loaded(outcome: Loaded, console: Console) -> None:
    if outcome.there:
        console.print(f"{outcome.database} had been loaded by this spec before: nothing was to be done")
        return
    rows = sum(table.rows for table in outcome.tables)
    speed = rows / outcome.seconds if outcome.seconds > 0 else 0.0
    console.print(
        f"loaded {rows:,} rows into {len(outcome.tables)} table(s) of {outcome.database}"
        f" in {outcome.seconds:.1f} s ({speed:,.0f} rows/s)"
    )
    for table in outcome.tables:
        if table.dropped:
            console.print(f"{table.name}: rows without a director, dropped: {table.dropped:,}", style="yellow")
    for warning in outcome.warnings:
        console.print(warning, style="yellow", markup=False)


def status(state: Status, console: Console) -> None:
    chunks = state.chunks
    console.print(
        f"{chunks.total:,} chunks, {decimal(chunks.bytes)}, factor {state.factor}: {chunks.at_risk:,} at risk,"
        f" {chunks.under_replicated:,} under-replicated, {chunks.lost:,} lost, {chunks.moving:,} moving"
    )
    for kind, units in (("partitions of the index", state.index), ("replicated tables", state.replicated)):
        if units.at_risk or units.under_replicated or units.lost:
            console.print(
                f"{kind}: {units.at_risk:,} at risk, {units.under_replicated:,} under-replicated, {units.lost:,} lost",
                style="yellow",
            )
    if chunks.unmet:
        console.print(f"factor {state.factor} is not met: there are too few workers", style="yellow")
    for one in state.waiting:
        told = f"transaction {one.id} of {one.database} waits: {one.failure.code}: {one.failure.message}"
        console.print(told, style="yellow", markup=False, highlight=False, soft_wrap=True)
    domains = any(worker.domain != worker.name for worker in state.workers)
    table = Table(Column("worker", overflow="fold"), Column("state", no_wrap=True))
    if domains:
        table.add_column("domain", overflow="fold")
    for name in ("chunks", "at risk", "held", "free", "last seen"):
        table.add_column(name, justify="right")
    for worker in state.workers:
        colour = _STATES.get(worker.state, "default")
        table.add_row(
            worker.name,
            f"[{colour}]{worker.state}[/]",
            *([worker.domain] if domains else []),
            f"{worker.chunks:,}",
            f"{worker.at_risk:,}",
            decimal(worker.bytes),
            decimal(worker.free),
            f"{worker.last_seen_seconds:.1f} s",
        )
    console.print(table)


def running(processes: Mapping[str, bool], console: Console) -> None:
    table = Table("process", "state")
    for name, alive in processes.items():
        table.add_row(name, "[green]running[/]" if alive else "[red]ended[/]")
    console.print(table)


def accounts(found: Sequence[AccountView], console: Console) -> None:
    table = Table("account", "grants", "admin")
    for account in found:
        table.add_row(account.name, ", ".join(account.grants), "yes" if account.admin else "")
    console.print(table)
