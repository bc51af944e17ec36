"""The metadata's rows as REST and workers are told them. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from qserv.catalog.messages import TableFacts
from qserv.catalog.metadata.ingests import ContributionRow, IngestRow
from qserv.catalog.metadata.people import Account
from qserv.catalog.metadata.progress import Tally
from qserv.catalog.metadata.tables import DatabaseRow, TableRow
from qserv.catalog.metadata.workers import WorkerLoad, WorkerRow
from qserv.catalog.model import TableKind
from qserv.catalog.resources import (
    AccountView,
    ContributionView,
    DatabaseView,
    TableView,
    TransactionView,
    WorkerView,
)
from qserv.catalog.spec import FamilySpec


def table_facts(table: TableRow) -> TableFacts:
    """What a worker needs to cut and write a table's rows."""
    family = table.database.family
    if family is None or table.spec.kind is TableKind.REPLICATED:
        return TableFacts(id=table.id, database=table.database.name, spec=table.spec)
    return TableFacts(
        id=table.id,
        database=table.database.name,
        spec=table.spec,
        stripes=family.stripes,
        substripes=family.substripes,
        overlap=family.overlap,
        index_partitions=family.index_partitions,
    )


def table_view(table: TableRow, sizes: Mapping[int, tuple[int, int]]) -> TableView:
    rows, size = sizes.get(table.id, (0, 0))
    return TableView(
        id=table.id,
        name=table.spec.name,
        published=table.published,
        rows=rows,
        bytes=size,
        margin=table.margin,
        spec=table.spec,
    )


def database_view(
    database: DatabaseRow, tables: Sequence[TableRow], sizes: Mapping[int, tuple[int, int]]
) -> DatabaseView:
    family = database.family
    return DatabaseView(
        name=database.name,
        family=FamilySpec(stripes=family.stripes, substripes=family.substripes, overlap=family.overlap)
        if family is not None
        else None,
        tables=tuple(table_view(table, sizes) for table in tables),
    )


def contribution_view(
    row: ContributionRow, tables: Mapping[int, str], workers: Mapping[int, WorkerRow]
) -> ContributionView:
    worker = workers.get(row.worker_id) if row.worker_id is not None else None
    return ContributionView(
        id=row.id,
        name=row.name,
        table=tables.get(row.table_id, ""),
        url=row.url,
        state=row.state,
        attempt=row.attempt,
        worker=worker.name if worker is not None else None,
        rows=row.rows,
        bytes=row.bytes,
        total_bytes=row.total_bytes,
        dropped=row.dropped,
        margin=row.margin,
        warnings=row.warnings,
        failure=row.failure,
    )


def transaction_view(row: IngestRow, database: str, tallies: Sequence[Tally], chunks: int = 0) -> TransactionView:
    """A transaction with its progress; the ETA is of the files that are known, at the mean speed until now."""
    counted = [one for one in tallies if one.state != "cancelled"]
    rows = sum(one.rows for one in counted)
    done = sum(one.bytes for one in counted)
    total = sum(one.total_bytes for one in counted)
    seconds = max((row.ended or time.time()) - row.started, 1e-3)
    speed = done / seconds
    return TransactionView(
        id=row.id,
        database=database,
        state=row.state,
        context=row.context,
        failure=row.failure,
        started=row.started,
        ended=row.ended,
        rows=rows,
        bytes=done,
        total_bytes=total,
        dropped=sum(one.dropped for one in counted),
        rows_per_second=rows / seconds,
        bytes_per_second=speed,
        chunks=chunks,
        eta_seconds=(total - done) / speed if row.ended is None and speed > 0 else None,
        contributions={one.state: one.count for one in tallies},
    )


def worker_view(row: WorkerRow, load: WorkerLoad, at_risk: int, silence: float) -> WorkerView:
    return WorkerView(
        name=row.name,
        flight=row.flight,
        http=row.http,
        state=row.state,
        domain=row.domain or row.name,
        chunks=load.chunks,
        at_risk=at_risk,
        bytes=load.bytes,
        capacity=row.capacity,
        free=row.free,
        boot=row.boot,
        identity=row.identity,
        last_seen_seconds=round(silence, 3),
    )


def account_view(account: Account) -> AccountView:
    return AccountView(name=account.name, grants=account.grants, admin=account.admin)
