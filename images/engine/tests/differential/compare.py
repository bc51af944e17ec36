"""Whether two databases gave the same answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest
from math import isclose

from pymysql.connections import Connection
from pymysql.constants import FIELD_TYPE

RELATIVE = 1e-9
ABSOLUTE = 1e-12
"""For what ought to be 0: differences of nearly equal doubles."""

Row = tuple[object, ...]


@dataclass(frozen=True)
class Answer:
    columns: tuple[str, ...]
    rows: list[Row]


_TIMES = (FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP, FIELD_TYPE.DATE, FIELD_TYPE.TIME)


def ask(connection: Connection, sql: str, database: str | None = None) -> Answer:
    """The answer, with dates and times as the texts that they are sent as: with as many digits."""
    for each in _TIMES:
        connection.decoders.pop(each, None)
    with connection.cursor() as cursor:
        if database:
            cursor.execute(f"USE {database}")
        cursor.execute(sql)
        return Answer(tuple(column[0] for column in cursor.description or ()), list(cursor.fetchall()))


def difference(ours: Answer, theirs: Answer, *, ordered: bool) -> str | None:
    """How the answers differ, for a reader; None where they do not.

    Rows are a multiset unless ``ordered``. Numbers are equal to a relative 1e-9, and exactly where both are exact.
    """
    if ours.columns != theirs.columns:
        return f"columns {ours.columns} are not {theirs.columns}"
    if len(ours.rows) != len(theirs.rows):
        return f"{len(ours.rows)} rows are not {len(theirs.rows)}: ours {ours.rows[:3]}, MariaDB's {theirs.rows[:3]}"
    pairs = zip_longest(*(each.rows if ordered else sorted(each.rows, key=_place) for each in (ours, theirs)))
    for number, (one, other) in enumerate(pairs):
        if not all(_equal(a, b) for a, b in zip_longest(one, other)):
            return f"row {number}: {one} is not {other}"
    return None


def _equal(one: object, other: object) -> bool:
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return one == other
    if isinstance(one, int | Decimal | float) and isinstance(other, int | Decimal | float):
        return isclose(float(one), float(other), rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return type(one) is type(other) and one == other


def _place(row: Sequence[object]) -> tuple[object, ...]:
    """Where a row stands in a multiset: exact values first, then doubles by the digits that count."""
    exact = tuple(_exact(value) for value in row if not isinstance(value, float))
    doubles = tuple(float(f"{value:.8g}") for value in row if isinstance(value, float))
    return (exact, doubles)


def _exact(value: object) -> tuple[str, object]:
    if isinstance(value, int | Decimal):
        return ("number", Decimal(value))
    return (type(value).__name__, str(value))
