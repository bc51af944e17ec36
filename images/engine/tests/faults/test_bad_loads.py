"""Loads that cannot be done: each says which file, line and column, and nothing of it stays behind."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.cluster import Cluster, await_true
from qserv.catalog.errors import AlreadyExists, QservError
from qserv.catalog.spec import LoadSpec
from qserv.ingest.specfile import write_spec

STAR = {"name": "Star", "kind": "director", "key": "id", "position": ["ra", "decl"]}
COLUMNS = [{"name": "id", "type": "BIGINT"}, {"name": "ra", "type": "DOUBLE"}, {"name": "decl", "type": "DOUBLE"}]
FAMILY = {"stripes": 18, "substripes": 10, "overlap": 0.05}
CHILD = {
    "name": "Spot",
    "kind": "child",
    "director": "Star",
    "key": "id",
    "columns": [{"name": "id", "type": "BIGINT"}, {"name": "flux", "type": "FLOAT"}],
}


def stars(path: Path, rows: int = 20_000, **changed: Any) -> None:
    rng = np.random.default_rng(5)
    columns = {"id": np.arange(rows), "ra": rng.uniform(0, 360, rows), "decl": rng.uniform(-60, 60, rows)}
    for name, (row, value) in changed.items():
        columns[name][row] = value
    pq.write_table(pa.table(columns), path)


def spec(folder: Path, source: dict[str, Any], *more: dict[str, Any]) -> Path:
    tables = [{**STAR, "columns": COLUMNS, "source": source}, *more]
    path = folder / "spec.yaml"
    write_spec(path, LoadSpec.model_validate({"database": "bad", "family": FAMILY, "tables": tables}))
    return path


def _missing(folder: Path) -> Path:
    return spec(folder, {"path": "nothing-*.parquet"})


def _truncated(folder: Path) -> Path:
    stars(folder / "whole.parquet")
    content = (folder / "whole.parquet").read_bytes()
    (folder / "stars.parquet").write_bytes(content[: len(content) // 2])
    return spec(folder, {"path": "stars.parquet"})


def _csv(text: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "stars.csv").write_text("id,ra,decl\n1,10.0,20.0\n" + text)
        return spec(folder, {"path": "stars.csv", "format": "csv"})

    return write


def _torn_gzip(folder: Path) -> Path:
    (folder / "stars.csv.gz").write_bytes(gzip.compress(b"id,ra,decl\n" + b"1,10.0,20.0\n" * 1000)[:-20])
    return spec(folder, {"path": "stars.csv.gz", "format": "csv"})


def _with(**changed: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        stars(folder / "stars.parquet", **changed)
        return spec(folder, {"path": "stars.parquet"})

    return write


def _orphan(folder: Path) -> Path:
    stars(folder / "stars.parquet")
    pq.write_table(pa.table({"id": [1, 2, 99_999_999], "flux": [1.0, 2.0, 3.0]}), folder / "spots.parquet")
    return spec(folder, {"path": "stars.parquet"}, {**CHILD, "source": {"path": "spots.parquet"}})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_missing, ["nothing-"]),
        (_truncated, ["stars.parquet"]),
        (_torn_gzip, ["stars.csv.gz"]),
        (_csv("2,11.0\n"), ["stars.csv", "line 3"]),
        (_csv("2,11.0,21.0,31.0\n"), ["stars.csv", "line 3"]),
        (_csv("two,11.0,21.0\n"), ["stars.csv", "line 3", "id"]),
        (_csv("2,11.0,far\n"), ["stars.csv", "line 3", "decl"]),
        (_csv("1,11.0,21.0\n"), ["1"]),
        (_with(ra=(77, np.nan)), ["stars.parquet", "ra"]),
        (_with(decl=(77, 90.5)), ["stars.parquet", "90.5"]),
        (_with(id=(77, 78)), ["78"]),
        (_orphan, ["spots.parquet", "99999999"]),
    ],
    ids=["no files", "truncated Parquet", "torn gzip", "a column too few", "a column too many", "a text for a number",
         "a text for a position", "a key twice in CSV", "NaN", "beyond the pole", "a key twice", "an orphan"],
)  # fmt: skip
def test_a_bad_load_names_its_fault_and_leaves_nothing(
    standing: Cluster, tmp_path: Path, make: Callable[[Path], Path], says: list[str]
) -> None:
    with pytest.raises(QservError) as refused:
        standing.load(make(tmp_path))
    assert [part for part in says if part not in refused.value.message] == [], refused.value.message
    left_nothing(standing, "bad")


def left_nothing(cluster: Cluster, database: str) -> None:
    with cluster.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW DATABASES")
        assert database not in [name for (name,) in cursor.fetchall()]
    with cluster.controller() as controller:
        assert database not in [found.name for found in controller.databases()]
    # what an aborted transaction wrote is collected with the next heartbeats
    await_true(lambda: not _files(cluster, database), "files of a load that failed stay")


def _files(cluster: Cluster, database: str) -> list[str]:
    # unlike Path.rglob, glob bears folders that vanish while it looks
    return [
        path
        for each in cluster.workers()
        for path in glob(f"{cluster.data(each) / database}/**/*.parquet", recursive=True)  # noqa: PTH207
    ]


def test_orphans_may_be_dropped_and_are_counted(standing: Cluster, tmp_path: Path) -> None:
    path = _orphan(tmp_path)
    path.write_text(path.read_text().replace("kind: child", "kind: child\n  orphans: drop"))
    loaded = standing.load(path)
    assert [(table.name, table.rows, table.dropped) for table in loaded.tables] == [("Star", 20_000, 0), ("Spot", 2, 1)]
    with standing.connect("bad") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM Spot")
        assert cursor.fetchall() == ((2,),)
    with standing.controller() as controller:
        controller.drop_database("bad")


def test_a_table_that_exists_is_kept(standing: Cluster, tmp_path: Path) -> None:
    stars(tmp_path / "stars.parquet")
    standing.load(spec(tmp_path, {"path": "stars.parquet"}))
    stars(tmp_path / "others.parquet", rows=10)
    with pytest.raises(AlreadyExists, match="Star"):
        standing.load(spec(tmp_path, {"path": "others.parquet"}))
    with standing.connect("bad") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM Star")
        assert cursor.fetchall() == ((20_000,),)
    with standing.controller() as controller:
        controller.drop_database("bad")


def test_a_port_in_use_is_named(standing: Cluster, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "qserv.cli.main", "local", "up", f"--mysql-port={port}"]
        environment = {**os.environ, "QSERV_HOME": str(tmp_path / "home")}
        told = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert told.returncode == 1
    assert f"port {port}" in told.stderr
    assert not list((tmp_path / "home" / "run").glob("*.pid"))
