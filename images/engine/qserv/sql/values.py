"""Typed pieces of DuckDB SQL: what the translation of a MySQL expression yields.

MySQL decides by the types of operands how it compares, adds or groups them; DuckDB decides otherwise. So every piece
of SQL carries the type that MySQL would give it, and the coercions here make DuckDB do what MySQL would.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from qserv.catalog.types import Base, SqlType

if TYPE_CHECKING:
    from qserv.sql.scope import Relation

MAX_DIGITS = 38
ALL_DECIMALS = 31
"""The scale of a DOUBLE that is shown with all decimals it has; MariaDB's ``NOT_FIXED_DEC``."""
ANY_FRACTION = 7
"""The scale of a time that is shown with as many digits after its seconds as it needs: none, or six."""
DIVISION_DIGITS = 4
"""MySQL's ``div_precision_increment``: digits that a division adds to the scale of its dividend."""


class Kind(Enum):
    NULL = "null"
    BOOL = "bool"  # a DuckDB BOOLEAN; MySQL shows it as 1 or 0
    INT = "int"
    UINT = "uint"
    DECIMAL = "decimal"
    DOUBLE = "double"
    TEXT = "text"
    BINARY = "binary"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"


INTEGERS = frozenset({Kind.BOOL, Kind.INT, Kind.UINT})
EXACT = INTEGERS | {Kind.DECIMAL}
TEMPORAL = frozenset({Kind.DATE, Kind.TIME, Kind.DATETIME})
STRINGS = frozenset({Kind.TEXT, Kind.BINARY})


@dataclass(frozen=True, slots=True)
class Type:
    """A MySQL expression's type. ``digits`` and ``scale`` are of exact numbers; a DOUBLE has as scale the decimals that
    MySQL shows, as of ROUND(x, 2), or ``ALL_DECIMALS``; a time, with or without a date, the digits after its seconds,
    or ``ANY_FRACTION``: as many as a value needs.

    ``narrow``: the DuckDB type is smaller than the kind's widest (BIGINT, UBIGINT, DOUBLE), so arithmetic must widen.
    ``bits``: the length of a BIT column, which a client is sent as bytes; 0 of all else.
    """

    kind: Kind
    digits: int = 0
    scale: int = 0
    narrow: bool = False
    bits: int = 0

    @property
    def fraction(self) -> int | None:
        """The digits after a time's seconds, where they are the same for all values."""
        return self.scale if self.kind in (Kind.TIME, Kind.DATETIME) and self.scale < ANY_FRACTION else None

    @property
    def duckdb(self) -> str:
        """The DuckDB type of a finished value."""
        if self.kind is Kind.DECIMAL:
            return f"DECIMAL({MAX_DIGITS},{self.scale})"
        if self.kind is Kind.DOUBLE and self.narrow:
            return "FLOAT"
        return _DUCKDB[self.kind]


_DUCKDB = {
    Kind.NULL: "INTEGER",
    Kind.BOOL: "INTEGER",
    Kind.INT: "BIGINT",
    Kind.UINT: "UBIGINT",
    Kind.DOUBLE: "DOUBLE",
    Kind.TEXT: "VARCHAR",
    Kind.BINARY: "BLOB",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.DATETIME: "TIMESTAMP",
}

NULL = Type(Kind.NULL)
BOOL = Type(Kind.BOOL, 1)
BIGINT = Type(Kind.INT, 20)
INT = Type(Kind.INT, 10)
UBIGINT = Type(Kind.UINT, 20)
DOUBLE = Type(Kind.DOUBLE, scale=ALL_DECIMALS)
TEXT = Type(Kind.TEXT)
BINARY = Type(Kind.BINARY)
DATE = Type(Kind.DATE)
TIME = Type(Kind.TIME, scale=ANY_FRACTION)
DATETIME = Type(Kind.DATETIME, scale=ANY_FRACTION)

_DIGITS = {
    Base.BOOL: 3,
    Base.TINYINT: 3,
    Base.SMALLINT: 5,
    Base.YEAR: 4,
    Base.MEDIUMINT: 8,
    Base.INT: 10,
    Base.BIGINT: 19,
}


def decimal(digits: int, scale: int) -> Type:
    return Type(Kind.DECIMAL, min(digits, MAX_DIGITS), min(scale, 30))


def shown(scale: int) -> Type:
    """A DOUBLE that MySQL shows with so many decimals."""
    return Type(Kind.DOUBLE, scale=min(scale, ALL_DECIMALS))


@lru_cache(maxsize=1024)
def column_type(declared: SqlType) -> Type:
    """The expression type of a column."""
    base = declared.base
    if declared.integer:
        return Type(Kind.UINT if declared.unsigned else Kind.INT, _DIGITS[base], narrow=base is not Base.BIGINT)
    if declared.text:
        return TEXT
    if declared.binary:
        return BINARY
    others = {
        Base.FLOAT: Type(Kind.DOUBLE, scale=ALL_DECIMALS, narrow=True),
        Base.DOUBLE: DOUBLE,
        Base.BIT: replace(UBIGINT, bits=declared.length or 1),
        Base.DATE: DATE,
        Base.TIME: Type(Kind.TIME, scale=declared.length or 0),
        Base.DATETIME: Type(Kind.DATETIME, scale=declared.length or 0),
        Base.TIMESTAMP: Type(Kind.DATETIME, scale=declared.length or 0),
    }
    return others.get(base) or decimal(declared.length or 10, declared.scale or 0)


@dataclass(frozen=True, slots=True)
class Value:
    """DuckDB SQL of an expression, and MySQL's type of it.

    ``origin`` is the relation and column that the value is, unchanged. ``constant`` is a literal's value. ``real`` is
    the SQL of an exact number as DOUBLE, where MySQL computes that apart, as it does AVG. ``inner`` are the decimals of
    a quotient: MySQL computes to more of them than it shows.
    """

    sql: str
    type: Type
    origin: tuple[Relation, str] | None = None
    constant: int | float | str | None = None
    real: str | None = None
    inner: int = 0

    @property
    def decimals(self) -> int:
        """Of an exact number: the scale that it is computed to."""
        return max(self.type.scale, self.inner)

    @property
    def kind(self) -> Kind:
        return self.type.kind


def quote(text: str) -> str:
    """A string literal of DuckDB. NUL cannot stand in a statement."""
    if "\0" in text:
        return " || chr(0) || ".join(quote(part) for part in text.split("\0"))
    return "'" + text.replace("'", "''") + "'"


def name(identifier: str) -> str:
    """A quoted identifier of DuckDB."""
    return '"' + identifier.replace('"', '""') + '"'


def boolean(value: Value) -> str:
    """A predicate: true where MySQL takes the value as true."""
    if value.kind is Kind.BOOL:
        return value.sql
    if value.kind is Kind.NULL:
        return "CAST(NULL AS BOOLEAN)"
    return f"({number(value).sql} <> 0)"


def number(value: Value) -> Value:
    """The value as a number: strings by their leading number, dates as yyyymmdd, as MySQL reads them."""
    kind = value.kind
    if kind is Kind.BOOL:
        return Value(f"CAST({value.sql} AS BIGINT)", BIGINT)
    if kind is Kind.BINARY and isinstance(value.constant, int):
        return Value(str(value.constant), UBIGINT, constant=value.constant)
    if kind in STRINGS:
        text = f"decode({value.sql})" if kind is Kind.BINARY else value.sql
        return Value(f"qserv_number({text})", DOUBLE)
    if kind is Kind.DATE:
        return Value(f"CAST(strftime({value.sql}, '%Y%m%d') AS BIGINT)", BIGINT)
    if kind is Kind.DATETIME:
        return Value(f"CAST(strftime({value.sql}, '%Y%m%d%H%M%S') AS BIGINT)", BIGINT)
    if kind is Kind.TIME:
        return Value(f"CAST(strftime(DATE '2000-01-01' + {value.sql}, '%H%M%S') AS BIGINT)", BIGINT)
    if kind is Kind.NULL:
        return Value("CAST(NULL AS DOUBLE)", DOUBLE)
    return value


def widest(value: Value) -> str:
    """A number in the widest DuckDB type of its kind, so that arithmetic overflows where MySQL's does."""
    found = number(value)
    if found.kind is Kind.DECIMAL or (not found.type.narrow and found.constant is None):
        return found.sql
    return f"CAST({found.sql} AS {_DUCKDB[found.kind]})"


def double(value: Value) -> str:
    """A number as DOUBLE."""
    found = number(value)
    if found.kind is Kind.DOUBLE and not found.type.narrow:
        return found.sql
    if found.real is not None:
        return found.real
    if isinstance(found.constant, int | float):
        return f"{float(found.constant)!r}" if "e" in f"{float(found.constant)!r}" else f"{float(found.constant)!r}e0"
    return f"CAST({found.sql} AS DOUBLE)"


def exact(value: Value) -> str:
    """An exact number as DECIMAL of full width, with all the decimals that it is computed to."""
    found = number(value)
    return f"CAST({found.sql} AS DECIMAL({MAX_DIGITS},{found.decimals}))"


def integer(value: Value) -> str:
    """A number rounded half away from zero to BIGINT, as where a function takes a count or a position."""
    found = number(value)
    if found.kind in INTEGERS:
        return found.sql if not found.type.narrow else f"CAST({found.sql} AS BIGINT)"
    return f"CAST(round({found.sql}) AS BIGINT)"


def text(value: Value) -> str:
    """The value as MySQL prints it."""
    kind = value.kind
    if kind is Kind.TEXT:
        return value.sql
    if kind is Kind.DOUBLE:
        found = finished(value)
        return f"qserv_text(qserv_six_digits({found.sql}))" if found.type.narrow else f"qserv_text({found.sql})"
    if kind is Kind.BINARY:
        return f"decode({value.sql})"
    if value.type.fraction is not None:
        moment = value.sql if kind is Kind.DATETIME else f"DATE '2000-01-01' + {value.sql}"
        shape, whole = ("%Y-%m-%d %H:%M:%S.%f", 19) if kind is Kind.DATETIME else ("%H:%M:%S.%f", 8)
        return f"left(strftime({moment}, '{shape}'), {whole + bool(value.type.scale) + value.type.scale})"
    if kind is Kind.DATETIME:
        return f"qserv_datetime_text({value.sql})"
    return f"CAST({finished(value).sql} AS VARCHAR)"


def finished(value: Value) -> Value:
    """The value as a result column: predicates as 1 and 0, decimals at the scale that MySQL shows."""
    if value.kind is Kind.BOOL:
        return Value(f"CAST({value.sql} AS INTEGER)", INT)
    if value.kind is Kind.DECIMAL and value.origin is None:
        return Value(f"CAST({value.sql} AS {value.type.duckdb})", value.type)
    if value.kind is Kind.NULL:
        return Value("CAST(NULL AS INTEGER)", NULL)
    if value.kind is Kind.DOUBLE and value.type.scale < ALL_DECIMALS:
        return Value(f"qserv_round({value.sql}, {value.type.scale})", value.type)
    if value.constant is not None and value.kind in (Kind.INT, Kind.UINT):
        return Value(f"CAST({value.sql} AS {value.type.duckdb})", value.type)
    return value


def shown_value(value: Value) -> Value:
    """The value as a column of a result; a DOUBLE that was computed and is infinite is an error."""
    found = finished(value)
    if found.kind is not Kind.DOUBLE or found.type.narrow or value.origin is not None or value.constant is not None:
        return found
    return Value(f"qserv_in_range({found.sql})", found.type)


def key(value: Value) -> str:
    """What equals where MySQL's values are equal, and sorts as they sort: strings without case, accents, padding."""
    if value.kind is Kind.TEXT:
        return f"qserv_fold({value.sql})"
    return finished(value).sql


def key_of_shown(value: Value) -> str:
    """The key of a value that is a column of a result already, so that it is not rounded once more."""
    return key(value) if value.kind is Kind.TEXT else value.sql


def common(types: list[Type]) -> Type:
    """The type of CASE, COALESCE, UNION … over values of these types."""
    found = [type_ for type_ in types if type_.kind is not Kind.NULL]
    if not found:
        return NULL
    kinds = {type_.kind for type_ in found}
    if len(kinds) == 1 and kinds != {Kind.DECIMAL}:
        return _alike(found)
    if kinds <= INTEGERS:
        return BIGINT if Kind.UINT not in kinds else (decimal(20, 0) if Kind.INT in kinds else UBIGINT)
    if kinds <= EXACT:
        scale = max(type_.scale for type_ in found)
        return decimal(max(type_.digits - type_.scale for type_ in found) + scale, scale)
    if kinds <= EXACT | {Kind.DOUBLE}:
        return replace(shown(max(type_.scale for type_ in found)), narrow=all(_fits_float(type_) for type_ in found))
    if kinds <= {Kind.DATE, Kind.DATETIME}:
        return replace(DATETIME, scale=max(type_.scale for type_ in found))
    return BINARY if Kind.BINARY in kinds else TEXT


def _alike(found: list[Type]) -> Type:
    """The common type of types of one kind, which is not DECIMAL."""
    first = found[0]
    if first.kind is Kind.BOOL:
        return INT
    narrow = first.kind is Kind.DOUBLE and all(type_.narrow for type_ in found)
    bits = first.bits if all(type_.bits == first.bits for type_ in found) else 0
    return Type(first.kind, max(t.digits for t in found), max(t.scale for t in found), narrow, bits)


def _fits_float(type_: Type) -> bool:
    """Whether MySQL keeps the type beside a FLOAT as FLOAT: FLOAT itself, and columns of integers up to SMALLINT."""
    return type_.narrow and (
        type_.kind is Kind.DOUBLE or (type_.kind in INTEGERS and type_.digits <= _DIGITS[Base.SMALLINT])
    )


def coerced(value: Value, type_: Type) -> str:
    """The value's SQL brought to ``type_`` (one that :func:`common` gave for it and others)."""
    if value.kind is Kind.NULL:
        return f"CAST(NULL AS {type_.duckdb})"
    if type_.kind is Kind.TEXT:
        return text(value)
    if type_.kind is Kind.BINARY:
        return value.sql if value.kind is Kind.BINARY else f"encode({text(value)})"
    if type_.kind is Kind.DOUBLE:
        return f"CAST({number(value).sql} AS FLOAT)" if type_.narrow else double(value)
    if type_.kind is Kind.DECIMAL and value.kind in EXACT:
        return f"CAST({number(value).sql} AS {type_.duckdb})"
    return f"CAST({finished(value).sql} AS {type_.duckdb})"
