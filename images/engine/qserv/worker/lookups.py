"""Look-ups in the director index partitions that this worker holds."""

from __future__ import annotations

import pyarrow as pa

from qserv.catalog.errors import DataError, WorkerFailed
from qserv.catalog.messages import LookupHeader
from qserv.storage import files
from qserv.storage.index import IndexReader
from qserv.worker import failures, metrics
from qserv.worker.store import Store


class Lookups:
    """Answers ``lookup`` from mapped index files. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reader = IndexReader()

    def find(self, header: LookupHeader, keys: pa.Array | None) -> pa.Table:
        """Places of keys, or the distinct chunks of a range; see :class:`LookupHeader`.

        Raises
        ------
        FileMissing
            Where a file is not here whole.
        """
        metrics.LOOKUPS.inc()
        if header.runs:
            return self._find_runs(header, keys)
        paths = [files.existing(self._store.root, path) for path in header.paths]
        ranged = header.low is not None or header.high is not None
        if not ranged and keys is None:
            raise DataError("a look-up needs keys, or a range of keys")
        try:
            if ranged:
                return self._reader.chunks_between(paths, header.low, header.high)
            return self._reader.lookup(paths, keys)
        except (pa.ArrowException, OSError, WorkerFailed) as error:
            raise failures.of_reading(error, paths) from None

    def _find_runs(self, header: LookupHeader, keys: pa.Array | None) -> pa.Table:
        if keys is None or len(keys) != sum(count for count, _ in header.runs):
            raise DataError("a look-up in several partitions needs as many keys as it says")
        first = 0
        found = []
        for count, paths in header.runs:
            found.append(self.find(LookupHeader(paths=paths), keys.slice(first, count)))
            first += count
        return pa.concat_tables(found)

    def answer(self, body: bytes) -> pa.Buffer:
        """The action: a header line, then the keys as an Arrow stream; answers an Arrow stream."""
        line, _, rest = body.partition(b"\n")
        header = LookupHeader.model_validate_json(line)
        keys = None
        if rest:
            keys = pa.ipc.open_stream(rest).read_all().column(0).combine_chunks()
        found = self.find(header, keys)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, found.schema) as writer:
            writer.write_table(found)
        return sink.getvalue()

    def forget(self, paths: tuple[str, ...]) -> None:
        """Let go of files that are about to be removed."""
        self._reader.forget([files.resolve(self._store.root, path) for path in paths])
