"""Rows that wait for their batch of chunks to be whole: in memory, within a part for each worker, then on disk."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from qserv.catalog.errors import ResourceExhausted
from qserv.czar.holding import HELD_IN_MEMORY, Held, SpillSpace

MEGABYTE = pa.record_batch([pa.nulls(1 << 20, pa.int8())], names=["c0"])
WHOLE = HELD_IN_MEMORY // MEGABYTE.nbytes


def test_rows_come_back_in_order_from_memory_and_disk(tmp_path: Path) -> None:
    held = Held(SpillSpace(tmp_path, 1 << 30), workers=8)
    batches = [pa.record_batch([pa.repeat(n, 1 << 17)], names=["c0"]) for n in range(WHOLE)]
    for batch in batches:
        held.add(batch)
    assert list(held.release()) == batches
    assert list(held.release()) == []


@pytest.mark.parametrize("workers", [1, 4, 16])
def test_all_workers_of_a_leaf_hold_as_much_as_one(tmp_path: Path, workers: int) -> None:
    no_disk = SpillSpace(tmp_path, 0)
    every = [Held(no_disk, workers) for _ in range(workers)]
    for held in every:
        for _ in range(WHOLE // workers):
            held.add(MEGABYTE)
        with pytest.raises(ResourceExhausted):
            held.add(MEGABYTE)
