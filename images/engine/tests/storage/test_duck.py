"""The closed DuckDB reads its own folder, and nothing else by any door."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qserv.storage.duck import open_closed


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in ("data", "data2", "it's"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"x": [1, 2, 3]}), tmp_path / name / "rows.parquet")
    (tmp_path / "data2" / "secret.csv").write_text("a\n1\n")
    (tmp_path / "data" / "link").symlink_to(tmp_path / "data2")
    return tmp_path


@pytest.fixture
def closed(folders: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_closed(
        [folders / "data", folders / "it's"],
        200_000_000,
        folders / "spill",
        20_000_000,
        2,
        "CREATE MACRO twice(a) AS 2 * a; CREATE MACRO thrice(a) AS 3 * a;",
    )
    yield connection
    connection.close()


def test_it_reads_its_folders_with_macros(closed: duckdb.DuckDBPyConnection, folders: Path) -> None:
    for name in ("data", "it's"):
        paths = {"s0": [str(folders / name / "rows.parquet")]}
        rows = closed.sql("SELECT sum(twice(x)), sum(thrice(x)) FROM read_parquet($s0)", params=paths).fetchall()
        assert rows == [(12, 18)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_blob('{root}/data2/secret.csv')",
        "SELECT * FROM read_csv('{root}/data/../data2/secret.csv')",
        "SELECT * FROM read_parquet('{root}/data2/*.parquet')",
        "SELECT * FROM read_parquet('file://{root}/data2/rows.parquet')",
        "SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')",
        "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
        "COPY (SELECT 1) TO '{root}/data2/out.parquet'",
        "COPY (SELECT 1) TO '/tmp/out.parquet'",
        "EXPORT DATABASE '{root}/out'",
        "IMPORT DATABASE '/etc'",
        "ATTACH '{root}/data2/new.db'",
        "ATTACH '/tmp/new.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '{root}/data2/evil.duckdb_extension'",
        "SET threads = 1",
        "SET memory_limit = '100GB'",
        "SET GLOBAL max_temp_directory_size = '1TB'",
        "SET temp_directory = '/tmp'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET allowed_paths = ['/etc/passwd']",
        "SET lock_configuration = false",
        "RESET threads",
        "PRAGMA enable_profiling",
        "PRAGMA threads = 1",
        "SELECT getenv('HOME')",
        "CREATE PERSISTENT SECRET s (TYPE s3)",
    ],
)
def test_nothing_else_is_in_reach(closed: duckdb.DuckDBPyConnection, folders: Path, statement: str) -> None:
    with pytest.raises(duckdb.Error):
        closed.execute(statement.format(root=folders)).fetchall()
    assert sorted(path.name for path in folders.iterdir()) == ["data", "data2", "it's", "spill"]


def test_its_limits_hold(closed: duckdb.DuckDBPyConnection) -> None:
    """A sort of 400 MB in 200 MB of memory may spill 20 MB: that is refused, and the connection lives on."""
    with pytest.raises(duckdb.OutOfMemoryException):
        closed.execute(
            "SELECT max(a) FROM (SELECT hash(range) AS a, md5(range::VARCHAR) AS b FROM range(8000000) "
            "ORDER BY b, a OFFSET 10)"
        ).fetchall()
    assert closed.execute("SELECT 1").fetchall() == [(1,)]


def test_a_wrong_macro_closes_the_connection(folders: Path) -> None:
    with pytest.raises(duckdb.ParserException):
        open_closed([folders / "data"], 1 << 27, folders / "spill", 1 << 27, 1, "CREATE MACROO")
