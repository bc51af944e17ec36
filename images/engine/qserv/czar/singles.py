"""FLOAT columns in MySQL's text protocol: a byte of length, then six significant digits.

Six digits are an integer below a million, so texts are made by tables and integer arithmetic on whole columns, in half
of the time that general doubles take. Each is put together in two 64-bit words, the first byte lowest::

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

from qserv.czar.packing import length_prefixed
from qserv.czar.texts import FLOAT_DIGITS, text_column

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]

_AT_ONCE = 32_768
"""Values that are worked on at a time: what their arrays take stays in the processor's cache."""

_HALF = np.uint64(32)
_INLINE = 12
_MILLION = 10**FLOAT_DIGITS

_EXPONENTS = range(-6, 8)
_LEAST, _LEAST_BELOW_ZERO, _MOST = 1e-6, 1e-5, 0.999999e8

_LAYOUTS = [(b"", each) for each in _EXPONENTS] + [(b"-", each) for each in _EXPONENTS[1:]]
"""A sign and a decimal exponent. Those of negative numbers follow those of the others."""

_NEGATIVE = len(_EXPONENTS) - 1
_LEADS = [sign + (b"0." + b"0" * (-exponent - 1) if exponent < 0 else b"") for sign, exponent in _LAYOUTS]
"""What stands before the digits."""

_BEFORE_POINT = [exponent + 1 if 0 <= exponent < FLOAT_DIGITS - 1 else FLOAT_DIGITS for _, exponent in _LAYOUTS]
"""How many digits have no point before them."""


def _words(texts: Sequence[bytes]) -> Words:
    return np.array([int.from_bytes(text, "little") for text in texts], np.uint64)


def _length(layout: int, zeros: int) -> int:
    """Bytes of a text whose six digits end with so many zeros."""
    exponent, digits = _LAYOUTS[layout][1], FLOAT_DIGITS - zeros
    if exponent >= 0:
        digits = max(exponent + 1, digits + (digits > exponent + 1))
    return len(_LEADS[layout]) + digits


# By layout: what takes a number to an integer of six digits. Both are exact, and so is a FLOAT times one of them.
_UP = 10.0 ** np.array([max(FLOAT_DIGITS - 1 - exponent, 0) for _, exponent in _LAYOUTS])
_DOWN = 10.0 ** np.array([max(exponent - FLOAT_DIGITS + 1, 0) for _, exponent in _LAYOUTS])

# Of three digits: their characters, and how many zeros are at their end.
_CHARACTERS = _words([b"%03d" % each for each in range(1000)])
_ZEROS = np.array([3 - len(f"{each:03d}".rstrip("0")) for each in range(1000)])

# By layout: the first word without digits; how far digits are shifted to the left in the first word, and to the right
# in the second; the digits behind the point, which make room for it; the point, or zeros that follow six digits.
_LEAD = _words([b"\0" + lead for lead in _LEADS])
_LEFT = np.array([8 + 8 * len(lead) for lead in _LEADS], np.uint64)
_RIGHT = np.array([56 - 8 * len(lead) for lead in _LEADS], np.uint64)
_BEHIND = _words([b"\0" * before + b"\xff" * (FLOAT_DIGITS - before) for before in _BEFORE_POINT])
_POINT = _words([b"\0" * before + (b"." if before < FLOAT_DIGITS else b"00") for before in _BEFORE_POINT])

# By layout and number of zeros.
_LENGTHS = np.array([_length(each, zeros) for each in range(len(_LAYOUTS)) for zeros in range(FLOAT_DIGITS + 1)])

# First words of what is no number, and of zeros.
_NULL, _ZERO, _ZERO_BELOW = _words([b"\xfb", b"\x010", b"\x02-0"])


def float_parts(columns: Sequence[pa.FloatArray]) -> list[pa.Array]:
    """The values of columns as length-encoded strings; those of a row in one piece, or in more where some do not fit.

    NULL, NaN and infinities are the byte 0xFB.
    """
    whole = _side_by_side(columns)
    if whole is not None:
        return [whole]
    if len(columns) == 1:
        return list(length_prefixed(text_column(columns[0])))
    half = len(columns) // 2
    return float_parts(columns[:half]) + float_parts(columns[half:])


def _side_by_side(columns: Sequence[pa.FloatArray]) -> pa.BinaryArray | None:
    rows, count = len(columns[0]), len(columns)
    values = np.empty((rows, count))
    for place, column in enumerate(columns):
        values[:, place] = column.to_numpy(zero_copy_only=False)  # NULL is NaN
    step = max(1, _AT_ONCE // count)
    parts = []
    for start in range(0, rows, step):
        found = _texts(values[start : start + step].ravel())
        if found is None:
            return None
        offsets = np.frombuffer(found.buffers()[1], np.int32, len(found) + 1)[::count].copy()
        buffers = [None, pa.py_buffer(offsets), found.buffers()[2]]
        parts.append(pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers))
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)


def _texts(values: Floats) -> pa.BinaryArray | None:
    """Numbers as length-encoded strings; None where a number does not fit."""
    size = np.abs(values)
    negative = values < 0
    fits = ((values >= _LEAST) | (values <= -_LEAST_BELOW_ZERO)) & (size < _MOST)
    every = bool(fits.all())
    if not every:
        others = np.flatnonzero(~fits)
        zero, absent = values[others] == 0, ~np.isfinite(values[others])
        if not (zero | absent).all():
            return None
        size[others] = 1.0
    # no FLOAT is so near to a power of ten that its logarithm is rounded beyond it
    layout = np.floor(np.log10(size)).astype(np.intp)
    layout += _NEGATIVE * negative - _EXPONENTS.start
    digits = np.rint(size * _UP[layout] / _DOWN[layout]).astype(np.intp)
    if digits.max() >= _MILLION:
        carried = digits >= _MILLION
        digits[carried] //= 10
        layout += carried
    high = digits // 1000
    low = digits - 1000 * high
    zeros = _ZEROS[low]
    short = np.flatnonzero(low == 0)
    zeros[short] += _ZEROS[high[short]]
    length = _LENGTHS[layout * (FLOAT_DIGITS + 1) + zeros]
    six = _CHARACTERS[high] | _CHARACTERS[low] << np.uint64(24)
    # a point makes room: what is behind it is worth 256 times as much
    body = six + np.uint64(255) * (six & _BEHIND[layout]) | _POINT[layout]
    first = _LEAD[layout] | body << _LEFT[layout] | length.view(np.uint64)
    second = body >> _RIGHT[layout]
    if not every:
        below = zero & np.signbit(values[others])
        first[others] = np.select([absent, below], [_NULL, _ZERO_BELOW], _ZERO)
        length[others] = np.select([absent, below], [0, 2], 1)
    return _strings(first, second, length + 1)


def _strings(first: Words, second: Words, used: npt.NDArray[np.intp]) -> pa.BinaryArray:
    """Strings whose bytes are in two words each, of which so many bytes are used.

    Arrow copies them from views, which have up to 12 bytes in themselves, in half of the time that NumPy takes.
    """
    views = np.empty((len(first), 2), "<u8")
    views[:, 0] = used.view(np.uint64) | first << _HALF
    views[:, 1] = first >> _HALF | second << _HALF
    long = np.flatnonzero(used > _INLINE)
    elsewhere = np.stack((first[long], second[long]), axis=1)
    views[long, 1] = np.arange(0, elsewhere.nbytes, 16).view(np.uint64) << _HALF  # where the bytes begin
    buffers = [None, pa.py_buffer(views), pa.py_buffer(elsewhere)]
    found: pa.BinaryArray = pa.Array.from_buffers(pa.binary_view(), len(views), buffers).cast(pa.binary())
    return found
