"""A query task as a lane runs it: the files of any batch of its chunks, as paths on this worker's disk."""

from __future__ import annotations

import contextlib
from pathlib import Path

from qserv.catalog.errors import WorkerFailed
from qserv.catalog.messages import QuerySource, QueryTask
from qserv.storage.emptyfiles import EmptyFiles
from qserv.storage.schema import decode_ipc
from qserv.worker.lanes import Parameters

_SAMPLE = 4


class ChunkStatement:
    """A :class:`QueryTask` over the files below ``data_dir``."""

    def __init__(self, task: QueryTask, data_dir: Path, empty: EmptyFiles) -> None:
        self._task = task
        self._empty = empty
        self._folders = [f"{data_dir}/{source.database}/{source.table}" for source in task.sources]
        self.sql = task.sql
        self.steps = task.steps
        self.limit = task.limit
        self.prompt = task.prompt
        self.numbers = task.chunks
        self._names = [None if source.by_chunk is None else source.by_chunk.split(";") for source in task.sources]

    def parameters(self, first: int, count: int) -> Parameters:
        """The files of each source, by the name of its parameter."""
        numbers = self.numbers[first : first + count]
        found: Parameters = {}
        for index, (source, folder, names) in enumerate(
            zip(self._task.sources, self._folders, self._names, strict=True)
        ):
            if names is None:
                files = [f"{folder}/full/{file}" for file in source.shared]
            else:
                cut = zip(numbers, names[first : first + count], strict=True)
                files = [f"{folder}/{number}/{file}" for number, some in cut if some for file in some.split(",")]
            found[f"s{index}"] = files or [self._no_rows(source)]
        return found

    def chunk_bytes(self) -> int:
        """The mean size of the files of a few chunks, spread over the task; a missing file counts as none."""
        step = max(1, len(self._task.chunks) // _SAMPLE)
        picked = range(0, len(self._task.chunks), step)
        total = 0
        for chunk in picked:
            for paths in self.parameters(chunk, 1).values():
                for path in paths:
                    with contextlib.suppress(FileNotFoundError):
                        total += Path(path).stat().st_size
        return total // max(1, len(picked))

    def _no_rows(self, source: QuerySource) -> str:
        if source.schema_ipc is None:
            raise WorkerFailed(
                f"the query names no file of {source.database}.{source.table} and no schema to read none by"
            )
        return str(self._empty.path(decode_ipc(source.schema_ipc)))
