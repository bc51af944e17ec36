"""UNION, INTERSECT and EXCEPT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from qserv.catalog.errors import UnknownColumn, Unsupported, WrongColumnCount
from qserv.sql.emit import Files
from qserv.sql.plan import Restriction
from qserv.sql.rows import Local, Rows, converted
from qserv.sql.scope import Scope
from qserv.sql.tail import Limit, OrderKey, Tail, limit_of
from qserv.sql.values import Kind, Type, Value, common, key

if TYPE_CHECKING:
    from qserv.sql.planner import Planner


def union(planner: Planner, node: exp.SetOperation, parent: Scope | None) -> Rows:
    """A set operation of two queries, with the types that MySQL would give its columns."""
    left, right = planner.query(node.this, parent), planner.query(node.expression, parent)
    if len(left.columns) != len(right.columns):
        raise WrongColumnCount("The used SELECT statements have a different number of columns")
    types = [common([a, b]) for (_, a), (_, b) in zip(left.columns, right.columns, strict=True)]
    columns = tuple((shown, type_) for (shown, _), type_ in zip(left.columns, types, strict=True))

    ordered = _order(node, [shown for shown, _ in columns], [type_.kind for type_ in types])
    texts = tuple(i for i, type_ in enumerate(types) if type_.kind is Kind.TEXT)
    distinct = isinstance(node, exp.Union) and bool(node.args.get("distinct"))
    keys = tuple(OrderKey(column, desc) for column, desc in ordered)
    tail = Tail(len(types), keys, texts, 0, distinct, limit_of(node))

    def sql(one: Rows, other: Rows) -> str:
        combined = _combined(node, converted(one, types), converted(other, types), types)
        return combined if tail.trivial else tail.over(f"({combined})")

    correlated = left.correlated or right.correlated
    local = _local(left, right, sql, whole=distinct or not isinstance(node, exp.Union), limited=tail.limit != Limit())
    return Rows(sql(left, right), columns, bool(ordered), local=local, correlated=correlated)


def _local(left: Rows, right: Rows, sql: Callable[[Rows, Rows], str], *, whole: bool, limited: bool) -> Local | None:
    """How workers answer both together. ``whole``: equal rows must lie in one chunk; ``limited``: all rows."""
    one, other = left.local, right.local
    if one is None or other is None or one.family != other.family:
        return None
    keys = {column: key for column, key in one.keys.items() if other.keys.get(column) == key}
    beside = one.beside & other.beside
    if not beside and one.family is not None:
        if one.beside or other.beside or limited or (whole and not keys):
            return None
        if one.restriction.lookups or other.restriction.lookups:
            return None  # each by itself asks fewer chunks than both together
    chunks = None
    if one.restriction.chunks is not None and other.restriction.chunks is not None:
        chunks = one.restriction.chunks | other.restriction.chunks

    def write(files: Files) -> str:
        return sql(replace(left, sql=one.write(files)), replace(right, sql=other.write(files)))

    return Local(one.family, write, keys, beside, (), Restriction(chunks))


def ended(rows: Rows, node: exp.Subquery) -> Rows:
    """A query in parentheses with the ORDER BY and LIMIT that follow them."""
    names, types = [shown for shown, _ in rows.columns], [type_ for _, type_ in rows.columns]
    ordered = _order(node, names, [type_.kind for type_ in types])
    tail = Tail(len(types), tuple(OrderKey(*each) for each in ordered), (), 0, False, limit_of(node))
    return Rows(tail.over(f"({rows.sql})"), rows.columns, bool(ordered), correlated=rows.correlated)


def _combined(node: exp.SetOperation, left: str, right: str, types: list[Type]) -> str:
    if isinstance(node, exp.Union):
        return f"({left}) UNION ALL ({right})"
    if not node.args.get("distinct", True):
        raise Unsupported(f"{node.key.upper()} ALL is not supported")

    def keys(relation: str) -> list[str]:
        return [key(Value(f"{relation}.c{index}", type_)) for index, type_ in enumerate(types)]

    shown = ", ".join(f"any_value(l.c{index}) AS c{index}" for index in range(len(types)))
    same = " AND ".join(f"{a} IS NOT DISTINCT FROM {b}" for a, b in zip(keys("l"), keys("r"), strict=True))
    other = "" if isinstance(node, exp.Intersect) else "NOT "
    where = f"{other}EXISTS (SELECT 1 FROM ({right}) AS r WHERE {same})"
    return f"SELECT {shown} FROM ({left}) AS l WHERE {where} GROUP BY {', '.join(keys('l'))}"


def _order(node: exp.Query, names: list[str], kinds: list[Kind]) -> list[tuple[str, bool]]:
    """ORDER BY of a set operation: names or ordinals of its columns."""
    found = []
    folded = [name.casefold() for name in names]
    for each in (node.args.get("order") or exp.Order()).expressions:
        subject = each.this
        if isinstance(subject, exp.Literal) and str(subject.this).isdigit() and 1 <= int(subject.this) <= len(names):
            index = int(subject.this) - 1
        elif isinstance(subject, exp.Column) and not subject.table and subject.name.casefold() in folded:
            index = folded.index(subject.name.casefold())
        else:
            raise UnknownColumn(f"Unknown column '{subject.sql(dialect='mysql')}' in 'order clause'")
        column = f"c{index}"
        found.append((f"qserv_fold({column})" if kinds[index] is Kind.TEXT else column, bool(each.args.get("desc"))))
    return found
