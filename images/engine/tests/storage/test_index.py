"""The director index finds every key, and refuses a second one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qserv.catalog.errors import DuplicateKey, WorkerFailed
from qserv.storage.index import IndexReader, partition_of, write_index

INT64 = st.integers(-(2**63), 2**63 - 1)


def part(keys: list[int], kind: pa.DataType | None = None) -> pa.Table:
    count = len(keys)
    return pa.table(
        {
            "key": pa.array(keys, kind or pa.int64()),
            "chunkId": pa.array(range(100, 100 + count), pa.int32()),
            "subChunkId": pa.array(range(count), pa.int32()),
            "partition": pa.array([0] * count, pa.int32()),
        }
    )


def write(root: Path, keys: list[int], *, unique: bool = True, existing: tuple[Path, ...] = (), kind=None) -> Path:  # type: ignore[no-untyped-def]
    halves = part(keys, kind).to_batches(max_chunksize=max(1, len(keys) // 2))
    stored = write_index(root, "sky", "Object", 0, len(existing) + 1, halves, unique=unique, existing=existing)
    return root / stored.path


@given(st.lists(INT64, min_size=1, max_size=50), st.integers(1, 1000))
def test_the_partition_is_the_documented_hash(keys: list[int], partitions: int) -> None:
    expected = [((key * 0x9E3779B97F4A7C15 % 2**64) >> 32) % partitions for key in keys]
    assert partition_of(np.array(keys, np.int64), partitions).tolist() == expected


def test_keys_in_order_spread_evenly() -> None:
    counts = np.bincount(partition_of(np.arange(160_000, dtype=np.int64), 16), minlength=16)
    assert counts.min() > 9_000
    assert counts.max() < 11_000


def test_keys_are_found_where_they_are(tmp_path: Path) -> None:
    first = write(tmp_path, [30, -5, 2**62, 7])
    second = write(tmp_path, [8, 9], existing=(first,))
    found = IndexReader().lookup([first, second], np.array([7, 9, 7, 1000, -5]))
    assert found.sort_by("key").to_pylist() == [
        {"key": -5, "chunkId": 101, "subChunkId": 1},
        {"key": 7, "chunkId": 103, "subChunkId": 3},
        {"key": 9, "chunkId": 101, "subChunkId": 1},
    ]


def test_many_keys_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    keys = np.unique(rng.integers(-(2**63), 2**63 - 1, 20_000))
    path = write(tmp_path, rng.permutation(keys).tolist())
    wanted = pa.array(np.concatenate([keys[::3], keys[::3] + 1]))
    found = IndexReader().lookup([path], wanted)
    assert set(keys[::3].tolist()) <= set(found["key"].to_pylist())


def test_ranges_give_chunks(tmp_path: Path) -> None:
    path = write(tmp_path, [10, 20, 30, 40])
    reader = IndexReader()
    for low, high, chunks in [
        (15, 30, [101, 102]),
        (None, 10, [100]),
        (40, None, [103]),
        (41, None, []),
        (None, None, [100, 101, 102, 103]),
        (30, 15, []),
        (-(2**70), 2**70, [100, 101, 102, 103]),
        (2**70, None, []),
    ]:
        assert reader.chunks_between([path], low, high) == chunks, (low, high)


def test_unsigned_keys_above_the_signed_range(tmp_path: Path) -> None:
    big = 2**64 - 3
    path = write(tmp_path, [1, big], kind=pa.uint64())
    reader = IndexReader()
    assert reader.lookup([path], pa.array([big], pa.uint64()))["chunkId"].to_pylist() == [101]
    assert reader.lookup([path], pa.array([-3, 1], pa.int64()))["key"].to_pylist() == [1]
    assert reader.chunks_of([path], np.array([big, 5], np.uint64)) == [101]
    assert reader.chunks_of([path], np.array([-3, 1])) == [100]
    assert reader.chunks_between([path], 2, None) == [101]


def test_a_second_key_of_the_same_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DuplicateKey, match=r"sky\.Object.*more than once in this transaction: 5$"):
        write(tmp_path, [5, 6, 5])
    first = write(tmp_path, [5, 6])
    with pytest.raises(DuplicateKey, match="already in the table: 6"):
        write(tmp_path, [6, 7], existing=(first,))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [first]


def test_keys_that_may_repeat_are_all_found(tmp_path: Path) -> None:
    path = write(tmp_path, [5, 6, 5], unique=False)
    assert sorted(IndexReader().lookup([path], np.array([5]))["chunkId"].to_pylist()) == [100, 102]


def test_files_leave_the_reader_when_there_are_many(tmp_path: Path) -> None:
    reader = IndexReader(capacity=2)
    paths: list[Path] = []
    for key in range(5):
        paths.append(write(tmp_path, [key], existing=tuple(paths)))
        reader.lookup(paths, np.array([key]))
    assert len(reader._files) == 2
    reader.forget(paths)
    assert len(reader._files) == 0


def test_a_damaged_index_is_said_to_be(tmp_path: Path) -> None:
    path = write(tmp_path, [1, 2])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WorkerFailed, match="cannot be read"):
        IndexReader().lookup([path], np.array([1]))


def test_no_files_hold_no_keys() -> None:
    assert IndexReader().lookup([], np.array([1])).num_rows == 0
    assert IndexReader().chunks_of([], np.array([1])) == IndexReader().chunks_between([], None, None) == []
