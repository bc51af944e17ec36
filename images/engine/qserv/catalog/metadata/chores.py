"""What the controllers keep for themselves: the leader's lease, settings, and files that are to be removed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, text, update

from qserv.catalog.errors import SchemaVersion, Unavailable
from qserv.catalog.metadata import schema
from qserv.catalog.model import WorkerState

_CONTROLLER = "controller"


@dataclass(frozen=True, slots=True)
class Lease:
    """Who leads, until when (seconds since 1970 on the database's clock); ``epoch`` grows with each new leader."""

    holder: str
    address: str
    epoch: int
    expires: float


def bump(connection: Connection) -> int:
    """Begin a change that all may see: its version. Changes wait here for one another."""
    connection.execute(update(schema.version).values(version=schema.version.c.version + 1))
    return int(connection.execute(select(schema.version.c.version)).scalar_one())


def in_turn(connection: Connection) -> None:
    """Wait for all changes that are under way: to be done before a transaction looks whether a thing is there."""
    connection.execute(select(schema.version.c.version).with_for_update())


def cluster(connection: Connection) -> str:
    found = connection.execute(select(schema.version.c.cluster)).scalar()
    if found is None:
        raise SchemaVersion("the metadata database has no cluster: start the replication controller first")
    return str(found)


def lease(connection: Connection) -> Lease | None:
    row = connection.execute(select(schema.lease).where(schema.lease.c.name == _CONTROLLER)).first()
    return Lease(row.holder, row.address, row.epoch, row.expires) if row else None


CLOCK_JUMP = 60.0
"""Seconds. A lease that lasts for so much longer than it is given for was written before the clock was set back."""


def clock(connection: Connection) -> float:
    """The database's own time, seconds since 1970: one for all controllers, whatever their machines' clocks say."""
    if connection.dialect.name == "sqlite":
        seconds = text("SELECT (julianday('now') - 2440587.5) * 86400.0")
    else:
        seconds = text("SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1000000")
    return float(connection.execute(seconds).scalar_one())


def take_lease(connection: Connection, holder: str, address: str, seconds: float) -> Lease | None:
    """Take or prolong the lease: None while another holds it.

    Whoever let it run out takes it anew, with a new epoch: nobody was heard meanwhile.
    """
    mine = schema.lease.c.name == _CONTROLLER
    row = connection.execute(select(schema.lease).where(mine).with_for_update()).first()
    now = clock(connection)
    expires = now + seconds
    if row is None:
        connection.execute(
            insert(schema.lease).values(name=_CONTROLLER, holder=holder, address=address, epoch=1, expires=expires)
        )
        return Lease(holder, address, 1, expires)
    if row.holder != holder and now < row.expires <= now + seconds + CLOCK_JUMP:
        return None
    epoch = row.epoch if row.holder == holder and now < row.expires else row.epoch + 1
    connection.execute(
        update(schema.lease).where(mine).values(holder=holder, address=address, epoch=epoch, expires=expires)
    )
    return Lease(holder, address, epoch, expires)


def release_lease(connection: Connection, holder: str) -> None:
    """Let another lead at once."""
    held = (schema.lease.c.name == _CONTROLLER) & (schema.lease.c.holder == holder)
    connection.execute(update(schema.lease).where(held).values(expires=0.0))


def check_lease(connection: Connection, holder: str, epoch: int) -> None:
    """Refuse the writes of a controller that no longer leads; held until the transaction ends.

    Raises
    ------
    Unavailable
        Naming the present leader in its details.
    """
    row = connection.execute(
        select(schema.lease).where(schema.lease.c.name == _CONTROLLER).with_for_update(read=True)
    ).first()
    if row is None or row.holder != holder or row.epoch != epoch:
        raise Unavailable("this controller no longer leads: ask the leader", leader=row.address if row else None)


def settings(connection: Connection) -> dict[str, Any]:
    return {row.name: row.value for row in connection.execute(select(schema.setting))}


def set_settings(connection: Connection, values: Mapping[str, Any]) -> None:
    names = list(values)
    connection.execute(delete(schema.setting).where(schema.setting.c.name.in_(names)))
    if names:
        connection.execute(insert(schema.setting), [{"name": name, "value": values[name]} for name in names])


def discards(connection: Connection, worker: int) -> dict[int, bool]:
    """Transactions of which a worker has still to remove staged rows, and files too where the value is True."""
    d = schema.discard.c
    rows = connection.execute(select(d.transaction_id, d.aborted).where(d.worker_id == worker))
    return {row.transaction_id: bool(row.aborted) for row in rows}


def discarded(connection: Connection, worker: int, transactions: Sequence[int]) -> None:
    d = schema.discard.c
    connection.execute(delete(schema.discard).where(d.worker_id == worker, d.transaction_id.in_(list(transactions))))


def collectable_garbage(
    connection: Connection, worker: int, limit: int, copies: int, until: int
) -> list[Row[int, str]]:
    """(id, path) of files that no running query of an older version may still read, and that nobody may need again.

    What a worker gave up of a unit that others hold stays, until ``copies`` workers that are heard hold that unit. All
    that was given up in versions after ``until`` stays.
    """
    q, g, r, w = schema.query.c, schema.garbage.c, schema.replica.c, schema.worker.c
    pinned = connection.execute(select(func.min(q.version)).where(q.state == "running")).scalar()
    held = (
        select(func.count())
        .select_from(schema.replica)
        .join(schema.worker, r.worker_id == w.id)
        .where(r.unit_id == g.unit_id, w.state.not_in((WorkerState.SUSPECT, WorkerState.LOST)))
        .scalar_subquery()
    )
    gone = ~select(schema.unit.c.id).where(schema.unit.c.id == g.unit_id).exists()
    free = or_(g.unit_id.is_(None), held >= copies, gone)
    query = select(g.id, g.path).where(g.worker_id == worker, g.version <= until, free).order_by(g.id).limit(limit)
    if pinned is not None:
        query = query.where(g.version <= pinned)
    return list(connection.execute(query).all())


def forget_garbage(connection: Connection, identifiers: Sequence[int]) -> None:
    connection.execute(delete(schema.garbage).where(schema.garbage.c.id.in_(list(identifiers))))


def garbage_of(connection: Connection, worker: int) -> set[str]:
    """All files that a worker is to remove some time."""
    g = schema.garbage.c
    return set(connection.execute(select(g.path).where(g.worker_id == worker)).scalars())


def stranded(connection: Connection, answering: Collection[int]) -> set[int]:
    """Those workers of ``answering`` that gave up files of units with rows which none of ``answering`` holds."""
    g, r, u = schema.garbage.c, schema.replica.c, schema.unit.c
    there = sorted(answering)
    held = select(r.unit_id).where(r.worker_id.in_(there))
    query = (
        select(g.worker_id)
        .distinct()
        .join_from(schema.garbage, schema.unit, g.unit_id == u.id)
        .where(g.worker_id.in_(there), u.bytes > 0, g.unit_id.not_in(held))
    )
    return set(connection.execute(query).scalars())


def collect_later(connection: Connection, worker: int, paths: Iterable[str], version: int, unit: int | None) -> None:
    """A worker is to remove files once no query of an older version reads them.

    ``unit`` is set of files that belong to it still, on other workers.
    """
    rows = [{"worker_id": worker, "path": path, "version": version, "unit_id": unit} for path in paths]
    if rows:
        connection.execute(insert(schema.garbage), rows)


def keep(connection: Connection, worker: int, paths: Iterable[str]) -> None:
    """A worker holds files again that it was to remove."""
    g = schema.garbage.c
    wanted = sorted(paths)
    for first in range(0, len(wanted), 500):
        part = wanted[first : first + 500]
        connection.execute(delete(schema.garbage).where(g.worker_id == worker, g.path.in_(part)))
