"""Neighbour joins on a worker: random small skies beside brute force, and what ends a search."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qserv.catalog.errors import FileMissing, QueryKilled, ResourceExhausted
from qserv.catalog.messages import PairStep, QuerySource, QueryTask
from qserv.catalog.model import Catalog, Column, Database, Family, FileKind, Table, TableKind
from qserv.catalog.settings import WorkerSettings
from qserv.catalog.types import SqlType
from qserv.sky.chunker import Partitioning
from qserv.sky.overlap import overlap_rows
from qserv.sql.functions import SETUP
from qserv.sql.planner import plan
from qserv.storage.chunkfile import write_chunk
from qserv.storage.schema import encode_ipc, file_schema
from qserv.worker import pairs
from qserv.worker.queries import Queries
from worker.chunks import failure

STRIPES, SUBSTRIPES, OVERLAP = 12, 3, 1.0
FAMILY = Family(1, STRIPES, SUBSTRIPES, OVERLAP)
COLUMNS = {"id": "BIGINT", "ra": "DOUBLE", "decl": "DOUBLE", "mag": "DOUBLE", "chunkId": "INT", "subChunkId": "INT"}
NEAR = "scisql_angSep(a.ra, a.decl, b.ra, b.decl)"


def _table(number: int, name: str, kind: TableKind) -> Table:
    columns = {each: type_ for each, type_ in COLUMNS.items() if kind is TableKind.DIRECTOR or "hunk" not in each}
    family = FAMILY if kind is TableKind.DIRECTOR else None
    made = tuple(Column(each, SqlType.parse(type_)) for each, type_ in columns.items())
    return Table(number, "sky", name, kind, made, family, "id", True, ("ra", "decl"), None, None, None, 0.0)


TABLES = [
    _table(1, "One", TableKind.DIRECTOR),
    _table(2, "Two", TableKind.DIRECTOR),
    _table(3, "Every", TableKind.REPLICATED),
]
CATALOG = Catalog(1, {"sky": Database("sky", FAMILY, {table.name.casefold(): table for table in TABLES})})


class Sky:
    """The three tables with random rows, as files of a worker's, and in a DuckDB for brute force."""

    def __init__(self, folder: Path, seed: int, pole: float) -> None:
        self.folder = folder
        self.files: dict[tuple[str, FileKind], dict[int, tuple[str, ...]]] = {}
        self.brute = duckdb.connect()
        self.brute.execute(SETUP)
        random = np.random.default_rng(seed)
        for table in TABLES:
            rows = _rows(random, pole)
            if table.kind is TableKind.REPLICATED:
                rows = rows.select(["id", "ra", "decl", "mag"])
                nowhere = pa.table([[90, 91], [None, 1.0], [2.0, 95.0], [0.5, 0.5]], schema=rows.schema)
                rows = pa.concat_tables([rows, nowhere])
                self._write(table, FileKind.MAIN, table.id, rows)
            else:
                self._write_chunks(table, rows)
            self.brute.register("incoming", rows)
            self.brute.execute(f"CREATE TABLE {table.name} AS SELECT * FROM incoming")
            self.brute.unregister("incoming")

    def _write_chunks(self, table: Table, rows: pa.Table) -> None:
        ra, decl, chunk = (rows[name].to_numpy() for name in ("ra", "decl", "chunkId"))
        found = overlap_rows(Partitioning(STRIPES, SUBSTRIPES), ra, decl, chunk, OVERLAP)
        hosts = pa.array(found.host.astype(np.int32))
        beside = rows.take(pa.array(found.row)).append_column("hostChunkId", hosts)
        for number in np.unique(chunk).tolist():
            self._write(table, FileKind.MAIN, number, rows.filter(pa.array(chunk == number)))
        for number in np.unique(found.host).tolist():
            self._write(table, FileKind.OVERLAP, number, beside.filter(pa.array(found.host == number)))

    def _write(self, table: Table, kind: FileKind, number: int, rows: pa.Table) -> None:
        schema = file_schema(table, kind)
        parts = rows.combine_chunks().to_batches()
        file = write_chunk(self.folder, "sky", table.name, table.unit, number, kind, 1, parts, schema, "id")
        self.files.setdefault((table.name, kind), {})[number] = (Path(file.path).name,)

    def task(self, sql: str) -> QueryTask:
        """The only leaf of a query, over all chunks."""
        (leaf,) = plan(sql, CATALOG, "sky").leaves
        held = [self.files.get((source.table.name, source.kind), {}) for source in leaf.sources]
        cut = [files for source, files in zip(leaf.sources, held, strict=True) if source.table.partitioned]
        numbers = sorted({number for files in cut for number in files})

        def by_chunk(files: dict[int, tuple[str, ...]]) -> str:
            return QuerySource.names(files.get(number, ()) for number in numbers)

        return QueryTask(
            query="q",
            sql=leaf.sql,
            steps=leaf.steps,
            sources=tuple(
                QuerySource(
                    database="sky",
                    table=source.table.name,
                    kind=source.kind,
                    by_chunk=by_chunk(files) if source.table.partitioned else None,
                    shared=() if source.table.partitioned else next(iter(files.values())),
                    schema_ipc=encode_ipc(file_schema(source.table, source.kind)),
                )
                for source, files in zip(leaf.sources, held, strict=True)
            ),
            chunks=tuple(numbers),
        )


def _rows(random: np.random.Generator, pole: float) -> pa.Table:
    """Up to 60 rows around a place, half of them on a grid of half degrees."""
    count = int(random.integers(0, 60))
    decl = np.clip(pole + random.normal(0, 2, count), -90, 90)
    ra = random.uniform(0, 360, count) if abs(pole) > 80 else random.normal(0, 2, count) % 360
    grid = random.random(count) < 0.5
    ra[grid], decl[grid] = np.round(ra[grid] * 2) / 2 % 360, np.round(decl[grid] * 2) / 2
    chunk, subchunk = Partitioning(STRIPES, SUBSTRIPES).locate(ra, decl)
    columns = [np.arange(count), ra, decl, random.random(count), chunk.astype(np.int32), subchunk.astype(np.int32)]
    return pa.table(dict(zip(COLUMNS, columns, strict=True)))


@contextmanager
def queries(folder: Path, data: Path, **changes: Any) -> Iterator[Queries]:
    facts: dict[str, Any] = {"name": "w", "data_dir": data, "secret_file": data, "controllers": ("http://none",)}
    opened = Queries(WorkerSettings(**(facts | changes)), data, folder / "scratch")
    yield opened
    opened.close()


def answer(opened: Queries, task: QueryTask) -> list[tuple[Any, ...]]:
    schema, items = opened.start(task, lambda: False)
    rows = pa.Table.from_batches([batch for batch, _ in items], schema)
    return [tuple(row.values()) for row in rows.to_pylist()]


QUESTIONS = (
    "FROM One a, Two b WHERE {near}",
    "FROM One a, One b WHERE {near} AND a.mag <= b.mag",
    "FROM One a, One b WHERE {near} AND a.mag < 0.5 AND 0.5 > b.mag AND b.mag < 0.5",
    "FROM One a, One b WHERE {near} AND a.mag < 0.5 AND b.mag < 0.5",
    "FROM One a, One b WHERE {near} AND a.mag < 0.5",
    "FROM One a JOIN Every b ON {near}",
    "FROM Every a, One b WHERE {near} AND a.mag > 0.2",
    "FROM Every a, Every b WHERE {near}",
    "FROM One a LEFT JOIN Two b ON {near} AND b.mag < 0.5",
    "FROM One a LEFT JOIN One b ON {near} WHERE a.mag < 0.7",
    "FROM One a LEFT JOIN Two b ON {near} WHERE b.id IS NULL",
    "FROM One a LEFT JOIN Two b ON {near} AND b.mag < 0",
    "FROM One a LEFT JOIN Every b ON {near}",
    "FROM Every a LEFT JOIN Every b ON {near} AND a.mag < 9 WHERE a.mag < 9",
    "FROM Every a LEFT JOIN Every b ON {near}",
    "FROM One a, Two b, One c WHERE {near} AND {far} AND a.id <> c.id",
    "FROM One a, Two b, Every c WHERE {near} AND {far} AND b.mag < c.mag",
    "FROM One a LEFT JOIN Two b ON {near} LEFT JOIN Every c ON {far} AND c.mag > 0.3",
    "FROM One a LEFT JOIN Two b ON {near} JOIN One c ON {far} WHERE b.id IS NULL OR b.mag < c.mag",
    "FROM One a LEFT JOIN Every b ON a.id = b.id WHERE {near}",
)


@pytest.mark.parametrize("pole", [0.0, 90.0, -90.0, 52.5])
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32), radius=st.sampled_from((0.0, 0.3, 0.5, 1.0)), less=st.sampled_from(("<", "<=")))
def test_the_pairs_are_those_of_brute_force(
    tmp_path_factory: pytest.TempPathFactory, pole: float, seed: int, radius: float, less: str
) -> None:
    folder = tmp_path_factory.mktemp("sky")
    sky = Sky(folder / "data", seed, pole)
    with queries(folder, sky.folder) as opened, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "BLOCK", 4000)
        for question in QUESTIONS:
            near, far = f"{NEAR} {less} {radius!r}", f"scisql_angSep(a.ra, a.decl, c.ra, c.decl) {less} {radius!r}"
            sql = f"SELECT a.id, b.id, a.mag, b.mag {question.format(near=near, far=far)}"
            key = repr
            expected = sorted(sky.brute.execute(sql).fetchall(), key=key)
            assert sorted(answer(opened, sky.task(sql)), key=key) == expected, sql
            counted = f"SELECT COUNT(*) {question.format(near=near, far=far)}"
            assert sum(count for (count,) in answer(opened, sky.task(counted))) == len(expected), counted


@pytest.fixture
def crowd(tmp_path: Path) -> QueryTask:
    """A search among 200,000 rows in one place: 40 thousand million pairs."""
    folder = tmp_path / "data" / "sky" / "One" / "7"
    folder.mkdir(parents=True)
    count = 200_000
    columns = {"id": np.arange(count), "ra": np.full(count, 10.0), "decl": np.full(count, 5.0)}
    pq.write_table(pa.table(columns), folder / "main.parquet")
    rows = 'SELECT 7 AS "q:host", ra AS "q:ra", decl AS "q:decl", {id: id} AS t0 FROM read_parquet($s0)'
    step = PairStep(
        first=rows, second=rows, first_columns=("t0",), second_columns=(), radius=0.1, decide='SELECT "q:pair" WHERE 0'
    )
    sql = 'SELECT count(*) AS n FROM "q:pairs0" WHERE t0.id >= 0'
    one = QuerySource(database="sky", table="One", by_chunk="main.parquet")
    return QueryTask(query="q", sql=sql, steps=(step,), sources=(one,), chunks=(7,))


def test_a_search_is_cancelled_while_pairs_are_found(tmp_path: Path, crowd: QueryTask) -> None:
    with queries(tmp_path, tmp_path / "data") as opened:
        _, items = opened.start(crowd, lambda: False)
        killed: list[int] = []
        killer = threading.Timer(0.5, lambda: killed.append(opened.cancel("q")))
        killer.start()
        assert isinstance(failure(lambda: list(items)), QueryKilled)
        killer.join()
        assert killed == [1]
        assert opened.running == {"scan": 0, "point": 0}


def test_a_search_ends_with_its_caller(tmp_path: Path, crowd: QueryTask) -> None:
    with queries(tmp_path, tmp_path / "data") as opened:
        _, items = opened.start(crowd, lambda: True)
        assert list(items) == []
        assert opened.running == {"scan": 0, "point": 0}


def test_a_search_keeps_to_its_memory(tmp_path: Path, crowd: QueryTask) -> None:
    with queries(tmp_path, tmp_path / "data", memory_limit=16 << 20) as opened:
        error = failure(lambda: list(opened.start(crowd, lambda: False)[1]))
    assert isinstance(error, ResourceExhausted)
    assert "select fewer columns" in error.message


@pytest.mark.parametrize("what", ["removed", "damaged"])
def test_a_file_that_is_not_whole_is_named(tmp_path: Path, what: str) -> None:
    sky = Sky(tmp_path / "data", 11, 0.0)
    task = sky.task(f"SELECT COUNT(*) FROM One a, Two b WHERE {NEAR} < 0.5")
    number, names = next(iter(sky.files["Two", FileKind.MAIN].items()))
    file = sky.folder / "sky" / "Two" / str(number) / names[0]
    if what == "removed":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[len(content) // 3 :: 7] = bytes(len(content[len(content) // 3 :: 7]))
        file.write_bytes(content)
    with queries(tmp_path, sky.folder) as opened:
        error = failure(lambda: list(opened.start(task, lambda: False)[1]))
    assert isinstance(error, FileMissing)
    assert str(file) in error.message
