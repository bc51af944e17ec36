"""Which rows of a staging log belong to which unit: kept on disk, however many units, batches and contributions.

A *run* is some rows of one unit that lie together in one batch of the log. Runs are appended as rows come, and sorted
by unit when a transaction commits: by counting, in two passes over pieces of the file, so that memory holds one number
a unit and nothing a run.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Runs = npt.NDArray[Any]
"""Records of ``RUN``."""

RUN = np.dtype(
    [
        ("contribution", "<i8"),
        ("attempt", "<i4"),
        ("unit", "<i4"),
        ("offset", "<i8"),
        ("size", "<i8"),
        ("rows", "<i4"),
        ("first", "<i4"),
        ("count", "<i4"),
    ]
)
"""The batch that a run lies in (where in the log, its bytes, its rows), and its first row there and their number."""

_PIECE = 1 << 16
"""Runs that are read at a time."""


def runs_of_batch(units: npt.NDArray[np.int32]) -> Runs:
    """The runs of a batch that is sorted by unit, which is not empty; the log fills in where the batch lies."""
    starts = np.concatenate([[0], np.flatnonzero(units[1:] != units[:-1]) + 1])
    found = np.zeros(starts.size, RUN)
    found["unit"] = units[starts]
    found["first"] = starts
    found["count"] = np.diff(np.append(starts, units.size))
    found["rows"] = units.size
    return found


class SortedRuns:
    """The first ``stop`` runs of a file that are of some (contribution, attempt), by unit."""

    def __init__(self, path: Path, stop: int, contributions: Collection[tuple[int, int]]) -> None:
        self._path = path
        self._stop = stop
        self._wanted = np.unique(
            np.array([_attempt_of(contribution, attempt) for contribution, attempt in contributions], np.int64)
        )
        counts: dict[int, int] = {}
        for piece in self._pieces():
            for unit, count in zip(
                *(part.tolist() for part in np.unique(piece["unit"], return_counts=True)), strict=True
            ):
                counts[unit] = counts.get(unit, 0) + count
        self.units = np.array(sorted(counts), np.int32)
        self._ends = np.cumsum([counts[unit] for unit in self.units.tolist()], dtype=np.int64)
        self._sorted = self._sort()

    def of(self, unit: int) -> Runs:
        """The runs of one of ``units``, in the order of the contributions and as each came."""
        place = int(np.searchsorted(self.units, unit))
        if place == self.units.size or self.units[place] != unit:
            return np.empty(0, RUN)
        found = self._sorted[self._ends[place - 1] if place else 0 : self._ends[place]]
        return np.asarray(found[np.lexsort((found["offset"], found["contribution"]))])

    def _sort(self) -> Runs:
        if not self.units.size:
            return np.empty(0, RUN)
        total = int(self._ends[-1])
        with tempfile.TemporaryFile(dir=self._path.parent) as file:
            # On a full disk this raises; a write to a mapped hole would end the process.
            os.posix_fallocate(file.fileno(), 0, total * RUN.itemsize)
            found = np.memmap(file, RUN, "r+", shape=(total,))
        free = self._ends - np.diff(self._ends, prepend=0)
        for piece in self._pieces():
            unit = np.searchsorted(self.units, piece["unit"])
            order = np.argsort(unit, kind="stable")
            unit = unit[order]
            starts = np.flatnonzero(np.diff(unit, prepend=-1))
            counts = np.diff(np.append(starts, unit.size))
            found[np.arange(unit.size) + np.repeat(free[unit[starts]] - starts, counts)] = piece[order]
            free[unit[starts]] += counts
        return found

    def _pieces(self) -> Iterator[Runs]:
        for first in range(0, self._stop, _PIECE):
            piece = np.fromfile(self._path, RUN, min(_PIECE, self._stop - first), offset=first * RUN.itemsize)
            yield piece[np.isin(_attempt_of(piece["contribution"], piece["attempt"]), self._wanted)]


def _attempt_of(contribution: Any, attempt: Any) -> Any:
    """One number for both."""
    return contribution << 20 | attempt
