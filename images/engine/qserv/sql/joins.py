"""Reading FROM: tables, derived tables and joins become sources; ON, USING and WHERE become conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from qserv.catalog.errors import UnknownColumn, Unsupported
from qserv.sql.comparisons import compared
from qserv.sql.neighbour import angular_separation
from qserv.sql.nested import Nested
from qserv.sql.scope import Relation, Scope
from qserv.sql.source import Condition, From, Source
from qserv.sql.translate import Translator
from qserv.sql.values import Value, boolean, name

if TYPE_CHECKING:
    from qserv.sql.planner import Planner


def terms(node: exp.Expr | None) -> list[exp.Expr]:
    """The terms of a top-level AND."""
    if node is None:
        return []
    node = node.unnest()
    if isinstance(node, exp.And):
        return [term for side in (node.this, node.expression) for term in terms(side)]
    return [node]


def _in_parentheses(node: exp.Expr) -> bool:
    """Whether an item of FROM is a table or a join in parentheses, rather than a query."""
    if not isinstance(node, exp.Subquery | exp.Paren) or node.alias:
        return False
    inner = node.this
    return isinstance(inner, exp.Table) or (
        isinstance(inner, exp.Subquery) and (bool(inner.alias) or _in_parentheses(inner))
    )


class FromReader:
    """Fills a scope and a :class:`From` from the FROM of one block."""

    def __init__(self, planner: Planner, scope: Scope) -> None:
        self.planner = planner
        self.scope = scope
        self.found = From()
        self._leader: Source | None = None  # the LEFT one whose join in parentheses is being read

    def read(self, select: exp.Select) -> From:
        start = select.args.get("from_") or select.args.get("from")
        if start is None:
            return self.found
        if isinstance(start.this, exp.Table) and start.this.name.lower() == "dual" and not select.args.get("joins"):
            return self.found
        self._item(start.this, "INNER")
        for join in select.args.get("joins") or []:
            self._join(join)
        return self.found

    def condition(self, node: exp.Expr, clause: str) -> Condition:
        """A term of ON or WHERE, translated."""
        translator = Translator(self.scope, self.planner, clause)
        before = self.scope.correlated
        self.scope.correlated = False
        with self.planner.recording() as used:
            value = translator.value(node)
        outer, self.scope.correlated = self.scope.correlated, before or self.scope.correlated
        sql = boolean(value)
        nested = bool(self.planner.marks.of(sql))
        # of a query that is answered beforehand nothing is read any more
        uses = frozenset(used if nested else used & set(self.scope.visible))
        condition = Condition(node, sql, uses, nested=nested, outer=outer)
        if isinstance(node, exp.EQ) and isinstance(node.this, exp.Column) and isinstance(node.expression, exp.Column):
            sides = (translator.value(node.this), translator.value(node.expression))
            if sides[0].origin and sides[1].origin:
                condition.equal = (sides[0].origin, sides[1].origin)
        call = angular_separation(node)
        if call is not None:
            columns = [each.unnest() for each in call.expressions]
            condition.position_arguments = tuple(
                translator.value(each).origin if isinstance(each, exp.Column) else None for each in columns
            )
        return condition

    def _join(self, join: exp.Join) -> None:
        side, kind = str(join.args.get("side") or "").upper(), str(join.args.get("kind") or "").upper()
        if side not in ("", "LEFT", "RIGHT") or kind not in (
            "",
            "INNER",
            "CROSS",
            "OUTER",
            "STRAIGHT",
            "STRAIGHT_JOIN",
        ):
            raise Unsupported(f"{side} {kind} JOIN is not supported")
        leader = self._leader
        if leader is not None and side:
            raise Unsupported("an outer join in parentheses after LEFT JOIN is not supported: write a derived table")
        known = list(self.scope.relations)
        first = len(self.found.sources)
        self._item(join.this, "WITH" if leader is not None else side or "INNER")
        added = self.found.sources[first:]
        right = [source.relation for source in added]
        shared = self._shared(join, known, right)
        conditions = [self._using(column, known, right) for column in shared]
        conditions += [self.condition(term, "on clause") for term in terms(join.args.get("on"))]
        if leader is not None:
            leader.on += conditions
        elif not side:
            self.found.where += conditions
        elif side == "LEFT":
            added[0].on += conditions
        else:
            self._turn_round(conditions, shared)

    def _turn_round(self, conditions: list[Condition], shared: list[str]) -> None:
        """``a RIGHT JOIN b`` is ``b LEFT JOIN a``; their columns stay in the order that was written, but with USING."""
        if len(self.found.sources) != 2 or self.found.where:
            raise Unsupported("RIGHT JOIN is supported between the first two tables: write LEFT JOIN")
        left, right = self.found.sources
        self.found.sources = [right, left]
        left.join, right.join = "LEFT", "INNER"
        left.relation.optional, right.relation.optional = True, False
        left.on = conditions
        if shared:
            self.scope.relations.reverse()
        for column in shared:
            kept = right.relation.column(column)
            if kept is not None:
                self.scope.merged[column.casefold()] = (column, kept)

    def _shared(self, join: exp.Join, known: list[Relation], right: list[Relation]) -> list[str]:
        """The columns of USING or NATURAL, in the order of the table whose rows are kept (the first one, or of RIGHT
        JOIN the second)."""
        using = [each.name for each in join.args.get("using") or []]
        one, other = (right, known) if str(join.args.get("side") or "").upper() == "RIGHT" else (known, right)
        before = {folded: declared for relation in one for folded, (declared, _) in relation.columns.items()}
        if str(join.args.get("method") or "").upper() == "NATURAL":
            new = {folded for relation in other for folded in relation.columns}
            return [declared for folded, declared in before.items() if folded in new]
        places = list(before)
        return sorted(using, key=lambda each: places.index(each.casefold()) if each.casefold() in before else 0)

    def _using(self, column: str, known: list[Relation], added: list[Relation]) -> Condition:
        folded = column.casefold()
        right = next((found for relation in added if (found := relation.column(column)) is not None), None)
        left = None
        if folded in self.scope.merged:
            left = self.scope.merged[folded][1]
        else:
            for relation in known:
                left = left or relation.column(column)
        if left is None or right is None:
            raise UnknownColumn(f"Unknown column '{column}' in 'from clause'")
        self.scope.merged[folded] = (column, left)
        uses = frozenset(value.origin[0] for value in (left, right) if value.origin)
        condition = Condition(None, compared(left, right, "=").sql, uses)
        if left.origin and right.origin:
            condition.equal = (left.origin, right.origin)
        return condition

    def _item(self, node: exp.Expr, join: str) -> None:
        if _in_parentheses(node):
            return self._joined(node.this, join)
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query):
            alias = node.args.get("alias")
            names = tuple(each.name for each in alias.args.get("columns") or []) if alias is not None else ()
            return self._derived(self.planner.nested(node.this, None), node.alias, join, names)
        if isinstance(node, exp.Table) and not isinstance(node.this, exp.Func):
            return self._table(node, join)
        raise Unsupported(f"{node.sql(dialect='mysql')[:80]!r} cannot stand in FROM: name a table or a derived table")

    def _joined(self, node: exp.Expr, join: str) -> None:
        """A join in parentheses: as if without them, but that LEFT JOIN keeps or loses its rows as a whole."""
        first = len(self.found.sources)
        self._item(node, join)
        before = self._leader
        if join == "LEFT":
            self._leader = self.found.sources[first]
        try:
            for each in node.args.get("joins") or []:
                self._join(each)
        finally:
            self._leader = before

    def _table(self, node: exp.Table, join: str) -> None:
        if node.args.get("catalog") or node.args.get("version") or node.args.get("partition"):
            raise Unsupported(f"{node.sql(dialect='mysql')!r}: write database.table")
        shared = self.planner.common_table(node)
        if shared is not None:
            if shared.rows is not None:
                query = Nested(shared.rows, frozenset(), frozenset())
            else:
                with self.planner.common_tables_until(shared.outside):
                    query = self.planner.nested(shared.query, None)
            return self._derived(query, node.alias or node.name, join, shared.columns)
        table = self.planner.table(node)
        relation = Relation.of_table(table, node.alias or table.name, self.planner.fresh(), self.planner.record)
        relation.optional = join in ("LEFT", "WITH")
        self.scope.add(relation)
        self.found.sources.append(Source(relation, join))
        return None

    def _derived(self, query: Nested, alias: str, join: str, names: tuple[str, ...]) -> None:
        if not alias:
            raise Unsupported("Every derived table must have its own alias")
        rows = query.rows
        if names and len(names) != len(rows.columns):
            raise Unsupported(f"derived table {alias!r}: {len(rows.columns)} columns have {len(names)} names")
        relation = Relation(alias, self.planner.fresh(), recorder=self.planner.record)
        for index, (column, type_) in enumerate(rows.columns):
            shown = names[index] if names else column
            if shown.casefold() in relation.known:
                raise Unsupported(f"Duplicate column name '{shown}' in the derived table {alias!r}")
            value = Value(f"{relation.sql_name}.{name(f'c{index}')}", type_, (relation, f"c{index}"))
            relation.known[shown.casefold()] = (shown, value)
        relation.local = rows.local
        relation.optional = join in ("LEFT", "WITH")
        self.scope.add(relation)
        self.found.sources.append(Source(relation, join, sql=rows.sql, query=query))
