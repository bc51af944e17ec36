"""Runs of staged rows, sorted by unit on the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qserv.worker import runs
from qserv.worker.runs import RUN, SortedRuns, runs_of_batch


def test_the_runs_of_a_batch_are_its_units_in_turn() -> None:
    found = runs_of_batch(np.array([3, 3, 5, 9, 9, 9], np.int32))
    assert found[["unit", "first", "count", "rows"]].tolist() == [(3, 0, 2, 6), (5, 2, 1, 6), (9, 3, 3, 6)]


def test_runs_are_sorted_by_unit_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_PIECE", 100)
    rng = np.random.default_rng(4)
    staged = np.zeros(1234, RUN)
    staged["unit"] = rng.integers(-1, 30, staged.size)
    staged["contribution"] = rng.integers(1, 5, staged.size)
    staged["attempt"] = rng.integers(1, 3, staged.size)
    staged["offset"] = np.arange(staged.size) * 64
    path = tmp_path / "log.runs"
    staged.tofile(path)

    wanted = {(1, 1), (2, 2), (4, 1)}
    found = SortedRuns(path, 1200, wanted)
    expected = [run for run in staged[:1200] if (run["contribution"], run["attempt"]) in wanted]
    assert found.units.tolist() == sorted({int(run["unit"]) for run in expected})
    for unit in range(-1, 31):
        mine = [run for run in expected if run["unit"] == unit]
        mine.sort(key=lambda run: (run["contribution"], run["offset"]))
        assert found.of(unit).tolist() == [run.tolist() for run in mine]
    assert list(tmp_path.iterdir()) == [path]


def test_no_runs_are_no_units(tmp_path: Path) -> None:
    (tmp_path / "log.runs").touch()
    found = SortedRuns(tmp_path / "log.runs", 0, {(1, 1)})
    assert found.units.size == found.of(3).size == 0
