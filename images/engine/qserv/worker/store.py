"""The files of a worker's disk, and what this process knows of them."""

from __future__ import annotations

import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from qserv.catalog.errors import DataError, QueryKilled
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
        self._void: set[int] = set()

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
        """All finished files below ``prefix``, as the disk has them now: path and bytes.

        Raises
        ------
        WorkerFailed
            Where this process is in no state to look.
        """
        if prefix and not files.resolve(self.root, prefix).exists():
            return ()
        try:
            return tuple(sorted(files.inventory(self.root, prefix)))
        except OSError as error:
            raise failures.of_disk(error, "listing files") from None

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
        """Have the files of a batch synced and named, and note them; raises as :meth:`publish`.

        Raises
        ------
        QueryKilled
            Where a transaction was discarded while its files were written: they are not kept.
        """
        try:
            made = batch.finish()
        except OSError as error:
            raise failures.of_disk(error, "syncing files") from None
        for stored in made:
            self._note(stored.path, stored.bytes)
        # A discard says so before it looks for files; they are noted before it is looked whether one did.
        with self._lock:
            void = [one.path for one in made if _transaction(one.path) in self._void]
        if void:
            self.remove(void)
            raise QueryKilled("the transaction was given up while its files were written")

    def discard(self, transaction: int) -> tuple[str, ...]:
        """Remove a transaction's files, those made here and those copied here; it gets no more. Answers which."""
        with self._lock:
            self._void.add(transaction)
            paths = tuple(self._by_transaction.get(transaction, ()))
        self.remove(paths)
        return paths

    def remove(self, paths: Iterable[str]) -> int:
        """Remove files; one that is not there counts as removed. Answers how many there were."""
        gone = {path: _transaction(path) for path in paths}
        removed = files.remove(self.root, gone)
        with self._lock:
            for path, transaction in gone.items():
                self._sizes.pop(path, None)
                self._by_transaction[transaction].discard(path)
        return removed

    def space(self) -> Space:
        disk = shutil.disk_usage(self.root)
        with self._lock:
            used = sum(self._sizes.values())
        capacity = self._capacity or disk.total
        return Space(capacity, used, max(0, min(disk.free, capacity - used)))

    def _note(self, path: str, size: int) -> None:
        with self._lock:
            self._sizes[path] = size
            self._by_transaction[_transaction(path)].add(path)


def _transaction(path: str) -> int:
    name = FileName.parse(PurePosixPath(path).name)
    if name is None:
        raise DataError(f"{path!r} is not the name of a stored file")
    return name.transaction
