"""How far transactions are: their contributions summed up by the database, as there may be very many."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select

from qserv.catalog.metadata import schema
from qserv.catalog.model import UnitKind
from qserv.catalog.resources import ContributionStatus


@dataclass(frozen=True, slots=True)
class Tally:
    """The contributions of a transaction that are in one state: how many, and what they come to."""

    state: ContributionStatus
    count: int
    rows: int
    bytes: int
    total_bytes: int
    dropped: int


def chunks(connection: Connection, transaction: int) -> int:
    """How many chunks have files of a transaction, written or visible."""
    f, u = schema.file.c, schema.unit.c
    mine = (f.transaction_id == transaction) & (u.kind == UnitKind.CHUNK)
    query = select(func.count(f.unit_id.distinct())).join_from(schema.file, schema.unit, f.unit_id == u.id).where(mine)
    return int(connection.execute(query).scalar_one())


def tallies(
    connection: Connection, *, transaction: int | None = None, database_id: int | None = None
) -> dict[int, list[Tally]]:
    """Tallies by transaction: of one, of those in a database, or of all."""
    c, t = schema.contribution.c, schema.ingest.c
    total = case((c.total_bytes > c.bytes, c.total_bytes), else_=c.bytes)
    sums = [func.sum(column) for column in (c.rows, c.bytes, total, c.dropped)]
    query = select(c.transaction_id, c.state, func.count(), *sums).group_by(c.transaction_id, c.state)
    query = query.where(c.transaction_id == transaction) if transaction is not None else query
    if database_id is not None:
        query = query.where(c.transaction_id.in_(select(t.id).where(t.database_id == database_id)))
    found: dict[int, list[Tally]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.transaction_id].append(Tally(row.state, *map(int, row[2:])))
    return found
