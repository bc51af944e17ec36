"""Rows on the wire, read back by a MySQL client's own parser of packets."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import struct
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import MariaDb
from qserv.czar.encoder import MAX_PACKET, encode, packetise
from qserv.czar.fewrows import texts as few_texts
from qserv.czar.singles import float_parts
from qserv.czar.texts import text_column


def packets(wire: bytes, sequence: int = 0) -> list[bytes]:
    found, at, whole = [], 0, b""
    while at < len(wire):
        header = struct.unpack_from("<I", wire, at)[0]
        size = header & MAX_PACKET
        assert header >> 24 == sequence & 0xFF
        whole += wire[at + 4 : at + 4 + size]
        at, sequence = at + 4 + size, sequence + 1
        if size < MAX_PACKET:
            found.append(whole)
            whole = b""
    assert not whole
    return found


def fields(packet: bytes) -> list[bytes | None]:
    found: list[bytes | None] = []
    at = 0
    while at < len(packet):
        first = packet[at]
        if first == 0xFB:
            found.append(None)
            at += 1
            continue
        width = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first, 0)
        size = int.from_bytes(packet[at + 1 : at + 1 + width], "little") if width else first
        at += 1 + width
        found.append(packet[at : at + size])
        at += size
    return found


def rows(batch: pa.RecordBatch, sequence: int = 0) -> list[list[bytes | None]]:
    pieces = list(encode(batch, sequence))
    assert sum(piece.rows for piece in pieces) == batch.num_rows
    found = packets(b"".join(bytes(piece.data) for piece in pieces), sequence)
    if pieces:
        assert pieces[-1].sequence == (sequence + batch.num_rows) & 0xFF
    return [fields(packet) for packet in found]


def texts(values: list[Any], kind: pa.DataType) -> list[str | None]:
    return [None if text is None else text.decode() for text in text_column(pa.array(values, kind)).to_pylist()]


@given(
    st.lists(st.tuples(st.none() | st.integers(-(2**63), 2**63 - 1), st.none() | st.binary(max_size=700)), max_size=50),
    st.integers(0, 255),
)
def test_rows_come_back(values: list[tuple[int | None, bytes | None]], sequence: int) -> None:
    batch = pa.RecordBatch.from_arrays(
        [pa.array([a for a, _ in values], pa.int64()), pa.array([b for _, b in values], pa.binary())], names=["a", "b"]
    )
    assert rows(batch, sequence) == [[None if a is None else str(a).encode(), b] for a, b in values]


@pytest.mark.parametrize("size", [0, 250, 251, 252, 65535, 65536, 70000, 1 << 24])
def test_long_values(size: int) -> None:
    batch = pa.RecordBatch.from_pydict({"a": [b"x" * size, None, b"y"], "b": [1, 2, 3]})
    packets_back = rows(batch) if size < 1 << 24 else None
    if packets_back is not None:
        assert packets_back == [[b"x" * size, b"1"], [None, b"2"], [b"y", b"3"]]
        return
    wire = b"".join(bytes(piece.data) for piece in encode(batch, 0))
    assert struct.unpack_from("<I", wire)[0] == MAX_PACKET
    second = struct.unpack_from("<I", wire, 4 + MAX_PACKET)[0]
    assert second >> 24 == 1


def test_packet_of_exactly_the_limit_ends_with_an_empty_one() -> None:
    wire = packetise(b"x" * MAX_PACKET, 7)
    assert len(wire) == MAX_PACKET + 8
    assert struct.unpack("<I", wire[-4:])[0] == 8 << 24


def test_slices_and_dictionaries() -> None:
    batch = pa.RecordBatch.from_arrays(
        [pa.array(range(100)), pa.array([str(i % 3) for i in range(100)]).dictionary_encode()], names=["a", "b"]
    ).slice(17, 20)
    assert rows(batch) == [[str(i).encode(), str(i % 3).encode()] for i in range(17, 37)]


def test_pieces_are_bounded() -> None:
    batch = pa.RecordBatch.from_pydict({"a": ["x" * 10_000] * 2_000})
    sizes = [len(piece.data) for piece in encode(batch, 0)]
    assert len(sizes) > 1
    assert max(sizes) < 5 << 20


def test_other_character_sets() -> None:
    batch = pa.RecordBatch.from_pydict({"a": ["é", "漢", None]})
    wire = b"".join(bytes(piece.data) for piece in encode(batch, 0, codec="latin1"))
    assert [fields(packet) for packet in packets(wire)] == [[b"\xe9"], [b"?"], [None]]


def test_numbers_that_mysql_does_not_have_are_null() -> None:
    assert texts([math.nan, math.inf, -math.inf, 1.5, None], pa.float64()) == [None, None, None, "1.5", None]


def test_times_and_decimals() -> None:
    assert texts([dt.datetime(2020, 1, 2, 3, 4, 5), None], pa.timestamp("us")) == ["2020-01-02 03:04:05", None]
    assert texts([dt.datetime(2020, 1, 2, 3, 4, 5, 6000)], pa.timestamp("us")) == ["2020-01-02 03:04:05.006000"]
    assert texts([dt.date(1, 2, 3)], pa.date32()) == ["0001-02-03"]
    assert texts([dt.time(1, 2, 3)], pa.time64("us")) == ["01:02:03"]
    assert texts([dt.timedelta(hours=-30, seconds=-1)], pa.duration("us")) == ["-30:00:01"]
    assert texts([Decimal("1E-9"), Decimal("1.5"), None], pa.decimal128(20, 9)) == ["0.000000001", "1.500000000", None]
    assert texts([True, False, None], pa.bool_()) == ["1", "0", None]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_doubles_read_back_exactly(values: list[float]) -> None:
    assert [float(text) for text in texts(values, pa.float64()) if text is not None] == values


@given(
    st.none() | st.floats(), st.none() | st.floats(width=32), st.none() | st.text(max_size=300), st.none() | st.dates()
)
def test_few_rows_are_written_as_many_are(
    double: float | None, single: float | None, text: str | None, date: dt.date | None
) -> None:
    for value, kind in ((double, pa.float64()), (single, pa.float32()), (text, pa.string()), (date, pa.date32())):
        column = pa.array([value], kind)
        assert list(few_texts(column)) == text_column(column).to_pylist()


def test_numbers_are_written_as_mariadb_writes_them(mariadb: MariaDb) -> None:
    rng = np.random.default_rng(3)
    wide = rng.normal(size=1500) * 10.0 ** rng.integers(-25, 25, 1500)
    whole = np.round(rng.uniform(0, 1e16, 300))
    doubles = np.concatenate([wide, whole, whole / 8, 10.0 ** np.arange(-20, 22), [0.0, 0.1 + 0.2, 123456.5]])
    floats = doubles.astype(np.float32)
    with contextlib.closing(mariadb.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE IF NOT EXISTS numbers")
        cursor.execute("CREATE TEMPORARY TABLE numbers.n (i INT AUTO_INCREMENT PRIMARY KEY, f FLOAT, d DOUBLE)")
        given_rows = [(repr(float(f)), repr(float(d))) for f, d in zip(floats, doubles, strict=True)]
        cursor.executemany("INSERT INTO numbers.n (f, d) VALUES (%s, %s)", given_rows)
        connection.decoders = {}
        cursor.execute("SELECT f, d FROM numbers.n ORDER BY i")
        expected = cursor.fetchall()
    assert texts(floats, pa.float32()) == [row[0] for row in expected]
    assert texts(doubles, pa.float64()) == [row[1] for row in expected]
    single = pa.RecordBatch.from_arrays([pa.array(floats, pa.float32()), pa.array(doubles)], names=["f", "d"])
    for place, row in enumerate(expected):
        assert rows(single.slice(place, 1)) == [[None if text is None else text.encode() for text in row]]


def test_columns_of_floats_are_written_as_single_values() -> None:
    """The way through slots, and columns that have a number too large or too small for it."""
    rng = np.random.default_rng(5)
    powers = (10.0 ** np.arange(-5, 8)).astype(np.float32)
    edges = np.concatenate([np.nextafter(powers, np.float32(0)), powers, np.nextafter(powers, np.float32(1e9))])
    halves = (rng.integers(100_000, 1_000_000, 2000) + 0.5) / 8.0
    usual = np.concatenate([10.0 ** rng.uniform(-4.9, 7.9, 6000), edges[edges > 1e-5], halves, [0.0, 99_999_888.0]])
    both = np.concatenate([usual, -usual]).astype(np.float32)
    columns = {
        "both": pa.array(both),
        "tiny": pa.array(10.0 ** rng.uniform(-5.99, -4, both.size), pa.float32()),
        "gaps": pa.array(np.abs(both), mask=rng.random(both.size) < 0.5),
        "none": pa.nulls(both.size, pa.float32()),
        "number": pa.array(np.arange(both.size)),
        "unlimited": pa.array(np.where(rng.random(both.size) < 0.1, np.float32(np.inf), both)),
        "absent": pa.array(np.where(rng.random(both.size) < 0.1, np.float32(np.nan), both)),
        "large": pa.array(np.append(both[1:], np.float32(1e8))),
        "small": pa.array(np.append(both[1:], np.float32(-9.9e-6))),
    }
    floats = [column for name, column in columns.items() if name != "number"]
    assert [len(float_parts(floats[:count])) for count in (6, 7, 8)] == [1, 5, 6]
    expected = zip(*(text_column(column).to_pylist() for column in columns.values()), strict=True)
    assert rows(pa.record_batch(columns), 250) == [list(row) for row in expected]
