"""BIT columns as MySQL sends them: bytes, the highest first, of a type of their own.

DuckDB and all other doors hold them as whole numbers. A field of an answer's schema says in its metadata how many bits
its column has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from qserv.czar.packing import fixed_width

_KEY = b"bits"


def marked(schema: pa.Schema, bits: Sequence[int]) -> pa.Schema:
    """The schema whose fields tell the lengths of ``bits``, one a column (0: no BIT; none at all where it is empty)."""
    for place, length in enumerate(bits):
        if length:
            schema = schema.set(place, schema.field(place).with_metadata({_KEY: str(length).encode()}))
    return schema


def lengths(schema: pa.Schema) -> dict[int, int]:
    """The columns that are BITs, by place, and how many bits each has."""
    found = {place: int((field.metadata or {}).get(_KEY, b"0")) for place, field in enumerate(schema)}
    return {place: length for place, length in found.items() if length}


def as_bytes(batch: pa.RecordBatch, bits: Mapping[int, int]) -> pa.RecordBatch:
    """A batch with the unsigned numbers of some columns as bytes; ``bits``: their lengths, by place."""
    for place, length in bits.items():
        batch = batch.set_column(place, batch.schema.field(place).name, _bytes(batch.column(place), -(-length // 8)))
    return batch


def _bytes(column: pa.Array, width: int) -> pa.Array:
    numbers = column.cast(pa.uint64()).fill_null(0).to_numpy(zero_copy_only=False)
    highest_first = numbers.astype(">u8").view("u1").reshape(-1, 8)[:, 8 - width :].copy()
    found = fixed_width(highest_first, width)
    return pc.if_else(column.is_valid(), found, pa.scalar(None, pa.binary())) if column.null_count else found
