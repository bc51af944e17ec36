"""Look-ups in the director index partitions that this worker holds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from qserv.catalog.errors import DataError, WorkerFailed
from qserv.catalog.messages import ChunkLookup, ChunkNumbers, LookupHeader
from qserv.storage import files
from qserv.storage.index import IndexReader
from qserv.worker import failures, metrics
from qserv.worker.store import Store

_LARGEST = (1 << 63) - 1


class Lookups:
    """Answers ``chunks`` and ``lookup`` from mapped index files. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reader = IndexReader()

    def chunks(self, wish: ChunkLookup) -> ChunkNumbers:
        """The chunks of some keys, or of a range of them.

        Raises
        ------
        FileMissing
            Where a file is not here whole.
        """
        with self._files(wish.paths) as paths:
            if wish.keys is None:
                found = self._reader.chunks_between(paths, wish.low, wish.high)
            else:
                large = max(wish.keys, default=0) > _LARGEST
                found = self._reader.chunks_of(paths, np.array(wish.keys, np.uint64 if large else np.int64))
        return ChunkNumbers(chunks=tuple(found))

    def places(self, header: LookupHeader, keys: pa.Array) -> pa.Table:
        """Where keys are; see :class:`LookupHeader`. Raises FileMissing as ``chunks`` does."""
        if len(keys) != sum(count for count, _ in header.runs):
            raise DataError("a look-up in partitions of an index needs as many keys as it says")
        first = 0
        found = []
        for count, names in header.runs:
            with self._files(names) as paths:
                found.append(self._reader.lookup(paths, keys.slice(first, count)))
            first += count
        return pa.concat_tables(found)

    def answer(self, body: bytes) -> pa.Buffer:
        """The action ``lookup``: a header line, then the keys as an Arrow stream; answers an Arrow stream."""
        line, _, rest = body.partition(b"\n")
        header = LookupHeader.model_validate_json(line)
        if not header.runs or not rest:
            raise DataError("a look-up needs keys, and the partitions of the index where they are")
        found = self.places(header, pa.ipc.open_stream(rest).read_all().column(0).combine_chunks())
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, found.schema) as writer:
            writer.write_table(found)
        return sink.getvalue()

    @contextlib.contextmanager
    def _files(self, names: tuple[str, ...]) -> Iterator[list[Path]]:
        """Where the files of a partition are, for a look-up in them."""
        metrics.LOOKUPS.inc()
        paths = [files.existing(self._store.root, name) for name in names]
        try:
            yield paths
        except (pa.ArrowException, OSError, WorkerFailed) as error:
            raise failures.of_reading(error, paths) from None

    def forget(self, paths: tuple[str, ...]) -> None:
        """Let go of files that are about to be removed."""
        self._reader.forget([files.resolve(self._store.root, path) for path in paths])
