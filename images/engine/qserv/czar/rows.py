"""Rows as bodies of HTTP answers: Arrow's stream format, CSV, and JSON. Each is written as the rows come."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from pyarrow import csv

ARROW = "application/vnd.apache.arrow.stream"
CSV = "text/csv"
JSON = "application/json"

_PIECE = 8192
"""Rows that are written at a time."""


def arrow_rows(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """Arrow's IPC stream; without its end mark when the query failed half-way."""
    sink = io.BytesIO()
    writer = pa.ipc.new_stream(sink, schema)
    for batch in batches:
        writer.write_batch(batch)
        yield _taken(sink)
    writer.close()
    yield _taken(sink)


def csv_rows(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """A header line, then a line a row; NULL is an empty field, an empty text two quotes."""
    sink = io.BytesIO()
    schema = pa.schema([pa.field(field.name, _csv_type(field.type)) for field in schema])
    with csv.CSVWriter(sink, schema) as writer:
        for batch in batches:
            columns = [_csv_column(column, field.type) for column, field in zip(batch.columns, schema, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            yield _taken(sink)
    yield _taken(sink)


def json_rows(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """``{"columns": [{"name", "type"}…], "rows": [[…]…]}``. Decimals and times are texts, blobs are hex."""
    columns = [{"name": field.name, "type": str(field.type)} for field in schema]
    yield f'{{"columns": {json.dumps(columns)}, "rows": ['.encode()
    comma = ""
    for batch in batches:
        for start in range(0, batch.num_rows, _PIECE):
            piece = batch.slice(start, _PIECE)
            values = zip(*(column.to_pylist() for column in piece.columns), strict=True)
            lines = [json.dumps([_plain(value) for value in row], allow_nan=False) for row in values]
            yield (comma + ",\n".join(lines)).encode()
            comma = ",\n"
    yield b"]}\n"


Writer = Callable[[pa.Schema, Iterator[pa.RecordBatch]], Iterator[bytes]]

WRITERS: dict[str, Writer] = {ARROW: arrow_rows, CSV: csv_rows, JSON: json_rows}
"""By media type."""


def _taken(sink: io.BytesIO) -> bytes:
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data


def _csv_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_binary(kind) or pa.types.is_nested(kind) else kind


def _csv_column(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    return pa.array([None if value is None else str(_plain(value)) for value in column.to_pylist()], kind)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)
