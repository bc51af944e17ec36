"""Prepared statements' parameters: bytes of ``COM_STMT_EXECUTE`` as values."""

from __future__ import annotations

import datetime as dt
import io
import struct
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from mysql_mimic.charset import CharacterSet
from mysql_mimic.types import ColumnType, read_str_len, read_uint_len
from sqlglot import exp

from qserv.catalog.errors import WrongArguments
from qserv.czar.cursors import Cursor
from qserv.czar.statements import Value

_NUMBERS: dict[int, tuple[str, str]] = {
    ColumnType.TINY: ("<b", "<B"),
    ColumnType.BOOL: ("<b", "<B"),
    ColumnType.SHORT: ("<h", "<H"),
    ColumnType.YEAR: ("<h", "<H"),
    ColumnType.LONG: ("<i", "<I"),
    ColumnType.INT24: ("<i", "<I"),
    ColumnType.LONGLONG: ("<q", "<Q"),
    ColumnType.FLOAT: ("<f", "<f"),
    ColumnType.DOUBLE: ("<d", "<d"),
}
_DECIMALS = (ColumnType.DECIMAL, ColumnType.NEWDECIMAL)
_DATES = (ColumnType.DATE, ColumnType.DATETIME, ColumnType.TIMESTAMP, ColumnType.NEWDATE)
_BLOBS = (ColumnType.BLOB, ColumnType.TINY_BLOB, ColumnType.MEDIUM_BLOB, ColumnType.LONG_BLOB)


@dataclass(slots=True)
class Prepared:
    """A client's prepared statement. ``types`` are those of its last execution: clients send them once."""

    id: int
    sql: str
    statement: exp.Expression | None
    parameters: int
    types: list[tuple[int, bool]] = field(default_factory=list)
    long_data: dict[int, bytearray] = field(default_factory=dict)
    too_long: bool = False
    cursor: Cursor | None = None

    @property
    def long_bytes(self) -> int:
        return sum(map(len, self.long_data.values()))

    def add_long_data(self, place: int, data: bytes, *, room: int) -> None:
        """Keep a piece of a parameter. One of more than ``room`` bytes is not: the next execution fails for it."""
        if self.too_long or len(data) > room:
            self.forget_long_data()
            self.too_long = True
        else:
            self.long_data.setdefault(place, bytearray()).extend(data)

    def forget_long_data(self) -> None:
        self.long_data.clear()
        self.too_long = False


def read(prepared: Prepared, data: bytes, *, attributes: bool, charset: CharacterSet) -> list[Value]:
    """The values of an execution. ``data`` follows the statement's id and the flags.

    Parameters
    ----------
    attributes : the client said how many parameters there are, and names them (query attributes come after them).

    Raises
    ------
    WrongArguments
        For bytes that are no parameters, types never sent, or data sent ahead that was more than is kept.
    """
    if prepared.too_long:
        raise WrongArguments(
            "Parameter of prepared statement which is set through mysql_send_long_data() is longer "
            "than 'max_allowed_packet' bytes"
        )
    reader = io.BytesIO(data)
    try:
        count = read_uint_len(reader) if attributes else prepared.parameters
        if count == 0:
            return []
        nulls = reader.read((count + 7) // 8)
        if reader.read(1) == b"\x01":
            prepared.types = [_type(reader, attributes) for _ in range(count)]
        if len(prepared.types) < count or count < prepared.parameters:
            raise WrongArguments("the statement's parameters came without their types")
        values: list[Value] = []
        for place in range(prepared.parameters):
            kind, unsigned = prepared.types[place]
            if place in prepared.long_data:
                values.append(_text(bytes(prepared.long_data[place]), kind, charset))
            elif nulls[place // 8] >> place % 8 & 1:
                values.append(None)
            else:
                values.append(_value(reader, kind, unsigned, charset))
        return values
    except (struct.error, IndexError, ValueError, InvalidOperation) as error:
        raise WrongArguments(f"the statement's parameters cannot be read: {error}") from error


def _type(reader: io.BytesIO, named: bool) -> tuple[int, bool]:
    kind, flags = struct.unpack("<BB", reader.read(2))
    if named:
        read_str_len(reader)
    return kind, bool(flags & 0x80)


def _value(reader: io.BytesIO, kind: int, unsigned: bool, charset: CharacterSet) -> Value:
    if kind == ColumnType.NULL:
        return None
    if kind in _NUMBERS:
        form = _NUMBERS[kind][unsigned]
        found: int | float = struct.unpack(form, reader.read(struct.calcsize(form)))[0]
        return found
    if kind in _DATES:
        return _date(reader, kind)
    if kind == ColumnType.TIME:
        return _time(reader)
    return _text(read_str_len(reader), kind, charset)


def _text(data: bytes, kind: int, charset: CharacterSet) -> Value:
    """Text, or bytes where it is none: clients send both under one type."""
    try:
        text = data.decode("ascii" if kind in _BLOBS else charset.codec)
    except UnicodeDecodeError:
        return data
    if kind not in _DECIMALS:
        return text
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(f"{text} is no DECIMAL")
    return number


def _date(reader: io.BytesIO, kind: int) -> Value:
    size = reader.read(1)[0]
    data = reader.read(size).ljust(11, b"\0")
    year, month, day, hour, minute, second, micros = struct.unpack("<HBBBBBI", data)
    if size == 0:
        return "0000-00-00"
    if kind == ColumnType.DATE:
        return dt.date(year, month, day)
    return dt.datetime(year, month, day, hour, minute, second, micros)


def _time(reader: io.BytesIO) -> Value:
    size = reader.read(1)[0]
    negative, days, hours, minutes, seconds, micros = struct.unpack("<BIBBBI", reader.read(size).ljust(12, b"\0"))
    found = dt.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=micros)
    return -found if negative else found
