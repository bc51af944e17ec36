"""What DuckDB's and the disk's failures are called."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from qserv.catalog.errors import (
    ArithmeticOverflow,
    DiskFull,
    FileMissing,
    QservError,
    QueryKilled,
    ResourceExhausted,
    WorkerFailed,
)
from qserv.catalog.messages import Verify
from qserv.storage.duck import open_closed
from qserv.storage.publishing import receive
from qserv.worker import failures
from qserv.worker.store import Store
from qserv.worker.transfer import FileSource


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.ENOENT, FileMissing), (errno.EIO, WorkerFailed)],
)
def test_failures_of_the_disk(number: int, expected: type[QservError]) -> None:
    error = failures.of_disk(OSError(number, "what the system says"), "sky/Object/5")
    assert type(error) is expected
    assert "sky/Object/5" in error.message


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 9223372036854775807::BIGINT * 2::BIGINT", ArithmeticOverflow),
        ("SELECT CAST(300 AS TINYINT)", ArithmeticOverflow),
        ("SELECT * FROM nothing", WorkerFailed),
        ("SELECT * FROM (SELECT range, random() r FROM range(20000000)) ORDER BY r", ResourceExhausted),
    ],
)
def test_failures_of_statements(tmp_path: Path, sql: str, expected: type[QservError]) -> None:
    connection = open_closed([tmp_path], 64 << 20, tmp_path / "spill", 1 << 20, 2)
    with pytest.raises((duckdb.Error, OSError)) as caught:
        for _ in connection.sql(sql).to_arrow_reader():
            pass
    connection.close()
    assert type(failures.of_query(caught.value, [])) is expected


def test_an_interrupt_is_a_kill_however_it_comes() -> None:
    for error in (duckdb.InterruptException("INTERRUPT Error: Interrupted!"), OSError("INTERRUPT Error: Interrupted!")):
        assert isinstance(failures.of_query(error, []), QueryKilled)


def test_a_missing_file_explains_a_failure(tmp_path: Path) -> None:
    error = failures.of_query(duckdb.IOException("IO Error: No files found"), [tmp_path / "gone.parquet"])
    assert isinstance(error, FileMissing)
    assert "gone.parquet" in error.message


@contextmanager
def without_descriptors() -> Iterator[None]:
    """This process opens no more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_worker_without_file_descriptors_does_not_call_its_files_damaged(tmp_path: Path) -> None:
    content = b"rows"
    digest = hashlib.sha256(content).hexdigest()
    path = f"sky/Object/5/main-1-{digest[:8]}.parquet"
    receive(tmp_path, path, digest, len(content), [content])
    store = Store(tmp_path)
    source = FileSource(store, lambda: False)
    with without_descriptors():
        for look in (lambda: source.verify(Verify(paths=(path,))), lambda: source.inventory("")):
            with pytest.raises(WorkerFailed, match="Too many open files") as refused:
                look()
            assert not isinstance(refused.value, FileMissing)
        told = failures.of_query(
            duckdb.IOException("IO Error: Cannot open file: Too many open files"), [tmp_path / path]
        )
    assert type(told) is WorkerFailed
    assert source.verify(Verify(paths=(path,))).sums == {path: digest}
    assert source.inventory("").files == ((path, len(content)),)
