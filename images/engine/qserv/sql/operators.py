"""Literals, arithmetic, comparisons, logic and conditions."""

from __future__ import annotations

from decimal import Decimal

from sqlglot import exp

from qserv.catalog.errors import Unsupported, WrongArguments
from qserv.sql.translate import Translator, handles
from qserv.sql.values import (
    BIGINT,
    BOOL,
    DATE,
    DATETIME,
    DIVISION_DIGITS,
    DOUBLE,
    EXACT,
    INTEGERS,
    MAX_DIGITS,
    NULL,
    STRINGS,
    TEMPORAL,
    TEXT,
    TIME,
    UBIGINT,
    Kind,
    Type,
    Value,
    boolean,
    coerced,
    common,
    decimal,
    double,
    exact,
    integer,
    key,
    number,
    quote,
    text,
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
    return Value(f"unhex('{digits}')", Type(Kind.BINARY))


@handles(exp.BitString)
def _bits(translator: Translator, node: exp.BitString) -> Value:
    return Value(str(int(str(node.this), 2)), UBIGINT, constant=int(str(node.this), 2))


@handles(exp.Neg)
def _negative(translator: Translator, node: exp.Neg) -> Value:
    value = translator.value(node.this)
    if value.constant is not None and isinstance(value.constant, int | float):
        type_ = Type(Kind.INT, value.type.digits) if value.kind is Kind.UINT else value.type
        sql = f"(-{value.sql})" if value.kind is not Kind.UINT else f"CAST(-{value.constant} AS BIGINT)"
        return Value(sql, type_, constant=-value.constant)
    found = number(value)
    if found.kind is Kind.UINT:
        return Value(f"CAST(-CAST({found.sql} AS HUGEINT) AS BIGINT)", BIGINT)
    return Value(f"(-{widest(found)})", found.type if found.kind is not Kind.INT else BIGINT)


def _interval(translator: Translator, node: exp.Expr) -> bool:
    return isinstance(node.expression, exp.Interval) or isinstance(node.this, exp.Interval)


@handles(exp.Add, exp.Sub)
def _add(translator: Translator, node: exp.Binary) -> Value:
    sign = "+" if isinstance(node, exp.Add) else "-"
    if _interval(translator, node):
        from qserv.sql.dates import moved

        base, interval = (node.this, node.expression)
        if isinstance(base, exp.Interval):
            base, interval = interval, base
        return moved(translator, base, interval.this, interval.text("unit"), sign)
    left, right = number(translator.value(node.this)), number(translator.value(node.expression))
    if Kind.DOUBLE in (left.kind, right.kind):
        return Value(f"({double(left)} {sign} {double(right)})", DOUBLE)
    if Kind.DECIMAL in (left.kind, right.kind):
        scale = max(left.type.scale, right.type.scale)
        whole = max(left.type.digits - left.type.scale, right.type.digits - right.type.scale)
        return Value(f"({exact(left)} {sign} {exact(right)})", decimal(whole + scale + 1, scale))
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
        return Value(f"({double(left)} * {double(right)})", DOUBLE)
    if Kind.DECIMAL in (left.kind, right.kind):
        scale = left.type.scale + right.type.scale
        if scale > 30:
            return Value(f"({double(left)} * {double(right)})", DOUBLE)
        return Value(f"({exact(left)} * {exact(right)})", decimal(left.type.digits + right.type.digits, scale))
    return _integers(left, right, "*")


@handles(exp.Div)
def _divide(translator: Translator, node: exp.Div) -> Value:
    return divided(number(translator.value(node.this)), number(translator.value(node.expression)))


def divided(left: Value, right: Value) -> Value:
    """``left / right``: exact numbers to a scale of four more digits (computed to whole groups of nine, as MySQL)."""
    if Kind.DOUBLE in (left.kind, right.kind):
        return Value(f"({double(left)} / nullif({double(right)}, 0))", DOUBLE)
    scale = left.type.scale + DIVISION_DIGITS
    type_ = decimal(left.type.digits + DIVISION_DIGITS, scale)
    inner = 9 * -(-(left.type.scale + right.type.scale + DIVISION_DIGITS) // 9)
    shift = inner + right.type.scale - left.type.scale
    if left.type.digits + shift > MAX_DIGITS or inner > 27:
        return Value(f"CAST({double(left)} / nullif({double(right)}, 0) AS {type_.duckdb})", type_)
    above, below = _unscaled(left), _unscaled(right)
    unit = f"0.{1:0{inner}d}"
    quotient = f"(({above} * {10**shift}::HUGEINT) // nullif({below}, 0))"
    return Value(f"(CAST({quotient} AS DECIMAL(38,0)) * CAST('{unit}' AS DECIMAL({inner},{inner})))", type_)


def _unscaled(value: Value) -> str:
    if value.type.scale == 0:
        return f"CAST({value.sql} AS HUGEINT)"
    return f"CAST({exact(value)} * {10**value.type.scale} AS HUGEINT)"


@handles(exp.IntDiv)
def _integer_divide(translator: Translator, node: exp.IntDiv) -> Value:
    left, right = number(translator.value(node.this)), number(translator.value(node.expression))
    unsigned = Kind.UINT in (left.kind, right.kind)
    type_ = UBIGINT if unsigned else BIGINT
    if left.kind in INTEGERS and right.kind in INTEGERS:
        if not unsigned:
            return Value(f"({widest(left)} // nullif({widest(right)}, 0))", type_)
        quotient = f"(CAST({left.sql} AS HUGEINT) // nullif(CAST({right.sql} AS HUGEINT), 0))"
        return Value(f"CAST({quotient} AS UBIGINT)", type_)
    if Kind.DOUBLE in (left.kind, right.kind):
        return Value(f"CAST(trunc({double(left)} / nullif({double(right)}, 0)) AS {type_.duckdb})", type_)
    scale = max(left.type.scale, right.type.scale)
    same = [_unscaled(Value(f"CAST({each.sql} AS DECIMAL(38,{scale}))", decimal(38, scale))) for each in (left, right)]
    return Value(f"CAST({same[0]} // nullif({same[1]}, 0) AS {type_.duckdb})", type_)


@handles(exp.Mod)
def _modulo(translator: Translator, node: exp.Mod) -> Value:
    left, right = number(translator.value(node.this)), number(translator.value(node.expression))
    if Kind.DOUBLE in (left.kind, right.kind):
        return Value(f"({double(left)} % nullif({double(right)}, 0))", DOUBLE)
    if Kind.DECIMAL in (left.kind, right.kind):
        scale = max(left.type.scale, right.type.scale)
        type_ = decimal(max(left.type.digits, right.type.digits), scale)
        same = [f"CAST({each.sql} AS DECIMAL(38,{scale}))" for each in (left, right)]
        return Value(f"({same[0]} % nullif({same[1]}, 0))", type_)
    if Kind.UINT in (left.kind, right.kind):
        type_ = UBIGINT if left.kind is Kind.UINT else BIGINT
        remainder = f"(CAST({left.sql} AS HUGEINT) % nullif(CAST({right.sql} AS HUGEINT), 0))"
        return Value(f"CAST({remainder} AS {type_.duckdb})", type_)
    return Value(f"({widest(left)} % nullif({widest(right)}, 0))", BIGINT)


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
    rows = translator.planner.subquery(right.this, translator.scope)
    if len(rows.columns) != 1:
        raise WrongArguments("Operand should contain 1 column(s)")
    first, second = comparable(translator.value(node.this), Value("q.c0", rows.columns[0][1]))
    quantifier = "ALL" if isinstance(right, exp.All) else "ANY"
    return Value(f"({first} {_COMPARISONS[type(node)]} {quantifier} (SELECT {second} FROM ({rows.sql}) AS q))", BOOL)


def _tuples(translator: Translator, node: exp.Binary) -> Value:
    sides = [node.this.expressions, node.expression.expressions]
    if len(sides[0]) != len(sides[1]) or type(node) not in (exp.EQ, exp.NEQ):
        raise Unsupported("rows of values are compared by = and <> alone, with as many values on both sides")
    pairs = [compared(translator.value(a), translator.value(b), "=").sql for a, b in zip(*sides, strict=True)]
    joined = f"({' AND '.join(pairs)})"
    return Value(joined if isinstance(node, exp.EQ) else f"(NOT {joined})", BOOL)


def compared(left: Value, right: Value, operator: str) -> Value:
    """A comparison by the rules of MySQL: as strings, as times, or else as numbers."""
    first, second = comparable(left, right)
    return Value(f"({first} {operator} {second})", BOOL)


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
    if any(kind in TEMPORAL for kind in kinds):
        found = _temporal(left, right)
        if found is not None:
            return found
    first, second = number(left), number(right)
    if Kind.DOUBLE in (first.kind, second.kind):
        return _plain(first), _plain(second)
    return first.sql, second.sql


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
    rows = translator.planner.subquery(node.args["query"], translator.scope)
    if len(rows.columns) != len(values):
        raise Unsupported(f"Operand should contain {len(values)} column(s)")
    pairs = []
    for index, value in enumerate(values):
        pairs.append(comparable(value, Value(f"q.c{index}", rows.columns[index][1])))
    firsts, seconds = (", ".join(side) for side in zip(*pairs, strict=True))
    left_sql = firsts if len(values) == 1 else f"({firsts})"
    right = seconds if len(values) == 1 else f"({seconds})"
    return Value(f"({left_sql} IN (SELECT {right} FROM ({rows.sql}) AS q))", BOOL)


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
    parts = [coerced(value, type_) for value in found]
    nulls = " OR ".join(f"{part} IS NULL" for part in parts)
    if type_.kind is Kind.TEXT:
        chosen = f"qserv_{'greatest' if isinstance(node, exp.Greatest) else 'least'}_text([{', '.join(parts)}])"
    else:
        chosen = f"{'greatest' if isinstance(node, exp.Greatest) else 'least'}({', '.join(parts)})"
    return Value(f"CASE WHEN {nulls} THEN NULL ELSE {chosen} END", type_)


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
        if value.kind is Kind.UINT:
            return Value(f"qserv_signed({value.sql})", BIGINT)
        return Value(_whole(value, "BIGINT"), BIGINT)
    if to in (kinds.UBIGINT, kinds.UINT):
        return Value(
            unsigned_bits(Value(_whole(value, "BIGINT"), BIGINT)) if value.kind is not Kind.UINT else value.sql, UBIGINT
        )
    if to in (kinds.DOUBLE, kinds.FLOAT):
        return Value(double(value), DOUBLE)
    if to is kinds.DECIMAL:
        digits, scale = (*sizes, 0)[:2] if sizes else (10, 0)
        return Value(f"CAST({number(value).sql} AS DECIMAL({min(digits, MAX_DIGITS)},{scale}))", decimal(digits, scale))
    if to in (kinds.CHAR, kinds.VARCHAR, kinds.TEXT, kinds.NCHAR, kinds.CHARACTER_SET):
        return Value(f"left({text(value)}, {sizes[0]})" if sizes else text(value), TEXT)
    if to in (kinds.BINARY, kinds.VARBINARY):
        return Value(coerced(value, Type(Kind.BINARY)), Type(Kind.BINARY))
    if to is kinds.DATE:
        return Value(as_date(value), DATE)
    if to in (kinds.DATETIME, kinds.TIMESTAMP, kinds.TIMESTAMPTZ):
        return Value(as_datetime(value), DATETIME)
    if to is kinds.TIME:
        return Value(as_time(value), TIME)
    raise Unsupported(f"CAST to {to.value} is not supported")


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
