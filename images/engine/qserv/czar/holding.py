"""Rows that wait: for their batch of chunks to be whole, and between readers and the one who takes them.

A batch of chunks counts once, whole, so its rows are held back until the worker says that all of them came. What is
held beyond some memory goes to a file of the czar, so that any batch fits.
"""

from __future__ import annotations

import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Generic, TypeVar

import pyarrow as pa

from qserv.catalog.errors import DiskFull, ResourceExhausted

T = TypeVar("T")

HELD_IN_MEMORY = 32 << 20
"""Bytes of unfinished batches that a leaf holds in memory, in equal parts for its workers."""

_LEAST = 1 << 20
"""Bytes that any worker's part has."""


class SpillSpace:
    """The bytes on disk that all held rows of a czar may take."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self._limit = limit
        self._used = 0
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        with self._lock:
            if self._used + size > self._limit:
                raise ResourceExhausted(
                    f"rows waiting on the czar's disk would take more than its limit of {self._limit} bytes: "
                    "ask for fewer rows or columns, or raise QSERV_CZAR_SPILL_LIMIT"
                )
            self._used += size

    def give_back(self, size: int) -> None:
        with self._lock:
            self._used -= size


class Held:
    """The rows of one batch of chunks until it is whole, of one of so many ``workers`` of a leaf. For one thread."""

    def __init__(self, space: SpillSpace, workers: int) -> None:
        self._space = space
        self._room = max(_LEAST, HELD_IN_MEMORY // workers)
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0
        self._spilled = 0
        self._file: IO[bytes] | None = None
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        self._bytes += batch.nbytes
        if self._bytes > self._room:
            self._spill()

    def release(self) -> Iterator[pa.RecordBatch]:
        """All rows, in the order they came; afterwards it is empty."""
        if self._file is not None and self._writer is not None:
            self._writer.close()
            self._file.seek(0)
            yield from pa.ipc.open_stream(self._file)
        waiting, self._batches = deque(self._batches), []
        while waiting:
            yield waiting.popleft()  # so that each is given up as it is taken
        self.clear()

    def clear(self) -> None:
        if self._file is not None:
            self._file.close()
        self._space.give_back(self._spilled)
        self._file = self._writer = None
        self._batches, self._bytes, self._spilled = [], 0, 0

    def _spill(self) -> None:
        self._space.take(self._bytes)
        self._spilled += self._bytes
        try:
            if self._writer is None:
                self._file = tempfile.TemporaryFile(dir=self._space.folder)  # noqa: SIM115 -- closed by clear()
                self._writer = pa.ipc.new_stream(self._file, self._batches[0].schema)
            for batch in self._batches:
                self._writer.write_batch(batch)
        except OSError as error:
            raise DiskFull(f"the czar's folder {self._space.folder} cannot take waiting rows: {error}") from error
        self._batches, self._bytes = [], 0


class ChannelClosedError(Exception):
    """Nobody takes from the channel any more."""


class Channel(Generic[T]):
    """A bounded queue from many threads to one; ``put`` waits while it is full, and fails once it is closed."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._items: deque[tuple[T, int]] = deque()
        self._size = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T, size: int = 0) -> None:
        """Add an item of ``size`` bytes; items of no size never wait."""
        with self._changed:
            while size and self._size and self._size + size > self._room and not self._closed:
                self._changed.wait()
            if self._closed:
                raise ChannelClosedError
            self._items.append((item, size))
            self._size += size
            self._changed.notify_all()

    def take(self) -> list[T]:
        """All items that wait, at least one; waits for it."""
        with self._changed:
            while not self._items and not self._closed:
                self._changed.wait()
            if self._closed:
                raise ChannelClosedError
            found = [item for item, _ in self._items]
            self._items.clear()
            self._size = 0
            self._changed.notify_all()
            return found

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
