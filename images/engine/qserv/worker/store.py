"""The files of a worker's disk, and what this process knows of them."""

from __future__ import annotations

import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from qserv.catalog.errors import QservError
from qserv.storage import files
from qserv.storage.files import FileName, StoredFile
from qserv.storage.publishing import Batch
from qserv.worker import failures

PRIVATE = ".qserv"
"""Folder of what is the worker's own: identity, staged rows, scratch. Hidden, so that no inventory lists it."""


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes: that may be filled, that finished files take, that may still be filled."""

    capacity: int
    used: int
    free: int


class Store:
    """Knows each finished file by its transaction, and how much space there is. Thread-safe.

    Parameters
    ----------
    root : the data folder.
    capacity : bytes that may be filled; 0: as much as the file system has.
    """

    def __init__(self, root: Path, capacity: int = 0) -> None:
        self.root = root
        self._capacity = capacity
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}
        self._by_transaction: dict[int, set[str]] = defaultdict(set)

    def load(self) -> int:
        """Take stock of the disk, and remove what writers left that a crash stopped. Answers how many files."""
        files.sweep(self.root)
        found = dict(files.inventory(self.root))
        with self._lock:
            self._sizes.clear()
            self._by_transaction.clear()
        for path, size in found.items():
            self._note(path, size)
        return len(found)

    def list(self, prefix: str = "") -> tuple[tuple[str, int], ...]:
        """All finished files below ``prefix``, as the disk has them now: path and bytes."""
        if prefix and not files.resolve(self.root, prefix).exists():
            return ()
        return tuple(sorted(files.inventory(self.root, prefix)))

    def publish(self, write: Callable[[], StoredFile], what: str) -> StoredFile:
        """Have ``write`` make a file, and note it.

        Raises
        ------
        DiskFull, WorkerFailed
            Where the disk fails; ``what`` names the file.
        """
        try:
            stored = write()
        except OSError as error:
            raise failures.of_disk(error, what) from None
        self._note(stored.path, stored.bytes)
        return stored

    def finish(self, batch: Batch) -> None:
        """Have the files of a batch synced and named, and note them; raises as :meth:`publish`."""
        try:
            for stored in batch.finish():
                self._note(stored.path, stored.bytes)
        except OSError as error:
            raise failures.of_disk(error, "syncing files") from None

    def remove(self, paths: Iterable[str]) -> int:
        """Remove files; one that is not there counts as removed. Answers how many there were."""
        gone = list(paths)
        removed = files.remove(self.root, gone)
        with self._lock:
            for path in gone:
                self._sizes.pop(path, None)
                name = FileName.parse(PurePosixPath(path).name)
                if name is not None:
                    self._by_transaction[name.transaction].discard(path)
        return removed

    def of_transaction(self, transaction: int) -> frozenset[str]:
        """The files that a transaction made here, and those copied here of it."""
        with self._lock:
            return frozenset(self._by_transaction.get(transaction, ()))

    def space(self) -> Space:
        disk = shutil.disk_usage(self.root)
        with self._lock:
            used = sum(self._sizes.values())
        capacity = self._capacity or disk.total
        return Space(capacity, used, max(0, min(disk.free, capacity - used)))

    def _note(self, path: str, size: int) -> None:
        name = FileName.parse(PurePosixPath(path).name)
        if name is None:
            raise QservError(f"{path} is not the name of a stored file")
        with self._lock:
            self._sizes[path] = size
            self._by_transaction[name.transaction].add(path)
