"""Record batches as packets of MySQL's text and binary protocols, vectorised.

A row is a packet: three bytes of length, one of sequence number, then the values. All rows of a batch are put together
by one ``binary_join_element_wise`` whose value buffer is the wire's bytes, so that no Python runs for a row. Rows of
16 MiB − 1 bytes and more are split into several packets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from qserv.czar.binary import binary_parts
from qserv.czar.fewrows import FEW, payloads
from qserv.czar.packing import fixed_width, length_prefixed
from qserv.czar.singles import float_parts
from qserv.czar.texts import text_column

ROWS = 8192
"""Rows encoded at a time: some megabytes, in some milliseconds."""

BYTES = 2 << 20
"""About how large a piece of encoded rows may be: what a slow client makes the czar hold."""

MAX_PACKET = 0xFFFFFF

Bytes = bytes | memoryview

_EMPTY = pa.scalar(b"", pa.binary())

_helpers = ThreadPoolExecutor(thread_name_prefix="encoder")
"""Every second piece is encoded beside the one before it: what one core encodes is less than what a client takes."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Packets of ``rows`` rows, and the sequence number of the packet that follows them."""

    data: Bytes
    rows: int
    sequence: int


def encode(batch: pa.RecordBatch, sequence: int, *, binary: bool = False, codec: str = "utf8") -> Iterator[Encoded]:
    """The rows of a batch as packets, in pieces of at most ``ROWS`` rows and of about ``BYTES`` bytes.

    Parameters
    ----------
    sequence : sequence number (0–255) of the first packet.
    binary : rows of a prepared statement's answer rather than text.
    codec : Python's name of the client's character set.
    """
    # what is exact for a part of other rows takes longer to find than a few rows take to encode
    size = batch.nbytes if batch.num_rows > FEW else batch.get_total_buffer_size()
    step = max(1, min(ROWS, batch.num_rows * BYTES // max(size, 1)))
    work = partial(_encoded, batch, step, binary=binary, codec=codec)
    for start in range(0, batch.num_rows, 2 * step):
        beside, expected = None, (sequence + step) & 0xFF
        if start + step < batch.num_rows:
            beside = _helpers.submit(work, start + step, expected)
        encoded = work(start, sequence)
        yield encoded
        if beside is not None:
            # A row of several packets moves the numbers of all that come after it.
            encoded = beside.result() if encoded.sequence == expected else work(start + step, encoded.sequence)
            yield encoded
        sequence = encoded.sequence


def _encoded(batch: pa.RecordBatch, step: int, start: int, sequence: int, *, binary: bool, codec: str) -> Encoded:
    piece = _in_codec(batch.slice(start, step), codec)
    if piece.num_rows <= FEW and not binary:
        return _packets(payloads(piece), sequence)
    return _frame(binary_parts(piece) if binary else _text_parts(piece), piece.num_rows, sequence)


def _text_parts(batch: pa.RecordBatch) -> list[pa.Array]:
    """The columns' values; those of neighbours of the type FLOAT together."""
    parts: list[pa.Array] = []
    for single, columns in groupby(batch.columns, lambda column: pa.types.is_float32(column.type)):
        if single:
            parts += float_parts(list(columns))
        else:
            parts += (part for column in columns for part in length_prefixed(text_column(column)))
    return parts


def _in_codec(batch: pa.RecordBatch, codec: str) -> pa.RecordBatch:
    if codec in ("utf8", "binary", "ascii"):
        return batch
    columns = [
        pa.array([None if text is None else text.encode(codec, "replace") for text in column.to_pylist()], pa.binary())
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _frame(parts: list[pa.Array], rows: int, sequence: int) -> Encoded:
    sizes = np.zeros(rows, dtype=np.int64)
    for part in parts:
        sizes += np.diff(_offsets(part))
    if rows and int(sizes.max()) >= MAX_PACKET:
        return _packets(pc.binary_join_element_wise(*parts, _EMPTY).to_pylist(), sequence)
    headers = (sizes | ((np.arange(sequence, sequence + rows) & 0xFF) << 24)).astype("<u4")
    joined = pc.binary_join_element_wise(fixed_width(headers, 4), *parts, _EMPTY)
    return Encoded(_values(joined), rows, (sequence + rows) & 0xFF)


def _packets(rows: list[bytes], sequence: int) -> Encoded:
    wire = bytearray()
    for row in rows:
        wire += packetise(row, sequence)
        sequence = (sequence + len(row) // MAX_PACKET + 1) & 0xFF
    return Encoded(memoryview(wire), len(rows), sequence)


def packetise(payload: bytes, sequence: int) -> bytes:
    """A payload of any size as packets; one of a multiple of 16 MiB − 1 bytes ends with an empty packet."""
    wire = bytearray()
    for start in range(0, len(payload) + 1, MAX_PACKET):
        part = payload[start : start + MAX_PACKET]
        wire += struct.pack("<I", len(part) | (sequence & 0xFF) << 24)
        wire += part
        sequence += 1
    return bytes(wire)


def _offsets(array: pa.Array) -> npt.NDArray[np.int32]:
    return np.frombuffer(array.buffers()[1], dtype=np.int32, count=len(array) + 1, offset=4 * array.offset)


def _values(array: pa.Array) -> memoryview:
    offsets, data = _offsets(array), array.buffers()[2]
    return memoryview(data)[int(offsets[0]) : int(offsets[-1])] if data is not None else memoryview(b"")
