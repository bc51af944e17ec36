"""Scrubs, which read all replicas anew, and reports of files that somebody could not read.

A scrub goes through the units by id, so ``cursor`` is all that another controller needs to go on. A report names a file
on one worker; it stays until a controller has looked at the file.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from qserv.catalog.errors import Conflict, NotFound
from qserv.catalog.metadata import schema
from qserv.catalog.metadata.units import FileRow, UnitRow, by_id, files_where
from qserv.catalog.resources import ScrubState

_LONGEST_PATH = 255
_KEPT = 100


@dataclass(frozen=True, slots=True)
class Tally:
    """What a scrub, or a part of it, came to: files read, their bytes, and files that are not as they should be.

    ``damaged``: missing or with another sum. ``lost``: those among them that no other worker has. ``skipped``: on
    workers that could not be asked.
    """

    files: int = 0
    bytes: int = 0
    damaged: int = 0
    lost: int = 0
    skipped: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class ScrubRow:
    """A scrub of all workers, or of one; units up to the id ``cursor`` are through."""

    id: int
    worker_id: int | None
    state: ScrubState
    cursor: int
    total_files: int
    total_bytes: int
    tally: Tally
    started: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class ReportRow:
    """Somebody could not read the file ``path`` (relative to the data folder) on a worker."""

    id: int
    worker: int
    path: str


def start(connection: Connection, worker: int | None) -> ScrubRow:
    """Begin a scrub of all workers or of one, or find the one under way."""
    s = schema.scrub.c
    same = s.worker_id.is_(None) if worker is None else s.worker_id == worker
    there = connection.execute(select(schema.scrub).where(s.state == "running", same)).first()
    if there is not None:
        return _row(there)
    files, size = connection.execute(_size(worker)).one()
    values = {
        "worker_id": worker,
        "state": "running",
        "cursor": 0,
        "total_files": files,
        "total_bytes": int(size or 0),
        "started": time.time(),
        **dict.fromkeys(Tally.__slots__, 0),
    }
    result = connection.execute(insert(schema.scrub).values(values))
    _forget_oldest(connection)
    identifier = result.inserted_primary_key
    return get(connection, identifier[0] if identifier else 0)


def get(connection: Connection, scrub: int) -> ScrubRow:
    row = connection.execute(select(schema.scrub).where(schema.scrub.c.id == scrub)).first()
    if row is None:
        raise NotFound(f"there is no scrub {scrub}")
    return _row(row)


def scrubs(connection: Connection, *, running: bool = False) -> list[ScrubRow]:
    """Scrubs, newest first: all that are kept, or those under way."""
    s = schema.scrub.c
    query = select(schema.scrub).order_by(s.id.desc())
    return [_row(row) for row in connection.execute(query.where(s.state == "running") if running else query)]


def last_begun(connection: Connection) -> float | None:
    """When the newest scrub of all workers began."""
    s = schema.scrub.c
    found = connection.execute(select(func.max(s.started)).where(s.worker_id.is_(None))).scalar()
    return float(found) if found is not None else None


def progress(connection: Connection, scrub: int, cursor: int, more: Tally) -> ScrubRow:
    """Enter that the units up to ``cursor`` are through; answers the scrub as it is now."""
    known = get(connection, scrub)
    if known.state != "running" or cursor <= known.cursor:
        return known
    tally = known.tally + more
    values = {"cursor": cursor, **{name: getattr(tally, name) for name in Tally.__slots__}}
    connection.execute(update(schema.scrub).where(schema.scrub.c.id == scrub).values(values))
    return replace(known, cursor=cursor, tally=tally)


def end(connection: Connection, scrub: int, state: ScrubState) -> ScrubRow:
    """Raises Conflict when it has ended otherwise."""
    known = get(connection, scrub)
    if known.state not in ("running", state):
        raise Conflict(f"scrub {scrub} is {known.state}")
    if known.state == "running":
        ended = update(schema.scrub).where(schema.scrub.c.id == scrub)
        connection.execute(ended.values(state=state, ended=time.time()))
    return get(connection, scrub)


def next_units(
    connection: Connection, after: int, worker: int | None, limit: int
) -> list[tuple[UnitRow, tuple[FileRow, ...]]]:
    """The next units that have files, by id, each with its committed files."""
    u, r = schema.unit.c, schema.replica.c
    query = select(u.id).where(u.id > after, u.bytes > 0).order_by(u.id).limit(limit)
    if worker is not None:
        query = query.where(u.id.in_(select(r.unit_id).where(r.worker_id == worker)))
    found = by_id(connection, connection.execute(query).scalars())
    f = schema.file.c
    files: dict[int, list[FileRow]] = {}
    for file in files_where(connection, f.unit_id.in_(list(found)), f.version.is_not(None)):
        files.setdefault(file.unit, []).append(file)
    return [(found[unit], tuple(files.get(unit, ()))) for unit in sorted(found)]


def report(connection: Connection, worker: int, paths: Iterable[str]) -> None:
    """Note files that could not be read on a worker; what is noted already, or of a worker that is gone, is not."""
    if connection.execute(select(schema.worker.c.id).where(schema.worker.c.id == worker)).first() is None:
        return
    known = {row.path for row in reports(connection, [worker])}
    new = sorted({path for path in paths if len(path) <= _LONGEST_PATH} - known)
    if new:
        now = time.time()
        rows = [{"worker_id": worker, "path": path, "reported": now} for path in new]
        connection.execute(insert(schema.damage_report), rows)


def reports(
    connection: Connection, workers: Collection[int] | None = None, limit: int | None = None
) -> list[ReportRow]:
    """Reports in the order in which they came; of some workers, or of all."""
    d = schema.damage_report.c
    query = select(d.id, d.worker_id, d.path).order_by(d.id)
    query = query.where(d.worker_id.in_(sorted(workers))) if workers is not None else query
    return [ReportRow(*row) for row in connection.execute(query.limit(limit) if limit is not None else query)]


def looked_at(connection: Connection, identifiers: Sequence[int]) -> None:
    """Strike reports out."""
    connection.execute(delete(schema.damage_report).where(schema.damage_report.c.id.in_(list(identifiers))))


def _size(worker: int | None) -> Select[Any, Any]:
    f, r = schema.file.c, schema.replica.c
    query = (
        select(func.count(), func.sum(f.bytes))
        .select_from(schema.file)
        .join(schema.replica, r.unit_id == f.unit_id)
        .where(f.version.is_not(None))
    )
    return query.where(r.worker_id == worker) if worker is not None else query


def _forget_oldest(connection: Connection) -> None:
    s = schema.scrub.c
    ended = connection.execute(select(s.id).where(s.state != "running").order_by(s.id.desc()).offset(_KEPT)).scalars()
    connection.execute(delete(schema.scrub).where(s.id.in_(list(ended))))


def _row(row: Any) -> ScrubRow:
    return ScrubRow(
        row.id,
        row.worker_id,
        row.state,
        row.cursor,
        row.total_files,
        row.total_bytes,
        Tally(*(getattr(row, name) for name in Tally.__slots__)),
        row.started,
        row.ended,
    )
