"""Files between this worker's disk and a backup, some at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from qserv.catalog.errors import QservError, Unavailable, WorkerFailed
from qserv.catalog.messages import Export, Restore
from qserv.storage import files
from qserv.storage.depot import blocks_of, checked, depot
from qserv.storage.publishing import receive as receive_file
from qserv.worker import failures
from qserv.worker.store import Store
from qserv.worker.transfer import PARALLEL, Pace


class Backups:
    """Exports this worker's files, and restores files to it; gives way to queries while it is ``busy``. Thread-safe."""

    def __init__(self, store: Store, busy: Callable[[], bool]) -> None:
        self._store = store
        self._busy = busy
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="backup")

    def export(self, wish: Export) -> None:
        """Copy files to the backup.

        Raises
        ------
        FileMissing, WorkerFailed
            For a file that is not here whole; its path is in the error's details.
        Unavailable, DiskFull
            Where the backup cannot be written.
        """
        where, pace = depot(wish.url), Pace(wish.bandwidth, self._busy)

        def bring(path: str, sha256: str, size: int) -> None:
            try:
                local = files.existing(self._store.root, path)
                blocks = checked(_own(local, path), sha256, size, lambda: _damaged(path))
                where.put(path, self._paced(blocks, pace))
            except QservError as error:
                error.details.setdefault("path", path)
                raise

        self._all(bring, wish.files)

    def restore(self, wish: Restore) -> None:
        """Copy files from the backup; each is checked by its sum before it gets its name.

        Raises
        ------
        DataError, NotFound
            For a file that the backup does not have whole; its path is in the error's details.
        Unavailable, DiskFull
            Where the backup cannot be reached, or the disk is full.
        """
        where, pace = depot(wish.url), Pace(wish.bandwidth, self._busy)

        def bring(source: str, path: str, sha256: str, size: int) -> None:
            place = files.resolve(self._store.root, path)
            if place.is_file() and place.stat().st_size == size and files.sum_of(place) == sha256:
                return

            def receive() -> files.StoredFile:
                return receive_file(self._store.root, path, sha256, size, self._paced(where.get(source), pace))

            try:
                self._store.publish(receive, path)
            except QservError as error:
                error.details.setdefault("path", source)
                raise

        self._all(bring, wish.files)

    def stop(self) -> None:
        """Break copies off."""
        self._stopping.set()

    def close(self) -> None:
        self.stop()
        self._pool.shutdown(cancel_futures=True)

    def _all(self, bring: Callable[..., None], wanted: Iterable[Sequence[object]]) -> None:
        tasks = [self._pool.submit(bring, *file) for file in wanted]
        try:
            for task in tasks:
                task.result()
        except futures.CancelledError:
            raise Unavailable("the worker is shutting down") from None
        finally:
            futures.wait([task for task in tasks if not task.cancel()])

    def _paced(self, blocks: Iterable[bytes], pace: Pace) -> Iterator[bytes]:
        for block in blocks:
            yield block
            if self._stopping.wait(pace.delay(len(block))):
                raise Unavailable("the worker is shutting down")


def _own(place: Path, path: str) -> Iterator[bytes]:
    try:
        yield from blocks_of(place)
    except OSError as error:
        raise failures.of_disk(error, path) from None


def _damaged(path: str) -> WorkerFailed:
    return WorkerFailed(f"the copy of {path} on this worker is damaged: have it healed with 'qserv verify'", path=path)
