"""Arrow columns as values of MySQL's binary protocol, vectorised: what prepared statements answer.

A row is a zero byte, a bitmap of NULLs (offset by two bits), then the values that are not NULL: numbers as
little-endian bytes, dates and times as their fields with a leading length, all else as length-encoded strings.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from qserv.czar.packing import fixed_width, length_prefixed
from qserv.czar.texts import finite, text_column

_DATETIME = np.dtype(
    [("n", "u1"), ("year", "<u2"), ("month", "u1"), ("day", "u1"), ("h", "u1"), ("m", "u1"), ("s", "u1"), ("us", "<u4")]
)
_DATE = np.dtype([("n", "u1"), ("year", "<u2"), ("month", "u1"), ("day", "u1")])
_TIME = np.dtype([("n", "u1"), ("neg", "u1"), ("days", "<u4"), ("h", "u1"), ("m", "u1"), ("s", "u1"), ("us", "<u4")])


def binary_parts(batch: pa.RecordBatch) -> list[pa.Array]:
    """``binary`` arrays that, joined row by row, are the payloads of the rows."""
    columns = [
        finite(column) if pa.types.is_floating(column.type) else column for column in map(_decoded, batch.columns)
    ]
    parts = [_null_bitmaps(columns, batch.num_rows)]
    for column in columns:
        parts += _values(column)
    return parts


def _decoded(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _null_bitmaps(columns: list[pa.Array], rows: int) -> pa.Array:
    width = (len(columns) + 9) // 8
    bits = np.zeros((rows, width * 8), dtype=np.uint8)
    for index, column in enumerate(columns):
        if column.null_count:
            bits[:, index + 2] = ~np.asarray(column.is_valid())
    packed = np.zeros((rows, 1 + width), dtype=np.uint8)
    packed[:, 1:] = np.packbits(bits, axis=1, bitorder="little")
    return fixed_width(packed, 1 + width)


def _values(column: pa.Array) -> list[pa.Array]:
    kind = column.type
    if pa.types.is_boolean(kind):
        return [_fixed(column, column.cast(pa.int8()).fill_null(0).to_numpy(zero_copy_only=False))]
    if pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind):
        return [_fixed(column, column.fill_null(0).to_numpy(zero_copy_only=False))]
    if pa.types.is_timestamp(kind):
        return [_fixed(column, _datetimes(column))]
    if pa.types.is_date(kind):
        return [_fixed(column, _dates(column))]
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return [_fixed(column, _times(column))]
    prefixes, values = length_prefixed(text_column(column))
    if column.null_count:
        prefixes = pc.if_else(column.is_valid(), prefixes, pa.scalar(b"", pa.binary()))
    return [prefixes, values]


def _fixed(column: pa.Array, data: npt.NDArray[np.generic]) -> pa.Array:
    """Values of one width, and no bytes at all where the column is NULL."""
    width = data.dtype.itemsize
    if not column.null_count:
        return fixed_width(np.ascontiguousarray(data), width)
    valid = np.asarray(column.is_valid())
    offsets = np.concatenate(([0], np.cumsum(valid * width))).astype(np.int32)
    kept = np.ascontiguousarray(data[valid])
    return pa.Array.from_buffers(pa.binary(), len(column), [None, pa.py_buffer(offsets), pa.py_buffer(kept.tobytes())])


def _days(days: npt.NDArray[np.int64], into: npt.NDArray[np.void]) -> None:
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]").astype(np.int64)
    into["year"], into["month"] = months // 12 + 1970, months % 12 + 1
    into["day"] = (dates - dates.astype("datetime64[M]")).astype(np.int64) + 1


def _clock(micros: npt.NDArray[np.int64], into: npt.NDArray[np.void]) -> None:
    into["h"], into["m"], into["s"] = micros // 3_600_000_000, micros // 60_000_000 % 60, micros // 1_000_000 % 60
    into["us"] = micros % 1_000_000


def _integers(column: pa.Array, kind: pa.DataType) -> npt.NDArray[np.int64]:
    plain: npt.NDArray[np.int64] = column.cast(kind).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return plain


def _datetimes(column: pa.Array) -> npt.NDArray[np.void]:
    days, micros = np.divmod(_integers(column, pa.timestamp("us")), 86_400_000_000)
    fields = np.zeros(len(column), dtype=_DATETIME)
    fields["n"] = _DATETIME.itemsize - 1
    _days(days, fields)
    _clock(micros, fields)
    return fields


def _dates(column: pa.Array) -> npt.NDArray[np.void]:
    days: npt.NDArray[np.int64] = (
        column.cast(pa.date32()).cast(pa.int32()).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    )
    fields = np.zeros(len(column), dtype=_DATE)
    fields["n"] = _DATE.itemsize - 1
    _days(days, fields)
    return fields


def _times(column: pa.Array) -> npt.NDArray[np.void]:
    unit = pa.duration("us") if pa.types.is_duration(column.type) else pa.time64("us")
    micros = _integers(column, unit)
    fields = np.zeros(len(column), dtype=_TIME)
    fields["n"], fields["neg"] = _TIME.itemsize - 1, micros < 0
    fields["days"], rest = np.divmod(np.abs(micros), 86_400_000_000)
    _clock(rest, fields)
    return fields
