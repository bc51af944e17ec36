"""Copies under way: what repair, drain and balance are about to do, kept so that a new controller goes on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from qserv.catalog.metadata import schema


@dataclass(frozen=True, slots=True)
class MoveRow:
    """A unit is to be copied to the worker ``target``, and then taken from the worker ``drop`` if that is set."""

    id: int
    unit: int
    target: int
    drop: int | None
    reason: str
    bytes: int
    started: float


@dataclass(frozen=True, slots=True)
class MoveWish:
    unit: int
    target: int
    drop: int | None
    reason: str
    bytes: int


def moves(connection: Connection) -> list[MoveRow]:
    """All copies under way, oldest first."""
    m = schema.move.c
    query = select(m.id, m.unit_id, m.target_id, m.drop_id, m.reason, m.bytes, m.started).order_by(m.id)
    return [MoveRow(*row) for row in connection.execute(query)]


def begin(connection: Connection, wishes: Sequence[MoveWish]) -> None:
    """Enter copies to be made; a unit that is copied already stays with its first wish."""
    busy = set(connection.execute(select(schema.move.c.unit_id)).scalars())
    rows = [
        {
            "unit_id": wish.unit,
            "target_id": wish.target,
            "drop_id": wish.drop,
            "reason": wish.reason,
            "bytes": wish.bytes,
            "started": time.time(),
        }
        for wish in wishes
        if wish.unit not in busy
    ]
    if rows:
        connection.execute(insert(schema.move), rows)


def end(connection: Connection, identifiers: Iterable[int]) -> None:
    connection.execute(delete(schema.move).where(schema.move.c.id.in_(list(identifiers))))
