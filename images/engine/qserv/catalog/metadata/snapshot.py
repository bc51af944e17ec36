"""The catalog and the placement at one version, read whole once and then by what changed.

Reading 150,000 chunks whole takes seconds for each table; after a commit only the files that are newer than the
snapshot at hand are read (all files of a unit where some gave way to others), and the new snapshot shares the rest with
the old one. Both are values and stay as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, or_, select

from qserv.catalog.errors import SchemaVersion
from qserv.catalog.metadata import schema
from qserv.catalog.model import (
    CHUNK_COLUMN,
    SUBCHUNK_COLUMN,
    Catalog,
    ChunkFiles,
    Column,
    Database,
    Family,
    MatchSide,
    Placement,
    Table,
    TableKind,
    UnitKind,
    WorkerFacts,
    WorkerState,
)
from qserv.catalog.spec import TableSpec
from qserv.catalog.types import SqlType

VERSION = "SELECT version FROM version"
"""What :func:`version` asks, as text."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    catalog: Catalog
    placement: Placement


def version(connection: Connection) -> int:
    """The version that all see now."""
    found = connection.execute(select(schema.version.c.version)).scalar()
    if found is None:
        raise SchemaVersion("the metadata database has no version: start the replication controller first")
    return int(found)


def load(connection: Connection, old: Snapshot | None = None) -> Snapshot:
    """The snapshot of the version that the transaction sees; with ``old``, by reading only what changed since."""
    now = version(connection)
    if old is not None and old.catalog.version == now:
        return old
    catalog = _catalog(connection, now)
    workers = load_workers(connection)
    since = old.catalog.version if old is not None else -1
    files = _files(connection, since)
    replicas = _replicas(connection, since)
    if old is not None:
        tables, replaced = _scopes(connection), _replaced(connection, since)
        files = {
            key: _overlaid(_old_files(old, key), files.get(key, {}), replaced[key[0], tables[key[1]]])
            for key in [(kind, table) for table in tables for kind in UnitKind]
        }
        scopes = {(kind, scope) for scope in {0, *families(connection)} for kind in UnitKind}
        replicas = {key: {**_old_replicas(old, key), **replicas.get(key, {})} for key in scopes}
        full = (UnitKind.FULL, 0)
        replicas[full] = {table: holders for table, holders in replicas[full].items() if table in tables}
    return Snapshot(catalog, _placement(now, workers, files, replicas))


def _scopes(connection: Connection) -> dict[int, int]:
    """The scope of the units of each table: its family, or 0 of a replicated one."""
    t, d = schema.table.c, schema.database.c
    query = select(t.id, t.kind, d.family_id).join_from(schema.table, schema.database, t.database_id == d.id)
    return {row.id: 0 if row.kind == TableKind.REPLICATED else row.family_id for row in connection.execute(query)}


def _old_files(old: Snapshot, key: tuple[UnitKind, int]) -> Mapping[int, ChunkFiles]:
    kind, table = key
    if kind is UnitKind.INDEX:
        return old.placement.index_files.get(table, {})
    known = old.placement.files.get(table, {})
    full = table in old.placement.full_replicas
    return known if full == (kind is UnitKind.FULL) else {}


def _old_replicas(old: Snapshot, key: tuple[UnitKind, int]) -> Mapping[int, tuple[int, ...]]:
    kind, scope = key
    if kind is UnitKind.FULL:
        return old.placement.full_replicas if scope == 0 else {}
    return (old.placement.replicas if kind is UnitKind.CHUNK else old.placement.index_replicas).get(scope, {})


def _overlaid(
    before: Mapping[int, ChunkFiles], after: Mapping[int, ChunkFiles], replaced: Collection[int]
) -> dict[int, ChunkFiles]:
    """``after`` are all files of the units ``replaced``, and those that came to what other units had before."""
    kept = {number: files for number, files in before.items() if number not in replaced} if replaced else before
    return {**kept, **{number: _together(kept.get(number), files) for number, files in after.items()}}


def _together(before: ChunkFiles | None, more: ChunkFiles) -> ChunkFiles:
    if before is None:
        return more
    return ChunkFiles(
        before.main + more.main,
        before.overlap + more.overlap,
        before.index + more.index,
        before.rows + more.rows,
        before.bytes + more.bytes,
    )


def families(connection: Connection) -> dict[int, Family]:
    rows = connection.execute(select(schema.family)).mappings()
    return {row["id"]: Family(**row) for row in rows}


def table_columns(connection: Connection, among: Collection[int] | None = None) -> dict[int, tuple[Column, ...]]:
    """The users' columns of some tables, or of all, by table id; without those that the engine adds."""
    found: dict[int, list[Column]] = defaultdict(list)
    types: dict[str, SqlType] = {}
    query = select(schema.column).order_by(schema.column.c.table_id, schema.column.c.ordinal)
    query = query.where(schema.column.c.table_id.in_(among)) if among is not None else query
    for row in connection.execute(query):
        parsed = types.get(row.type) or types.setdefault(row.type, SqlType.parse(row.type))
        found[row.table_id].append(Column(row.name, parsed, row.nullable))
    return {table: tuple(columns) for table, columns in found.items()}


def table_facts(
    identifier: int, database: str, spec: TableSpec, margin: float, family: Family | None, columns: tuple[Column, ...]
) -> Table:
    """A table as queries see it: with ``chunkId`` and ``subChunkId`` at the end where it is partitioned."""
    director = tuple(qualified(spec.director, database)) if spec.director else None
    sides = None
    if spec.directors and spec.keys:
        first, second = (
            MatchSide(*qualified(name, database), key) for name, key in zip(spec.directors, spec.keys, strict=True)
        )
        sides = (first, second)
    partitioned = spec.kind is not TableKind.REPLICATED
    if partitioned:
        ours = (CHUNK_COLUMN.casefold(), SUBCHUNK_COLUMN.casefold())
        integer = SqlType.parse("INT")
        columns = (
            *(column for column in columns if column.name.casefold() not in ours),
            Column(CHUNK_COLUMN, integer, nullable=False),
            Column(SUBCHUNK_COLUMN, integer, nullable=False),
        )
    return Table(
        id=identifier,
        database=database,
        name=spec.name,
        kind=spec.kind,
        columns=columns,
        family=family if partitioned else None,
        key=spec.key,
        unique=spec.unique,
        position=spec.position,
        director=(director[0], director[1]) if director else None,
        sides=sides,
        radius=spec.radius,
        margin=margin,
    )


def qualified(name: str, database: str) -> tuple[str, str]:
    """``Star`` or ``hip.Star`` as (database, table)."""
    before, dot, after = name.rpartition(".")
    return (before, after) if dot else (database, name)


def _catalog(connection: Connection, now: int) -> Catalog:
    known = families(connection)
    columns = table_columns(connection)
    databases = {row.id: row for row in connection.execute(select(schema.database))}
    tables: dict[int, dict[str, Table]] = defaultdict(dict)
    for row in connection.execute(select(schema.table).where(schema.table.c.published)):
        database = databases[row.database_id]
        tables[database.id][row.folded] = table_facts(
            row.id,
            database.name,
            TableSpec.model_validate(row.spec),
            row.margin,
            known.get(database.family_id),
            columns.get(row.id, ()),
        )
    return Catalog(
        now,
        {row.folded: Database(row.name, known.get(row.family_id), tables[row.id]) for row in databases.values()},
    )


def load_workers(connection: Connection) -> dict[int, WorkerFacts]:
    w = schema.worker.c
    query = select(w.id, w.name, w.flight, w.http, w.state, w.domain, w.capacity, w.free)
    return {
        row.id: WorkerFacts(
            row.id, row.name, row.flight, row.http, WorkerState(row.state), row.domain, row.capacity, row.free
        )
        for row in connection.execute(query)
    }


def _since(query: Select[Any], since: int) -> Select[Any]:
    return query.where(schema.unit.c.changed > since) if since >= 0 else query


def _replaced(connection: Connection, since: int) -> dict[tuple[UnitKind, int], set[int]]:
    """Units some of whose files gave way to others, as (kind, scope) → numbers."""
    u = schema.unit.c
    query = _since(select(u.kind, u.scope, u.number).where(u.replaced > since), since)
    found: dict[tuple[UnitKind, int], set[int]] = defaultdict(set)
    for kind, scope, number in connection.execute(query):
        found[UnitKind(kind), scope].add(number)
    return found


def _files(connection: Connection, since: int) -> dict[tuple[UnitKind, int], dict[int, ChunkFiles]]:
    """Committed files that came since, and all of units with replaced ones; (kind of unit, table) → number → files."""
    f, u = schema.file.c, schema.unit.c
    query = (
        select(u.kind, f.table_id, u.number, f.kind, f.name, f.rows, f.bytes)
        .join_from(schema.file, schema.unit, f.unit_id == u.id)
        .where(f.version.is_not(None))
    )
    query = query.where(or_(f.version > since, u.replaced > since)) if since >= 0 else query
    gathered: dict[tuple[str, int], dict[int, list[Any]]] = defaultdict(dict)
    for unit_kind, table, number, kind, name, rows, size in connection.execute(_since(query, since)):
        unit = gathered[unit_kind, table].get(number)
        if unit is None:
            unit = gathered[unit_kind, table][number] = [(), (), (), 0, 0]
        if kind == "main":
            unit[0] += (name,)
            unit[3] += rows
        elif kind == "overlap":
            unit[1] += (name,)
        else:
            unit[2] += (name,)
            unit[3] += rows
        unit[4] += size
    return {
        (UnitKind(kind), table): {number: ChunkFiles(*facts) for number, facts in units.items()}
        for (kind, table), units in gathered.items()
    }


def _replicas(connection: Connection, since: int) -> dict[tuple[UnitKind, int], dict[int, tuple[int, ...]]]:
    """Replicas of the units that changed, as (kind, scope) → number → ids of workers; also of those that have none."""
    r, u = schema.replica.c, schema.unit.c
    query = (
        select(u.kind, u.scope, u.number, r.worker_id)
        .join_from(schema.unit, schema.replica, r.unit_id == u.id, isouter=True)
        .order_by(u.id, r.id)
    )
    gathered: dict[tuple[str, int], dict[int, tuple[int, ...]]] = defaultdict(dict)
    for kind, scope, number, worker in connection.execute(_since(query, since)):
        units = gathered[kind, scope]
        units[number] = units.get(number, ()) + ((worker,) if worker is not None else ())
    return {(UnitKind(kind), scope): units for (kind, scope), units in gathered.items()}


def _placement(
    now: int,
    workers: dict[int, WorkerFacts],
    files: dict[tuple[UnitKind, int], dict[int, ChunkFiles]],
    replicas: dict[tuple[UnitKind, int], dict[int, tuple[int, ...]]],
) -> Placement:
    return Placement(
        version=now,
        files={table: units for (kind, table), units in files.items() if kind is not UnitKind.INDEX and units},
        index_files={table: units for (kind, table), units in files.items() if kind is UnitKind.INDEX and units},
        replicas={scope: units for (kind, scope), units in replicas.items() if kind is UnitKind.CHUNK and units},
        index_replicas={scope: units for (kind, scope), units in replicas.items() if kind is UnitKind.INDEX and units},
        full_replicas=replicas.get((UnitKind.FULL, 0), {}),
        workers=workers,
    )
