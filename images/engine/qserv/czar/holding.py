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


class HoldingSpace:
    """What the held rows of all queries of a czar may take: so many bytes of memory, and beyond them of disk."""

    def __init__(self, folder: Path, memory: int, disk: int) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._memory, self._memory_limit = 0, memory
        self._disk, self._disk_limit = 0, disk

    def take_memory(self, size: int) -> bool:
        """Whether there is room, which is taken then."""
        with self._lock:
            fits = self._memory + size <= self._memory_limit
            if fits:
                self._memory += size
            return fits

    def take_disk(self, size: int) -> None:
        """Raises ResourceExhausted where there is no room."""
        with self._lock:
            if self._disk + size > self._disk_limit:
                raise ResourceExhausted(
                    f"rows waiting on the czar's disk would take more than its limit of {self._disk_limit} bytes: "
                    "ask for fewer rows or columns, or raise QSERV_CZAR_SPILL_LIMIT"
                )
            self._disk += size

    def give_back(self, *, memory: int = 0, disk: int = 0) -> None:
        with self._lock:
            self._memory -= memory
            self._disk -= disk


class Held:
    """The rows of one batch of chunks until it is whole, of one worker. For one thread."""

    def __init__(self, space: HoldingSpace) -> None:
        self._space = space
        self._batches: deque[tuple[pa.RecordBatch, int]] = deque()
        self._spilled = 0
        self._file: IO[bytes] | None = None
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        size = batch.get_total_buffer_size()
        if self._space.take_memory(size):
            self._batches.append((batch, size))
            return
        while self._batches:
            self._spill(*self._batches[0])
            self._drop_first()
        self._spill(batch, size)

    def release(self) -> Iterator[pa.RecordBatch]:
        """All rows, in the order they came; afterwards it is empty."""
        if self._file is not None and self._writer is not None:
            self._writer.close()
            self._file.seek(0)
            yield from pa.ipc.open_stream(self._file)
        while self._batches:
            yield self._drop_first()
        self.clear()

    def clear(self) -> None:
        while self._batches:
            self._drop_first()
        if self._file is not None:
            self._file.close()
        self._space.give_back(disk=self._spilled)
        self._file = self._writer = None
        self._spilled = 0

    def _drop_first(self) -> pa.RecordBatch:
        batch, size = self._batches.popleft()
        self._space.give_back(memory=size)
        return batch

    def _spill(self, batch: pa.RecordBatch, size: int) -> None:
        self._space.take_disk(size)
        self._spilled += size
        try:
            if self._writer is None:
                self._file = tempfile.TemporaryFile(dir=self._space.folder)  # noqa: SIM115 -- closed by clear()
                self._writer = pa.ipc.new_stream(self._file, batch.schema)
            self._writer.write_batch(batch)
        except OSError as error:
            raise DiskFull(f"the czar's folder {self._space.folder} cannot take waiting rows: {error}") from error


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
