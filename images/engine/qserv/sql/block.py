"""One SELECT: its columns, groups, order and limit, over the rows of its FROM.

A block is written as two statements. The *inner* one reads the tables, filters and reduces (partial aggregates, top-N,
DISTINCT); where all its tables lie together it is a leaf that runs on workers, batch by batch. The *outer* one makes
the answer out of the inner one's rows, whether those come from a leaf or stand in place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from qserv.catalog.errors import ParseError, SqlError, UnknownColumn, Unsupported
from qserv.sql.aggregates import Reduction, aggregate, any_value, is_aggregate, needs_rows
from qserv.sql.joins import FromReader, terms
from qserv.sql.scope import Scope
from qserv.sql.source import Condition, Origin
from qserv.sql.tail import OrderKey, Tail, limit_of
from qserv.sql.translate import AREASPEC, Translator
from qserv.sql.values import INT, Kind, Type, Value, boolean, key, key_of_shown, shown_value
from qserv.sql.windows import partition_by

if TYPE_CHECKING:
    from qserv.sql.planner import Planner


@dataclass(frozen=True)
class Item:
    """A column of the result: its name, and the expression (or, out of a star, the value)."""

    name: str
    node: exp.Expr | None
    value: Value | None = None


@dataclass(frozen=True)
class Written:
    """A block as SQL, but for where its rows come from.

    ``select`` and ``closing`` surround the inner statement's FROM and WHERE. ``middle`` is (select list, closing) of
    the statement that ends a reduction; None where nothing is reduced. ``tail`` orders and cuts. ``enough`` rows of the
    inner statement suffice, whichever they are.
    """

    select: str
    closing: str
    middle: tuple[str, str] | None
    tail: Tail
    columns: tuple[tuple[str, Type], ...]
    enough: int | None = None

    def inner(self, source: str) -> str:
        return f"SELECT {self.select}{source}{self.closing}"

    @property
    def completed(self) -> Written:
        """The same with all but the tail in the inner statement, and what the tail lets it cut."""
        if self.middle is None:
            return self
        closing = f"{self.closing}) AS r{self.middle[1]}{'' if self.tail.distinct else self.tail.cut}"
        select = f"{self.middle[0]} FROM (SELECT {self.select}"
        return replace(self, select=select, closing=closing, middle=None, enough=self.tail.enough)

    @property
    def plain(self) -> bool:
        """Whether the inner statement's rows are the answer."""
        return self.middle is None and self.tail.trivial

    def outer(self, rows: str) -> str:
        """The answer over ``rows``, a name or a statement in parentheses."""
        if self.middle is not None:
            rows = f"(SELECT {self.middle[0]} FROM {rows} AS r{self.middle[1]})"
        return self.tail.over(rows)


_REFUSED_PARTS = {
    "into": "INTO",
    "locks": "FOR UPDATE and LOCK IN SHARE MODE",
    "laterals": "LATERAL",
    "pivots": "PIVOT",
    "qualify": "QUALIFY",
    "connect": "CONNECT BY",
    "match": "MATCH_RECOGNIZE",
    "sample": "TABLESAMPLE",
}


class Block:
    """A SELECT with its names resolved."""

    def __init__(self, planner: Planner, select: exp.Select, parent: Scope | None) -> None:
        for part, shown in _REFUSED_PARTS.items():
            if select.args.get(part):
                raise Unsupported(f"{shown} is not supported: a query here reads and returns rows, nothing else")
        if not select.expressions:
            raise ParseError("You have an error in your SQL syntax: SELECT names no columns")
        self.planner = planner
        self.select = select
        self.scope = Scope(parent=parent)
        reader = FromReader(planner, self.scope)
        self.source = reader.read(select)
        self.areas: list[exp.Anonymous] = []
        where = select.args.get("where")
        for term in terms(where.this if where is not None else None):
            if isinstance(term, exp.Anonymous) and term.name.lower().startswith(AREASPEC):
                self.areas.append(term)
            else:
                self.source.where.append(reader.condition(term, "where clause"))
        self.items = self._items()
        self.aliases = {item.name.casefold(): item for item in reversed(self.items) if self._aliased(item)}
        group = select.args.get("group")
        self.rollup = group is not None and bool(group.args.get("rollup"))
        self.group: list[exp.Expr] = group.expressions if group is not None else []
        self.order: list[exp.Ordered] = (select.args.get("order") or exp.Order()).expressions
        self.having = select.args["having"].this if select.args.get("having") is not None else None
        self.limit = limit_of(select)
        self.grouped = bool(self.group) or any(self._aggregates(node) for node in self._outer_nodes())
        self.reduction = Reduction(
            any(needs_rows(each) for node in self._outer_nodes() for each in self._aggregates(node))
        )
        self.completed = False
        self.groups: dict[str, Value] = {}
        self.grouped_items: dict[str, Value] = {}  # by name: those that are keys by their alias or place

    @staticmethod
    def _aliased(item: Item) -> bool:
        return item.node is not None

    def _outer_nodes(self) -> list[exp.Expr]:
        nodes = [item.node for item in self.items if item.node is not None]
        return nodes + [each.this for each in self.order] + ([self.having] if self.having is not None else [])

    @staticmethod
    def _aggregates(node: exp.Expr) -> list[exp.Expr]:
        """The aggregates of an expression: not those of windows or of subqueries."""
        walked = node.walk(prune=lambda inner: isinstance(inner, exp.Query) or is_aggregate(inner))
        return [
            each for each in walked if is_aggregate(each) and not isinstance(each.parent, exp.Window | exp.IgnoreNulls)
        ]

    @property
    def windowed(self) -> bool:
        return any(node.find(exp.Window) is not None for node in self._outer_nodes())

    def brought_together(self) -> list[list[Origin]]:
        """Of each part that looks at several rows at once (GROUP BY, DISTINCT, PARTITION BY): the columns that are
        equal in such rows. A part without any looks at all rows."""
        parts: list[list[Origin]] = []
        if self.grouped:
            keys = [] if self.rollup else [self._ordinal(each, "group statement") or each for each in self.group]
            parts.append([origin for each in keys if (origin := self._origin(each))])
        if self.select.args.get("distinct") is not None:
            parts.append([origin for each in self.items if (origin := self._origin(each))])
        windows = [window for node in self._outer_nodes() for window in node.find_all(exp.Window)]
        return parts + [[origin for each in partition_by(one) if (origin := self._origin(each))] for one in windows]

    def origins(self) -> list[Origin | None]:
        """Which columns of FROM the columns of the result are."""
        return [self._origin(item) for item in self.items]

    def _origin(self, found: Item | exp.Expr) -> Origin | None:
        if isinstance(found, exp.Expr):
            found = self._alias(found) or Item("", found)
        if found.value is not None:
            return found.value.origin
        node = found.node.unnest() if found.node is not None else None
        value = self.scope.find(node, "field list") if isinstance(node, exp.Column) else None
        return value.origin if value is not None else None

    def complete(self) -> None:
        """Every set of rows that the block looks at together is whole in the inner statement's rows."""
        self.completed = True
        self.reduction.whole = True

    def _items(self) -> list[Item]:
        found: list[Item] = []
        for node, written in zip(self.select.expressions, self.planner.written_names(self.select), strict=True):
            if isinstance(node, exp.Star):
                if not self.scope.relations:
                    raise Unsupported("No tables used")
                found += [Item(shown, None, value) for shown, value in self.scope.star(None, None)]
            elif isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
                pairs = self.scope.star(node.table, node.text("db"))
                found += [Item(shown, None, value) for shown, value in pairs]
            elif isinstance(node, exp.Alias):
                found.append(Item(node.alias, node.this))
            else:
                found.append(Item(written, node))
        return found

    def write(self) -> Written:
        """The block as SQL; every name is resolved when this returns."""
        return self._write_grouped() if self.grouped else self._write_plain()

    def _row_translator(self, clause: str) -> Translator:
        def alias(node: exp.Expr) -> Value | None:
            item = self._alias(node, first=clause == "having clause")
            return self._row_item(item) if item is not None else None

        return Translator(self.scope, self.planner, clause, alias if clause != "field list" else None)

    def _alias(self, node: exp.Expr, *, first: bool = False) -> Item | None:
        """The select item that a name means where no column of FROM has that name, or before those (as in HAVING)."""
        if not isinstance(node, exp.Column) or node.table or node.name.casefold() not in self.aliases:
            return None
        if not first and self.scope.find(node, "order clause") is not None:
            return None
        return self.aliases[node.name.casefold()]

    def _row_item(self, item: Item) -> Value:
        return item.value if item.value is not None else self._row_translator("field list").value(item.node)

    def _ordinal(self, node: exp.Expr, clause: str) -> Item | None:
        """The select item that a whole number in ORDER BY or GROUP BY means."""
        if not isinstance(node, exp.Literal) or node.is_string or not str(node.this).isdigit():
            return None
        position = int(node.this)
        if not 1 <= position <= len(self.items):
            raise UnknownColumn(f"Unknown column '{position}' in '{clause}'")
        return self.items[position - 1]

    def _ordered_item(self, node: exp.Expr) -> Item | None:
        found = self._ordinal(node, "order clause")
        if found is None and isinstance(node, exp.Column) and not node.table:
            found = self.aliases.get(node.name.casefold())
        return found

    def _write_plain(self) -> Written:
        if self.having is not None:
            sql = boolean(self._row_translator("having clause").value(self.having))
            nested = bool(self.planner.marks.of(sql))
            self.source.where.append(Condition(None, sql, frozenset(self.source.relations), nested=nested))
        values = [shown_value(self._row_item(item)) for item in self.items]
        keys: list[OrderKey] = []
        extra: list[str] = []
        for each in self.order:
            item = self._ordered_item(each.this)
            value = values[self.items.index(item)] if item else self._row_translator("order clause").value(each.this)
            if value.constant is not None or value.kind is Kind.NULL:
                continue
            column = f"c{self.items.index(item)}" if item and value.kind is not Kind.TEXT else f"o{len(extra)}"
            if column.startswith("o"):
                extra.append(key(value))
            keys.append(OrderKey(column, bool(each.args.get("desc"))))
        return self._plain(values, keys, extra)

    def _plain(self, values: list[Value], keys: list[OrderKey], extra: list[str]) -> Written:
        distinct = self.select.args.get("distinct") is not None
        reduced = distinct and not self.windowed  # windows look at all rows, before those that are double go
        types = [value.type for value in values]
        tail = Tail(
            len(values),
            tuple(keys),
            tuple(i for i, t in enumerate(types) if t.kind is Kind.TEXT),
            len(extra),
            distinct and not (reduced and self.completed),
            self.limit,
        )
        sqls = [value.sql for value in values]
        closing = ""
        if reduced:
            closing = " GROUP BY " + ", ".join(key_of_shown(value) for value in values)
            sqls = [f"any_value({v.sql})" if v.kind is Kind.TEXT else v.sql for v in values]
            extra = [f"any_value({sql})" for sql in extra]
        if reduced or not self.windowed or (self.completed and not distinct):
            closing += tail.cut
        names = [f"{sql} AS c{i}" for i, sql in enumerate(sqls)] + [f"{sql} AS o{i}" for i, sql in enumerate(extra)]
        columns = tuple((item.name, type_) for item, type_ in zip(self.items, types, strict=True))
        return Written(", ".join(names), closing, None, tail, columns, tail.enough)

    def _write_grouped(self) -> Written:
        names = [self._group_key(node) for node in self.group]
        with self.scope.seen_inside(self._ended_column):
            return self._write_ended(names)

    def _write_ended(self, names: list[str]) -> Written:
        values = [shown_value(self._grouped_item(item)) for item in self.items]
        keys: list[OrderKey] = []
        extra: list[str] = []
        for each in self.order:
            item = self._ordered_item(each.this)
            value = values[self.items.index(item)] if item else self._outer("order clause").value(each.this)
            if value.constant is not None or value.kind is Kind.NULL:
                continue
            keys.append(OrderKey(f"o{len(extra)}", bool(each.args.get("desc"))))
            extra.append(key(value))
        listed = ", ".join(dict.fromkeys(names))
        closing = f" GROUP BY {f'ROLLUP ({listed})' if self.rollup else listed}" if names else ""
        if self.having is not None:
            closing += f" HAVING {boolean(self._outer('having clause').value(self.having))}"
        columns = tuple((item.name, value.type) for item, value in zip(self.items, values, strict=True))
        texts = tuple(i for i, value in enumerate(values) if value.kind is Kind.TEXT)
        tail = Tail(
            len(values), tuple(keys), texts, len(extra), self.select.args.get("distinct") is not None, self.limit
        )
        shown = [f"{v.sql} AS c{i}" for i, v in enumerate(values)] + [f"{sql} AS o{i}" for i, sql in enumerate(extra)]
        return Written(*self.reduction.written(), (", ".join(shown), closing), tail, columns)

    def _ended_column(self, found: Value) -> Value:
        """A column as a subquery sees it that is computed after grouping."""
        group = self.groups.get(found.sql)
        if group is None or group.kind is Kind.TEXT:
            raise Unsupported("a subquery of a grouped query sees only numbers and dates that it groups by")
        return replace(group, sql=f"r.{group.sql}", origin=found.origin)

    def _group_key(self, node: exp.Expr) -> str:
        item = self._ordinal(node, "group statement") or self._alias(node)
        if item is not None and item.node is not None and self._aggregates(item.node):
            raise SqlError(f"Can't group on '{item.name}'")
        value = self._row_item(item) if item is not None else self._row_translator("group statement").value(node)
        column = self.reduction.key(key(value))
        if value.kind is Kind.TEXT:
            shown = any_value(value, self.reduction)
            if self.rollup:
                shown = Value(f"CASE WHEN grouping({column}) = 0 THEN {shown.sql} END", shown.type)
            self.groups[value.sql] = shown
        else:
            type_ = value.type if value.kind is not Kind.BOOL else INT
            self.groups[value.sql] = Value(column, type_, value.origin)
        if item is not None and item.node is not None:
            self.grouped_items[item.name.casefold()] = self.groups[value.sql]
        return column

    def _grouped_item(self, item: Item) -> Value:
        if item.node is not None and item.node.find(exp.Query) and item.name.casefold() in self.grouped_items:
            return self.grouped_items[item.name.casefold()]  # a subquery is not planned twice
        if item.value is None:
            return self._outer("field list").value(item.node)
        return self.groups.get(item.value.sql) or any_value(item.value, self.reduction)

    def _outer(self, clause: str) -> Translator:
        """Translates what is computed after grouping."""
        rows = self._row_translator("field list")

        def substitute(node: exp.Expr) -> Value | None:
            if is_aggregate(node):
                with self.scope.seen_inside(None):
                    return aggregate(node, rows, self.reduction)
            if isinstance(node, exp.Literal | exp.Query | exp.Subquery | exp.Window | exp.Tuple) or self._aggregates(
                node
            ):
                return None
            if isinstance(node, exp.Column):
                return self._grouped_column(node, clause)
            columns = list(node.find_all(exp.Column))
            if not self.groups or not columns or any(self.scope.find(each, clause) is None for each in columns):
                return None
            return self.groups.get(rows.value(node).sql)

        return Translator(self.scope, self.planner, clause, substitute)

    def _grouped_column(self, node: exp.Column, clause: str) -> Value | None:
        item = self._alias(node, first=clause == "having clause") if clause != "field list" else None
        found = self.scope.find(node, clause)
        if found is not None and (item is None or found.sql in self.groups):
            return self.groups.get(found.sql) or any_value(found, self.reduction)
        return self._grouped_item(item) if item is not None else None
