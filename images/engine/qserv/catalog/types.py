"""MySQL's column types, and what they are in DuckDB and Arrow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from qserv.catalog.errors import SpecError


class Base(StrEnum):
    BOOL = "BOOL"
    TINYINT = "TINYINT"
    SMALLINT = "SMALLINT"
    MEDIUMINT = "MEDIUMINT"
    INT = "INT"
    BIGINT = "BIGINT"
    FLOAT = "FLOAT"
    DOUBLE = "DOUBLE"
    DECIMAL = "DECIMAL"
    BIT = "BIT"
    CHAR = "CHAR"
    VARCHAR = "VARCHAR"
    TEXT = "TEXT"
    BINARY = "BINARY"
    VARBINARY = "VARBINARY"
    BLOB = "BLOB"
    DATE = "DATE"
    TIME = "TIME"
    DATETIME = "DATETIME"
    TIMESTAMP = "TIMESTAMP"
    YEAR = "YEAR"


_SYNONYMS = {
    "BOOLEAN": Base.BOOL,
    "INTEGER": Base.INT,
    "REAL": Base.DOUBLE,
    "DOUBLE PRECISION": Base.DOUBLE,
    "NUMERIC": Base.DECIMAL,
    "DEC": Base.DECIMAL,
    "TINYTEXT": Base.TEXT,
    "MEDIUMTEXT": Base.TEXT,
    "LONGTEXT": Base.TEXT,
    "TINYBLOB": Base.BLOB,
    "MEDIUMBLOB": Base.BLOB,
    "LONGBLOB": Base.BLOB,
}

_DUCKDB = {
    Base.BOOL: "TINYINT",
    Base.TINYINT: "TINYINT",
    Base.SMALLINT: "SMALLINT",
    Base.MEDIUMINT: "INTEGER",
    Base.INT: "INTEGER",
    Base.BIGINT: "BIGINT",
    Base.FLOAT: "FLOAT",
    Base.DOUBLE: "DOUBLE",
    Base.BIT: "UBIGINT",
    Base.CHAR: "VARCHAR",
    Base.VARCHAR: "VARCHAR",
    Base.TEXT: "VARCHAR",
    Base.BINARY: "BLOB",
    Base.VARBINARY: "BLOB",
    Base.BLOB: "BLOB",
    Base.DATE: "DATE",
    Base.TIME: "TIME",
    Base.DATETIME: "TIMESTAMP",
    Base.TIMESTAMP: "TIMESTAMP",
    Base.YEAR: "SMALLINT",
}

_INTEGERS = frozenset({Base.BOOL, Base.TINYINT, Base.SMALLINT, Base.MEDIUMINT, Base.INT, Base.BIGINT, Base.YEAR})
_STRINGS = frozenset({Base.CHAR, Base.VARCHAR, Base.TEXT})
_BINARIES = frozenset({Base.BINARY, Base.VARBINARY, Base.BLOB})

_DECLARATION = re.compile(
    r"\s*(?P<name>[A-Za-z]+(?:\s+PRECISION)?)\s*(?:\(\s*(?P<a>\d+)\s*(?:,\s*(?P<b>\d+)\s*)?\))?"
    r"(?P<unsigned>\s+UNSIGNED)?(?:\s+ZEROFILL)?\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SqlType:
    """A MySQL column type. ``length`` is characters, bits or a decimal's precision; ``scale`` a decimal's scale."""

    base: Base
    length: int | None = None
    scale: int | None = None
    unsigned: bool = False

    @classmethod
    def parse(cls, text: str) -> SqlType:
        """A type as MySQL writes it, such as ``BIGINT UNSIGNED`` or ``DECIMAL(10,2)``.

        Raises
        ------
        SpecError
            For a type that is not MySQL's, or that cannot be stored.
        """
        match = _DECLARATION.fullmatch(text)
        name = " ".join(match["name"].upper().split()) if match else ""
        if match is None or not (name in _SYNONYMS or name in Base.__members__):
            raise SpecError(f"unknown column type {text!r}: write a MySQL type such as BIGINT, DOUBLE or VARCHAR(16)")
        base = _SYNONYMS.get(name) or Base[name]
        length = int(match["a"]) if match["a"] else None
        scale = int(match["b"]) if match["b"] else None
        if base is Base.DECIMAL:
            length, scale = length or 10, scale or 0
            if length > 38 or scale > length:
                raise SpecError(f"{text!r}: a DECIMAL has at most 38 digits, and a scale within them")
        elif base is Base.BIT:
            length = length or 1
            if length > 64:
                raise SpecError(f"{text!r}: a BIT column has at most 64 bits")
        return cls(base, length, scale, bool(match["unsigned"]))

    def __str__(self) -> str:
        text = str(self.base)
        if self.base in (Base.FLOAT, Base.DOUBLE) or self.base in _INTEGERS:
            pass
        elif self.scale is not None:
            text += f"({self.length},{self.scale})"
        elif self.length is not None:
            text += f"({self.length})"
        return text + (" UNSIGNED" if self.unsigned else "")

    @property
    def duckdb(self) -> str:
        """The type's name in DuckDB."""
        if self.base is Base.DECIMAL:
            return f"DECIMAL({self.length},{self.scale})"
        name = _DUCKDB[self.base]
        return f"U{name}" if self.unsigned and self.base in _INTEGERS else name

    @property
    def integer(self) -> bool:
        return self.base in _INTEGERS

    @property
    def text(self) -> bool:
        return self.base in _STRINGS

    @property
    def binary(self) -> bool:
        return self.base in _BINARIES

    @property
    def numeric(self) -> bool:
        return self.integer or self.base in (Base.FLOAT, Base.DOUBLE, Base.DECIMAL, Base.BIT)
