"""Functions that write values otherwise: in another base, in quotes, as digests."""

from __future__ import annotations

from sqlglot import exp

from qserv.catalog.errors import Unsupported
from qserv.sql.translate import Translator, function, handles
from qserv.sql.values import BINARY, TEXT, UBIGINT, Type, Value, coerced, integer, text

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BITS = 64

_OF_BYTES: dict[type[exp.Expr], str] = {exp.MD5: "md5", exp.SHA: "sha1", exp.ToBase64: "qserv_to_base64"}
_OF_TEXT: dict[type[exp.Expr], tuple[str, Type]] = {
    exp.FromBase64: ("qserv_from_base64", BINARY),
    exp.Soundex: ("qserv_soundex", TEXT),
    exp.Unhex: ("qserv_unhex", BINARY),
}


@function("conv", least=3)
def _conv(value: Value, source: Value, target: Value) -> Value:
    """``CONV(n, from, to)`` by way of 64 bits without a sign, as MySQL; of a greater number all of them are set."""
    one, other = source.constant, target.constant
    if not (isinstance(one, int) and isinstance(other, int) and 2 <= min(one, other) <= max(one, other) <= 36):
        raise Unsupported("CONV takes constant bases from 2 to 36")
    written = text(value)
    digits = f"upper(regexp_extract({written}, '^ *-?([{_DIGITS[:one]}{_DIGITS[:one].lower()}]*)', 1))"
    powers = [other**place for place in range(_BITS) if other**place < 1 << _BITS]
    listed = f"{powers[::-1]}::HUGEINT[]"
    whole = f"qserv_whole({digits}, {one}, starts_with(ltrim({written}), '-'))"
    return Value(f"CASE WHEN {written} <> '' THEN qserv_in_base({whole}, {other}, {listed}) END", TEXT)


@handles(exp.SHA2)
def _sha2(translator: Translator, node: exp.SHA2) -> Value:
    length = translator.value(node.args["length"]).constant
    if length not in (0, 256):
        raise Unsupported("SHA2 is supported with 256 bits alone")
    return Value(f"sha256({coerced(translator.value(node.this), BINARY)})", TEXT)


@function("inet_aton", least=1)
def _inet_aton(value: Value) -> Value:
    return Value(f"qserv_inet_aton({text(value)})", UBIGINT)


@function("inet_ntoa", least=1)
def _inet_ntoa(value: Value) -> Value:
    return Value(f"qserv_inet_ntoa({integer(value)})", TEXT)


@function("quote", least=1)
def _quote(value: Value) -> Value:
    return Value(f"qserv_quote({text(value)})", TEXT)


@handles(*_OF_BYTES)
def _of_bytes(translator: Translator, node: exp.Func) -> Value:
    return Value(f"{_OF_BYTES[type(node)]}({coerced(translator.value(node.this), BINARY)})", TEXT)


@handles(*_OF_TEXT)
def _of_text(translator: Translator, node: exp.Func) -> Value:
    name, type_ = _OF_TEXT[type(node)]
    return Value(f"{name}({text(translator.value(node.this))})", type_)


@handles(exp.Uuid)
def _uuid(translator: Translator, node: exp.Uuid) -> Value:
    return Value("CAST(uuid() AS VARCHAR)", TEXT)
