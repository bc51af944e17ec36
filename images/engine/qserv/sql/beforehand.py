"""Queries that are answered before the statement that they stand in, which then holds their answers as constants.

A query that refers to nothing around it has one answer for all rows. Where the rows that it reads do not lie beside
those that ask for it, it becomes a plan of its own, carried out first, and workers compare with its answer. Until then
a mark stands in the statement. No text of a user can hold one: it has a NUL at each end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from qserv.sql.plan import KeyLookup, Leaf, Plan, Preliminary
from qserv.sql.values import STRINGS, Type, quote

MOST_ROWS = 10_000
"""Rows that are written into a statement: of more, the tables are rather fetched."""

_MARK = re.compile("\0answer([0-9]+)\0")


def mark(number: int) -> str:
    """Stands for the answer of a plan's preliminary of that number."""
    return f"\0answer{number}\0"


def shown(sql: str) -> str:
    """A statement for people to read."""
    return _MARK.sub(r"{answer\1}", sql)


def unasked(leaf: Leaf) -> Leaf:
    """A leaf as it is restricted before the answers are there."""
    lookups = tuple(each for each in leaf.restriction.lookups if each.answer is None)
    return replace(leaf, restriction=replace(leaf.restriction, lookups=lookups))


def told(preliminary: Preliminary) -> str:
    """How an answer is used, for people."""
    if preliminary.single:
        return "one value"
    return f"at most {preliminary.most} rows; where there are more, the tables are fetched instead"


@dataclass(frozen=True)
class Given:
    """The rows of a preliminary, and the SQL that stands for them."""

    rows: Sequence[Sequence[object]]
    sql: str

    @classmethod
    def of(cls, preliminary: Preliminary, rows: Sequence[Sequence[object]]) -> Given:
        return cls(rows, _written(preliminary, rows))

    def keys(self, column: int) -> tuple[int, ...] | None:
        """The whole numbers of a column; None where it has others."""
        values = dict.fromkeys(row[column] for row in self.rows)
        values.pop(None, None)
        whole = tuple(value for value in values if isinstance(value, int))
        return whole if len(whole) == len(values) else None


def bound(plan: Plan, answers: Sequence[Given]) -> Plan:
    """The plan with the answers of its preliminaries in its statements and restrictions."""
    if not answers:
        return plan

    def put(sql: str) -> str:
        return _MARK.sub(lambda found: answers[int(found[1])].sql, sql)

    leaves = tuple(_with_answers(leaf, put, answers) for leaf in plan.leaves)
    return replace(plan, leaves=leaves, merge=put(plan.merge) if plan.merge is not None else None, before=())


def _with_answers(leaf: Leaf, put: Callable[[str], str], answers: Sequence[Given]) -> Leaf:
    steps = tuple(
        step.model_copy(update={"first": put(step.first), "second": put(step.second) if step.second else step.second})
        for step in leaf.steps
    )
    lookups = tuple(found for each in leaf.restriction.lookups if (found := _found(each, answers)) is not None)
    return replace(leaf, sql=put(leaf.sql), steps=steps, restriction=replace(leaf.restriction, lookups=lookups))


def _found(lookup: KeyLookup, answers: Sequence[Given]) -> KeyLookup | None:
    """A look-up with the keys that it was to be told; None where they are no keys."""
    if lookup.answer is None:
        return lookup
    number, column = lookup.answer
    keys = answers[number].keys(column)
    return KeyLookup(lookup.director, keys) if keys is not None else None


def _written(preliminary: Preliminary, rows: Sequence[Sequence[object]]) -> str:
    """An answer as SQL: of a single value a constant, else a statement of its rows with columns ``c0`` …"""
    types = preliminary.types
    if preliminary.single:
        return _constant(rows[0][0] if rows else None, types[0])
    columns = [_column([row[index] for row in rows], type_) for index, type_ in enumerate(types)]
    return "SELECT " + ", ".join(f"unnest({column}) AS c{index}" for index, column in enumerate(columns))


def _constant(value: object, type_: Type) -> str:
    if value is None:
        return f"CAST(NULL AS {type_.duckdb})"
    return f"CAST({_text(value)} AS {type_.duckdb})"


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return f"unhex('{value.hex()}')"
    return quote(_digits(value))


def _digits(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _column(values: Sequence[object], type_: Type) -> str:
    """A list. All but strings are one text to DuckDB, which reads thousands of values so ten times as fast."""
    if type_.kind in STRINGS:
        return f"CAST([{', '.join('NULL' if value is None else _text(value) for value in values)}] AS {type_.duckdb}[])"
    listed = ", ".join("NULL" if value is None else _digits(value) for value in values)
    return f"CAST('[{listed}]' AS {type_.duckdb}[])"
