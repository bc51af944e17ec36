"""Conditions (IF, CASE, COALESCE …) and conversions between types."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from qserv.catalog.errors import Unsupported
from qserv.sql.arithmetic import unsigned_bits
from qserv.sql.comparisons import as_date, as_datetime, as_time, compared
from qserv.sql.translate import Translator, handles
from qserv.sql.values import (
    BIGINT,
    BOOL,
    DATE,
    DOUBLE,
    EXACT,
    INT,
    INTEGERS,
    MAX_DIGITS,
    NULL,
    STRINGS,
    TEMPORAL,
    TEXT,
    UBIGINT,
    Kind,
    Type,
    Value,
    boolean,
    coerced,
    common,
    decimal,
    double,
    number,
    quote,
    text,
)

_BIGINT_MAX = (1 << 63) - 1


@handles(exp.If)
def _if(translator: Translator, node: exp.If) -> Value:
    return cases(
        [(translator.value(node.this), translator.value(node.args["true"]))], _other(translator, node, "false")
    )


def _other(translator: Translator, node: exp.Expr, argument: str) -> Value:
    found = node.args.get(argument)
    return translator.value(found) if found is not None else Value("NULL", NULL)


@handles(exp.Case)
def _case(translator: Translator, node: exp.Case) -> Value:
    subject = translator.value(node.this) if node.this is not None else None
    branches = []
    for branch in node.args["ifs"]:
        condition = translator.value(branch.this)
        if subject is not None:
            condition = compared(subject, condition, "=")
        branches.append((condition, translator.value(branch.args["true"])))
    return cases(branches, _other(translator, node, "default"))


def cases(branches: list[tuple[Value, Value]], other: Value) -> Value:
    type_ = common([value.type for _, value in branches] + [other.type])
    parts = [f"WHEN {boolean(condition)} THEN {coerced(value, type_)}" for condition, value in branches]
    return Value(f"CASE {' '.join(parts)} ELSE {coerced(other, type_)} END", type_)


@handles(exp.Nvl2)
def _nvl2(translator: Translator, node: exp.Nvl2) -> Value:
    there = Value(f"({translator.value(node.this).sql} IS NOT NULL)", BOOL)
    return cases([(there, translator.value(node.args["true"]))], _other(translator, node, "false"))


@handles(exp.Interval)
def _bin(translator: Translator, node: exp.Interval) -> Value:
    """``INTERVAL(n, a, b, …)``: how many of the rising bounds are at most n; -1 of NULL."""
    if not isinstance(node.this, exp.Tuple) or len(node.this.expressions) < 2:
        raise Unsupported("INTERVAL is a step of time after + or -, or INTERVAL(n, bound, …)")
    value, *bounds = translator.values(node.this.expressions)
    parts = [f"WHEN {compared(value, bound, '<').sql} THEN {place}" for place, bound in enumerate(bounds)]
    return Value(f"CASE WHEN {value.sql} IS NULL THEN -1 {' '.join(parts)} ELSE {len(bounds)} END", INT)


@handles(exp.Coalesce)
def _coalesce(translator: Translator, node: exp.Coalesce) -> Value:
    found = translator.values([node.this, *node.expressions])
    type_ = common([value.type for value in found])
    return Value(f"coalesce({', '.join(coerced(value, type_) for value in found)})", type_)


@handles(exp.Nullif)
def _nullif(translator: Translator, node: exp.Nullif) -> Value:
    left, right = translator.value(node.this), translator.value(node.expression)
    type_ = common([left.type])
    equal = compared(left, right, "=").sql
    return Value(f"CASE WHEN {equal} THEN NULL ELSE {coerced(left, type_)} END", type_)


@handles(exp.Greatest, exp.Least)
def _extreme(translator: Translator, node: exp.Func) -> Value:
    found = translator.values([node.this, *node.expressions])
    type_ = common([value.type for value in found])
    kinds = {value.kind for value in found}
    if kinds & STRINGS and kinds & (EXACT | {Kind.DOUBLE}):
        type_ = DOUBLE  # a text beside a number is compared as one
    dated = common([value.type for value in found if value.kind in TEMPORAL])
    if dated.kind in TEMPORAL:
        type_ = dated
    if kinds != {Kind.DOUBLE}:
        type_ = replace(type_, narrow=False)
    parts = [_dated(value, type_.kind) or coerced(value, type_) for value in found]
    nulls = " OR ".join(f"{part} IS NULL" for part in parts)
    if type_.kind is Kind.TEXT:
        chosen = f"qserv_{'greatest' if isinstance(node, exp.Greatest) else 'least'}_text([{', '.join(parts)}])"
    else:
        chosen = f"{'greatest' if isinstance(node, exp.Greatest) else 'least'}({', '.join(parts)})"
    return Value(f"CASE WHEN {nulls} THEN NULL ELSE {chosen} END", type_)


def _dated(value: Value, kind: Kind) -> str | None:
    """What is no time but stands beside one, as one."""
    if kind not in TEMPORAL or value.kind in TEMPORAL or value.kind is Kind.NULL:
        return None
    return {Kind.DATE: as_date, Kind.TIME: as_time, Kind.DATETIME: as_datetime}[kind](value)


@handles(exp.Cast, exp.TryCast)
def _cast(translator: Translator, node: exp.Cast) -> Value:
    value = translator.value(node.this)
    to: exp.DataType = node.args["to"]
    sizes = [int(each.this.name) for each in to.expressions if isinstance(each, exp.DataTypeParam)]
    return cast(value, to.this, sizes)


def cast(value: Value, to: exp.DType, sizes: list[int]) -> Value:
    kinds = exp.DType
    if value.kind is Kind.NULL:
        return value
    if to in (kinds.BIGINT, kinds.INT):
        return Value(_signed(value), BIGINT)
    if to in (kinds.UBIGINT, kinds.UINT):
        return Value(
            unsigned_bits(Value(_whole(value, "BIGINT"), BIGINT)) if value.kind is not Kind.UINT else value.sql, UBIGINT
        )
    if to in (kinds.DOUBLE, kinds.FLOAT):
        return Value(double(value), DOUBLE)
    if to is kinds.DECIMAL:
        digits, scale = (*sizes, 0)[:2] if sizes else (10, 0)
        digits = min(digits, MAX_DIGITS)
        most = f"{10 ** (digits - scale) - 1}.{'9' * scale}"
        sql = _nearest(number(value).sql, f"DECIMAL({digits},{scale})", f"'{most}'", f"'-{most}'")
        return Value(sql, decimal(digits, scale))
    if to in (kinds.CHAR, kinds.VARCHAR, kinds.TEXT, kinds.NCHAR, kinds.CHARACTER_SET):
        return Value(f"left({text(value)}, {sizes[0]})" if sizes else text(value), TEXT)
    if to in (kinds.BINARY, kinds.VARBINARY):
        return Value(coerced(value, Type(Kind.BINARY)), Type(Kind.BINARY))
    if to is kinds.DATE:
        return Value(as_date(value), DATE)
    if to in (kinds.DATETIME, kinds.TIMESTAMP, kinds.TIMESTAMPTZ):
        return _cut(as_datetime(value), Kind.DATETIME, *sizes)
    if to is kinds.TIME:
        return _cut(as_time(value), Kind.TIME, *sizes)
    raise Unsupported(f"CAST to {to.value} is not supported")


def _cut(time: str, kind: Kind, digits: int = 0) -> Value:
    """A time with so many digits after its seconds; MariaDB cuts the others off."""
    return Value(f"qserv_cut({time}, {10 ** (6 - digits)})" if digits < 6 else time, Type(kind, scale=digits))


def _signed(value: Value) -> str:
    found = number(value)
    if found.kind is Kind.UINT:
        return f"qserv_signed({found.sql})"
    if value.kind in STRINGS or found.kind in INTEGERS:
        return _whole(value, "BIGINT")
    return _nearest(f"round({found.sql})", "BIGINT", str(_BIGINT_MAX), str(-_BIGINT_MAX - 1))


def _nearest(sql: str, type_: str, most: str, least: str) -> str:
    """A number in a type, or the end of the type's range that it is beyond."""
    end = f"CASE WHEN {sql} > 0 THEN {most} WHEN {sql} < 0 THEN {least} END"
    return f"coalesce(TRY_CAST({sql} AS {type_}), CAST({end} AS {type_}))"


def _whole(value: Value, type_: str) -> str:
    if value.kind in STRINGS:
        return f"qserv_integer({text(value)})"
    found = number(value)
    if found.kind in EXACT and found.kind is not Kind.DECIMAL:
        return f"CAST({found.sql} AS {type_})"
    return f"CAST(round({found.sql}) AS {type_})"


@handles(exp.Collate)
def _collate(translator: Translator, node: exp.Collate) -> Value:
    value = translator.value(node.this)
    if node.expression.name.lower().endswith("_bin"):
        return Value(coerced(value, Type(Kind.BINARY)), Type(Kind.BINARY))
    return value


@handles(exp.CurrentSchema)
def _database(translator: Translator, node: exp.CurrentSchema) -> Value:
    database = translator.planner.database
    return Value(quote(database), TEXT) if database else Value("NULL", NULL)
