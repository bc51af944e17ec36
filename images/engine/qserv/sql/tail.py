"""What ends a query: DISTINCT, ORDER BY, LIMIT."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from qserv.catalog.errors import Unsupported


@dataclass(frozen=True)
class Limit:
    count: int | None = None
    offset: int = 0

    @property
    def rows_needed(self) -> int | None:
        return None if self.count is None else self.count + self.offset

    @property
    def sql(self) -> str:
        limit = f" LIMIT {self.count}" if self.count is not None else ""
        return limit + (f" OFFSET {self.offset}" if self.offset else "")


@dataclass(frozen=True)
class OrderKey:
    """A column to order by. As in MySQL, NULL comes before all values."""

    column: str
    descending: bool

    @property
    def sql(self) -> str:
        return f"{self.column} {'DESC NULLS LAST' if self.descending else 'ASC NULLS FIRST'}"


@dataclass(frozen=True)
class Tail:
    """Ends a statement whose rows have columns ``c0`` … and, to order by, ``o0`` …

    ``texts`` are the columns that are strings: equal where they differ in case alone.
    """

    width: int
    keys: tuple[OrderKey, ...]
    texts: tuple[int, ...]
    extra: int
    distinct: bool
    limit: Limit

    @property
    def trivial(self) -> bool:
        return not (self.keys or self.distinct or self.extra or self.limit.offset) and self.limit.count is None

    @property
    def cut(self) -> str:
        """ORDER BY and LIMIT of the statement that makes the rows: no batch need send more than the answer has."""
        if self.limit.rows_needed is None:
            return ""
        order = f" ORDER BY {', '.join(each.sql for each in self.keys)}" if self.keys else ""
        return f"{order} LIMIT {self.limit.rows_needed}"

    @property
    def enough(self) -> int | None:
        """How many rows suffice, whichever they are."""
        return self.limit.rows_needed if not self.keys and not self.distinct else None

    def over(self, rows: str) -> str:
        columns = [f"c{index}" for index in range(self.width)]
        if self.distinct:
            group = [f"qserv_fold(c{i})" if i in self.texts else f"c{i}" for i in range(self.width)]
            shown = [f"any_value(c{i}) AS c{i}" if i in self.texts else f"c{i}" for i in range(self.width)]
            shown += [f"any_value(o{i}) AS o{i}" for i in range(self.extra)]
            rows = f"(SELECT {', '.join(shown)} FROM {rows} AS d GROUP BY {', '.join(group)})"
        order = f" ORDER BY {', '.join(each.sql for each in self.keys)}" if self.keys else ""
        return f"SELECT {', '.join(columns)} FROM {rows} AS e{order}{self.limit.sql}"


def limit_of(query: exp.Query) -> Limit:
    """LIMIT and OFFSET of a query, which must be whole numbers."""
    limit, offset = query.args.get("limit"), query.args.get("offset")
    count = _whole(limit.expression) if limit is not None else None
    start = _whole(offset.expression) if offset is not None else 0
    if isinstance(limit, exp.Fetch):
        raise Unsupported("FETCH is not supported: write LIMIT")
    return Limit(count, start or 0)


def _whole(node: exp.Expr | None) -> int | None:
    if node is None:
        return None
    if not isinstance(node, exp.Literal) or node.is_string or not str(node.this).isdigit():
        raise Unsupported("LIMIT and OFFSET take whole numbers")
    return min(int(node.this), (1 << 63) - 1)
