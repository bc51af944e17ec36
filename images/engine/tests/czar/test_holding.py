"""Rows that wait for their batch of chunks to be whole: in memory that all queries share, then on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from qserv.catalog.errors import ResourceExhausted
from qserv.czar.holding import Held, HoldingSpace

MEGABYTE = pa.record_batch([pa.array(np.zeros(1 << 20, np.int8))], names=["c0"])


@pytest.mark.parametrize("room", [0, 3, 100])
def test_rows_come_back_in_order_from_memory_and_disk(tmp_path: Path, room: int) -> None:
    held = Held(HoldingSpace(tmp_path, room * MEGABYTE.nbytes, 1 << 30))
    batches = [pa.record_batch([pa.repeat(n, MEGABYTE.nbytes // 8)], names=["c0"]) for n in range(10)]
    for batch in batches:
        held.add(batch)
    assert list(held.release()) == batches
    assert list(held.release()) == []


def test_all_share_the_memory_and_the_disk_that_there_is(tmp_path: Path) -> None:
    space = HoldingSpace(tmp_path, 4 * MEGABYTE.nbytes, 5 * MEGABYTE.nbytes)
    one, other = Held(space), Held(space)
    for _ in range(3):
        one.add(MEGABYTE)
    for _ in range(5):
        other.add(MEGABYTE)
    with pytest.raises(ResourceExhausted):
        other.add(MEGABYTE)
    assert len(list(one.release())) == 3
    for _ in range(4):
        other.add(MEGABYTE)
    with pytest.raises(ResourceExhausted):
        one.add(MEGABYTE)
    other.clear()
    for _ in range(9):
        one.add(MEGABYTE)
    one.clear()
