"""A short run of the mishaps: no wrong answer, no lost row, and the factor restored after each."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.run import run


def test_mishaps_cost_no_row_and_no_right_answer(tmp_path: Path) -> None:
    few = ("replication killed", "two workers killed", "a worker wiped", "bits flipped", "a file deleted")
    totals = run(tmp_path, objects=1500, seconds=0.0, pause=3.0, seed=7, only=few)
    assert totals.wrong == ()
    assert totals.lost == ()
    assert totals.mishaps == len(few)
    assert totals.right > 0


def test_the_metadata_database_ends_in_mid_run(tmp_path: Path) -> None:
    few = ("metadata database killed", "metadata database killed in a load", "replication killed")
    totals = run(tmp_path, objects=1500, seconds=0.0, pause=3.0, seed=7, only=few, server=True)
    if totals.skipped:
        pytest.skip(totals.skipped[0])
    assert totals.wrong == ()
    assert totals.lost == ()
    assert totals.mishaps == len(few)
    assert totals.right > 0
