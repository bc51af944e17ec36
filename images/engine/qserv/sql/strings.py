"""String functions. Lengths and positions count characters, from 1."""

from __future__ import annotations

from sqlglot import exp

from qserv.catalog.errors import Unsupported
from qserv.sql.arithmetic import unsigned_bits
from qserv.sql.comparisons import compared
from qserv.sql.translate import Translator, function, handles
from qserv.sql.values import (
    BIGINT,
    BINARY,
    BOOL,
    INT,
    TEXT,
    Kind,
    Value,
    boolean,
    coerced,
    common,
    integer,
    quote,
    text,
)


def _texts(translator: Translator, *nodes: exp.Expr) -> list[str]:
    return [text(translator.value(node)) for node in nodes]


@handles(exp.Like)
def _like(translator: Translator, node: exp.Like) -> Value:
    return _matched(translator, node, "\\")


@handles(exp.Escape)
def _escape(translator: Translator, node: exp.Escape) -> Value:
    if not isinstance(node.this, exp.Like) or not isinstance(node.expression, exp.Literal):
        raise Unsupported("ESCAPE takes a constant, after LIKE")
    return _matched(translator, node.this, str(node.expression.this))


def _matched(translator: Translator, node: exp.Like, escape: str) -> Value:
    if len(escape) != 1:
        raise Unsupported("ESCAPE takes one character")
    subject, pattern = translator.value(node.this), translator.value(node.expression)
    if Kind.BINARY in (subject.kind, pattern.kind):
        left, right = text(subject), text(pattern)
    else:
        left, right = (f"upper(strip_accents({text(each)}))" for each in (subject, pattern))
    negated = "NOT " if node.args.get("negate") else ""
    return Value(f"({negated}({left} LIKE {right} ESCAPE {quote(escape.upper())}))", BOOL)


def _case_option(translator: Translator, node: exp.Expr) -> str:
    """Whether a pattern heeds case: where it or the text is binary."""
    kinds = {translator.value(each).kind for each in (node.this, node.expression)}
    return "'c'" if Kind.BINARY in kinds else "'i'"


@handles(exp.RegexpReplace)
def _regexp_replace(translator: Translator, node: exp.RegexpReplace) -> Value:
    subject, pattern, new = _texts(translator, node.this, node.expression, node.args["replacement"])
    return Value(f"regexp_replace({subject}, {pattern}, {new}, 'g' || {_case_option(translator, node)})", TEXT)


@handles(exp.RegexpSubstr)
def _regexp_substr(translator: Translator, node: exp.RegexpSubstr) -> Value:
    subject, pattern = _texts(translator, node.this, node.expression)
    return Value(f"regexp_extract({subject}, {pattern}, 0, {_case_option(translator, node)})", TEXT)


@handles(exp.RegexpInstr)
def _regexp_instr(translator: Translator, node: exp.RegexpInstr) -> Value:
    if any(node.args.get(each) is not None for each in ("position", "occurrence", "option", "parameters", "group")):
        raise Unsupported("REGEXP_INSTR takes a text and a pattern")
    subject, pattern = _texts(translator, node.this, node.expression)
    return Value(f"qserv_regexp_position({subject}, {pattern}, {_case_option(translator, node)})", INT)


@handles(exp.RegexpLike)
def _regexp(translator: Translator, node: exp.RegexpLike) -> Value:
    subject, pattern = _texts(translator, node.this, node.expression)
    return Value(f"regexp_matches({subject}, {pattern}, {_case_option(translator, node)})", BOOL)


@handles(exp.Concat)
def _concat(translator: Translator, node: exp.Concat) -> Value:
    return Value(f"({' || '.join(_texts(translator, *node.expressions))})", TEXT)


@handles(exp.ConcatWs)
def _concat_ws(translator: Translator, node: exp.ConcatWs) -> Value:
    return Value(f"concat_ws({', '.join(_texts(translator, *node.expressions))})", TEXT)


@handles(exp.Upper, exp.Lower, exp.Reverse)
def _case(translator: Translator, node: exp.Func) -> Value:
    return Value(f"{node.sql_name().lower()}({text(translator.value(node.this))})", TEXT)


@handles(exp.Length)
def _length(translator: Translator, node: exp.Length) -> Value:
    value = translator.value(node.this)
    if node.args.get("binary") or value.kind is Kind.BINARY:
        source = value.sql if value.kind is Kind.BINARY else f"encode({text(value)})"
        return Value(f"octet_length({source})", INT)
    return Value(f"length({text(value)})", INT)


@function("octet_length", least=1)
def _octets(value: Value) -> Value:
    return Value(f"octet_length({coerced(value, BINARY)})", INT)


@handles(exp.BitLength)
def _bit_length(translator: Translator, node: exp.BitLength) -> Value:
    return Value(f"(8 * octet_length({coerced(translator.value(node.this), BINARY)}))", INT)


@handles(exp.Substring)
def _substring(translator: Translator, node: exp.Substring) -> Value:
    length = node.args.get("length")
    return substring(
        translator.value(node.this),
        translator.value(node.args["start"]),
        translator.value(length) if length is not None else None,
    )


@function("mid", least=2, most=3)
def substring(value: Value, start: Value, length: Value | None = None) -> Value:
    count = integer(length) if length is not None else "9223372036854775807"
    return Value(f"qserv_substring({text(value)}, {integer(start)}, {count})", TEXT)


@handles(exp.Left, exp.Right)
def _side(translator: Translator, node: exp.Func) -> Value:
    value, count = text(translator.value(node.this)), integer(translator.value(node.expression))
    return Value(f"{'left' if isinstance(node, exp.Left) else 'right'}({value}, greatest({count}, 0))", TEXT)


@handles(exp.Trim)
def _trim(translator: Translator, node: exp.Trim) -> Value:
    value = text(translator.value(node.this))
    what = text(translator.value(node.expression)) if node.expression else "' '"
    side = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
    if node.expression:
        return Value(f"qserv_{side}({value}, {what})", TEXT)
    return Value(f"{side}({value}, ' ')", TEXT)


@handles(exp.Replace)
def _replace(translator: Translator, node: exp.Replace) -> Value:
    value, old, new = _texts(translator, node.this, node.expression, node.args["replacement"])
    return Value(f"CASE WHEN {old} = '' THEN {value} ELSE replace({value}, {old}, {new}) END", TEXT)


@handles(exp.Pad)
def _pad(translator: Translator, node: exp.Pad) -> Value:
    pattern = node.args.get("fill_pattern")
    value, fill = text(translator.value(node.this)), text(translator.value(pattern)) if pattern is not None else "' '"
    count = integer(translator.value(node.expression))
    name = "lpad" if node.args.get("is_left") else "rpad"
    possible = f"{count} >= 0 AND ({fill} <> '' OR {count} <= length({value}))"
    return Value(f"CASE WHEN {possible} THEN {name}({value}, CAST({count} AS INTEGER), {fill}) END", TEXT)


@handles(exp.Repeat)
def _repeat(translator: Translator, node: exp.Repeat) -> Value:
    value, times = text(translator.value(node.this)), integer(translator.value(node.args["times"]))
    return Value(f"repeat({value}, greatest({times}, 0))", TEXT)


@handles(exp.Space)
def _space(translator: Translator, node: exp.Space) -> Value:
    return Value(f"repeat(' ', greatest({integer(translator.value(node.this))}, 0))", TEXT)


@handles(exp.StrPosition)
def _position(translator: Translator, node: exp.StrPosition) -> Value:
    value, wanted = _texts(translator, node.this, node.args["substr"])
    start = node.args.get("position")
    first = integer(translator.value(start)) if start is not None else "1"
    return Value(f"qserv_position({value}, {wanted}, {first})", INT)


@handles(exp.Ascii)
def _ascii(translator: Translator, node: exp.Ascii) -> Value:
    return Value(f"qserv_ascii({text(translator.value(node.this))})", INT)


@handles(exp.SubstringIndex)
def _substring_index(translator: Translator, node: exp.SubstringIndex) -> Value:
    value, mark = _texts(translator, node.this, node.args["delimiter"])
    return Value(f"qserv_substring_index({value}, {mark}, {integer(translator.value(node.args['count']))})", TEXT)


@handles(exp.Stuff)
def _insert(translator: Translator, node: exp.Stuff) -> Value:
    value, new = _texts(translator, node.this, node.expression)
    start, length = (integer(translator.value(node.args[each])) for each in ("start", "length"))
    return Value(f"qserv_insert({value}, {start}, {length}, {new})", TEXT)


@handles(exp.Elt)
def _elt(translator: Translator, node: exp.Elt) -> Value:
    index, found = integer(translator.value(node.this)), translator.values(node.expressions)
    type_ = common([value.type for value in found])
    listed = ", ".join(coerced(value, type_) for value in found)
    return Value(f"CASE WHEN {index} >= 1 THEN list_extract([{listed}], {index}) END", type_)


@handles(exp.Chr)
def _char(translator: Translator, node: exp.Chr) -> Value:
    codes = [integer(value) for value in translator.values(node.expressions)]
    return Value(f"({' || '.join(f'chr(CAST({code} AS INTEGER))' for code in codes)})", TEXT)


@function("ord", least=1)
def _ord(value: Value) -> Value:
    return Value(f"qserv_ord({text(value)})", BIGINT)


@function("strcmp", least=2)
def _strcmp(left: Value, right: Value) -> Value:
    first, second = (Value(text(each), TEXT) for each in (left, right))
    less, equal = compared(first, second, "<").sql, compared(first, second, "=").sql
    return Value(f"CASE WHEN {equal} THEN 0 WHEN {less} THEN -1 WHEN {less} IS NULL THEN NULL ELSE 1 END", INT)


@function("field", least=2, most=1000)
def _field(value: Value, *others: Value) -> Value:
    parts = [f"WHEN {boolean(compared(value, each, '='))} THEN {i}" for i, each in enumerate(others, 1)]
    return Value(f"CASE {' '.join(parts)} ELSE 0 END", INT)


@function("make_set", least=2, most=65)
def _make_set(bits: Value, *texts: Value) -> Value:
    shown = [f"CASE WHEN {_bit(bits, place)} THEN {text(each)} END" for place, each in enumerate(texts)]
    return Value(f"CASE WHEN {bits.sql} IS NOT NULL THEN concat_ws(',', {', '.join(shown)}) END", TEXT)


@function("export_set", least=3, most=5)
def _export_set(bits: Value, on: Value, off: Value, between: Value | None = None, count: Value | None = None) -> Value:
    number = count.constant if count is not None else 64
    if not isinstance(number, int):
        raise Unsupported("EXPORT_SET takes a constant number of bits")
    number = number if 0 <= number <= 64 else 64
    shown = [f"CASE WHEN {_bit(bits, place)} THEN {text(on)} ELSE {text(off)} END" for place in range(number)]
    mark = text(between) if between is not None else "','"
    given = " AND ".join(f"{each.sql} IS NOT NULL" for each in (bits, on, off))
    return Value(f"CASE WHEN {given} THEN array_to_string([{', '.join(shown)}]::VARCHAR[], {mark}) END", TEXT)


def _bit(bits: Value, place: int) -> str:
    return f"({unsigned_bits(bits)} & {1 << place}) <> 0"


@function("find_in_set", least=2)
def _find_in_set(value: Value, listed: Value) -> Value:
    return Value(f"qserv_find_in_set(qserv_fold({text(value)}), qserv_fold({text(listed)}))", INT)
