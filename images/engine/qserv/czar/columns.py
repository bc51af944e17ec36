"""Column definitions: what a MySQL client is told of an answer's columns."""

from __future__ import annotations

from functools import lru_cache

import pyarrow as pa
from mysql_mimic.charset import CharacterSet
from mysql_mimic.types import ColumnDefinition, ColumnType, str_len, uint_1, uint_2, uint_4, uint_len

from qserv.czar.marks import bits, fraction

_BINARY = 63
_UTF8MB4 = 45  # utf8mb4_general_ci, which clients of every age know
_NOT_FIXED = 31

_INTEGERS: dict[pa.DataType, tuple[ColumnType, int]] = {
    pa.bool_(): (ColumnType.TINY, 1),
    pa.int8(): (ColumnType.TINY, 4),
    pa.uint8(): (ColumnType.TINY, 3),
    pa.int16(): (ColumnType.SHORT, 6),
    pa.uint16(): (ColumnType.SHORT, 5),
    pa.int32(): (ColumnType.LONG, 11),
    pa.uint32(): (ColumnType.LONG, 10),
    pa.int64(): (ColumnType.LONGLONG, 20),
    pa.uint64(): (ColumnType.LONGLONG, 20),
}

Described = tuple[ColumnType, int, int, ColumnDefinition, int]
"""Type, character set, length in bytes, flags, decimals."""

_NUMBER = ColumnDefinition.BINARY_FLAG | ColumnDefinition.NUM_FLAG


def describe(kind: pa.DataType, charset: int) -> Described:
    """An Arrow type as MySQL's."""
    if pa.types.is_dictionary(kind):
        return describe(kind.value_type, charset)
    if kind in _INTEGERS:
        found, length = _INTEGERS[kind]
        unsigned = ColumnDefinition.UNSIGNED_FLAG if pa.types.is_unsigned_integer(kind) else ColumnDefinition(0)
        return found, _BINARY, length, _NUMBER | unsigned, 0
    if pa.types.is_float32(kind):
        return ColumnType.FLOAT, _BINARY, 12, _NUMBER, _NOT_FIXED
    if pa.types.is_float64(kind):
        return ColumnType.DOUBLE, _BINARY, 22, _NUMBER, _NOT_FIXED
    if pa.types.is_decimal(kind):
        return ColumnType.NEWDECIMAL, _BINARY, kind.precision + 2, _NUMBER, kind.scale
    if pa.types.is_timestamp(kind):
        return ColumnType.DATETIME, _BINARY, 26, ColumnDefinition.BINARY_FLAG, 6
    if pa.types.is_date(kind):
        return ColumnType.DATE, _BINARY, 10, ColumnDefinition.BINARY_FLAG, 0
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return ColumnType.TIME, _BINARY, 17, ColumnDefinition.BINARY_FLAG, 6
    if pa.types.is_null(kind):
        return ColumnType.NULL, _BINARY, 0, ColumnDefinition.BINARY_FLAG, 0
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        flags = ColumnDefinition.BLOB_FLAG | ColumnDefinition.BINARY_FLAG
        return ColumnType.BLOB, _BINARY, 0xFFFFFF, flags, 0
    return ColumnType.VAR_STRING, charset, 0xFFFF, ColumnDefinition(0), _NOT_FIXED


def definition(field: pa.Field, results: CharacterSet) -> bytes:
    """The payload of a column's definition packet, for a client of that character set."""
    text: bytes = str_len(field.name.encode(results.codec, "replace"))
    charset = _UTF8MB4 if results.codec == "utf8" else int(results)
    return _BEFORE + text + text + _after(field.type, charset, bits(field), fraction(field))


def headers(schema: pa.Schema, results: CharacterSet) -> list[bytes]:
    """The payloads before an answer's rows: how many columns there are, and what they are."""
    return [uint_len(len(schema)), *(definition(field, results) for field in schema)]


_BEFORE: bytes = str_len(b"def") + str_len(b"") * 3


@lru_cache(maxsize=1024)
def _after(kind: pa.DataType, charset: int, bits: int, fraction: int | None) -> bytes:
    """What follows the names: the same for all columns of a type."""
    described = (ColumnType.BIT, _BINARY, bits, ColumnDefinition.UNSIGNED_FLAG, 0) if bits else describe(kind, charset)
    found, charset, length, flags, decimals = described
    if fraction is not None:
        length, decimals = length - 7 + (fraction + 1 if fraction else 0), fraction
    return b"".join(
        (
            uint_len(0x0C),
            uint_2(charset),
            uint_4(length),
            uint_1(found),
            uint_2(flags & 0xFFFF),
            uint_1(decimals),
            uint_2(0),
        )
    )
