"""Files between workers: sent, copied, checked, listed, removed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from qserv.catalog import logs
from qserv.catalog.errors import FileMissing, QservError, Unavailable
from qserv.catalog.flight import WorkerClient
from qserv.catalog.messages import Fetch, Inventory, Verified, Verify
from qserv.storage import files
from qserv.worker import failures, metrics
from qserv.worker.store import Store

BLOCK = 1 << 20
"""Bytes of a file in one message."""

PARALLEL = 8
"""Files that are copied at a time: small ones wait for the disk more than for the network."""

log = logs.get(__name__)

_SCHEMA = pa.schema([pa.field("bytes", pa.binary(), nullable=False)])


class FileSource:
    """Reads this worker's files for others."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Break off what is being verified."""
        self._stopping.set()

    def stream(self, path: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The bytes of a stored file, in blocks.

        Raises
        ------
        FileMissing, DataError
            Where it is not there, or the path is not one of a stored file.
        """
        found = files.existing(self._store.root, path)
        if files.FileName.parse(found.name) is None:
            raise FileMissing(f"{path} is not a stored file", path=path)
        return _SCHEMA, self._blocks(found, path)

    @staticmethod
    def _blocks(found: Path, path: str) -> Iterator[pa.RecordBatch]:
        try:
            with found.open("rb", buffering=0) as file:
                while block := file.read(BLOCK):
                    yield pa.record_batch([pa.array([block], type=pa.binary())], schema=_SCHEMA)
        except OSError as error:
            raise failures.of_disk(error, path) from None

    def inventory(self, prefix: str) -> Inventory:
        """The files that the disk has now."""
        return Inventory(prefix=prefix, files=self._store.list(prefix))

    def verify(self, wish: Verify) -> Verified:
        """The sums of files, read anew from the disk; one that cannot be read counts as not there."""
        pace = Pace(wish.bandwidth)

        def read(size: int) -> None:
            if self._stopping.wait(pace.delay(size)):
                raise Unavailable("the worker is shutting down")

        sums: dict[str, str | None] = {}
        for path in wish.paths:
            try:
                sums[path] = files.sum_on_disk(files.existing(self._store.root, path), read)
            except (FileMissing, OSError) as error:
                log.warning("a file cannot be read", path=path, reason=str(error))
                sums[path] = None
        return Verified(sums=sums)


class Pace:
    """Holds several streams together to a number of bytes a second; 0: unlimited. Thread-safe."""

    def __init__(self, bandwidth: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._bandwidth = bandwidth
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = clock()

    def delay(self, sent: int) -> float:
        """Seconds to wait after ``sent`` more bytes. Time that passed unused is not saved up beyond a moment."""
        if not self._bandwidth:
            return 0.0
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now - 0.1) + sent / self._bandwidth
            return max(0.0, self._free_at - now)


class Copier:
    """Copies files from other workers, some at a time.

    ``client`` gives the worker at a Flight address.
    """

    def __init__(self, store: Store, client: Callable[[str], WorkerClient]) -> None:
        self._store = store
        self._client = client
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="copy")

    def fetch(self, wish: Fetch) -> None:
        """Copy what is not here whole; each file is checked by its sum before it gets its name.

        Raises
        ------
        FileMissing, DataError, Unavailable, ResourceExhausted
            Where a file fails; those that were copied stay, and are not copied again.
        """
        pace = Pace(wish.bandwidth)
        source = self._client(wish.source)
        copies = [self._pool.submit(self._bring, source, *file, pace) for file in wish.files]
        try:
            for copy in copies:
                copy.result()
        except futures.CancelledError:
            raise Unavailable("the worker is shutting down") from None
        finally:
            for copy in copies:
                copy.cancel()
            futures.wait(copies)

    def stop(self) -> None:
        """Break copies off."""
        self._stopping.set()

    def close(self) -> None:
        self.stop()
        self._pool.shutdown(cancel_futures=True)

    def _bring(self, source: WorkerClient, path: str, sha256: str, size: int, pace: Pace) -> None:
        place = files.resolve(self._store.root, path)
        if place.is_file() and place.stat().st_size == size and files.sum_of(place) == sha256:
            return

        def receive() -> files.StoredFile:
            return files.receive(self._store.root, path, sha256, size, self._paced(source.file(path), pace))

        try:
            self._store.publish(receive, path)
        except QservError as error:
            error.details.setdefault("path", path)
            raise
        metrics.FETCHED_BYTES.inc(size)

    def _paced(self, blocks: Iterator[pa.Buffer], pace: Pace) -> Iterator[bytes]:
        for block in blocks:
            yield block.to_pybytes()
            if self._stopping.wait(pace.delay(block.size)):
                raise Unavailable("the worker is shutting down")
