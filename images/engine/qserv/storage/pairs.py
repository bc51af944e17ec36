"""The pairs of neighbours that a statement reads, as DuckDB sees them: tables, of no rows where none are searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from qserv.catalog.messages import PairStep

Parameters = Mapping[str, Sequence[str]]

_NOTHING = pa.schema([pa.field("q:nothing", pa.null())])
"""Of pairs of which no column is asked for: they are counted."""


def table_of(number: int) -> str:
    """The name of the pairs that a step makes."""
    return f"q:pairs{number}"


def own(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Parameters) -> dict[str, list[str]]:
    """Those parameters that a statement has: DuckDB refuses others."""
    return {name: list(parameters[name]) for name in cursor.extract_statements(sql)[0].named_parameters}


def pair_schema(step: PairStep, first: pa.Schema, second: pa.Schema) -> pa.Schema:
    """The columns of pairs, by those of their sides."""
    fields = [first.field(name) for name in step.first_columns] + [second.field(name) for name in step.second_columns]
    return pa.schema([field.with_nullable(True) for field in fields]) if fields else _NOTHING


def register_none(cursor: duckdb.DuckDBPyConnection, steps: Sequence[PairStep], parameters: Parameters) -> None:
    """Make the pairs readable as tables of no rows."""
    for number, step in enumerate(steps):
        first, second = (_schema(cursor, sql, parameters) for sql in (step.first, step.second or step.first))
        cursor.register(table_of(number), pair_schema(step, first, second).empty_table())


def _schema(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Parameters) -> pa.Schema:
    none = f"SELECT * FROM ({sql}) LIMIT 0"  # noqa: S608 -- the planner wrote the statement
    return cursor.sql(none, params=own(cursor, sql, parameters)).to_arrow_reader().schema
