"""A DuckDB that can read the data folder and nothing else.

Opened with the file system closed except for the folders given, without extensions to load, and with its configuration
locked: a statement can reach no other file, no URL and no setting. What DuckDB still allows inside the open folders
(``COPY … TO``, ``ATTACH``) the planner never writes: statements are its own.

What a session may change for itself is set ``GLOBAL``, so that cursors have it too: without the cache of Parquet
footers a cursor takes 25 µs more for each file.

Limits are set by ``SET`` and in this order: ``max_temp_directory_size`` is ignored when given at connect, or before
``temp_directory``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

_CLOSED = """
SET enable_progress_bar = false;
SET GLOBAL parquet_metadata_cache = true;
SET GLOBAL TimeZone = 'UTC';
SET autoinstall_known_extensions = false;
SET autoload_known_extensions = false;
SET allow_community_extensions = false;
SET allow_unsigned_extensions = false;
"""


def open_closed(
    data_dirs: Iterable[Path],
    memory_limit: int,
    spill_dir: Path,
    spill_limit: int,
    threads: int,
    setup_sql: str = "",
    *,
    ordered: bool = True,
) -> duckdb.DuckDBPyConnection:
    """A new in-memory DuckDB that reads Parquet files below ``data_dirs`` only.

    Parameters
    ----------
    data_dirs : folders open for reading, with all below them.
    memory_limit, spill_limit : bytes of buffers, and of files below ``spill_dir``, for the instance as a whole.
    spill_dir : made if it is not there; of this instance alone.
    threads : of the instance.
    setup_sql : statements to run before the configuration is locked, such as ``CREATE MACRO``.
    ordered : whether rows keep the order of what they are read from. It costs: a LIMIT then finds its rows by a join.
    """
    spill_dir.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(":memory:")
    try:
        connection.execute(_CLOSED)
        connection.execute(f"SET threads = {int(threads)}")
        # Without threads that read ahead: handing over to them costs a scan of warm files a sixth, and from a cold disk
        # the threads of all statements together keep it as busy.
        connection.execute("SET async_threads = 0")
        connection.execute(f"SET memory_limit = '{int(memory_limit)}B'")
        connection.execute(f"SET temp_directory = {_literal(spill_dir)}")
        connection.execute(f"SET max_temp_directory_size = '{int(spill_limit)}B'")
        connection.execute(f"SET preserve_insertion_order = {ordered}")
        if setup_sql:
            connection.execute(setup_sql)
        folders = ", ".join(_literal(folder) for folder in data_dirs)
        connection.execute(f"SET allowed_directories = [{folders}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    except BaseException:
        connection.close()
        raise
    return connection


def stream(
    cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None, rows: int
) -> pa.RecordBatchReader:
    """The rows of a SELECT, made as they are read, in batches of at most ``rows``.

    It is what ``cursor.sql(sql).to_arrow_reader(rows)`` comes to, which first reads and binds the statement to describe
    it: a third of what a point query takes. ``execute`` does not, but makes all rows before it gives one as Arrow.
    """
    result = cursor._submit(sql, dict(parameters) if parameters else None, "stream", rows)
    found: pa.RecordBatchReader = result.arrow_reader()
    return found


def _literal(folder: Path) -> str:
    """A folder as a string of SQL, with the slash at its end that keeps ``/data`` from opening ``/data2``."""
    text = str(folder.resolve()).replace("'", "''")
    return f"'{text}/'"
