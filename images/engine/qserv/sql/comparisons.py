"""Comparisons and logic."""

from __future__ import annotations

import math
import re

import numpy as np
from sqlglot import exp

from qserv.catalog.errors import Unsupported, WrongArguments
from qserv.sql.translate import Translator, handles
from qserv.sql.values import (
    BOOL,
    INTEGERS,
    STRINGS,
    TEMPORAL,
    TEXT,
    Kind,
    Value,
    boolean,
    double,
    key,
    number,
    quote,
    text,
)

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
}


@handles(*_COMPARISONS)
def _comparison(translator: Translator, node: exp.Binary) -> Value:
    if isinstance(node.this, exp.Tuple) or isinstance(node.expression, exp.Tuple):
        return _tuples(translator, node)
    if isinstance(node.expression, exp.All | exp.Any):
        return _quantified(translator, node, node.expression)
    left, right = translator.value(node.this), translator.value(node.expression)
    return compared(left, right, _COMPARISONS[type(node)])


def _quantified(translator: Translator, node: exp.Binary, right: exp.All | exp.Any) -> Value:
    """A comparison with ALL or ANY of the rows of a subquery."""
    if type(node) is exp.NullSafeEQ:
        raise Unsupported("<=> does not take ALL or ANY")
    value = translator.value(node.this)
    same = (type(node), type(right)) in ((exp.EQ, exp.Any), (exp.NEQ, exp.All))
    rows = translator.planner.subquery(right.this, translator.scope, [value] if same else [])
    if len(rows.columns) != 1:
        raise WrongArguments("Operand should contain 1 column(s)")
    first, second = comparable(value, Value("q.c0", rows.columns[0][1]))
    quantifier = "ALL" if isinstance(right, exp.All) else "ANY"
    return Value(f"({first} {_COMPARISONS[type(node)]} {quantifier} (SELECT {second} FROM ({rows.sql}) AS q))", BOOL)


def _tuples(translator: Translator, node: exp.Binary) -> Value:
    if isinstance(node.expression, exp.Subquery) and type(node) is exp.EQ:
        return _in_query(translator, exp.In(this=node.this, query=node.expression))
    left, right = (translator.values(side.expressions) for side in (node.this, node.expression))
    if len(left) != len(right):
        raise WrongArguments(f"Operand should contain {len(left)} column(s)")
    operator = "=" if type(node) is exp.NEQ else _COMPARISONS[type(node)]
    if type(node) in (exp.EQ, exp.NEQ, exp.NullSafeEQ):
        joined = " AND ".join(compared(*pair, operator).sql for pair in zip(left, right, strict=True)).join("()")
        return Value(f"(NOT {joined})" if type(node) is exp.NEQ else joined, BOOL)
    return Value(_in_order(left, right, operator), BOOL)


def _in_order(left: list[Value], right: list[Value], operator: str) -> str:
    """Rows of values by <, <=, > or >=: the first values that differ decide."""
    sql = compared(left[-1], right[-1], operator).sql
    for one, other in reversed(list(zip(left[:-1], right[:-1], strict=True))):
        sql = f"({compared(one, other, operator[0]).sql} OR ({compared(one, other, '=').sql} AND {sql}))"
    return sql


def compared(left: Value, right: Value, operator: str) -> Value:
    """A comparison by the rules of MySQL: as strings, as times, or else as numbers."""
    first, second = _beside_float(left, right, operator) or comparable(left, right)
    return Value(f"({first} {operator} {second})", BOOL)


_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_LARGEST_FLOAT = float(np.finfo(np.float32).max)


def _beside_float(left: Value, right: Value, operator: str) -> tuple[str, str] | None:
    """A column of FLOATs and a number, as FLOATs: MySQL compares DOUBLEs, this is the same in an eighth less time.

    A number that no FLOAT equals gives way to its neighbour on that side where the same FLOATs are less, or greater.
    """
    if left.constant is not None and right.constant is None:
        turned = _beside_float(right, left, _TURNED.get(operator, operator))
        return turned and (turned[1], turned[0])
    if left.origin is None or left.kind is not Kind.DOUBLE or not left.type.narrow:
        return None
    if right.kind in STRINGS or not isinstance(right.constant, int | float):
        return None
    exact = float(right.constant)
    if not abs(exact) <= _LARGEST_FLOAT:
        return None
    near = np.float32(exact)
    if float(near) != exact:
        if operator not in _TURNED:
            return None
        upwards = operator in ("<", ">=")
        if (float(near) < exact) is upwards:
            near = np.nextafter(near, np.float32(math.inf if upwards else -math.inf))
    return left.sql, f"CAST({float(near)!r} AS FLOAT)"


def comparable(left: Value, right: Value) -> tuple[str, str]:
    """Both operands as SQL that DuckDB compares as MySQL would."""
    kinds = (left.kind, right.kind)
    if Kind.NULL in kinds and kinds != (Kind.NULL, Kind.NULL):
        other = left if right.kind is Kind.NULL else right
        null = f"CAST(NULL AS {other.type.duckdb if other.kind is not Kind.BOOL else 'BOOLEAN'})"
        return (null, other.sql) if left.kind is Kind.NULL else (other.sql, null)
    if Kind.BINARY in kinds and all(kind in STRINGS for kind in kinds):
        return tuple(each.sql if each.kind is Kind.BINARY else f"encode({each.sql})" for each in (left, right))  # type: ignore[return-value]
    if kinds == (Kind.TEXT, Kind.TEXT):
        return key(left), key(right)
    if Kind.DATETIME in kinds:
        left, right = _dated(left), _dated(right)
    if any(kind in TEMPORAL for kind in kinds):
        found = _temporal(left, right)
        if found is not None:
            return found
    first, second = number(left), number(right)
    if Kind.DOUBLE in (first.kind, second.kind):
        return _plain(first), _plain(second)
    return first.sql, second.sql


_DATED = re.compile(r"(\d{4}|\d{2})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d))?")


def _dated(value: Value) -> Value:
    """A whole constant that is compared with a DATETIME, as 20260601, as the time that it means."""
    digits = _DATED.fullmatch(str(value.constant)) if value.kind in INTEGERS and value.constant is not None else None
    if digits is None:
        return value
    year, month, day, *clock = digits.groups()
    century = "" if len(year) == 4 else "20" if year < "70" else "19"
    return Value(quote(f"{century}{year}-{month}-{day} {':'.join(each or '00' for each in clock)}"), TEXT)


def _plain(value: Value) -> str:
    """A number beside a DOUBLE. A FLOAT column stays as it is: DuckDB widens it, and its statistics still help."""
    return value.sql if value.kind is Kind.DOUBLE else double(value)


def _temporal(left: Value, right: Value) -> tuple[str, str] | None:
    kinds = {left.kind, right.kind}
    if not kinds <= TEMPORAL | {Kind.TEXT}:
        return None
    if Kind.TIME in kinds and kinds <= {Kind.TIME, Kind.TEXT}:
        return as_time(left), as_time(right)
    if kinds == {Kind.DATE}:
        return left.sql, right.sql
    return as_datetime(left), as_datetime(right)


def as_datetime(value: Value) -> str:
    """The value as TIMESTAMP; NULL where it is none."""
    if value.kind is Kind.DATETIME:
        return value.sql
    if value.kind is Kind.DATE:
        return f"CAST({value.sql} AS TIMESTAMP)"
    return f"qserv_datetime({text(value)})"


def as_time(value: Value) -> str:
    if value.kind is Kind.TIME:
        return value.sql
    return f"CAST({value.sql} AS TIME)" if value.kind is Kind.DATETIME else f"TRY_CAST({text(value)} AS TIME)"


def as_date(value: Value) -> str:
    """The value as DATE; NULL where it is none."""
    if value.kind is Kind.DATE:
        return value.sql
    return f"CAST({as_datetime(value)} AS DATE)"


@handles(exp.And)
def _and(translator: Translator, node: exp.And) -> Value:
    return Value(" AND ".join(boolean(translator.value(each)) for each in node.flatten()).join("()"), BOOL)


@handles(exp.Or)
def _or(translator: Translator, node: exp.Or) -> Value:
    return Value(" OR ".join(boolean(translator.value(each)) for each in node.flatten()).join("()"), BOOL)


@handles(exp.Xor)
def _xor(translator: Translator, node: exp.Xor) -> Value:
    left, right = boolean(translator.value(node.this)), boolean(translator.value(node.expression))
    return Value(f"({left} <> {right})", BOOL)


@handles(exp.Not)
def _not(translator: Translator, node: exp.Not) -> Value:
    return Value(f"(NOT {boolean(translator.value(node.this))})", BOOL)


@handles(exp.Is)
def _is(translator: Translator, node: exp.Is) -> Value:
    value = translator.value(node.this)
    if isinstance(node.expression, exp.Null):
        return Value(f"({value.sql} IS NULL)", BOOL)
    if isinstance(node.expression, exp.Boolean):
        return Value(f"({boolean(value)} IS NOT DISTINCT FROM {'true' if node.expression.this else 'false'})", BOOL)
    raise Unsupported("IS takes NULL, TRUE, FALSE or UNKNOWN")


@handles(exp.Between)
def _between(translator: Translator, node: exp.Between) -> Value:
    value = translator.value(node.this)
    low, high = translator.value(node.args["low"]), translator.value(node.args["high"])
    return Value(f"({compared(value, low, '>=').sql} AND {compared(value, high, '<=').sql})", BOOL)


@handles(exp.In)
def _in(translator: Translator, node: exp.In) -> Value:
    if node.args.get("query") is not None:
        return _in_query(translator, node)
    if isinstance(node.this, exp.Tuple):
        rows = [_tuples(translator, exp.EQ(this=node.this.copy(), expression=row.copy())) for row in node.expressions]
        return Value(" OR ".join(row.sql for row in rows).join("()"), BOOL)
    value, found = translator.value(node.this), translator.values(node.expressions)
    same = {each.kind for each in found} <= INTEGERS and value.kind in INTEGERS
    texts = value.kind is Kind.TEXT and all(each.kind is Kind.TEXT for each in found)
    if same or texts:
        pairs = [comparable(value, each) for each in found]
        return Value(f"({pairs[0][0]} IN ({', '.join(second for _, second in pairs)}))", BOOL)
    return Value(" OR ".join(compared(value, each, "=").sql for each in found).join("()"), BOOL)


def _in_query(translator: Translator, node: exp.In) -> Value:
    left = node.this.expressions if isinstance(node.this, exp.Tuple) else [node.this]
    values = translator.values(left)
    rows = translator.planner.subquery(node.args["query"], translator.scope, values)
    if len(rows.columns) != len(values):
        raise Unsupported(f"Operand should contain {len(values)} column(s)")
    pairs = []
    for index, value in enumerate(values):
        pairs.append(comparable(value, Value(f"q.c{index}", rows.columns[index][1])))
    firsts, seconds = (", ".join(side) for side in zip(*pairs, strict=True))
    left_sql = firsts if len(values) == 1 else f"({firsts})"
    right = seconds if len(values) == 1 else f"({seconds})"
    return Value(f"({left_sql} IN (SELECT {right} FROM ({rows.sql}) AS q))", BOOL)
