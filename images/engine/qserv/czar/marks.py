"""What an answer's Arrow types do not tell: that a column is a BIT, and how many digits its seconds' fractions have.

A field of an answer's schema says so in its metadata. DuckDB and all other doors hold BITs as whole numbers, and times
to the microsecond; MySQL sends a BIT as bytes, the highest first, and the digits that a time's type has.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from qserv.czar.packing import fixed_width
from qserv.czar.texts import with_fraction
from qserv.sql.values import Type

_BITS, _FRACTION = b"bits", b"fraction"


def marked(schema: pa.Schema, types: Sequence[Type]) -> pa.Schema:
    """The schema whose fields tell what its columns' MySQL ``types`` have of it (none at all where these are empty)."""
    for place, type_ in enumerate(types):
        name, number = (_BITS, type_.bits) if type_.bits else (_FRACTION, type_.fraction)
        if number is not None:
            schema = schema.set(place, schema.field(place).with_metadata({name: str(number).encode()}))
    return schema


def bits(field: pa.Field) -> int:
    """The length of a BIT column; 0 of all others."""
    return int((field.metadata or {}).get(_BITS, b"0"))


def fraction(field: pa.Field) -> int | None:
    """The digits after the seconds; None where the type has none, or as many as a value needs."""
    found = (field.metadata or {}).get(_FRACTION)
    return None if found is None else int(found)


class Sent:
    """Batches of a ``schema`` as a client is sent them, in the ``binary`` protocol or as texts."""

    def __init__(self, schema: pa.Schema, *, binary: bool) -> None:
        told = {place: field for place, field in enumerate(schema) if field.metadata}
        self._bits = {place: length for place, field in told.items() if (length := bits(field))}
        digits = {place: fraction(field) for place, field in told.items() if not binary}
        self._fractions = {place: found for place, found in digits.items() if found is not None}

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not self._bits and not self._fractions:
            return batch
        columns = batch.columns
        for place, length in self._bits.items():
            columns[place] = _bytes(columns[place], -(-length // 8))
        for place, digits in self._fractions.items():
            columns[place] = with_fraction(columns[place], digits)
        return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _bytes(column: pa.Array, width: int) -> pa.Array:
    numbers = column.cast(pa.uint64()).fill_null(0).to_numpy(zero_copy_only=False)
    highest_first = numbers.astype(">u8").view("u1").reshape(-1, 8)[:, 8 - width :].copy()
    found = fixed_width(highest_first, width)
    return pc.if_else(column.is_valid(), found, pa.scalar(None, pa.binary())) if column.null_count else found
