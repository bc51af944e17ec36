"""Layouts of a chunk file side by side: ``python -m bench.layouts`` prints the table of docs/explanation/storage.md.

One run writes the same synthetic objects in every layout and asks the same things of each in turn, by a closed DuckDB
of one thread. Times are of the CPU, so that a busy machine distorts them little, and are given as ratios to the layout
that the engine writes.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qserv.ingest.synthshapes import BLOCK, Area, object_rows, true_objects
from qserv.sky.chunker import partitioning
from qserv.storage.blocks import with_place
from qserv.storage.duck import open_closed

OBJECTS = 1_200_000
SEED = 1
AREA = Area(30.0, 0.0, 34.0, 3.0)
SCAN_ROUNDS = 12
POINT_ROUNDS = 60
WRITE_ROUNDS = 3
KEY = "objectId"
PLACE = ["chunkId", "subChunkId"]


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows lie in a file. ``compression`` of floats and of all else; ``sort`` by columns, empty: in no order."""

    name: str
    sort: tuple[str, ...] = ("subChunkId", KEY)
    row_group: int = 40_960
    floats: str = "none"
    others: str = "snappy"
    dictionaries: bool = False
    byte_streams: bool = False
    statistics: bool = True
    bloom: bool = True

    def order(self, rows: pa.Table) -> pa.Table:
        if not self.sort:
            return rows
        return rows.take(pa.array(np.lexsort([rows[name].to_numpy() for name in reversed(self.sort)])))

    def write(self, rows: pa.Table, path: Path) -> None:
        floats = [field.name for field in rows.schema if pa.types.is_floating(field.type)]
        bloom = {KEY: {"ndv": min(self.row_group, rows.num_rows), "fpp": 0.01}}
        pq.write_table(
            rows,
            path,
            row_group_size=self.row_group,
            compression={name: self.floats if name in floats else self.others for name in rows.column_names},
            use_dictionary=self.dictionaries or PLACE,
            use_byte_stream_split=floats if self.byte_streams else False,
            write_statistics=self.statistics,
            bloom_filter_options=bloom if self.bloom else None,
            store_schema=False,
        )


LAYOUTS = (
    Layout("**as the engine writes**"),
    Layout("everything Snappy", floats="snappy"),
    Layout("everything LZ4", floats="lz4", others="lz4"),
    Layout("everything zstd", floats="zstd", others="zstd"),
    Layout("everything zstd, floats as byte streams", floats="zstd", others="zstd", byte_streams=True),
    Layout("nothing compressed", others="none"),
    Layout("dictionaries everywhere", dictionaries=True),
    Layout("groups of 10,240 rows", row_group=10_240),
    Layout("groups of 20,480 rows", row_group=20_480),
    Layout("groups of 122,880 rows", row_group=122_880),
    Layout("sorted by key alone", sort=(KEY,)),
    Layout("in no order", sort=()),
    Layout("no Bloom filter", bloom=False),
    Layout("no statistics", statistics=False),
)

SCANS = {
    "scan": "SELECT count(*) FROM read_parquet($s0) WHERE gPsfFlux / rPsfFlux > 1.5 AND extendedness < 0.5",
    "group": "SELECT subChunkId, count(*), avg(rPsfFlux) FROM read_parquet($s0) GROUP BY 1",
}
POINTS = {
    "point": "SELECT * FROM read_parquet($s0) WHERE objectId = {key}",
    "point, sub-chunk known": "SELECT * FROM read_parquet($s0) WHERE objectId = {key} AND subChunkId = {subchunk}",
    "1′ box": "SELECT count(*), avg(rPsfFlux) FROM read_parquet($s0) WHERE ra BETWEEN {ra} - 0.0083 AND {ra} + 0.0083 "
    "AND decl BETWEEN {decl} - 0.0083 AND {decl} + 0.0083",
}


def chunks() -> dict[int, pa.Table]:
    """Synthetic objects by chunk, in no order; chunks at the area's edge are left out."""
    blocks = range(-(-OBJECTS // BLOCK))
    rows = pa.concat_tables(
        object_rows(SEED, block, true_objects(SEED, block, OBJECTS, AREA), wide=False) for block in blocks
    ).combine_chunks()
    rows = rows.take(pa.array(np.random.default_rng(SEED).permutation(rows.num_rows)))
    chunk, subchunk = partitioning(180, 6).locate(rows["ra"].to_numpy(), rows["decl"].to_numpy())
    rows = with_place(rows, chunk, subchunk)
    numbers, counts = np.unique(chunk, return_counts=True)
    whole = numbers[counts > OBJECTS // 50]
    return {int(number): rows.filter(pa.array(chunk == number)).combine_chunks() for number in whole}


def cpu(act: Callable[[], Any]) -> float:
    before = time.process_time()
    act()
    return time.process_time() - before


def ask(database: duckdb.DuckDBPyConnection, sql: str, files: list[str]) -> list[Any]:
    return database.sql(sql, params={"s0": files}).fetchall()


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """Seconds of CPU and bytes, by layout and act."""
    parts = chunks()
    places = {layout: folder / str(number) for number, layout in enumerate(LAYOUTS)}
    taken: dict[str, dict[str, list[float]]] = {layout.name: {} for layout in LAYOUTS}
    for layout, place in places.items():
        place.mkdir()
        ordered = {number: layout.order(rows) for number, rows in parts.items()}
        for _ in range(WRITE_ROUNDS):
            seconds = [
                cpu(partial(layout.write, rows, place / f"{number}.parquet")) for number, rows in ordered.items()
            ]
            taken[layout.name].setdefault("write", []).append(sum(seconds))
        size = sum(file.stat().st_size for file in place.iterdir())
        taken[layout.name]["bytes"] = [float(size)]
    database = open_closed([folder], 2 << 30, folder / "spill", 1 << 30, 1)
    for _ in range(SCAN_ROUNDS):
        for layout, place in places.items():
            files = [str(place / f"{number}.parquet") for number in parts]
            for title, sql in SCANS.items():
                taken[layout.name].setdefault(title, []).append(cpu(partial(ask, database, sql, files)))
    rng = np.random.default_rng(SEED)
    for _ in range(POINT_ROUNDS):
        number = int(rng.choice(list(parts)))
        row = parts[number].slice(int(rng.integers(parts[number].num_rows)), 1).to_pylist()[0]
        for layout, place in places.items():
            for title, sql in POINTS.items():
                text = sql.format(key=row[KEY], subchunk=row["subChunkId"], ra=row["ra"], decl=row["decl"])
                act = partial(ask, database, text, [str(place / f"{number}.parquet")])
                taken[layout.name].setdefault(title, []).append(cpu(act))
    database.close()
    return {
        name: {title: statistics.median(values) if title in POINTS else min(values) for title, values in times.items()}
        for name, times in taken.items()
    }


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="layouts-") as folder:
        found = measure(Path(folder))
    ours = found[LAYOUTS[0].name]
    out = sys.stdout.write
    out("| layout | " + " | ".join(ours) + " |\n|---|" + "---|" * len(ours) + "\n")
    for name, values in found.items():
        out(f"| {name} | " + " | ".join(f"{values[title] / ours[title]:.2f}" for title in ours) + " |\n")
    shown = (f"{value / 1e6:.0f} MB" if title == "bytes" else f"{value * 1e3:.1f} ms" for title, value in ours.items())
    out("| *1.00 is* | " + " | ".join(shown) + " |\n")


if __name__ == "__main__":
    main()
