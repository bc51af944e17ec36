"""From a statement and a catalog to a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

import sqlglot
from sqlglot import exp

from qserv.catalog.errors import (
    EmptyStatement,
    NoDatabase,
    ParseError,
    UnknownDatabase,
    UnknownTable,
    Unsupported,
    WrongColumnCount,
)
from qserv.catalog.model import Catalog, Table
from qserv.sql import (
    arithmetic,
    codes,
    comparisons,
    conditions,
    dates,
    intervals,
    numeric,
    sky,
    strings,
    weeks,
    windows,
)
from qserv.sql.beforehand import MOST_ROWS, mark
from qserv.sql.block import Block
from qserv.sql.locality import CHUNK, Key, key_of
from qserv.sql.names import Names, spaced
from qserv.sql.nested import Marks, Nested
from qserv.sql.placing import Placing
from qserv.sql.plan import Leaf, Plan, Preliminary
from qserv.sql.rows import CommonTable, Rows, converted, everywhere, refers_to_itself
from qserv.sql.scope import Relation, Scope
from qserv.sql.source import Source
from qserv.sql.union import ended, union
from qserv.sql.values import INT, Value

TRANSLATIONS = (arithmetic, codes, comparisons, conditions, numeric, strings, dates, intervals, weeks, sky, windows)
"""The modules that register translations of nodes and functions."""


def plan(
    statement: exp.Expr | str,
    catalog: Catalog,
    database: str | None,
    text: str | None = None,
) -> Plan:
    """How a statement is answered.

    Columns of the result are named as MySQL names them where the statement is given as text; a tree has lost how
    its expressions were written, so they are then named by how the tree prints, or by ``text`` if that is given too.

    Raises
    ------
    SqlError
        Where the statement does not parse, names what is not there, or asks for what cannot be answered.
    """
    names = Names(text or "")
    if isinstance(statement, str):
        names = Names(statement)
        statement = parse(statement)
    if not isinstance(statement, exp.Query):
        raise Unsupported(
            f"{statement.key.upper()} is not supported: tables are written by transactions, and read by SELECT"
        )
    found = Planner(catalog, database, names).whole(statement)
    if all(each.single for each in found.before):
        return found
    return replace(found, otherwise=Planner(catalog, database, names, lists=False).whole(statement))


def parse(text: str) -> exp.Expr:
    """The tree of one MySQL statement.

    Raises
    ------
    ParseError
    """
    try:
        found = [
            each
            for each in sqlglot.parse(spaced(text), read="mysql")
            if each is not None and not isinstance(each, exp.Semicolon)
        ]
    except sqlglot.errors.SqlglotError as error:
        details = getattr(error, "errors", None) or [{}]
        near = f"{details[0].get('highlight') or ''}{details[0].get('end_context') or ''}"[:80]
        line = details[0].get("line") or 1
        raise ParseError(f"You have an error in your SQL syntax near '{near}' at line {line}") from error
    if not found:
        raise EmptyStatement("Query was empty")
    if len(found) > 1:
        raise ParseError("write one statement at a time")
    return found[0]


class Planner:
    """The state of planning one statement: its leaves, and the names of WITH that are in sight.

    ``lists``: of queries in it that are answered beforehand those of several rows are some.
    """

    def __init__(self, catalog: Catalog, database: str | None, names: Names, *, lists: bool = True) -> None:
        self.catalog = catalog
        self.database = database
        self.names = names
        self.lists = lists
        self.leaves: list[Leaf] = []
        self.before: list[Preliminary] = []
        self.marks = Marks()
        self._common: list[CommonTable] = []
        self._numbers = count()
        self._depth = 0
        self._stepping = False  # what is planned reads the rows of a recursion so far
        self._scalars: list[tuple[exp.Expr, Rows]] = []
        self._used: list[set[Relation]] = []

    def whole(self, statement: exp.Query) -> Plan:
        """The plan of the statement."""
        rows = self.query(statement, None)
        types = tuple(type_ for _, type_ in rows.columns)
        return replace(_plan_of(rows, self.leaves), types=types, before=tuple(self.before))

    def fresh(self) -> str:
        """A name that no other relation has."""
        return f"t{next(self._numbers)}"

    def leaf_name(self) -> str:
        """A name for the next leaf."""
        return f"leaf{int(self.leaves[-1].name.removeprefix('leaf')) + 1}" if self.leaves else "leaf0"

    def drop_leaves(self, start: int, kept: frozenset[str] = frozenset()) -> None:
        """Forget the leaves from ``start`` on, whose rows nothing reads any more."""
        self.leaves[start:] = [leaf for leaf in self.leaves[start:] if leaf.name in kept]

    def unique(self, key: Key) -> bool:
        """Whether all rows with a key lie in one chunk."""
        director = self.catalog.table(*key)
        return key == CHUNK or (director is not None and director.unique)

    def record(self, relation: Relation) -> None:
        for used in self._used:
            used.add(relation)

    @contextmanager
    def recording(self) -> Iterator[set[Relation]]:
        """The relations whose columns are resolved meanwhile."""
        used: set[Relation] = set()
        self._used.append(used)
        try:
            yield used
        finally:
            self._used.pop()

    def written_names(self, select: exp.Select) -> list[str]:
        return self.names.of(select)

    def table(self, node: exp.Table) -> Table:
        """The table of the catalog that is named.

        Raises
        ------
        UnknownDatabase, UnknownTable
        """
        database = node.text("db") or self.database
        if not database:
            raise NoDatabase("No database selected: write database.table, or USE a database")
        if self.catalog.database(database) is None:
            raise UnknownDatabase(f"Unknown database '{database}'")
        found = self.catalog.table(database, node.name)
        if found is None:
            raise UnknownTable(f"Table '{database}.{node.name}' doesn't exist")
        return found

    def common_table(self, node: exp.Table) -> CommonTable | None:
        """The query of WITH that a name in FROM means."""
        if node.text("db"):
            return None
        wanted = node.name.casefold()
        return next((each for each in reversed(self._common) if each.name.casefold() == wanted), None)

    @contextmanager
    def common_tables_until(self, length: int) -> Iterator[None]:
        """Only the first ``length`` names of WITH are in sight."""
        before = self._common
        self._common = before[:length]
        try:
            yield
        finally:
            self._common = before

    def query(self, node: exp.Expr, parent: Scope | None) -> Rows:
        """Plan a query: adds its leaves, answers what the czar runs over them."""
        if isinstance(node, exp.Subquery):
            if node.args.get("with_") or node.args.get("with"):
                raise Unsupported("WITH before a query in parentheses is not supported: write it inside")
            rows = self.query(node.this, parent)
            return ended(rows, node) if any(node.args.get(part) for part in ("limit", "order", "offset")) else rows
        with_ = node.args.get("with_") or node.args.get("with")
        length = len(self._common)
        self._depth += 1
        if with_ is not None:
            self._open(with_)
        try:
            if isinstance(node, exp.SetOperation):
                return union(self, node, parent)
            if not isinstance(node, exp.Select):
                raise Unsupported(f"{node.key.upper()} is not supported here")
            start = len(self.leaves)
            return Placing(self, Block(self, node, parent), start, part=self._depth > 1).rows()
        finally:
            self._depth -= 1
            del self._common[length:]

    def _open(self, with_: exp.With) -> None:
        for each in with_.expressions:
            columns = tuple(column.name for column in each.args["alias"].args.get("columns") or [])
            table = CommonTable(each.alias, each.this, columns, len(self._common))
            if with_.args.get("recursive") and refers_to_itself(table):
                table = replace(table, rows=self._recursive(table))
            self._common.append(table)

    def _recursive(self, table: CommonTable) -> Rows:
        """The rows of a query of WITH RECURSIVE that reads itself; its first part decides the types."""
        query = table.query
        if not isinstance(query, exp.Union):
            raise Unsupported(f"the recursive query {table.name!r} must be a UNION of a start and a step")
        start = self.query(query.this, None)
        name = self.fresh()
        self._common.append(replace(table, rows=Rows(f"SELECT * FROM {name}", start.columns)))
        before, self._stepping = self._stepping, True
        step = self.query(query.expression, None)
        self._stepping = before
        self._common.pop()
        if len(start.columns) != len(step.columns):
            raise WrongColumnCount("The used SELECT statements have a different number of columns")
        types = [type_ for _, type_ in start.columns]
        columns = ", ".join(f"c{index}" for index in range(len(types)))
        union_ = "UNION" if query.args.get("distinct") else "UNION ALL"
        both = f"({converted(start, types)}) {union_} ({converted(step, types)})"
        return Rows(f"WITH RECURSIVE {name}({columns}) AS ({both}) SELECT * FROM {name}", start.columns)

    def subquery(self, node: exp.Expr, scope: Scope, equal: Sequence[Value] = ()) -> Rows:
        """A query inside of an expression, which may refer to columns of ``scope``; its SQL is a mark.

        ``equal`` are the values that the expression compares with its columns, and takes only rows equal to them.
        """
        return self.marks.add(self.nested(node, scope, equal))

    def scalar(self, node: exp.Expr, scope: Scope) -> Rows:
        """A query inside of an expression that asks for its only value."""
        known = self._scalar_of(node)
        if known is not None:
            return known
        nested = self.nested(node, scope)
        if not self.apart(nested) or len(nested.rows.columns) != 1:
            return self.marks.add(nested)
        rows = self._answered(nested.rows, self._take(nested), single=True)
        self._scalars.append((node, rows))
        return rows

    def _scalar_of(self, node: exp.Expr) -> Rows | None:
        return next((rows for each, rows in self._scalars if each is node), None)

    def answer_of(self, node: exp.Expr) -> int | None:
        """The preliminary that answers a query inside of an expression."""
        known = self._scalar_of(node)
        return known.local.answer if known is not None and known.local is not None else None

    def exists(self, node: exp.Expr, scope: Scope) -> str:
        """SQL that is true where a query inside of an expression has rows."""
        nested = self.nested(node, scope)
        if not self.apart(nested):
            return f"EXISTS ({self.marks.add(nested).sql})"
        rows, leaves = nested.rows, self._take(nested)
        if rows.leaf is not None:
            (leaf,) = leaves
            leaves = [replace(leaf, sql=f"SELECT 1 AS c0 FROM ({leaf.sql}) AS d LIMIT 1", limit=1)]
        one = Rows(f"SELECT 1 AS c0 FROM ({rows.sql}) AS d LIMIT 1", (("1", INT),), leaf=rows.leaf)
        return f"({self._answered(one, leaves, single=True).sql} IS NOT NULL)"

    def answer_lists(self, nested: Sequence[Nested]) -> bool:
        """Have queries of expressions answered before the statement, where all can be, without double rows."""
        if nested and not (self.lists and all(self.apart(each) for each in nested)):
            return False
        for each in dict.fromkeys(nested):
            rows, leaves = each.rows, self._take(each)
            if rows.leaf is not None:
                leaves = [replace(leaf, sql=f"SELECT DISTINCT * FROM ({leaf.sql}) AS d") for leaf in leaves]
            different = replace(rows, sql=f"SELECT DISTINCT * FROM ({rows.sql}) AS d", leaf=None)
            self.marks.answered(each, self._answered(different, leaves))
        return True

    def answer_derived(self, source: Source) -> None:
        """Have a derived table's query answered before the statement in whose FROM it stands."""
        if source.query is None:
            raise LookupError(f"{source.relation.alias} is no derived table")
        rows = self._answered(source.query.rows, self._take(source.query))
        source.sql, source.relation.local = rows.sql, rows.local

    def apart(self, nested: Nested) -> bool:
        """Whether a query can be answered before the statement."""
        return nested.apart and not self._stepping

    def _take(self, nested: Nested) -> list[Leaf]:
        """The leaves of a query, which are no longer the statement's."""
        taken = [leaf for leaf in self.leaves if leaf.name in nested.leaves]
        self.leaves = [leaf for leaf in self.leaves if leaf.name not in nested.leaves]
        return taken

    def _answered(self, rows: Rows, leaves: Sequence[Leaf], *, single: bool = False) -> Rows:
        types = tuple(type_ for _, type_ in rows.columns)
        self.before.append(Preliminary(_plan_of(rows, leaves), types, 1 if single else MOST_ROWS, single))
        number = len(self.before) - 1
        return Rows(mark(number), rows.columns, local=everywhere(mark(number), number))

    def nested(self, node: exp.Expr, scope: Scope | None, equal: Sequence[Value] = ()) -> Nested:
        """A query in another one, with the leaves that it has added."""
        start = len(self.leaves)
        rows = self.query(node, scope)
        keys = rows.local.keys if rows.local is not None else {}
        tied = [
            value.origin[0]
            for index, value in enumerate(equal)
            if value.origin is not None and (key := key_of(*value.origin)) is not None
            if key[1] and key[0] == keys.get(f"c{index}")
        ]
        leaves = frozenset(leaf.name for leaf in self.leaves[start:])
        return Nested(rows, frozenset(tied), leaves)


def _plan_of(rows: Rows, leaves: Sequence[Leaf]) -> Plan:
    columns = tuple(name for name, _ in rows.columns)
    return Plan(tuple(leaves), None if rows.leaf else rows.sql, columns, rows.ordered)
