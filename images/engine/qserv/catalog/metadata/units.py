"""Units, their replicas and their files: what is placed where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, func, insert, select, update

from qserv.catalog.metadata import schema
from qserv.catalog.metadata.chores import bump
from qserv.catalog.model import FileKind, UnitKind

_SLICE = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UnitRow:
    """A unit, its size, and the ids of the workers that hold it, in the order in which they were placed."""

    id: int
    kind: UnitKind
    scope: int
    number: int
    bytes: int
    workers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file, ``path`` being relative to a worker's data folder; ``source`` is the worker that wrote it."""

    id: int
    unit: int
    table: int
    kind: FileKind
    path: str
    sha256: str
    rows: int
    bytes: int
    source: int


def folder(kind: UnitKind, number: int) -> str:
    """The name of a unit's folder below its table's."""
    return {UnitKind.CHUNK: str(number), UnitKind.INDEX: f"index-{number}", UnitKind.FULL: "full"}[kind]


def find(connection: Connection, kind: UnitKind, scope: int, numbers: Sequence[int]) -> dict[int, UnitRow]:
    """Those of the units that are placed, by number."""
    u = schema.unit.c
    return {
        row.number: row
        for part in sliced(sorted(set(numbers)))
        for row in _units(connection, u.kind == kind, u.scope == scope, u.number.in_(part))
    }


def every(connection: Connection) -> list[UnitRow]:
    return _units(connection)


def written(connection: Connection, since: int = 0) -> list[UnitRow]:
    """Units that changed after the version ``since``; of 0, all that ever had files or changed their workers."""
    return _units(connection, schema.unit.c.changed > since)


def count_written(connection: Connection) -> int:
    """How many units :func:`written` knows."""
    query = select(func.count()).select_from(schema.unit).where(schema.unit.c.changed > 0)
    return int(connection.execute(query).scalar_one())


def by_id(connection: Connection, identifiers: Iterable[int]) -> dict[int, UnitRow]:
    return {
        row.id: row
        for part in sliced(sorted(set(identifiers)))
        for row in _units(connection, schema.unit.c.id.in_(part))
    }


def place(
    connection: Connection, kind: UnitKind, scope: int, placed: Mapping[int, Sequence[int]]
) -> dict[int, UnitRow]:
    """Enter new units: the ids of their workers by number. Units that are there meanwhile stay as they are."""
    there = find(connection, kind, scope, list(placed))
    new = [number for number in sorted(placed) if number not in there]
    if new:
        # Nobody asks for a unit without files: the version grows when the first of them are committed.
        facts = {"kind": kind, "scope": scope, "bytes": 0, "changed": 0}
        connection.execute(insert(schema.unit), [{"number": number, **facts} for number in new])
        found = find(connection, kind, scope, new)
        replicas = [{"unit_id": found[number].id, "worker_id": worker} for number in new for worker in placed[number]]
        if replicas:
            connection.execute(insert(schema.replica), replicas)
    return find(connection, kind, scope, list(placed))


def place_anew(connection: Connection, placed: Mapping[int, Sequence[int]]) -> None:
    """Give units without files to other workers: the ids of their workers by unit's id.

    One that has files, or is there no more, stays as it is.
    """
    r, u = schema.replica.c, schema.unit.c
    for part in sliced(sorted(placed)):
        empty = connection.execute(select(u.id).where(u.id.in_(part), u.bytes == 0)).scalars().all()
        connection.execute(delete(schema.replica).where(r.unit_id.in_(empty)))
        rows = [{"unit_id": unit, "worker_id": worker} for unit in empty for worker in placed[unit]]
        if rows:
            connection.execute(insert(schema.replica), rows)
            changed = update(schema.unit).where(u.id.in_(empty))
            connection.execute(changed.values(changed=bump(connection)))


def replicas(connection: Connection, identifiers: Iterable[int]) -> dict[int, frozenset[tuple[int, int]]]:
    """Who holds units: by unit, the ids of the workers, each with a number, new when it is given the unit anew."""
    r = schema.replica.c
    found: dict[int, set[tuple[int, int]]] = defaultdict(set)
    for part in sliced(sorted(set(identifiers))):
        for row in connection.execute(select(r.unit_id, r.worker_id, r.id).where(r.unit_id.in_(part))):
            found[row.unit_id].add((row.worker_id, row.id))
    return {unit: frozenset(held) for unit, held in found.items()}


def add_replica(connection: Connection, unit: int, worker: int) -> None:
    """A worker holds all committed files of a unit now."""
    r = schema.replica.c
    if connection.execute(select(r.id).where(r.unit_id == unit, r.worker_id == worker)).first() is None:
        connection.execute(insert(schema.replica).values(unit_id=unit, worker_id=worker))
        connection.execute(update(schema.unit).where(schema.unit.c.id == unit).values(changed=bump(connection)))


def remove_replicas(connection: Connection, worker: int, identifiers: Iterable[int], *, collect: bool) -> None:
    """A worker no longer counts as a holder of units; ``collect`` lets it remove their files once none reads them."""
    wanted = sorted(set(identifiers))
    if not wanted:
        return
    version = bump(connection)
    r = schema.replica.c
    if collect:
        given_up = files_of(connection, wanted)
        if given_up:
            rows = [
                {"worker_id": worker, "path": file.path, "version": version, "unit_id": file.unit} for file in given_up
            ]
            connection.execute(insert(schema.garbage), rows)
    for part in sliced(wanted):
        connection.execute(delete(schema.replica).where(r.worker_id == worker, r.unit_id.in_(part)))
        connection.execute(update(schema.unit).where(schema.unit.c.id.in_(part)).values(changed=version))


def files_of(connection: Connection, identifiers: Iterable[int]) -> list[FileRow]:
    """The committed files of units."""
    f = schema.file.c
    return [
        row
        for part in sliced(sorted(set(identifiers)))
        for row in files_where(connection, f.unit_id.in_(part), f.version.is_not(None))
    ]


def every_file(connection: Connection) -> list[FileRow]:
    """All committed files."""
    return files_where(connection, schema.file.c.version.is_not(None))


def files_of_worker(connection: Connection, worker: int) -> list[FileRow]:
    """All committed files that a worker is to hold."""
    r = schema.replica.c
    held = select(r.unit_id).where(r.worker_id == worker)
    return files_where(connection, schema.file.c.unit_id.in_(held), schema.file.c.version.is_not(None))


def held_by_none(connection: Connection, among: Collection[int]) -> list[UnitRow]:
    """Units with rows of which none of the workers ``among`` has a copy."""
    u, r = schema.unit.c, schema.replica.c
    return _units(connection, u.bytes > 0, u.id.not_in(select(r.unit_id).where(r.worker_id.in_(sorted(among)))))


def index_files(connection: Connection, table: int) -> dict[int, list[FileRow]]:
    """The committed index files of a director, by partition."""
    f = schema.file.c
    numbers = {
        row.id: row.number
        for row in connection.execute(
            select(schema.unit.c.id, schema.unit.c.number).where(schema.unit.c.kind == UnitKind.INDEX)
        )
    }
    found: dict[int, list[FileRow]] = defaultdict(list)
    for row in files_where(connection, f.table_id == table, f.kind == FileKind.INDEX, f.version.is_not(None)):
        found[numbers[row.unit]].append(row)
    return found


def mean_bytes(connection: Connection) -> int:
    """The mean size of the chunks that have rows; 0 while there is none."""
    u = schema.unit.c
    mean = select(func.avg(u.bytes)).where(u.kind == UnitKind.CHUNK, u.bytes > 0)
    return int(connection.execute(mean).scalar() or 0)


def sliced(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Parts of a list that are short enough for an ``IN``."""
    for first in range(0, len(items), _SLICE):
        yield items[first : first + _SLICE]


def _units(connection: Connection, *conditions: Any) -> list[UnitRow]:
    u, r = schema.unit.c, schema.replica.c
    query = (
        select(u.id, u.kind, u.scope, u.number, u.bytes, r.worker_id)
        .join_from(schema.unit, schema.replica, r.unit_id == u.id, isouter=True)
        .where(*conditions)
        .order_by(u.id, r.id)
    )
    gathered: dict[int, list[Any]] = {}
    for identifier, kind, scope, number, size, worker in connection.execute(query):
        facts = gathered.get(identifier)
        if facts is None:
            facts = gathered[identifier] = [kind, scope, number, size, ()]
        if worker is not None:
            facts[4] += (worker,)
    kinds = {str(kind): kind for kind in UnitKind}
    return [UnitRow(unit, kinds[facts[0]], *facts[1:]) for unit, facts in gathered.items()]


def files_where(connection: Connection, *conditions: Any) -> list[FileRow]:
    """Files, committed or not, that meet conditions on the table ``file``."""
    f, u, t, d = schema.file.c, schema.unit.c, schema.table.c, schema.database.c
    query = (
        select(
            f.id,
            f.unit_id,
            f.table_id,
            f.kind,
            f.name,
            f.sha256,
            f.rows,
            f.bytes,
            f.source_id,
            u.kind.label("unit_kind"),
            u.number,
            t.name.label("table_name"),
            d.name.label("database_name"),
        )
        .select_from(schema.file)
        .join(schema.unit, f.unit_id == u.id)
        .join(schema.table, f.table_id == t.id)
        .join(schema.database, t.database_id == d.id)
        .where(*conditions)
        .order_by(f.id)
    )
    return [
        FileRow(
            row.id,
            row.unit_id,
            row.table_id,
            FileKind(row.kind),
            f"{row.database_name}/{row.table_name}/{folder(UnitKind(row.unit_kind), row.number)}/{row.name}",
            row.sha256,
            row.rows,
            row.bytes,
            row.source_id,
        )
        for row in connection.execute(query)
    ]
