"""Which query runs next over which chunks: pure decisions, without threads or clocks.

Queries that scan want many of the same chunks. The elevator goes over the chunks in the order of their numbers, round
and round; each query is served where the elevator is, joins wherever that is when it comes, and is done when the
elevator has come round to it. So queries that want the same chunks read them back to back, while the files are in the
page cache. A query that lags in time served goes first, wherever its chunks are: so a small query does not wait for a
round of the elevator, and a costly one cannot crowd out the rest.

Batches end at round chunk numbers (multiples of a power of two), so that the batches of several queries coincide.

How large a batch is: 400 chunks of 7,500 rows take 35 ms in one statement, 40 ms in statements of 128, 44 of 64, 53 of
32, 72 of 16. So after a first batch whose cost is not known, batches take about a second each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FIRST_BYTES = 1 << 31
"""File bytes of a scan's first batch, of which it reads its columns alone; later batches follow its pace."""

PROMPT_BYTES = 4 << 20
"""The same where a client waits for the first rows: they count when their batch is whole."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Chunks ``first`` … ``first + count - 1`` of a task, in the task's order; ``start`` is the first's number."""

    first: int
    count: int
    start: int


@dataclass(frozen=True, slots=True)
class Aim:
    """What a batch should take at most: seconds of work and bytes of rows sent, and how fast batches may grow."""

    seconds: float = 1.0
    bytes: int = 8 << 20
    growth: int = 32


class Course:
    """What remains to be done of one query, and how large its next batch should be.

    Parameters
    ----------
    chunks : the chunk numbers of the task, in any order; ascending order makes the largest batches.
    first : how many chunks the first batch may have; None: one batch over all chunks.
    most : how many any batch may have.
    """

    def __init__(self, chunks: Sequence[int], *, aim: Aim, first: int | None = None, most: int | None = None) -> None:
        numbers = np.asarray(chunks, dtype=np.int64)
        self._order = np.argsort(numbers, kind="stable")
        self._numbers: npt.NDArray[np.int64] = numbers[self._order]
        self._left: list[tuple[int, int]] = [(0, max(1, len(numbers)))]
        self._aim = aim
        self._whole = first is None
        self._most = most or max(1, len(numbers))
        self._wanted = max(1, min(self._most, len(numbers) if first is None else first))

    @property
    def finished(self) -> bool:
        return not self._left

    def distance(self, head: int) -> int:
        """How many chunk numbers the elevator at ``head`` has to go up until this query's next chunk."""
        if len(self._numbers) == 0:
            return 0
        number = int(self._numbers[self._next(head)[1]])
        return number - head if number >= head else number - head + (1 << 62)

    def take(self, head: int) -> Batch:
        """Remove the next batch from what remains, for an elevator at chunk number ``head``."""
        if len(self._numbers) == 0:
            self._left = []
            return Batch(0, 0, head)
        interval, start = self._next(head)
        low, high = self._left[interval]
        end = self._end(start, high)
        self._left[interval : interval + 1] = [(a, b) for a, b in ((low, start), (end, high)) if a < b]
        return Batch(int(self._order[start]), end - start, int(self._numbers[start]))

    def learn(self, chunks: int, seconds: float, sent: int) -> None:
        """Take in what a batch of ``chunks`` cost, for the size of the next."""
        if chunks == 0 or self._whole:
            return
        by_time = self._aim.seconds * chunks / max(seconds, 1e-6)
        by_bytes = self._aim.bytes * chunks / max(sent, 1)
        self._wanted = max(1, int(min(by_time, by_bytes, self._wanted * self._aim.growth, self._most)))

    def _next(self, head: int) -> tuple[int, int]:
        """The remaining interval, and the place in the sorted chunks, of the first chunk at or after ``head``."""
        place = int(np.searchsorted(self._numbers, head))
        for index, (low, high) in enumerate(self._left):
            if place < high:
                return index, max(low, place)
        return 0, self._left[0][0]

    def _end(self, start: int, high: int) -> int:
        """Where a batch from ``start`` ends: the furthest round number within the wanted size.

        What would be left over is taken along where it is less than half of that: a batch of its own costs more.
        """
        if self._whole or high - start <= min(self._wanted + self._wanted // 2, self._most):
            end = high
        else:
            end, number = start + 1, int(self._numbers[start])
            for level in range(1, 63):
                bound = ((number >> level) + 1) << level
                reached = start + int(np.searchsorted(self._numbers[start:high], bound))
                if reached - start > self._wanted:
                    break
                end = reached
                if end == high:
                    break
        gaps = np.flatnonzero(np.diff(self._order[start:end]) != 1)
        return start + int(gaps[0]) + 1 if len(gaps) else end


@dataclass(slots=True)
class _Entry:
    course: Course
    served: float
    open: Batch | None = None
    runnable: bool = True
    began: int = 0


class Elevator:
    """Chooses the next turn among queries. Not thread-safe: its owner holds a lock.

    Parameters
    ----------
    slack : seconds that a query may be served more than the least served one before that one goes first.
    """

    def __init__(self, slack: float = 2.0) -> None:
        self._slack = slack
        self._head = 0
        self._entries: dict[str, _Entry] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, query: str, course: Course) -> None:
        """A query joins, level with the least served: it neither waits for the others nor has a claim on the past."""
        if not self._entries:
            self._head = 0
        served = min((entry.served for entry in self._entries.values()), default=0.0)
        self._count += 1
        self._entries[query] = _Entry(course, served, began=self._count)

    def remove(self, query: str) -> None:
        self._entries.pop(query, None)

    def next(self) -> tuple[str, Batch] | None:
        """The query whose turn it is and its batch: a new one, or its open one where it was parked."""
        waiting = {name: entry for name, entry in self._entries.items() if entry.runnable}
        if not waiting:
            return None
        bound = min(entry.served for entry in waiting.values()) + self._slack
        name, entry = min(
            ((name, entry) for name, entry in waiting.items() if entry.served <= bound),
            key=lambda item: (self._distance(item[1]), item[1].served, item[1].began),
        )
        if entry.open is None:
            entry.open = entry.course.take(self._head)
            self._head = entry.open.start
        entry.runnable = False
        return name, entry.open

    def park(self, query: str, seconds: float) -> None:
        """Its rows are not taken: the query's open batch waits until :meth:`resume`."""
        self._serve(query, seconds)

    def resume(self, query: str) -> None:
        entry = self._entries.get(query)
        if entry is not None:
            entry.runnable = True

    def done(self, query: str, seconds: float, *, batch_seconds: float, sent: int) -> bool:
        """Its open batch is done; whether that was the last one."""
        entry = self._entries.get(query)
        if entry is None:
            return True
        self._serve(query, seconds)
        if entry.open is not None:
            entry.course.learn(entry.open.count, batch_seconds, sent)
        entry.open = None
        entry.runnable = not entry.course.finished
        if entry.course.finished:
            del self._entries[query]
            return True
        return False

    def _serve(self, query: str, seconds: float) -> None:
        entry = self._entries.get(query)
        if entry is not None:
            entry.served += seconds

    def _distance(self, entry: _Entry) -> int:
        # The files of an open batch are being read already.
        return -1 if entry.open is not None else entry.course.distance(self._head)
