"""Aggregates in two steps: what each batch of chunks reduces its rows to, and how the merge combines that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlglot import exp

from qserv.catalog.errors import Unsupported, WrongArguments
from qserv.sql.arithmetic import divided, unsigned_bits
from qserv.sql.constants import constant_number
from qserv.sql.translate import Translator
from qserv.sql.values import (
    BIGINT,
    DIVISION_DIGITS,
    DOUBLE,
    TEXT,
    UBIGINT,
    Kind,
    Type,
    Value,
    decimal,
    double,
    finished,
    key,
    number,
    quote,
    shown,
    text,
)


@dataclass
class Reduction:
    """The columns of the inner statement of a grouped query.

    ``whole``: its rows are not grouped but handed on (some aggregate needs them all), and the outer statement does
    the whole work; otherwise it groups by ``keys`` and computes ``partials``. ``over`` makes window
    functions of aggregates, in place.
    """

    whole: bool
    over: str = ""
    keys: list[str] = field(default_factory=list)
    partials: list[str] = field(default_factory=list)

    def key(self, sql: str) -> str:
        """A column by which the inner statement groups (or, of whole rows, the outer one); its name."""
        if self.whole:
            return self.column(sql)
        if sql not in self.keys:
            self.keys.append(sql)
        return f"g{self.keys.index(sql)}"

    def column(self, sql: str) -> str:
        if sql not in self.partials:
            self.partials.append(sql)
        return f"p{self.partials.index(sql)}"

    def reduce(self, first: str, then: str, argument: str) -> str:
        """The outer SQL of an aggregate: ``first`` of rows in each batch, ``then`` of what they gave.

        Both are templates with ``{0}`` for the argument; in ``first``, ``{over}`` follows each call of an aggregate.
        """
        if self.over:
            return _filled(first, argument, self.over)
        if self.whole:
            return _filled(first, self.column(argument))
        return _filled(then, self.column(_filled(first, argument)))

    def written(self) -> tuple[str, str]:
        """The inner statement's select list, and its GROUP BY."""
        names = [f"{sql} AS g{index}" for index, sql in enumerate(self.keys)]
        names += [f"{sql} AS p{index}" for index, sql in enumerate(self.partials)]
        return ", ".join(names) or "1 AS p0", f" GROUP BY {', '.join(self.keys)}" if self.keys else ""


def _filled(template: str, argument: str, over: str = "") -> str:
    return template.replace("{over}", over).replace("{0}", argument)


_COUNT = ("count({0}){over}", "CAST(coalesce(sum({0}), 0) AS BIGINT)")
_MOMENTS = (
    "struct_pack(n := count({0}){over}, m := avg({0}){over}, s := coalesce(var_pop({0}){over}, 0) * count({0}){over})",
    "qserv_moments(list({0}))",
)
_SPREADS: dict[type[exp.Expr], str] = {
    exp.StddevPop: "sqrt({0}.s / {0}.n)",
    exp.Stddev: "sqrt({0}.s / {0}.n)",
    exp.VariancePop: "({0}.s / {0}.n)",
    exp.StddevSamp: "sqrt({0}.s / greatest({0}.n - 1, 0))",
    exp.Variance: "({0}.s / greatest({0}.n - 1, 0))",
}
_BITS: dict[type[exp.Expr], tuple[str, int]] = {
    exp.BitwiseAndAgg: ("bit_and({0})", (1 << 64) - 1),
    exp.BitwiseOrAgg: ("bit_or({0})", 0),
    exp.BitwiseXorAgg: ("bit_xor({0})", 0),
}


def is_aggregate(node: exp.Expr) -> bool:
    """Whether a node is a call of an aggregate, MySQL's or scisql's."""
    return isinstance(node, exp.AggFunc) or _statistic(node) is not None


def _statistic(node: exp.Expr) -> str | None:
    """``median`` or ``percentile``, where a node is a call of one of scisql's statistics."""
    if isinstance(node, exp.Median):
        return "median"
    called = node.name.lower().removeprefix("scisql_") if isinstance(node, exp.Anonymous) else ""
    return called if called in ("median", "percentile") else None


def needs_rows(node: exp.Expr) -> bool:
    """Whether an aggregate can only be computed from all rows at once."""
    return isinstance(node, exp.GroupConcat) or _statistic(node) is not None


def _quantile(node: exp.Expr, statistic: str, rows: Translator, into: Reduction) -> Value:
    """The value that a share of the group's values is below, between two of them by linear interpolation."""
    arguments = [node.this] if isinstance(node, exp.Median) else node.expressions
    if len(arguments) != (2 if statistic == "percentile" else 1):
        raise WrongArguments(f"Incorrect parameter count in the call to '{statistic}'")
    percent = constant_number(arguments[1]) if statistic == "percentile" else 50
    if percent is None or not 0 <= percent <= 100:
        raise WrongArguments("percentile takes a value and a constant from 0 to 100")
    return Value(f"quantile_cont({into.column(double(rows.value(arguments[0])))}, {percent / 100!r})", DOUBLE)


def aggregate(node: exp.Expr, rows: Translator, into: Reduction) -> Value:
    """An aggregate's value in the outer statement; ``rows`` translates its arguments over the rows of FROM."""
    statistic = _statistic(node)
    if statistic is not None:
        return _quantile(node, statistic, rows, into)
    if not isinstance(node, exp.AggFunc):
        raise Unsupported(f"{node.sql(dialect='mysql')} is no aggregate")
    handler = _AGGREGATES.get(type(node))
    if handler is not None:
        return handler(node, rows, into)
    if type(node) in _SPREADS:
        argument = number(rows.value(node.this))
        moments = into.reduce(*_MOMENTS, double(argument))
        return Value(_SPREADS[type(node)].replace("{0}", f"({moments})"), shown(argument.type.scale + DIVISION_DIGITS))
    if type(node) in _BITS:
        template, empty = _BITS[type(node)]
        reduced = into.reduce(f"{template}{{over}}", template, unsigned_bits(rows.value(node.this)))
        return Value(f"coalesce({reduced}, {empty}::UBIGINT)", UBIGINT)
    raise Unsupported(f"the aggregate {node.sql_name()} is not supported")


def _distinct(node: exp.AggFunc) -> list[exp.Expr] | None:
    return node.this.expressions if isinstance(node.this, exp.Distinct) else None


def _count(node: exp.AggFunc, rows: Translator, into: Reduction) -> Value:
    distinct = _distinct(node)
    if distinct is not None:
        names = [into.key(key(rows.value(each))) for each in distinct]
        if len(names) == 1:
            return Value(f"count(DISTINCT {names[0]})", BIGINT)
        present = " AND ".join(f"{each} IS NOT NULL" for each in names)
        return Value(f"count(DISTINCT ({', '.join(names)})) FILTER (WHERE {present})", BIGINT)
    argument = "1" if isinstance(node.this, exp.Star) else rows.value(node.this).sql
    first = ("count(*){over}" if argument == "1" else _COUNT[0], _COUNT[1])
    return Value(into.reduce(*first, argument), BIGINT)


_ROWS_DIGITS = 12
"""Digits by which a sum may be longer than what is summed: of more rows than there will be."""


def _summed(value: Value) -> tuple[str, Type]:
    if value.kind is Kind.DOUBLE:
        return double(value), shown(value.type.scale)
    return value.sql, decimal(max(value.type.digits + _ROWS_DIGITS, 27 + value.type.scale), value.type.scale)


def _sum(node: exp.AggFunc, rows: Translator, into: Reduction) -> Value:
    distinct = _distinct(node)
    sql, type_ = _summed(number(rows.value(distinct[0] if distinct else node.this)))
    if distinct is not None:
        return Value(f"CAST(sum(DISTINCT {into.key(sql)}) AS {type_.duckdb})", type_)
    first = "sum({0}){over}" if type_.kind is Kind.DOUBLE else f"CAST(sum({{0}}){{over}} AS {type_.duckdb})"
    return Value(into.reduce(first, "sum({0})", sql), type_)


def _avg(node: exp.AggFunc, rows: Translator, into: Reduction) -> Value:
    distinct = _distinct(node)
    total = _sum(node, rows, into)
    argument = number(rows.value(distinct[0] if distinct is not None else node.this))
    if distinct is not None:
        count = f"count(DISTINCT {into.key(_summed(argument)[0])})"
    else:
        count = into.reduce(*_COUNT, _summed(argument)[0])
    mean = divided(total, Value(count, Type(Kind.INT, 20)))
    if mean.kind is Kind.DOUBLE:
        return mean
    type_ = decimal(argument.type.digits + DIVISION_DIGITS, mean.type.scale)
    # MariaDB divides once more where the mean is used as a DOUBLE, instead of taking the rounded exact one.
    return replace(mean, type=type_, real=f"({double(total)} / {count})")


def _extreme(node: exp.AggFunc, rows: Translator, into: Reduction) -> Value:
    distinct = _distinct(node)
    value = finished(rows.value(distinct[0] if distinct else node.this))
    least = isinstance(node, exp.Min)
    if value.kind is Kind.TEXT:
        template = f"arg_{'min' if least else 'max'}({{0}}, qserv_fold({{0}}))"
    else:
        template = "min({0})" if least else "max({0})"
    return Value(into.reduce(f"{template}{{over}}", template, value.sql), value.type)


def any_value(value: Value, into: Reduction) -> Value:
    """A column that is neither grouped nor aggregated: MySQL answers with that of some row of the group."""
    found = finished(value)
    return Value(into.reduce("any_value({0}){over}", "any_value({0})", found.sql), found.type)


def _any(node: exp.AggFunc, rows: Translator, into: Reduction) -> Value:
    return any_value(rows.value(node.this), into)


def _group_concat(node: exp.GroupConcat, rows: Translator, into: Reduction) -> Value:
    inner = node.this
    order: list[exp.Ordered] = []
    if isinstance(inner, exp.Order):
        inner, order = inner.this, inner.expressions
    distinct = isinstance(inner, exp.Distinct)
    parts = inner.expressions if isinstance(inner, exp.Distinct) else [inner]
    texts = [text(rows.value(part)) for part in parts]
    joined = texts[0] if len(texts) == 1 else f"({' || '.join(texts)})"
    value = into.column(joined)
    keys = [
        f"{into.column(key(rows.value(each.this)))} {'DESC NULLS LAST' if each.args.get('desc') else 'ASC NULLS FIRST'}"
        for each in order
    ]
    separator = node.args.get("separator")
    mark = quote(separator.name if separator is not None else ",")
    if distinct:
        listed = f"list({value}{_by(keys)})" if keys else f"list(DISTINCT {value})"
        return Value(f"array_to_string(qserv_distinct_texts({listed}), {mark})", TEXT)
    return Value(f"string_agg({value}, {mark}{_by(keys)})", TEXT)


def _by(keys: list[str]) -> str:
    return f" ORDER BY {', '.join(keys)}" if keys else ""


_AGGREGATES: dict[type[exp.Expr], Callable[..., Value]] = {
    exp.Count: _count,
    exp.Sum: _sum,
    exp.Avg: _avg,
    exp.Min: _extreme,
    exp.Max: _extreme,
    exp.AnyValue: _any,
    exp.GroupConcat: _group_concat,
}
