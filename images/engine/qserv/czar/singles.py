"""FLOAT columns in MySQL's text protocol: a byte of length, then six significant digits.

Six digits are an integer below a million, so texts are made by tables and integer arithmetic on whole columns, in half
of the time that general doubles take. Each is put together in a slot of two 64-bit words, the first byte lowest::

    length | sign, "0.", zeros | digits, with the point among them
           └── up to 7 bytes ──┴───────── up to 8 bytes ─────────

Numbers from 1e-6 (below zero from 1e-5) to 1e8 fit. Others go through :mod:`qserv.czar.texts`, which defines what all
of them look like.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qserv.czar.texts import FLOAT_DIGITS

Words = npt.NDArray[np.uint64]

_NULL = 0xFB
_MILLION = 10**FLOAT_DIGITS
_SLOT = 16

_AT_ONCE = 32_768
"""Values that are worked on at a time: what their arrays take stays in the processor's cache."""

_EXPONENTS = range(-6, 8)
_LEAST, _LEAST_NEGATIVE, _BELOW = np.float32(1e-6), np.float32(1e-5), np.float32(0.999999e8)
_LAYOUTS = [(b"", each) for each in _EXPONENTS] + [(b"-", each) for each in _EXPONENTS[1:]]
"""A sign and a decimal exponent. Those of negative numbers follow those of the others."""

_NEGATIVE = len(_EXPONENTS) - 1
_LEADS = [sign + (b"0." + b"0" * (-exponent - 1) if exponent < 0 else b"") for sign, exponent in _LAYOUTS]
"""What stands before the digits."""

_BEFORE_POINT = [exponent + 1 if 0 <= exponent < FLOAT_DIGITS - 1 else None for _, exponent in _LAYOUTS]
"""How many digits stand before a point among them; None where there is none."""


def _words(texts: Sequence[bytes]) -> Words:
    return np.array([int.from_bytes(text, "little") for text in texts], np.uint64)


def _length(layout: int, zeros: int) -> int:
    """Bytes of a text whose six digits end with so many zeros."""
    exponent, digits = _LAYOUTS[layout][1], FLOAT_DIGITS - zeros
    if exponent >= 0:
        digits = max(exponent + 1, digits + (digits > exponent + 1))
    return len(_LEADS[layout]) + digits


# By exponent: what takes a number to an integer of six digits. Both are exact, and so is a FLOAT times one of them.
_UP = 10.0 ** np.array([max(FLOAT_DIGITS - 1 - each, 0) for each in _EXPONENTS])
_DOWN = 10.0 ** np.array([max(each - FLOAT_DIGITS + 1, 0) for each in _EXPONENTS])

# Of three digits: their characters, and how many zeros are at their end.
_CHARACTERS = _words([b"%03d" % each for each in range(1000)])
_ZEROS = np.array([3 - len(f"{each:03d}".rstrip("0")) for each in range(1000)])

# By layout: the first word without digits; how far digits are shifted in the first word and in the second; those
# before the point; the point itself, or zeros that follow six digits; how far the digits behind the point make room.
_LEAD = _words([b"\0" + lead for lead in _LEADS])
_LEFT = np.array([8 * len(lead) for lead in _LEADS], np.uint64)
_RIGHT = np.array([56 - 8 * len(lead) for lead in _LEADS], np.uint64)
_WHOLE = _words([b"\xff" * (before or FLOAT_DIGITS) for before in _BEFORE_POINT])
_POINT = _words([b"\0" * before + b"." if before else b"\0" * FLOAT_DIGITS + b"00" for before in _BEFORE_POINT])
_ROOM = np.array([8 if before else 0 for before in _BEFORE_POINT], np.uint64)

# By layout and number of zeros; and by length, which bytes of a slot are used.
_LENGTHS = np.array([_length(each, zeros) for each in range(len(_LAYOUTS)) for zeros in range(FLOAT_DIGITS + 1)])
_USED = (np.arange(_SLOT) <= np.arange(_SLOT)[:, None]).view(f"V{_SLOT}").ravel()


def fit(column: pa.FloatArray) -> bool:
    """Whether all values of a column are 0, NULL, not finite, or within the bounds."""
    values = column.fill_null(0.0).to_numpy()
    size = np.abs(values)
    good = (size < _BELOW) & (size >= np.where(values < 0, _LEAST_NEGATIVE, _LEAST))
    return bool((good | (size == 0) | ~np.isfinite(size)).all())


def side_by_side(columns: Sequence[pa.FloatArray]) -> pa.BinaryArray:
    """The values of columns that fit, as length-encoded strings, those of a row in one piece."""
    rows, count = len(columns[0]), len(columns)
    values = np.empty((rows, count))
    for place, column in enumerate(columns):
        values[:, place] = column.fill_null(np.nan).to_numpy()
    step = max(1, _AT_ONCE // count)
    texts, sizes = zip(*(_texts(values[start : start + step].ravel()) for start in range(0, rows, step)), strict=True)
    offsets = np.zeros(rows + 1, np.int32)
    np.cumsum(np.concatenate(sizes).reshape(rows, count).sum(axis=1), out=offsets[1:])
    return pa.Array.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(np.concatenate(texts))])


def _texts(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.intp]]:
    """The bytes of numbers that fit, one after another, and how many each has. What is not finite is the byte 0xFB."""
    negative, size = np.signbit(values), np.abs(values)
    absent, zero = ~np.isfinite(size), size == 0
    exponent = np.floor(np.log10(np.where(absent | zero, 1.0, size))).astype(np.intp)
    place = np.maximum(exponent - _EXPONENTS.start, 0)
    size[absent] = 0
    digits = np.rint(size * _UP[place] / _DOWN[place]).astype(np.intp)
    layout = place + _NEGATIVE * negative
    carried = digits >= _MILLION
    if carried.any():
        digits[carried] //= 10
        layout += carried
    high = digits // 1000
    low = digits - 1000 * high
    zeros = _ZEROS[low] + _ZEROS[high] * (low == 0)
    length = _LENGTHS[layout * (FLOAT_DIGITS + 1) + zeros]
    six = _CHARACTERS[high] | _CHARACTERS[low] << np.uint64(24)
    whole = six & _WHOLE[layout]
    body = whole | _POINT[layout] | (six ^ whole) << _ROOM[layout]
    slots = np.empty((len(values), 2), "<u8")
    slots[:, 0] = _LEAD[layout] | body << np.uint64(8) << _LEFT[layout] | length.astype(np.uint64)
    slots[:, 1] = body >> _RIGHT[layout]
    slots[absent, 0], length[absent] = _NULL, 0
    return slots.view(np.uint8).ravel()[_USED[length].view(np.bool_)], length + 1
