"""The two shapes of bytes that packets are made of, as Arrow ``binary`` arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_NULL = 251
_PREFIXES = pa.array([*(bytes([size]) for size in range(_NULL)), b"\xfb"], pa.binary())
_EMPTY = pa.scalar(b"", pa.binary())


def length_prefixed(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Length-encoded strings of a ``binary`` array, as prefixes and values; a NULL is the prefix 0xFB."""
    lengths = pc.binary_length(values)
    if (pc.max(lengths).as_py() or 0) < _NULL:
        prefixes = _PREFIXES.take(lengths.fill_null(_NULL))
    else:
        prefixes = _wide_prefixes(lengths)
    return prefixes, values.fill_null(_EMPTY) if values.null_count else values


def fixed_width(data: npt.NDArray[np.generic], width: int) -> pa.Array:
    """An array of ``width`` bytes an element, as a ``binary`` array without copying."""
    count = data.nbytes // width
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _wide_prefixes(lengths: pa.Array) -> pa.Array:
    size = lengths.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    width = np.select([size < _NULL, size < 1 << 16, size < 1 << 24], [1, 3, 4], default=9)
    marker = np.select([size < _NULL, size < 1 << 16, size < 1 << 24], [size, 0xFC, 0xFD], default=0xFE)
    if lengths.null_count:
        absent = ~np.asarray(lengths.is_valid())
        width[absent], marker[absent] = 1, 0xFB
    widest = np.zeros((len(size), 9), dtype=np.uint8)
    widest[:, 0] = marker
    widest[:, 1:] = size.astype("<i8").view(np.uint8).reshape(-1, 8)
    used = np.arange(9) < width[:, None]
    offsets = np.concatenate(([0], np.cumsum(width))).astype(np.int32)
    return pa.Array.from_buffers(
        pa.binary(), len(size), [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(widest[used]))]
    )
