"""The rows of a planned query, and the queries of WITH."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from qserv.catalog.model import Family
from qserv.sql.plan import Restriction
from qserv.sql.values import Type, Value, coerced

if TYPE_CHECKING:
    from qserv.sql.emit import Files
    from qserv.sql.locality import Key
    from qserv.sql.scope import Relation


@dataclass(frozen=True)
class Local:
    """How a query runs on workers, as a part of another's statement: of some chunks it gives those rows of its answer
    that belong to them, each row in one chunk.

    ``family`` is None where it reads replicated tables alone: then its answer is whole everywhere. ``keys`` are the
    columns (``c0`` …) that hold a director's key, of which each row lies in the chunk. ``beside`` are relations of a
    surrounding block: where it is not empty, the answer for a row of one of these is whole in the chunk of that row.
    ``required`` are the tables without whose rows there are none. ``answer``: the number of the preliminary that it is.
    """

    family: Family | None
    write: Callable[[Files], str]
    keys: Mapping[str, Key]
    beside: frozenset[Relation]
    required: tuple[Relation, ...]
    restriction: Restriction
    answer: int | None = None


@dataclass(frozen=True)
class Rows:
    """A query's rows: a statement over leaves (columns ``c0`` …), their names and types.

    ``leaf`` is the only leaf, where its rows are the answer as they come. ``local``: how workers can answer instead of
    the leaves. ``correlated``: it reads columns of a surrounding block.
    """

    sql: str
    columns: tuple[tuple[str, Type], ...]
    ordered: bool = False
    leaf: str | None = None
    local: Local | None = None
    correlated: bool = False


def everywhere(sql: str, answer: int) -> Local:
    """Rows of a preliminary, which are written in the statement itself, and so lie everywhere."""
    return Local(None, lambda _files: sql, {}, frozenset(), (), Restriction(), answer)


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
