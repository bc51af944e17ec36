"""Files between workers: sent, copied, checked, listed, removed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pyarrow as pa

from qserv.catalog import logs
from qserv.catalog.errors import FileMissing, QservError, Unavailable, WorkerFailed
from qserv.catalog.flight import WorkerClient
from qserv.catalog.messages import Fetch, Inventory, Verified, Verify
from qserv.storage import files
from qserv.storage.publishing import Batch
from qserv.worker import failures, heaps, metrics
from qserv.worker.store import Store

BLOCK = 1 << 20
"""Bytes of a file in one message."""

PARALLEL = 4
"""Streams of files at a time."""

STREAM_FILES = 64
STREAM_BYTES = 64 << 20
"""What one stream brings at most, but for a file that is larger: it is synced at once when it is there."""

YIELDING = 4
"""Copies within a bandwidth have the fourth part of it on a worker that runs queries."""

Wanted = tuple[str, str, int]
"""A file's path, sha256 and bytes."""

log = logs.get(__name__)

_SCHEMA = pa.schema([pa.field("file", pa.int32(), nullable=False), pa.field("bytes", pa.binary(), nullable=False)])


class FileSource:
    """Reads this worker's files for others; ``busy``: whether it runs queries, to which a scrub gives way."""

    def __init__(self, store: Store, busy: Callable[[], bool]) -> None:
        self._store = store
        self._busy = busy
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Break off what is being verified."""
        self._stopping.set()

    def stream(self, paths: Sequence[str]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The bytes of stored files, in pieces, several small ones in a batch.

        Raises
        ------
        FileMissing, DataError
            Where one is not there, or a path is not one of a stored file.
        """
        found = [files.existing(self._store.root, path) for path in paths]
        for path, place in zip(paths, found, strict=True):
            if files.FileName.parse(place.name) is None:
                raise FileMissing(f"{path} is not a stored file", path=path)
        return _SCHEMA, _packed(self._pieces(found, paths))

    @staticmethod
    def _pieces(found: Sequence[Path], paths: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        for number, place in enumerate(found):
            try:
                with place.open("rb", buffering=0) as file:
                    yield number, file.read(BLOCK)
                    while block := file.read(BLOCK):
                        yield number, block
            except OSError as error:
                raise failures.of_disk(error, paths[number]) from None

    def inventory(self, prefix: str) -> Inventory:
        """The files that the disk has now."""
        return Inventory(prefix=prefix, files=self._store.list(prefix))

    def verify(self, wish: Verify) -> Verified:
        """The sums of files, read anew from the disk; one that cannot be read counts as not there.

        Raises
        ------
        WorkerFailed
            Where this process is in no state to read any.
        """
        pace = Pace(wish.bandwidth, self._busy)

        def read(size: int) -> None:
            if self._stopping.wait(pace.delay(size)):
                raise Unavailable("the worker is shutting down")

        sums: dict[str, str | None] = {}
        for path in wish.paths:
            try:
                sums[path] = files.sum_on_disk(files.existing(self._store.root, path), read)
            except (FileMissing, OSError) as error:
                if isinstance(error, OSError) and files.wanting(error):
                    raise failures.of_disk(error, path) from None
                log.warning("a file cannot be read", path=path, reason=str(error))
                sums[path] = None
        return Verified(sums=sums)


class Pace:
    """Holds several streams together to a number of bytes a second; 0: unlimited. Thread-safe.

    While this worker is ``busy`` with queries, it is a part of that number.
    """

    def __init__(self, bandwidth: int, busy: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._bandwidth = bandwidth
        self._busy = busy
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = clock()

    def delay(self, sent: int) -> float:
        """Seconds to wait after ``sent`` more bytes. Time that passed unused is not saved up beyond a moment."""
        if not self._bandwidth:
            return 0.0
        left = self._bandwidth / YIELDING if self._busy() else self._bandwidth
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now - 0.1) + sent / left
            return max(0.0, self._free_at - now)


class Copier:
    """Copies files from other workers, some at a time.

    ``client`` gives the worker at a Flight address; ``busy``: whether queries run, to which copies give way.
    """

    def __init__(self, store: Store, client: Callable[[str], WorkerClient], busy: Callable[[], bool]) -> None:
        self._store = store
        self._busy = busy
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
        pace = Pace(wish.bandwidth, self._busy)
        source = self._client(wish.source)
        copies = [self._pool.submit(self._bring, source, part, pace) for part in _parts(wish.files)]
        try:
            with heaps.given_back():
                for copy in copies:
                    copy.result()
        except futures.CancelledError:
            raise Unavailable("the worker is shutting down") from None
        finally:
            futures.wait([copy for copy in copies if not copy.cancel()])

    def stop(self) -> None:
        """Break copies off."""
        self._stopping.set()

    def close(self) -> None:
        self.stop()
        self._pool.shutdown(cancel_futures=True)

    def _bring(self, source: WorkerClient, part: Sequence[Wanted], pace: Pace) -> None:
        missing = [file for file in part if not self._whole(*file)]
        if not missing:
            return
        with Batch(self._store.root) as batch:
            try:
                self._receive(source, missing, batch, pace)
            finally:
                self._store.finish(batch)

    def _whole(self, path: str, sha256: str, size: int) -> bool:
        place = files.resolve(self._store.root, path)
        return place.is_file() and place.stat().st_size == size and files.sum_of(place) == sha256

    def _receive(self, source: WorkerClient, wanted: Sequence[Wanted], batch: Batch, pace: Pace) -> None:
        come = 0
        with contextlib.closing(source.files([file[0] for file in wanted])) as stream:
            for place, pieces in groupby(stream, key=itemgetter(0)):
                path, sha256, size = wanted[place]
                try:
                    batch.receive(path, sha256, size, self._paced(pieces, pace))
                except QservError as error:
                    error.details.setdefault("path", path)
                    raise
                except OSError as error:
                    raise failures.of_disk(error, path) from None
                metrics.FETCHED_BYTES.inc(size)
                come += 1
        if come != len(wanted):
            raise WorkerFailed(f"worker {source.address} sent {come} of {len(wanted)} files")

    def _paced(self, pieces: Iterable[tuple[int, pa.Buffer]], pace: Pace) -> Iterator[memoryview]:
        for _, block in pieces:
            yield memoryview(block)
            if self._stopping.wait(pace.delay(block.size)):
                raise Unavailable("the worker is shutting down")


def _packed(pieces: Iterable[tuple[int, bytes]]) -> Iterator[pa.RecordBatch]:
    """Pieces of files as record batches of about ``BLOCK`` bytes."""
    held: list[tuple[int, bytes]] = []
    size = 0

    def batch() -> pa.RecordBatch:
        columns = [pa.array([place for place, _ in held], pa.int32()), pa.array([piece for _, piece in held])]
        return pa.record_batch(columns, schema=_SCHEMA)

    for place, piece in pieces:
        if held and size + len(piece) > BLOCK:
            yield batch()
            held, size = [], 0
        held.append((place, piece))
        size += len(piece)
    if held:
        yield batch()


def _parts(wanted: Sequence[Wanted]) -> Iterator[Sequence[Wanted]]:
    """What one stream brings, each."""
    part: list[Wanted] = []
    size = 0
    for file in wanted:
        if part and (len(part) == STREAM_FILES or size + file[2] > STREAM_BYTES):
            yield part
            part, size = [], 0
        part.append(file)
        size += file[2]
    if part:
        yield part
