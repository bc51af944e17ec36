"""Functions that write values otherwise: in another base, in quotes, as digests."""

from __future__ import annotations

from sqlglot import exp

from qserv.catalog.errors import Unsupported
from qserv.sql.translate import Translator, function, handles
from qserv.sql.values import BINARY, TEXT, Value, coerced, text

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BITS = 64


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


@function("quote", least=1)
def _quote(value: Value) -> Value:
    return Value(f"qserv_quote({text(value)})", TEXT)


@handles(exp.ToBase64)
def _to_base64(translator: Translator, node: exp.ToBase64) -> Value:
    return Value(f"qserv_to_base64({coerced(translator.value(node.this), BINARY)})", TEXT)


@handles(exp.FromBase64)
def _from_base64(translator: Translator, node: exp.FromBase64) -> Value:
    return Value(f"qserv_from_base64({text(translator.value(node.this))})", BINARY)


@handles(exp.Soundex)
def _soundex(translator: Translator, node: exp.Soundex) -> Value:
    return Value(f"qserv_soundex({text(translator.value(node.this))})", TEXT)


@handles(exp.Uuid)
def _uuid(translator: Translator, node: exp.Uuid) -> Value:
    return Value("CAST(uuid() AS VARCHAR)", TEXT)
