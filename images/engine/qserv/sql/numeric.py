"""Numeric functions."""

from __future__ import annotations

from sqlglot import exp

from qserv.catalog.errors import Unsupported
from qserv.sql.translate import Translator, function, handles
from qserv.sql.values import (
    BIGINT,
    BINARY,
    DOUBLE,
    EXACT,
    INT,
    INTEGERS,
    TEXT,
    UBIGINT,
    Kind,
    Type,
    Value,
    coerced,
    decimal,
    double,
    exact,
    integer,
    number,
    shown,
    widest,
)

_PLAIN: dict[type[exp.Expr], str] = {
    exp.Sin: "sin",
    exp.Cos: "cos",
    exp.Tan: "tan",
    exp.Radians: "radians",
    exp.Degrees: "degrees",
    exp.Exp: "exp",
}
_GUARDED: dict[type[exp.Expr], tuple[str, str]] = {
    exp.Asin: ("asin", "abs({0}) <= 1"),
    exp.Acos: ("acos", "abs({0}) <= 1"),
    exp.Sqrt: ("sqrt", "{0} >= 0"),
    exp.Ln: ("ln", "{0} > 0"),
}
"""Functions that are NULL outside of their domain."""

_BIGINT_DIGITS = 18
"""Digits of a whole number that a BIGINT surely holds."""


@handles(*_PLAIN)
def _plain(translator: Translator, node: exp.Func) -> Value:
    return Value(f"{_PLAIN[type(node)]}({double(translator.value(node.this))})", DOUBLE)


@handles(*_GUARDED)
def _guarded(translator: Translator, node: exp.Func) -> Value:
    name, domain = _GUARDED[type(node)]
    argument = double(translator.value(node.this))
    return Value(_within(name, argument, domain), DOUBLE)


def _within(name: str, argument: str, domain: str) -> str:
    """A function, NULL outside of its domain. A CASE of the argument costs less than one of the function's results."""
    return f"{name}(CASE WHEN {domain.replace('{0}', argument)} THEN {argument} END)"


@handles(exp.Log)
def _log(translator: Translator, node: exp.Log) -> Value:
    base, argument = translator.value(node.this), double(translator.value(node.expression))
    if base.constant in (2, 10):
        return Value(_within(f"log{base.constant}", argument, "{0} > 0"), DOUBLE)
    power = double(base)
    return Value(
        f"CASE WHEN {argument} > 0 AND {power} > 0 AND {power} <> 1 THEN ln({argument}) / ln({power}) END", DOUBLE
    )


@handles(exp.Atan)
def _atan(translator: Translator, node: exp.Atan) -> Value:
    if node.expression is not None and not isinstance(node.expression, str):
        return _atan2(translator, node)
    return Value(f"atan({double(translator.value(node.this))})", DOUBLE)


@handles(exp.Atan2)
def _atan2(translator: Translator, node: exp.Func) -> Value:
    first, second = translator.value(node.this), translator.value(node.expression)
    return Value(f"atan2({double(first)}, {double(second)})", DOUBLE)


@handles(exp.Cot)
def _cot(translator: Translator, node: exp.Cot) -> Value:
    return Value(f"(1 / tan({double(translator.value(node.this))}))", DOUBLE)


@handles(exp.Pi)
def _pi(translator: Translator, node: exp.Pi) -> Value:
    return Value("pi()", shown(6))


@handles(exp.Pow)
def _power(translator: Translator, node: exp.Pow) -> Value:
    base, exponent = double(translator.value(node.this)), double(translator.value(node.expression))
    return Value(f"qserv_in_range(pow({base}, {exponent}))", DOUBLE)


@handles(exp.Abs)
def _abs(translator: Translator, node: exp.Abs) -> Value:
    value = number(translator.value(node.this))
    return Value(f"abs({widest(value)})", Type(value.kind, value.type.digits, value.type.scale), inner=value.inner)


@handles(exp.Sign)
def _sign(translator: Translator, node: exp.Sign) -> Value:
    return Value(f"CAST(sign({number(translator.value(node.this)).sql}) AS INTEGER)", INT)


@handles(exp.Floor, exp.Ceil)
def _whole(translator: Translator, node: exp.Func) -> Value:
    value = number(translator.value(node.this))
    name = "floor" if isinstance(node, exp.Floor) else "ceil"
    if value.kind in INTEGERS:
        return Value(widest(value), Type(value.kind, value.type.digits))
    if value.kind is Kind.DECIMAL:
        digits = value.type.digits - value.type.scale + 1
        type_ = decimal(digits, 0) if digits > _BIGINT_DIGITS else Type(Kind.INT, digits)
        return Value(f"CAST({name}({value.sql}) AS {type_.duckdb})", type_)
    return Value(f"{name}({double(value)})", shown(0))


@handles(exp.Round, exp.Trunc)
def _round(translator: Translator, node: exp.Func) -> Value:
    """To some decimals (negative: to tens), half away from zero; a DOUBLE half to even, as the C library rounds it."""
    value = number(translator.value(node.this))
    given = node.args.get("decimals")
    places = translator.value(given) if given is not None else Value("0", INT, constant=0)
    name = "round" if isinstance(node, exp.Round) else "trunc"
    if value.kind is Kind.DOUBLE:
        type_ = shown(max(0, places.constant)) if isinstance(places.constant, int) else DOUBLE
        return Value(f"qserv_{name}({double(value)}, CAST({integer(places)} AS INTEGER))", type_)
    if not isinstance(places.constant, int):
        return Value(f"qserv_{name}({double(value)}, CAST({integer(places)} AS INTEGER))", DOUBLE)
    return _exact_round(value, places.constant, name)


def _exact_round(value: Value, places: int, name: str) -> Value:
    scale = max(0, min(places, value.decimals))
    if value.kind in INTEGERS and places >= 0:
        return Value(widest(value), Type(value.kind, value.type.digits))
    type_ = (
        Type(value.kind, value.type.digits)
        if value.kind in INTEGERS
        else decimal(value.type.digits - value.type.scale + scale + (name == "round"), scale)
    )
    source = exact(value)
    if places >= 0:
        sql = source if name == "round" else f"trunc({source}, {scale})"
        return Value(f"CAST({sql} AS DECIMAL(38,{scale}))", type_)
    unit = 10 ** min(-places, 30)
    whole = f"CAST(trunc({source}) AS HUGEINT)"
    half = f" + {unit // 2} * CAST(sign({source}) AS HUGEINT)" if name == "round" else ""
    return Value(f"CAST(((({whole}){half}) // {unit}) * {unit} AS {type_.duckdb})", type_)


@handles(exp.Rand)
def _random(translator: Translator, node: exp.Rand) -> Value:
    if node.this is not None:
        raise Unsupported("RAND takes no seed here: batches of chunks run in any order")
    return Value("random()", DOUBLE)


@handles(exp.BitwiseCount)
def _bit_count(translator: Translator, node: exp.BitwiseCount) -> Value:
    from qserv.sql.arithmetic import unsigned_bits

    return Value(f"CAST(bit_count({unsigned_bits(translator.value(node.this))}) AS BIGINT)", BIGINT)


@function("crc32", least=1)
def _crc32(value: Value) -> Value:
    return Value(f"qserv_crc32({coerced(value, BINARY)})", UBIGINT)


@function("bin", least=1)
def _bin(value: Value) -> Value:
    return Value(f"qserv_bin({_bits(value)})", TEXT)


@function("oct", least=1)
def _oct(value: Value) -> Value:
    return Value(f"qserv_oct({_bits(value)})", TEXT)


def _bits(value: Value) -> str:
    from qserv.sql.arithmetic import unsigned_bits

    return unsigned_bits(value)


@handles(exp.Hex)
def _hex(translator: Translator, node: exp.Hex) -> Value:
    value = translator.value(node.this)
    if value.kind in (Kind.TEXT, Kind.BINARY):
        return Value(f"upper(hex({value.sql}))", TEXT)
    return Value(f"upper(to_hex({_bits(value)}))", TEXT)


@handles(exp.NumberToStr)
def _format(translator: Translator, node: exp.NumberToStr) -> Value:
    places = translator.value(node.args["format"])
    if not isinstance(places.constant, int):
        raise Unsupported("FORMAT takes a constant number of decimals")
    value = number(translator.value(node.this))
    decimals = max(0, places.constant)
    if value.kind in EXACT:
        return Value(f"qserv_grouped(CAST(CAST({exact(value)} AS DECIMAL(38,{decimals})) AS VARCHAR))", TEXT)
    return Value(f"format('{{:,.{decimals}f}}', qserv_round({double(value)}, {decimals}))", TEXT)
