"""Cutting rows by unit, writing chunk files, and reading them back with the closed DuckDB."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qserv.catalog.errors import DataError, SpecError
from qserv.catalog.model import FileKind, UnitKind
from qserv.sky.chunker import partitioning
from qserv.sky.overlap import distance_to_chunks
from qserv.storage.blocks import (
    PARTITION_COLUMN,
    Block,
    Director,
    cut_director,
    cut_placed,
    group_order,
    runs_of,
)
from qserv.storage.chunkfile import write_chunk, write_empty
from qserv.storage.index import partition_of
from qserv.storage.origin import Origin

SKY = partitioning(36, 3)
DIRECTOR = Director(SKY, 0.2, "objectId", ("ra", "decl"), 7)


def director_rows(count: int = 3000, seed: int = 5) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "objectId": rng.permutation(count) - count // 2,
            "ra": rng.uniform(-3.0, 12.0, count),
            "decl": np.concatenate([rng.uniform(88.0, 90.0, count // 2), rng.uniform(-6.0, 6.0, count - count // 2)]),
            "chunkId": np.zeros(count, np.int64),  # such columns of the input are replaced
            "name": [f"o{index}" for index in range(count)],
        }
    )


def moved(block: Block | None) -> pa.Table:
    """A block's rows, sorted by unit."""
    assert block is not None
    return block.take(block.order())


def test_a_directors_rows_are_cut_into_main_overlap_and_index() -> None:
    rows = director_rows()
    cut = cut_director(rows, DIRECTOR)
    main, overlap, index = (moved(block) for block in (cut.main, cut.overlap, cut.index))
    assert main.column_names == ["objectId", "ra", "decl", "name", "chunkId", "subChunkId"]
    assert overlap.column_names == [*main.column_names, "hostChunkId"]

    chunk, subchunk = SKY.locate(rows["ra"].to_numpy(), rows["decl"].to_numpy())
    expected = dict(zip(rows["objectId"].to_pylist(), zip(chunk.tolist(), subchunk.tolist(), strict=True), strict=True))
    places = zip(main["chunkId"].to_pylist(), main["subChunkId"].to_pylist(), strict=True)
    assert dict(zip(main["objectId"].to_pylist(), places, strict=True)) == expected
    assert (np.diff(main["chunkId"].to_numpy()) >= 0).all()

    host = overlap["hostChunkId"].to_numpy()
    assert (np.diff(host) >= 0).all()
    assert (host != overlap["chunkId"].to_numpy()).all()
    apart = distance_to_chunks(SKY, overlap["ra"].to_numpy(), overlap["decl"].to_numpy(), host)
    assert apart.max() <= 0.2 + 2e-9
    assert apart.min() >= 0.0

    keys = index["key"].to_numpy()
    assert sorted(keys.tolist()) == sorted(rows["objectId"].to_pylist())
    assert (index[PARTITION_COLUMN].to_numpy() == partition_of(keys, 7)).all()
    found = zip(index["chunkId"].to_pylist(), index["subChunkId"].to_pylist(), strict=True)
    assert dict(zip(keys.tolist(), found, strict=True)) == expected


def test_names_are_found_in_any_case() -> None:
    exact = cut_director(director_rows(), DIRECTOR)
    other = cut_director(director_rows(), Director(SKY, 0.2, "OBJECTID", ("RA", "Decl"), 7))
    assert moved(other.main).equals(moved(exact.main))
    with pytest.raises(SpecError, match="no column 'dec' among objectId, ra, decl"):
        cut_director(director_rows(), Director(SKY, 0.2, "objectId", ("ra", "dec"), 7))


def test_runs_of_equal_units() -> None:
    units = np.array([3, 3, 5, 9, 9, 9])
    assert list(runs_of(units)) == [(3, 0, 2), (5, 2, 1), (9, 3, 3)]
    assert list(runs_of(units[:0])) == []


@pytest.mark.parametrize("distinct", [5, 70_000])
def test_the_order_of_units_is_stable(distinct: int) -> None:
    units = np.random.default_rng(1).integers(0, distinct, 150_000).astype(np.int32)
    assert (group_order(units, distinct) == np.argsort(units, kind="stable")).all()


def test_no_rows_are_cut_into_none() -> None:
    cut = cut_director(director_rows().slice(0, 0), DIRECTOR)
    assert [moved(block).num_rows for block in (cut.main, cut.overlap, cut.index)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("ra", None, "column 'ra': a position must not be NULL"),
        ("ra", float("nan"), "column 'ra': nan is not a number of degrees within ±360"),
        ("ra", 361.0, "within ±360"),
        ("decl", -90.5, "within ±90"),
        ("objectId", None, "column 'objectId': a director's key must not be NULL"),
    ],
)
def test_a_bad_row_is_named(column: str, value: float | None, message: str) -> None:
    rows = director_rows(50)
    values = rows[column].to_pylist()
    values[17] = value
    rows = rows.set_column(rows.column_names.index(column), column, pa.array(values, rows[column].type))
    with pytest.raises(DataError, match=f"stars.parquet, row 1018, .*{message}") as caught:
        cut_director(rows, DIRECTOR, Origin("stars.parquet", 1000))
    assert caught.value.details == {"file": "stars.parquet", "row": 1018, "column": column}


def test_a_key_that_is_no_integer_is_refused() -> None:
    rows = director_rows(10)
    rows = rows.set_column(0, "objectId", rows["objectId"].cast(pa.float64()))
    with pytest.raises(DataError, match="a director's key is an integer"):
        cut_director(rows, DIRECTOR)


def test_placed_rows_tell_how_far_they_lie_outside() -> None:
    rows = pa.table({"id": [1, 2, 3], "ra": [7.0, 10.5, None], "decl": [1.0, 2.0, 3.0]})
    chunk, subchunk = (np.repeat(place, 3) for place in SKY.locate([7.0], [1.0]))
    cut = cut_placed(rows, chunk, subchunk, SKY, ("ra", "decl"))
    # the chunk ends at some multiple of its width below 10.5
    end = float(SKY.boxes(chunk[:1]).lon_high[0])
    assert cut.margin == pytest.approx(10.5 - end, rel=1e-2)
    assert cut.overlap is None
    assert moved(cut.main)["id"].to_pylist() == [1, 2, 3]
    assert cut_placed(rows, chunk, subchunk, SKY).margin == 0.0


def test_chunk_files_are_sorted_and_hold_all_rows(tmp_path: Path) -> None:
    main = moved(cut_director(director_rows(), DIRECTOR).main)
    seen = 0
    for unit, first, count in runs_of(main["chunkId"].to_numpy()):
        part = main.slice(first, count)
        halves = part.to_batches(max_chunksize=max(1, count // 2))
        stored = write_chunk(
            tmp_path, "sky", "Object", UnitKind.CHUNK, unit, FileKind.MAIN, 3, halves, main.schema, "ObjectID"
        )
        rows = pq.read_table(tmp_path / stored.path, partitioning=None)
        assert rows.schema.equals(main.schema)
        order = list(zip(rows["subChunkId"].to_pylist(), rows["objectId"].to_pylist(), strict=True))
        assert order == sorted(order)
        assert set(rows["objectId"].to_pylist()) == set(part["objectId"].to_pylist())
        seen += rows.num_rows
    assert seen == 3000


@pytest.mark.parametrize("unit", [UnitKind.CHUNK, UnitKind.FULL])
def test_a_chunk_of_many_slabs_is_the_same_as_one(tmp_path: Path, unit: UnitKind) -> None:
    rng = np.random.default_rng(3)
    count = 5000
    rows = pa.table(
        {
            "objectId": rng.integers(0, 300, count),  # as a child's: many rows have one key, and stay in turn
            "number": np.arange(count),
            "subChunkId": pa.array(np.minimum(rng.integers(0, 40, count), 20), pa.int32()),
        }
    )
    parts = rows.to_batches(max_chunksize=77)
    found = {}
    for slab_rows in (None, 400, 1):
        stored = write_chunk(
            tmp_path, "s", "O", unit, 1, FileKind.MAIN, 1, parts, rows.schema, "objectId", slab_rows=slab_rows
        )
        file = pq.ParquetFile(tmp_path / stored.path)
        found[slab_rows] = file.read()
        # sub-chunk 20 has about half of the rows, and is never divided
        groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        assert (
            len(groups)
            == {None: 1, 400: 13 if unit is UnitKind.FULL else 8, 1: count if unit is UnitKind.FULL else 21}[slab_rows]
        )
    expected = (
        rows
        if unit is UnitKind.FULL
        else rows.sort_by([(name, "ascending") for name in ("subChunkId", "objectId", "number")])
    )
    assert all(table.equals(expected) for table in found.values())


def test_a_chunk_without_rows_is_a_file_of_none(tmp_path: Path) -> None:
    schema = cut_director(director_rows(), DIRECTOR).main.rows.schema
    stored = write_chunk(tmp_path, "sky", "Object", UnitKind.CHUNK, 1, FileKind.OVERLAP, 3, [], schema, "objectId")
    assert pq.read_table(tmp_path / stored.path, partitioning=None).num_rows == 0
    write_empty(tmp_path / "empty.parquet", schema)
    assert pq.read_schema(tmp_path / "empty.parquet").equals(schema)


def test_the_layout_is_the_measured_one(tmp_path: Path) -> None:
    """docs/explanation/storage.md: what DuckDB sees of a main file, and of an overlap file."""
    rows = pa.table(
        {"id": np.arange(100_000), "flux": np.random.default_rng(1).random(100_000), "band": ["r"] * 100_000}
    )
    chunk = np.full(100_000, 7, np.int32)
    rows = cut_placed(rows, chunk, chunk, SKY).main.rows
    seen = {}
    for kind in (FileKind.MAIN, FileKind.OVERLAP):
        stored = write_chunk(
            tmp_path, "sky", "Object", UnitKind.CHUNK, 7, kind, 1, rows.to_batches(), rows.schema, "id"
        )
        path = str(tmp_path / stored.path)
        seen[kind] = duckdb.sql(
            "SELECT path_in_schema, compression, count(*), bool_and(stats_min_value IS NOT NULL), "
            "bool_or(bloom_filter_offset IS NOT NULL) FROM parquet_metadata($path) GROUP BY 1, 2 ORDER BY 1",
            params={"path": path},
        ).fetchall()
    assert seen[FileKind.MAIN] == [
        ("band", "SNAPPY", 3, True, False),
        ("chunkId", "SNAPPY", 3, True, False),
        ("flux", "UNCOMPRESSED", 3, True, False),
        ("id", "SNAPPY", 3, True, True),
        ("subChunkId", "SNAPPY", 3, True, False),
    ]
    assert not any(bloom for *_, bloom in seen[FileKind.OVERLAP])
