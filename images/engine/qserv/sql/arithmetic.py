"""Literals, arithmetic and bit operators."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from sqlglot import exp

from qserv.sql.translate import Translator, handles
from qserv.sql.values import (
    BIGINT,
    BINARY,
    DIVISION_DIGITS,
    DOUBLE,
    INTEGERS,
    MAX_DIGITS,
    NULL,
    TEXT,
    UBIGINT,
    Kind,
    Type,
    Value,
    decimal,
    double,
    exact,
    integer,
    number,
    quote,
    shown,
    widest,
)

_BIGINT_MAX = (1 << 63) - 1
_UBIGINT_MAX = (1 << 64) - 1


@handles(exp.Literal)
def _literal(translator: Translator, node: exp.Literal) -> Value:
    written = str(node.this)
    if node.is_string:
        return Value(quote(written), TEXT, constant=written)
    return literal_number(written)


def literal_number(written: str) -> Value:
    """A number as MySQL types it: whole ones as integers, with a point as DECIMAL, with an exponent as DOUBLE."""
    if "e" in written.lower():
        return Value(f"{float(written)!r}::DOUBLE", DOUBLE, constant=float(written))
    if "." not in written:
        whole = int(written)
        if whole <= _UBIGINT_MAX:
            type_ = Type(Kind.INT if whole <= _BIGINT_MAX else Kind.UINT, len(str(whole)))
            return Value(str(whole), type_, constant=whole)
        return Value(str(whole), decimal(len(str(whole)), 0), constant=float(whole))
    exponent = Decimal(written).as_tuple().exponent
    scale = -exponent if isinstance(exponent, int) else 0
    digits = max(len(written.replace(".", "").lstrip("0")), scale, 1)
    if digits > MAX_DIGITS:
        return Value(f"{float(written)!r}::DOUBLE", DOUBLE, constant=float(written))
    return Value(f"CAST('{written}' AS DECIMAL({digits},{scale}))", decimal(digits, scale), constant=float(written))


@handles(exp.Introducer)
def _introduced(translator: Translator, node: exp.Introducer) -> Value:
    """``_utf8mb4'text'``: all text is Unicode here."""
    return translator.value(node.expression)


@handles(exp.National)
def _national(translator: Translator, node: exp.National) -> Value:
    return Value(quote(node.name), TEXT, constant=node.name)


@handles(exp.Boolean)
def _boolean(translator: Translator, node: exp.Boolean) -> Value:
    return Value("1" if node.this else "0", Type(Kind.INT, 1), constant=int(bool(node.this)))


@handles(exp.Null)
def _null(translator: Translator, node: exp.Null) -> Value:
    return Value("NULL", NULL)


@handles(exp.HexString)
def _hexadecimal(translator: Translator, node: exp.HexString) -> Value:
    digits = str(node.this)
    digits = digits if len(digits) % 2 == 0 else "0" + digits
    # As a number it is what its bytes are, highest first; of more than 64 bits MySQL takes the lowest.
    return Value(f"unhex('{digits}')", BINARY, constant=int(digits or "0", 16) & _UBIGINT_MAX)


@handles(exp.BitString)
def _bits(translator: Translator, node: exp.BitString) -> Value:
    whole = int(str(node.this), 2)
    digits = f"{whole:0{-(-len(str(node.this)) // 8) * 2}x}"
    return Value(f"unhex('{digits}')", BINARY, constant=whole & _UBIGINT_MAX)


@handles(exp.Neg)
def _negative(translator: Translator, node: exp.Neg) -> Value:
    value = number(translator.value(node.this))
    if value.constant is not None and isinstance(value.constant, int | float):
        type_ = Type(Kind.INT, value.type.digits) if value.kind is Kind.UINT else value.type
        sql = f"(-{value.sql})" if value.kind is not Kind.UINT else f"CAST(-{value.constant} AS BIGINT)"
        return Value(sql, type_, constant=-value.constant)
    if value.kind is Kind.UINT:
        return Value(f"CAST(-CAST({value.sql} AS HUGEINT) AS BIGINT)", BIGINT)
    return Value(f"(-{widest(value)})", replace(value.type, narrow=False) if value.kind is not Kind.INT else BIGINT)


def _interval(translator: Translator, node: exp.Expr) -> bool:
    return isinstance(node.expression, exp.Interval) or isinstance(node.this, exp.Interval)


@handles(exp.Add, exp.Sub)
def _add(translator: Translator, node: exp.Binary) -> Value:
    sign = "+" if isinstance(node, exp.Add) else "-"
    if _interval(translator, node):
        from qserv.sql.intervals import moved

        base, interval = (node.this, node.expression)
        if isinstance(base, exp.Interval):
            base, interval = interval, base
        return moved(translator, base, interval.this, interval.text("unit"), sign)
    left, right = number(translator.value(node.this)), number(translator.value(node.expression))
    if Kind.DOUBLE in (left.kind, right.kind):
        return Value(f"({double(left)} {sign} {double(right)})", shown(max(left.type.scale, right.type.scale)))
    if Kind.DECIMAL in (left.kind, right.kind):
        scale = max(left.type.scale, right.type.scale)
        whole = max(left.type.digits - left.type.scale, right.type.digits - right.type.scale)
        sql = f"({exact(left)} {sign} {exact(right)})"
        return Value(sql, decimal(whole + scale + 1, scale), inner=max(left.decimals, right.decimals))
    return _integers(left, right, sign)


def _integers(left: Value, right: Value, sign: str) -> Value:
    if Kind.UINT in (left.kind, right.kind):
        sql = f"CAST(CAST({left.sql} AS HUGEINT) {sign} CAST({right.sql} AS HUGEINT) AS UBIGINT)"
        return Value(sql, UBIGINT)
    return Value(f"({widest(left)} {sign} {widest(right)})", BIGINT)


@handles(exp.Mul)
def _multiply(translator: Translator, node: exp.Mul) -> Value:
    left, right = number(translator.value(node.this)), number(translator.value(node.expression))
    if Kind.DOUBLE in (left.kind, right.kind):
        return Value(f"({double(left)} * {double(right)})", shown(max(left.type.scale, right.type.scale)))
    if Kind.DECIMAL in (left.kind, right.kind):
        scale = left.type.scale + right.type.scale
        inner = left.decimals + right.decimals
        if inner > 30:
            return Value(f"({double(left)} * {double(right)})", DOUBLE)
        sql = f"({exact(left)} * {exact(right)})"
        return Value(sql, decimal(left.type.digits + right.type.digits, scale), inner=inner)
    return _integers(left, right, "*")


@handles(exp.Div)
def _divide(translator: Translator, node: exp.Div) -> Value:
    return divided(number(translator.value(node.this)), number(translator.value(node.expression)))


def divided(left: Value, right: Value) -> Value:
    """``left / right``: exact numbers to a scale of four more digits (computed to whole groups of nine, as MySQL)."""
    if Kind.DOUBLE in (left.kind, right.kind):
        type_ = shown(max(left.type.scale, right.type.scale) + DIVISION_DIGITS)
        return Value(f"({double(left)} / {double(right)})", type_)
    scale = left.type.scale + DIVISION_DIGITS
    type_ = decimal(left.type.digits + DIVISION_DIGITS, scale)
    extra = left.decimals - left.type.scale
    inner = 9 * -(-(left.type.scale + right.type.scale + DIVISION_DIGITS) // 9)
    if left.type.digits + extra + inner + right.decimals - left.decimals > MAX_DIGITS:
        inner = scale + 1  # the digit by which the last one that is shown is rounded
    shift = inner + right.decimals - left.decimals
    if left.type.digits + extra + shift > MAX_DIGITS or inner > 27 or shift < 0:
        return Value(f"CAST({double(left)} / {double(right)} AS {type_.duckdb})", type_)
    above, below = _unscaled(left), _unscaled(right)
    unit = f"0.{1:0{inner}d}"
    quotient = f"(({above} * {10**shift}::HUGEINT) // {below})"
    sql = f"(CAST({quotient} AS DECIMAL(38,0)) * CAST('{unit}' AS DECIMAL({inner},{inner})))"
    return Value(sql, type_, inner=inner)


def _unscaled(value: Value) -> str:
    if value.decimals == 0:
        return f"CAST({value.sql} AS HUGEINT)"
    return f"CAST({exact(value)} * {10**value.decimals} AS HUGEINT)"


@handles(exp.IntDiv)
def _integer_divide(translator: Translator, node: exp.IntDiv) -> Value:
    left, right = number(translator.value(node.this)), number(translator.value(node.expression))
    unsigned = Kind.UINT in (left.kind, right.kind)
    type_ = UBIGINT if unsigned else BIGINT
    if left.kind in INTEGERS and right.kind in INTEGERS:
        if not unsigned:
            return Value(f"({widest(left)} // {widest(right)})", type_)
        quotient = f"(CAST({left.sql} AS HUGEINT) // CAST({right.sql} AS HUGEINT))"
        return Value(f"CAST({quotient} AS UBIGINT)", type_)
    if Kind.DOUBLE in (left.kind, right.kind):
        return Value(f"CAST(trunc({double(left)} / {double(right)}) AS {type_.duckdb})", type_)
    scale = max(left.type.scale, right.type.scale)
    same = [_unscaled(Value(f"CAST({each.sql} AS DECIMAL(38,{scale}))", decimal(38, scale))) for each in (left, right)]
    return Value(f"CAST({same[0]} // {same[1]} AS {type_.duckdb})", type_)


@handles(exp.Mod)
def _modulo(translator: Translator, node: exp.Mod) -> Value:
    left, right = number(translator.value(node.this)), number(translator.value(node.expression))
    if Kind.DOUBLE in (left.kind, right.kind):
        type_ = shown(max(left.type.scale, right.type.scale))
        return Value(f"({double(left)} % {double(right)})", type_)
    if Kind.DECIMAL in (left.kind, right.kind):
        scale = max(left.type.scale, right.type.scale)
        type_ = decimal(max(left.type.digits, right.type.digits), scale)
        same = [f"CAST({each.sql} AS DECIMAL(38,{scale}))" for each in (left, right)]
        return Value(f"({same[0]} % {same[1]})", type_)
    if Kind.UINT in (left.kind, right.kind):
        type_ = UBIGINT if left.kind is Kind.UINT else BIGINT
        remainder = f"(CAST({left.sql} AS HUGEINT) % CAST({right.sql} AS HUGEINT))"
        return Value(f"CAST({remainder} AS {type_.duckdb})", type_)
    return Value(f"({widest(left)} % {widest(right)})", BIGINT)


_BITS = {exp.BitwiseAnd: "&", exp.BitwiseOr: "|"}


def unsigned_bits(value: Value) -> str:
    """A number as the 64 bits that MySQL's bit operators work on."""
    found = number(value)
    if found.kind is Kind.UINT:
        return f"CAST({found.sql} AS UBIGINT)"
    return f"qserv_bits({integer(found)})"


@handles(exp.BitwiseAnd, exp.BitwiseOr)
def _bit_and_or(translator: Translator, node: exp.Binary) -> Value:
    left, right = translator.value(node.this), translator.value(node.expression)
    return Value(f"({unsigned_bits(left)} {_BITS[type(node)]} {unsigned_bits(right)})", UBIGINT)


@handles(exp.BitwiseXor)
def _bit_xor(translator: Translator, node: exp.Binary) -> Value:
    left, right = translator.value(node.this), translator.value(node.expression)
    return Value(f"xor({unsigned_bits(left)}, {unsigned_bits(right)})", UBIGINT)


@handles(exp.BitwiseNot)
def _bit_not(translator: Translator, node: exp.BitwiseNot) -> Value:
    return Value(f"(~{unsigned_bits(translator.value(node.this))})", UBIGINT)


@handles(exp.BitwiseLeftShift, exp.BitwiseRightShift)
def _shift(translator: Translator, node: exp.Binary) -> Value:
    left, right = translator.value(node.this), translator.value(node.expression)
    which = "left" if isinstance(node, exp.BitwiseLeftShift) else "right"
    return Value(f"qserv_shift_{which}({unsigned_bits(left)}, {integer(right)})", UBIGINT)
