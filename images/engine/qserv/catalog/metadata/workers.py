"""The registry of workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, delete, func, insert, select, update

from qserv.catalog.errors import Conflict, NotFound
from qserv.catalog.messages import Heartbeat
from qserv.catalog.metadata import schema
from qserv.catalog.metadata.chores import bump, in_turn
from qserv.catalog.model import UnitKind, WorkerState

_SILENT = (WorkerState.SUSPECT, WorkerState.LOST)


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker as registered. ``wanted`` is the state it has while it is heard; ``seen`` may be minutes old."""

    id: int
    name: str
    flight: str
    http: str
    state: WorkerState
    wanted: WorkerState
    boot: str
    identity: str
    domain: str
    capacity: int
    free: int
    seen: float


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """What a worker holds: chunks with rows, bytes of all its replicas, and replicas that have no rows yet."""

    chunks: int = 0
    bytes: int = 0
    empty: int = 0


def workers(connection: Connection) -> list[WorkerRow]:
    return [_row(row) for row in connection.execute(select(schema.worker).order_by(schema.worker.c.name))]


def worker(connection: Connection, name: str) -> WorkerRow:
    row = connection.execute(select(schema.worker).where(schema.worker.c.name == name)).first()
    if row is None:
        raise NotFound(f"there is no worker {name!r}")
    return _row(row)


def register(connection: Connection, name: str, beat: Heartbeat, now: float) -> WorkerRow:
    """Enter what a worker says of itself.

    A known worker with a new disk has lost what it held: its replicas are taken off the map.

    Raises
    ------
    Conflict
        When another worker that is heard has the same name or the same disk.
    """
    in_turn(connection)
    w = schema.worker.c
    other = connection.execute(select(w.name).where(w.identity == beat.identity, w.name != name)).first()
    if other is not None:
        raise Conflict(
            f"worker {name!r} has the disk of worker {other.name!r}: a disk has one worker;"
            f" start it as {other.name!r}, or forget that one first"
        )
    facts: dict[str, Any] = {
        "flight": beat.flight,
        "http": beat.http,
        "boot": beat.boot,
        "identity": beat.identity,
        "domain": beat.domain,
        "capacity": beat.capacity,
        "free": beat.free,
        "seen": now,
    }
    row = connection.execute(select(schema.worker).where(w.name == name)).first()
    if row is None:
        bump(connection)
        new = {"name": name, "state": WorkerState.ONLINE, "wanted": WorkerState.ONLINE, **facts}
        connection.execute(insert(schema.worker).values(new))
        return worker(connection, name)
    known = _row(row)
    if known.identity != beat.identity:
        if known.state not in _SILENT and known.flight != beat.flight:
            raise Conflict(f"two workers are named {name!r}: {known.flight} and {beat.flight}; give one another name")
        _lost_disk(connection, known)
    visible = (known.flight, known.http, known.domain, known.state, known.identity)
    if visible != (beat.flight, beat.http, beat.domain, known.wanted, beat.identity):
        bump(connection)
    connection.execute(update(schema.worker).where(w.id == known.id).values(state=known.wanted, **facts))
    return worker(connection, name)


def set_wanted(connection: Connection, name: str, wanted: WorkerState) -> WorkerRow:
    """What the worker is to be while it is heard: online, read-only or draining."""
    known = worker(connection, name)
    state = known.state if known.state in _SILENT else wanted
    if (known.wanted, known.state) != (wanted, state):
        bump(connection)
        changed = update(schema.worker).where(schema.worker.c.id == known.id)
        connection.execute(changed.values(wanted=wanted, state=state))
    return worker(connection, name)


def set_silent(connection: Connection, identifier: int, state: WorkerState) -> None:
    """Mark a worker that is not heard as suspect or lost."""
    bump(connection)
    connection.execute(update(schema.worker).where(schema.worker.c.id == identifier).values(state=state))


def forget(connection: Connection, name: str) -> None:
    """Strike a worker, and its replicas, off the map. Whether that is safe is for the caller to know."""
    known = worker(connection, name)
    _lost_disk(connection, known)
    connection.execute(delete(schema.prepared).where(schema.prepared.c.worker_id == known.id))
    connection.execute(delete(schema.worker).where(schema.worker.c.id == known.id))


def loads(connection: Connection) -> dict[int, WorkerLoad]:
    """What each worker holds, by its id."""
    r, u = schema.replica.c, schema.unit.c
    chunk = case(((u.kind == UnitKind.CHUNK) & (u.bytes > 0), 1), else_=0)
    query = (
        select(r.worker_id, func.sum(chunk), func.sum(u.bytes), func.sum(case((u.bytes == 0, 1), else_=0)))
        .join_from(schema.replica, schema.unit, r.unit_id == u.id)
        .group_by(r.worker_id)
    )
    return {row[0]: WorkerLoad(int(row[1]), int(row[2]), int(row[3])) for row in connection.execute(query)}


def _lost_disk(connection: Connection, known: WorkerRow) -> None:
    version = bump(connection)
    r, u = schema.replica.c, schema.unit.c
    held = select(r.unit_id).where(r.worker_id == known.id)
    connection.execute(update(schema.unit).where(u.id.in_(held)).values(changed=version))
    for table in (schema.replica, schema.garbage, schema.discard):
        connection.execute(delete(table).where(table.c.worker_id == known.id))
    connection.execute(delete(schema.move).where(schema.move.c.target_id == known.id))


def _row(row: Any) -> WorkerRow:
    values = {name: getattr(row, name) for name in WorkerRow.__slots__}
    values |= {"state": WorkerState(row.state), "wanted": WorkerState(row.wanted)}
    return WorkerRow(**values)
