"""Arrow columns as MySQL's texts: the values of the text protocol, vectorised.

Every function takes an Arrow array and answers a ``binary`` array of equal length and equal NULLs, in the bytes that
MariaDB 10.11 sends for such a value. NaN and the infinities are NULL: MySQL has no such numbers.
"""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

FLOAT_DIGITS = 6
"""Significant digits of a FLOAT in MySQL's text protocol."""

_POWERS = 10.0 ** np.arange(23)
"""Those powers of ten that are exact doubles: one multiplication or division by them rounds correctly."""

_PLAIN_BELOW = 1e15
PLAIN_FROM = 1e-15
"""MariaDB writes a number between these without an exponent (and one with a fraction up to 1e16), Arrow one between
1e-6 and 1e10."""


def text_column(column: pa.Array) -> pa.Array:
    """The column's values as MySQL texts."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return text_column(column.dictionary_decode())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return column.cast(pa.binary())
    return _text(column, kind).cast(pa.string()).cast(pa.binary())


def _text(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_boolean(kind):
        return column.cast(pa.int8()).cast(pa.string())
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        return _doubles(_significant(column.cast(pa.float32())))
    if pa.types.is_float64(kind):
        return _doubles(column)
    if pa.types.is_decimal(kind):
        return _decimals(column)
    if pa.types.is_timestamp(kind):
        return _without_zero_fraction(column.cast(pa.timestamp("us")).cast(pa.string()), 19)
    if pa.types.is_time(kind):
        return _without_zero_fraction(column.cast(pa.time64("us")).cast(pa.string()), 8)
    if pa.types.is_duration(kind):
        return _durations(column)
    if pa.types.is_nested(kind) or pa.types.is_interval(kind):
        return pa.array([None if value is None else json.dumps(value, default=str) for value in column.to_pylist()])
    return column


def finite(column: pa.Array) -> pa.Array:
    """A column of floats whose NaN and infinities are NULL."""
    good = pc.is_finite(column)
    if column.null_count == 0 and pc.all(good, min_count=0).as_py():
        return column
    return pc.if_else(good, column, pa.scalar(None, column.type))


def _doubles(column: pa.Array) -> pa.Array:
    column = finite(column)
    texts = column.cast(pa.string())
    numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
    size = np.abs(numbers)
    if (size >= 1e9).any():
        texts = pc.replace_substring(texts, "e+", "e", max_replacements=1)
    texts = _expanded_small(texts, (size >= PLAIN_FROM) & (size < 1e-6))
    large = (size >= 1e9) & ((size < _PLAIN_BELOW) | ((size < 10 * _PLAIN_BELOW) & (size != np.floor(size))))
    if not large.any():
        return texts
    # Python writes numbers below 1e16 without an exponent.
    plain = pa.array([repr(number).removesuffix(".0") for number in numbers[large].tolist()], pa.string())
    return pc.replace_with_mask(texts, pa.array(large), plain)


def _expanded_small(texts: pa.Array, small: npt.NDArray[np.bool_]) -> pa.Array:
    """``1.25e-7`` as ``0.000000125``, where ``small`` says so; by exponent, so that all of one are done at once."""
    if not small.any():
        return texts
    found = texts.filter(pa.array(small))
    negative = pc.starts_with(found, "-")
    sign = pc.if_else(negative, "-", "")
    found = pc.replace_substring(pc.utf8_ltrim(found, "-"), ".", "", max_replacements=1)
    for exponent in range(6, 16):
        suffix = f"e-{exponent}"
        mine = pc.ends_with(found, suffix)
        if not pc.any(mine, min_count=0).as_py():
            continue
        digits = pc.utf8_slice_codeunits(found, 0, -len(suffix))
        plain = pc.binary_join_element_wise(sign, f"0.{'0' * (exponent - 1)}", digits, "")
        found = pc.if_else(mine, plain, found)
    return pc.replace_with_mask(texts, pa.array(small), found)


def _significant(column: pa.Array) -> pa.Array:
    """Single-precision numbers as the doubles that print with six significant digits."""
    exact = column.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = FLOAT_DIGITS - 1 - np.floor(np.log10(np.abs(exact)))
        near = np.abs(shift) < _POWERS.size
        places = np.where(near, shift, 0).astype(np.int8)
        up, down = _POWERS[np.maximum(places, 0)], _POWERS[np.maximum(-places, 0)]
        rounded = np.rint(exact * up / down) / up * down
    far = ~near & np.isfinite(shift)
    if far.any():
        rounded[far] = [float(f"{value:.{FLOAT_DIGITS}g}") for value in exact[far].tolist()]
    found = pa.array(rounded)
    return pc.if_else(column.is_valid(), found, pa.scalar(None, pa.float64())) if column.null_count else found


def _decimals(column: pa.Array) -> pa.Array:
    texts = column.cast(pa.string())
    if column.type.scale > 6:
        # Arrow, like Java, writes small decimals with an exponent.
        scientific = pc.match_substring(texts, "E").fill_null(False)
        if pc.any(scientific, min_count=0).as_py():
            plain = [format(value, "f") for value in column.filter(scientific).to_pylist()]
            return pc.replace_with_mask(texts, scientific, pa.array(plain, pa.string()))
    return texts


def with_fraction(column: pa.Array, digits: int) -> pa.Array:
    """Times, with or without a date, as texts with so many ``digits`` after the seconds, 0 to 6."""
    texts = column.cast(pa.timestamp("us") if pa.types.is_timestamp(column.type) else pa.time64("us")).cast(pa.string())
    return pc.utf8_slice_codeunits(texts, 0, -6 + digits if digits else -7) if digits < 6 else texts


def _without_zero_fraction(texts: pa.Array, whole: int) -> pa.Array:
    zero = pc.ends_with(texts, ".000000")
    cut = pc.utf8_slice_codeunits(texts, 0, whole)
    return cut if pc.all(zero, min_count=0).as_py() else pc.if_else(zero, cut, texts)


def _durations(column: pa.Array) -> pa.Array:
    return pa.array([_duration(value) for value in column.cast(pa.duration("us")).cast(pa.int64()).to_pylist()])


def _duration(micros: int | None) -> str | None:
    if micros is None:
        return None
    seconds, fraction = divmod(abs(micros), 1_000_000)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return ("-" if micros < 0 else "") + text + (f".{fraction:06d}" if fraction else "")
