"""The rows of a planned query, and the queries of WITH."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from qserv.sql.values import Type, Value, coerced


@dataclass(frozen=True)
class Rows:
    """A query's rows: a statement over leaves (columns ``c0`` …), their names and types.

    ``leaf`` is the only leaf, where its rows are the answer as they come.
    """

    sql: str
    columns: tuple[tuple[str, Type], ...]
    ordered: bool = False
    leaf: str | None = None


@dataclass(frozen=True)
class CommonTable:
    """A query of WITH.

    ``outside`` is how many of the common tables it can see. It is planned for each use, with the filters there; of a
    recursive one ``rows`` are what each use reads.
    """

    name: str
    query: exp.Query
    columns: tuple[str, ...]
    outside: int
    rows: Rows | None = None


def refers_to_itself(table: CommonTable) -> bool:
    wanted = table.name.casefold()
    return any(each.name.casefold() == wanted and not each.db for each in table.query.find_all(exp.Table))


def converted(rows: Rows, types: Sequence[Type]) -> str:
    """The rows with their columns brought to ``types``."""
    values = [Value(f"c{index}", type_) for index, (_, type_) in enumerate(rows.columns)]
    listed = ", ".join(f"{coerced(v, t)} AS c{i}" for i, (v, t) in enumerate(zip(values, types, strict=True)))
    return f"SELECT {listed} FROM ({rows.sql}) AS u"
