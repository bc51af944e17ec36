"""Databases and tables: what is there, and how it comes and goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, case, cast, delete, func, insert, literal, select, update

from qserv.catalog.errors import AlreadyExists, Conflict, SpecError, UnknownDatabase, UnknownTable
from qserv.catalog.metadata import schema
from qserv.catalog.metadata.chores import bump, in_turn
from qserv.catalog.metadata.snapshot import families, qualified, table_columns
from qserv.catalog.model import Family, TableKind, UnitKind
from qserv.catalog.spec import ColumnSpec, FamilySpec, TableSpec
from qserv.catalog.types import SqlType

INDEX_PARTITIONS = 16


@dataclass(frozen=True, slots=True)
class DatabaseRow:
    id: int
    name: str
    family: Family | None


@dataclass(frozen=True, slots=True)
class TableRow:
    """A table, published or not; ``spec`` has all its columns."""

    id: int
    database: DatabaseRow
    spec: TableSpec
    published: bool
    margin: float

    @property
    def unit(self) -> tuple[UnitKind, int]:
        """Kind and scope of the units that hold its rows."""
        family = self.database.family
        if self.spec.kind is TableKind.REPLICATED or family is None:
            return UnitKind.FULL, 0
        return UnitKind.CHUNK, family.id


def databases(connection: Connection) -> list[DatabaseRow]:
    return _databases(connection)


def database(connection: Connection, name: str) -> DatabaseRow:
    """Raises UnknownDatabase when there is none of that name, in any case."""
    found = _databases(connection, schema.database.c.folded == name.casefold())
    if not found:
        raise UnknownDatabase(f"there is no database {name!r}")
    return found[0]


def create_database(connection: Connection, name: str, family: FamilySpec | None) -> DatabaseRow:
    """Create a database, or find the one that is there with the same family.

    Raises
    ------
    AlreadyExists
        When it is there with another family: a family cannot be changed.
    """
    in_turn(connection)
    found = _databases(connection, schema.database.c.folded == name.casefold())
    if found:
        there = found[0]
        if _family_spec(there.family) != family:
            raise AlreadyExists(f"database {there.name!r} is there with another family: {_family_spec(there.family)}")
        return there
    identifier = _family(connection, family) if family is not None else None
    connection.execute(insert(schema.database).values(name=name, folded=name.casefold(), family_id=identifier))
    bump(connection)
    return database(connection, name)


def tables(connection: Connection, of: DatabaseRow) -> list[TableRow]:
    return _tables(connection, schema.table.c.database_id == of.id)


def table(connection: Connection, of: str, name: str) -> TableRow:
    """Raises UnknownDatabase or UnknownTable."""
    there = database(connection, of)
    t = schema.table.c
    found = _tables(connection, t.database_id == there.id, t.folded == name.casefold())
    if not found:
        raise UnknownTable(f"there is no table {there.name}.{name}")
    return found[0]


def by_id(connection: Connection, identifier: int) -> TableRow:
    """Raises UnknownTable when it was dropped."""
    found = _tables(connection, schema.table.c.id == identifier)
    if not found:
        raise UnknownTable(f"table number {identifier} was dropped")
    return found[0]


def sizes(connection: Connection) -> dict[int, tuple[int, int]]:
    """Rows (of main files) and bytes of all committed tables, by table id."""
    f = schema.file.c
    rows = func.sum(case((f.kind == "main", f.rows), else_=0))
    query = select(f.table_id, rows, func.sum(f.bytes)).where(f.version.is_not(None)).group_by(f.table_id)
    return {row[0]: (int(row[1]), int(row[2])) for row in connection.execute(query)}


def create_table(connection: Connection, of: str, spec: TableSpec) -> TableRow:
    """Create a table, unpublished.

    Raises
    ------
    SpecError
        When the spec does not fit the database: no columns, a director that is not there, a key that is no integer.
    AlreadyExists
        When there is a table of that name.
    """
    in_turn(connection)
    there = database(connection, of)
    t = schema.table.c
    named = select(t.id).where(t.database_id == there.id, t.folded == spec.name.casefold())
    if connection.execute(named).first() is not None:
        raise AlreadyExists(f"there is a table {there.name}.{spec.name}: drop it first, or add rows by a transaction")
    columns = _checked_columns(spec)
    _check_directors(connection, there, spec)
    body = spec.model_dump(mode="json", exclude={"columns"}, exclude_none=True)
    result = connection.execute(
        insert(schema.table).values(
            database_id=there.id,
            name=spec.name,
            folded=spec.name.casefold(),
            kind=spec.kind,
            spec=body,
            published=False,
            margin=0.0,
        )
    )
    identifier = result.inserted_primary_key[0] if result.inserted_primary_key else None
    connection.execute(
        insert(schema.column),
        [{"table_id": identifier, "ordinal": i, **column.model_dump()} for i, column in enumerate(columns)],
    )
    return table(connection, of, spec.name)


def set_published(connection: Connection, of: str, name: str, published: bool) -> TableRow:
    found = table(connection, of, name)
    if found.published is published:
        return found
    bump(connection)
    connection.execute(update(schema.table).where(schema.table.c.id == found.id).values(published=published))
    return replace(found, published=published)


def drop_table(connection: Connection, of: str, name: str) -> None:
    """Remove a table and let its files be collected.

    Raises
    ------
    Conflict
        While a transaction is loading it, or other tables are placed by it.
    """
    found = table(connection, of, name)
    users = [user for user in _dependents(connection, found) if user != found.id]
    if users:
        raise Conflict(f"{of}.{name} is the director of other tables ({len(users)}): drop them first")
    _refuse_while_loading(connection, [found.id], f"{of}.{name}")
    _drop(connection, found, bump(connection))


def drop_database(connection: Connection, name: str) -> None:
    """Remove a database and all its tables.

    Raises
    ------
    Conflict
        While a transaction is open in it, or tables of other databases are placed by its tables.
    """
    there = database(connection, name)
    own = tables(connection, there)
    ids = {row.id for row in own}
    foreign = {user for row in own for user in _dependents(connection, row)} - ids
    if foreign:
        raise Conflict(f"tables of other databases ({len(foreign)}) are placed by tables of {name}: drop them first")
    t = schema.ingest.c
    open_states = ("started", "committing", "aborting")
    query = select(t.id, t.state).where(t.database_id == there.id, t.state.in_(open_states)).order_by(t.id)
    open_ = connection.execute(query).first()
    if open_ is not None:
        raise Conflict(f"transaction {open_.id} is open in {name} ({open_.state}): commit or abort it first")
    version = bump(connection)
    for row in own:
        _drop(connection, row, version)
    connection.execute(delete(schema.database).where(schema.database.c.id == there.id))
    d = schema.database.c
    if there.family is not None and not connection.execute(select(d.id).where(d.family_id == there.family.id)).first():
        partitioned = schema.unit.c.kind != UnitKind.FULL
        connection.execute(delete(schema.unit).where(partitioned, schema.unit.c.scope == there.family.id))
        connection.execute(delete(schema.family).where(schema.family.c.id == there.family.id))


def _databases(connection: Connection, *conditions: ColumnElement[bool]) -> list[DatabaseRow]:
    known = families(connection)
    rows = connection.execute(select(schema.database).where(*conditions).order_by(schema.database.c.folded))
    return [DatabaseRow(row.id, row.name, known.get(row.family_id)) for row in rows]


def _tables(connection: Connection, *conditions: ColumnElement[bool]) -> list[TableRow]:
    rows = connection.execute(select(schema.table).where(*conditions).order_by(schema.table.c.id)).all()
    homes = {row.id: row for row in _databases(connection, schema.database.c.id.in_({row.database_id for row in rows}))}
    columns = table_columns(connection, [row.id for row in rows])
    found = []
    for row in rows:
        spec = TableSpec.model_validate(row.spec)
        named = tuple(ColumnSpec(name=c.name, type=str(c.type), nullable=c.nullable) for c in columns.get(row.id, ()))
        whole = spec.model_copy(update={"columns": named})
        found.append(TableRow(row.id, homes[row.database_id], whole, bool(row.published), row.margin))
    return found


def _drop(connection: Connection, found: TableRow, version: int) -> None:
    f, u, r = schema.file.c, schema.unit.c, schema.replica.c
    number = cast(u.number, String(20))
    folder = case((u.kind == "chunk", number), (u.kind == "index", literal("index-") + number), else_="full")
    path = literal(f"{found.database.name}/{found.spec.name}/") + folder + literal("/") + f.name
    held = (
        select(r.worker_id, path, literal(version))
        .select_from(schema.file)
        .join(schema.unit, f.unit_id == u.id)
        .join(schema.replica, r.unit_id == u.id)
        .where(f.table_id == found.id, f.version.is_not(None))
    )
    connection.execute(insert(schema.garbage).from_select(["worker_id", "path", "version"], held))
    touched = select(f.unit_id).where(f.table_id == found.id).distinct()
    lost = select(func.coalesce(func.sum(f.bytes), 0)).where(
        f.table_id == found.id, f.unit_id == u.id, f.version.is_not(None)
    )
    connection.execute(
        update(schema.unit)
        .where(u.id.in_(touched))
        .values(bytes=u.bytes - lost.scalar_subquery(), changed=version)
        .execution_options(synchronize_session=False)
    )
    g = schema.garbage.c
    given_up = g.path.startswith(f"{found.database.name}/{found.spec.name}/", autoescape=True)
    connection.execute(update(schema.garbage).where(g.unit_id.in_(touched), given_up).values(unit_id=None))
    connection.execute(delete(schema.file).where(f.table_id == found.id))
    connection.execute(delete(schema.unit).where(u.kind == UnitKind.FULL, u.number == found.id))
    connection.execute(delete(schema.column).where(schema.column.c.table_id == found.id))
    connection.execute(delete(schema.contribution).where(schema.contribution.c.table_id == found.id))
    connection.execute(delete(schema.table).where(schema.table.c.id == found.id))


def _dependents(connection: Connection, director: TableRow) -> list[int]:
    """Ids of the tables that are placed by this one."""
    if director.spec.kind is not TableKind.DIRECTOR:
        return []
    target = (director.database.name.casefold(), director.spec.name.casefold())
    query = select(schema.table.c.id, schema.table.c.spec, schema.database.c.name).join_from(
        schema.table, schema.database, schema.table.c.database_id == schema.database.c.id
    )
    found = []
    for identifier, body, home in connection.execute(query):
        names: list[Any] = [*(body.get("directors") or ()), body.get("director")]
        if any(name and tuple(part.casefold() for part in qualified(name, home)) == target for name in names):
            found.append(identifier)
    return found


def _refuse_while_loading(connection: Connection, ids: Sequence[int], what: str) -> None:
    c, t = schema.contribution.c, schema.ingest.c
    query = (
        select(t.id)
        .join_from(schema.contribution, schema.ingest, c.transaction_id == t.id)
        .where(c.table_id.in_(list(ids)), t.state.in_(("started", "committing", "aborting")))
    )
    row = connection.execute(query).first()
    if row is not None:
        raise Conflict(f"transaction {row.id} is loading {what}: commit or abort it first")


def _checked_columns(spec: TableSpec) -> tuple[ColumnSpec, ...]:
    if not spec.columns:
        raise SpecError(f"table {spec.name}: 'columns' are needed to create it")
    checked = TableSpec.model_validate(spec.model_dump())
    types = {column.name.casefold(): SqlType.parse(column.type) for column in spec.columns}
    keys = [spec.key, *(spec.keys or ())] if spec.kind is not TableKind.REPLICATED else []
    for key in keys:
        if key is not None and not types[key.casefold()].integer:
            raise SpecError(f"table {spec.name}: the key {key!r} is {types[key.casefold()]}: keys are integers")
    for name in spec.position or ():
        if not types[name.casefold()].numeric:
            raise SpecError(
                f"table {spec.name}: {name!r} is {types[name.casefold()]}: positions are numbers, in degrees"
            )
    return checked.columns or ()


def _check_directors(connection: Connection, home: DatabaseRow, spec: TableSpec) -> None:
    if spec.kind is not TableKind.REPLICATED and home.family is None:
        raise SpecError(f"table {spec.name}: database {home.name!r} has no family, so its tables are all replicated")
    for name in (*(spec.directors or ()), *((spec.director,) if spec.director else ())):
        where = qualified(name, home.name)
        try:
            director = table(connection, *where)
        except (UnknownDatabase, UnknownTable) as error:
            raise SpecError(f"table {spec.name}: its director is not there: {error.message}") from error
        if director.spec.kind is not TableKind.DIRECTOR:
            raise SpecError(f"table {spec.name}: {name!r} is a {director.spec.kind} table, not a director")
        if director.database.family != home.family:
            raise SpecError(f"table {spec.name}: its director {name!r} is of another family: chunks would not match")
    if spec.radius is not None and home.family is not None and spec.radius > home.family.overlap:
        raise SpecError(
            f"table {spec.name}: radius {spec.radius:g}° is above the family's overlap of {home.family.overlap:g}°"
        )


def _family_spec(family: Family | None) -> FamilySpec | None:
    if family is None:
        return None
    return FamilySpec(stripes=family.stripes, substripes=family.substripes, overlap=family.overlap)


def _family(connection: Connection, wanted: FamilySpec) -> int:
    f = schema.family.c
    same = (f.stripes == wanted.stripes, f.substripes == wanted.substripes, f.overlap == wanted.overlap)
    found = connection.execute(select(f.id).where(*same)).scalar()
    if found is None:
        connection.execute(insert(schema.family).values(**wanted.model_dump(), index_partitions=INDEX_PARTITIONS))
        found = connection.execute(select(f.id).where(*same)).scalar_one()
    return int(found)
