"""Exports and imports: what was asked, how far it is, and the transactions that an import consists of."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from qserv.catalog.errors import Conflict, NotFound
from qserv.catalog.messages import Failure, StagedUnit
from qserv.catalog.metadata import ingests, schema
from qserv.catalog.metadata.ingests import IngestRow
from qserv.catalog.model import UnitKind
from qserv.catalog.resources import BackupKind, BackupState

OPEN: tuple[BackupState, ...] = ("running", "cancelling")


@dataclass(frozen=True, slots=True)
class BackupRow:
    """An export or import. ``databases``: those it is of; none: all."""

    id: int
    kind: BackupKind
    url: str
    databases: tuple[str, ...]
    state: BackupState
    files: int
    bytes: int
    total_files: int
    total_bytes: int
    failure: Failure | None
    started: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class WholeTable:
    """A table whose files of a transaction are all there, as its contribution tells it."""

    id: int
    name: str
    url: str
    rows: int
    bytes: int
    margin: float


def start(connection: Connection, kind: BackupKind, url: str, databases: Sequence[str]) -> BackupRow:
    """Begin an export or import; the same one that is under way is found instead.

    Raises
    ------
    Conflict
        While another one is under way at the same place.
    """
    for row in backups(connection, states=OPEN):
        if row.url == url:
            if (row.kind, row.databases, row.state) == (kind, tuple(databases), "running"):
                return row
            raise Conflict(f"{row.kind} {row.id} is under way at {url}: wait for it, or cancel it")
    counts = dict.fromkeys(("files", "bytes", "total_files", "total_bytes"), 0)
    values = {"kind": kind, "url": url, "databases": list(databases), "state": "running", "started": time.time()}
    result = connection.execute(insert(schema.backup).values(**values, **counts))
    key = result.inserted_primary_key
    return get(connection, key[0] if key else 0)


def get(connection: Connection, backup: int) -> BackupRow:
    row = connection.execute(select(schema.backup).where(schema.backup.c.id == backup)).first()
    if row is None:
        raise NotFound(f"there is no export or import {backup}")
    return _row(row)


def backups(connection: Connection, states: Sequence[BackupState] | None = None) -> list[BackupRow]:
    """Exports and imports, newest first."""
    query = select(schema.backup).order_by(schema.backup.c.id.desc())
    query = query.where(schema.backup.c.state.in_(states)) if states is not None else query
    return [_row(row) for row in connection.execute(query)]


def progress(connection: Connection, backup: int, done: tuple[int, int], total: tuple[int, int]) -> BackupRow:
    """Enter how far it is, in files and bytes; answers what it has been told meanwhile."""
    connection.execute(
        update(schema.backup)
        .where(schema.backup.c.id == backup)
        .values(files=done[0], bytes=done[1], total_files=total[0], total_bytes=total[1])
    )
    return get(connection, backup)


def cancel(connection: Connection, backup: int) -> BackupRow:
    """Have it stop; one that has ended stays as it is."""
    connection.execute(
        update(schema.backup)
        .where(schema.backup.c.id == backup, schema.backup.c.state == "running")
        .values(state="cancelling")
    )
    return get(connection, backup)


def end(connection: Connection, backup: int, state: BackupState, failure: Failure | None = None) -> None:
    told = failure.model_dump(mode="json") if failure is not None else None
    connection.execute(
        update(schema.backup)
        .where(schema.backup.c.id == backup, schema.backup.c.state.in_(OPEN))
        .values(state=state, failure=told, ended=time.time())
    )


def transactions(connection: Connection, backup: int) -> list[IngestRow]:
    """The transactions of an import, in the order of their making."""
    return [row for row in reversed(ingests.ingests(connection)) if row.context.get("import") == backup]


def enter_files(
    connection: Connection,
    transaction: int,
    worker: int,
    files: Iterable[StagedUnit],
    unit_ids: Mapping[tuple[UnitKind, int], int],
) -> None:
    """Enter files that were restored to a worker, in place of what was entered of them before.

    ``unit_ids``: by kind and number, of the files' units.
    """
    f = schema.file.c
    rows: list[dict[str, Any]] = []
    for one in files:
        unit, name = unit_ids[one.unit, one.number], one.path.rpartition("/")[2]
        connection.execute(
            delete(schema.file).where(f.table_id == one.table, f.unit_id == unit, f.name == name, f.version.is_(None))
        )
        rows.append(
            {
                "table_id": one.table,
                "unit_id": unit,
                "kind": one.kind,
                "name": name,
                "sha256": one.sha256,
                "rows": one.rows,
                "bytes": one.bytes,
                "transaction_id": transaction,
                "source_id": worker,
                "version": None,
            }
        )
    if rows:
        connection.execute(insert(schema.file), rows)


def complete(connection: Connection, transaction: int, tables: Iterable[WholeTable]) -> None:
    """All files of an import's transaction are there: tell its rows as contributions, and ask for its commit."""
    if ingests.lock(connection, transaction).state != "started":
        return
    c = schema.contribution.c
    for table in tables:
        row = ingests.contribute(connection, transaction, table.id, table.name, table.url)
        connection.execute(
            update(schema.contribution)
            .where(c.id == row.id)
            .values(state="done", rows=table.rows, bytes=table.bytes, total_bytes=table.bytes, margin=table.margin)
        )
    ingests.set_state(connection, transaction, "committing", among=("started",))


def _row(row: Any) -> BackupRow:
    values = {name: getattr(row, name) for name in BackupRow.__slots__}
    failure = Failure.model_validate(row.failure) if row.failure else None
    return BackupRow(**values | {"databases": tuple(row.databases), "failure": failure})
