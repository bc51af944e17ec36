"""What a table's columns are in Arrow, and so in its Parquet files.

A partitioned table's main files hold its columns, of which the last two are ``chunkId`` and ``subChunkId``; its overlap
files hold ``hostChunkId`` besides. DuckDB reads each Arrow type as the type that :attr:`SqlType.duckdb` names.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

import pyarrow as pa

from qserv.catalog.errors import SpecError
from qserv.catalog.model import CHUNK_COLUMN, HOST_COLUMN, SUBCHUNK_COLUMN, Column, FileKind, Table, TableKind
from qserv.catalog.spec import TableSpec
from qserv.catalog.types import Base, SqlType

PLACE_COLUMNS = (
    Column(CHUNK_COLUMN, SqlType(Base.INT), nullable=False),
    Column(SUBCHUNK_COLUMN, SqlType(Base.INT), nullable=False),
)
"""The two columns that every partitioned table ends with."""

_ARROW: dict[Base, pa.DataType] = {
    Base.BOOL: pa.int8(),
    Base.TINYINT: pa.int8(),
    Base.SMALLINT: pa.int16(),
    Base.MEDIUMINT: pa.int32(),
    Base.INT: pa.int32(),
    Base.BIGINT: pa.int64(),
    Base.YEAR: pa.int16(),
    Base.FLOAT: pa.float32(),
    Base.DOUBLE: pa.float64(),
    Base.BIT: pa.uint64(),
    Base.CHAR: pa.string(),
    Base.VARCHAR: pa.string(),
    Base.TEXT: pa.string(),
    Base.BINARY: pa.binary(),
    Base.VARBINARY: pa.binary(),
    Base.BLOB: pa.binary(),
    Base.DATE: pa.date32(),
    Base.TIME: pa.time64("us"),
    Base.DATETIME: pa.timestamp("us"),
    Base.TIMESTAMP: pa.timestamp("us"),
}

_UNSIGNED: dict[pa.DataType, pa.DataType] = {
    pa.int8(): pa.uint8(),
    pa.int16(): pa.uint16(),
    pa.int32(): pa.uint32(),
    pa.int64(): pa.uint64(),
}

_INFERRED: dict[pa.DataType, SqlType] = {
    pa.bool_(): SqlType(Base.BOOL),
    pa.int8(): SqlType(Base.TINYINT),
    pa.int16(): SqlType(Base.SMALLINT),
    pa.int32(): SqlType(Base.INT),
    pa.int64(): SqlType(Base.BIGINT),
    pa.uint8(): SqlType(Base.TINYINT, unsigned=True),
    pa.uint16(): SqlType(Base.SMALLINT, unsigned=True),
    pa.uint32(): SqlType(Base.INT, unsigned=True),
    pa.uint64(): SqlType(Base.BIGINT, unsigned=True),
    pa.float16(): SqlType(Base.FLOAT),
    pa.float32(): SqlType(Base.FLOAT),
    pa.float64(): SqlType(Base.DOUBLE),
    pa.string(): SqlType(Base.TEXT),
    pa.large_string(): SqlType(Base.TEXT),
    pa.string_view(): SqlType(Base.TEXT),
    pa.binary(): SqlType(Base.BLOB),
    pa.large_binary(): SqlType(Base.BLOB),
    pa.binary_view(): SqlType(Base.BLOB),
    pa.date32(): SqlType(Base.DATE),
    pa.date64(): SqlType(Base.DATE),
}


def arrow_type(sql: SqlType) -> pa.DataType:
    """The Arrow type that holds values of a MySQL type."""
    if sql.base is Base.DECIMAL:
        return pa.decimal128(sql.length or 10, sql.scale or 0)
    found = _ARROW[sql.base]
    return _UNSIGNED[found] if sql.unsigned and sql.integer else found


def sql_type(arrow: pa.DataType, column: str) -> SqlType:
    """The MySQL type for a column of a file that declares none.

    Raises
    ------
    SpecError
        For a type that MySQL's columns do not have, such as a list.
    """
    if pa.types.is_dictionary(arrow):
        return sql_type(arrow.value_type, column)
    if arrow in _INFERRED:
        return _INFERRED[arrow]
    if pa.types.is_timestamp(arrow):
        return SqlType(Base.DATETIME, 6)
    if pa.types.is_time(arrow):
        return SqlType(Base.TIME, 6)
    if pa.types.is_fixed_size_binary(arrow):
        return SqlType(Base.BINARY, arrow.byte_width)
    if pa.types.is_decimal(arrow) and 0 <= arrow.scale <= arrow.precision <= 38:
        return SqlType(Base.DECIMAL, arrow.precision, arrow.scale)
    raise SpecError(
        f"column {column!r} has the type {arrow}, which no MySQL column can hold: list the table's 'columns' without it"
    )


def infer_columns(schema: pa.Schema) -> tuple[Column, ...]:
    """The columns of a file that says its own types, except those that the engine makes itself."""
    made = {CHUNK_COLUMN.casefold(), SUBCHUNK_COLUMN.casefold(), HOST_COLUMN.casefold()}
    return tuple(
        Column(field.name, sql_type(field.type, field.name), field.nullable)
        for field in schema
        if field.name.casefold() not in made
    )


def spec_columns(spec: TableSpec) -> tuple[Column, ...]:
    """The columns that a spec declares, except those that the engine makes itself.

    Raises
    ------
    SpecError
        If the spec declares none.
    """
    if spec.columns is None:
        raise SpecError(f"table {spec.name}: its columns are not known: list them under 'columns'")
    made = {CHUNK_COLUMN.casefold(), SUBCHUNK_COLUMN.casefold()} if spec.kind is not TableKind.REPLICATED else set()
    return tuple(
        Column(column.name, SqlType.parse(column.type), column.nullable)
        for column in spec.columns
        if column.name.casefold() not in made
    )


def schema_of(columns: Iterable[Column]) -> pa.Schema:
    """The Arrow schema of columns, in order."""
    return pa.schema([pa.field(column.name, arrow_type(column.type), column.nullable) for column in columns])


def file_schema(table: Table, kind: FileKind = FileKind.MAIN) -> pa.Schema:
    """The Arrow schema of a table's main or overlap files.

    ``table.columns`` of a partitioned table end with ``chunkId`` and ``subChunkId``.
    """
    schema = schema_of(table.columns)
    return overlap_schema(schema) if kind is FileKind.OVERLAP else schema


def stored_schema(spec: TableSpec, kind: FileKind = FileKind.MAIN) -> pa.Schema:
    """The Arrow schema of the main or overlap files of a table whose spec declares its columns."""
    columns = spec_columns(spec)
    if spec.kind is not TableKind.REPLICATED:
        columns += PLACE_COLUMNS
    schema = schema_of(columns)
    return overlap_schema(schema) if kind is FileKind.OVERLAP else schema


def named(schema: pa.Schema, name: str) -> str:
    """The column of that name in any case, as the schema spells it.

    Raises
    ------
    SpecError
        If there is none.
    """
    folded = name.casefold()
    found: str | None = next((spelt for spelt in schema.names if spelt.casefold() == folded), None)
    if found is None:
        raise SpecError(f"there is no column {name!r} among {', '.join(schema.names[:50])}")
    return found


def overlap_schema(main: pa.Schema) -> pa.Schema:
    return main.append(pa.field(HOST_COLUMN, pa.int32(), nullable=False))


def index_schema(key: pa.DataType) -> pa.Schema:
    """The schema of a director index: ``key`` int64 or uint64."""
    wide = pa.uint64() if pa.types.is_unsigned_integer(key) else pa.int64()
    return pa.schema(
        [
            pa.field("key", wide, nullable=False),
            pa.field(CHUNK_COLUMN, pa.int32(), nullable=False),
            pa.field(SUBCHUNK_COLUMN, pa.int32(), nullable=False),
        ]
    )


def encode_ipc(schema: pa.Schema) -> str:
    """An Arrow schema as base64 of its IPC message, as messages carry it."""
    return base64.b64encode(schema.serialize().to_pybytes()).decode("ascii")


def decode_ipc(text: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
