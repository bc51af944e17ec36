"""Chunk files of a small table, and queries over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from qserv.catalog.errors import QservError
from qserv.catalog.flight import WorkerClient
from qserv.catalog.messages import QuerySource, QueryTask
from qserv.catalog.model import FileKind, UnitKind
from qserv.storage.chunkfile import write_chunk
from qserv.storage.files import StoredFile

CHUNK_SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64()),
        pa.field("value", pa.float64()),
        pa.field("chunkId", pa.int32(), nullable=False),
        pa.field("subChunkId", pa.int32(), nullable=False),
    ]
)


def chunk_rows(chunk: int, count: int) -> pa.Table:
    ids = [chunk * 1_000_000 + row for row in range(count)]
    return pa.table(
        [ids, [row / count for row in range(count)], [chunk] * count, [row % 4 for row in range(count)]],
        schema=CHUNK_SCHEMA,
    )


def write_chunks(root: Path, chunks: Sequence[int], count: int, table: str = "Object") -> dict[int, StoredFile]:
    """Files of ``sky.<table>`` with ``count`` rows a chunk, written as a transaction writes them."""
    return {
        chunk: write_chunk(
            root,
            "sky",
            table,
            UnitKind.CHUNK,
            chunk,
            FileKind.MAIN,
            1,
            chunk_rows(chunk, count).to_batches(),
            CHUNK_SCHEMA,
            "id",
        )
        for chunk in chunks
    }


def task(sql: str, files: dict[int, StoredFile], table: str = "Object", **changes: Any) -> QueryTask:
    """A query over all these chunks of one table."""
    facts: dict[str, Any] = {
        "query": "q-1",
        "sql": sql,
        "sources": (
            QuerySource(
                database="sky",
                table=table,
                by_chunk=QuerySource.names([Path(file.path).name] for file in files.values()),
            ),
        ),
        "chunks": tuple(files),
    }
    return QueryTask(**(facts | changes))


def answer(client: WorkerClient, wish: QueryTask) -> tuple[pa.Table, list[tuple[int, int]]]:
    """All rows, and the chunks that were reported as done."""
    stream = client.query(wish)
    batches, done = [], []
    for batch, report in stream:
        batches.append(batch)
        if report is not None:
            done.append((report.first, report.count))
    return pa.Table.from_batches(batches, stream.schema), done


def failure(work: Callable[[], object]) -> QservError:
    """The error that ``work`` ends with."""
    with pytest.raises(QservError) as caught:
        work()
    return caught.value
