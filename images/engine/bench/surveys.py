"""The rows that are measured: synthetic surveys, in the cluster and in MariaDB alike."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
from pymysql.connections import Connection

from qserv.catalog.model import TableKind
from qserv.catalog.spec import FamilySpec, LoadSpec, TableSpec
from qserv.ingest.demo import write_demo
from qserv.ingest.specfile import read_spec, write_spec
from qserv.ingest.synth import synthesize
from qserv.ingest.synthshapes import Area

NARROW, WIDE, DENSE, GAIA, HATS = "narrow", "wide", "dense", "gaia", "hats"

LARGE_CHUNKS = FamilySpec(stripes=60, substripes=18, overlap=0.01667)
WIDE_CHUNKS = FamilySpec(stripes=44, substripes=24, overlap=0.01667)
DENSE_CHUNKS = FamilySpec(stripes=360, substripes=10, overlap=0.01667)
"""Chunks of some 230,000, 230,000 and 60,000 objects: LSST's will have 270,000 (40 billion in 150,000 chunks)."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    objects: int
    sources_per_object: float
    wide_objects: int
    dense_objects: int
    hats_objects: int
    rows_sent: int
    rounds: int
    lookups: int
    memory_rows: tuple[int, int]


QUICK = Sizes(500_000, 4, 100_000, 300_000, 500_000, 300_000, 3, 100, (500_000, 1_500_000))
FULL = Sizes(20_000_000, 2.5, 10_000_000, 1_000_000, 5_000_000, 1_000_000, 5, 300, (10_000_000, 30_000_000))


@dataclass(frozen=True, slots=True)
class Survey:
    """A database: the load spec's file and what it says."""

    path: Path
    spec: LoadSpec

    @property
    def database(self) -> str:
        return self.spec.database

    @property
    def director(self) -> TableSpec:
        return next(table for table in self.spec.tables if table.kind is TableKind.DIRECTOR)

    @property
    def children(self) -> list[TableSpec]:
        return [table for table in self.spec.tables if table.kind is TableKind.CHILD]


def make(folder: Path, sizes: Sizes) -> dict[str, Survey]:
    """Objects of 20 columns with their sources; of 150 columns; as dense as LSST will be; and bright stars of Gaia."""
    gaia = next(each.spec for each in write_demo(folder / GAIA) if each.spec.stem == GAIA)
    dense = Area(ra_min=40.0, dec_min=-0.5, ra_max=40.0 + sizes.dense_objects / 1_000_000, dec_max=0.5)
    return {
        NARROW: _survey(folder, NARROW, sizes.objects, sizes.sources_per_object, Area()),
        WIDE: _survey(folder, WIDE, sizes.wide_objects, 0, Area(), wide=True, family=WIDE_CHUNKS),
        DENSE: _survey(folder, DENSE, sizes.dense_objects, 0, dense, family=DENSE_CHUNKS),
        GAIA: Survey(gaia, read_spec(gaia)),
    }


def for_hats(folder: Path, sizes: Sizes) -> Survey:
    """Fewer objects: hats-import takes its time."""
    return _survey(folder, HATS, sizes.hats_objects, 0, Area())


def _survey(
    folder: Path,
    database: str,
    objects: int,
    sources: float,
    area: Area,
    *,
    wide: bool = False,
    family: FamilySpec = LARGE_CHUNKS,
) -> Survey:
    path = folder / database / f"{database}.yaml"
    if not path.exists():
        shutil.rmtree(path.parent, ignore_errors=True)
        synthesize(path.parent, objects, sources, truth=False, wide=wide, area=area, database=database, family=family)
    return Survey(path, read_spec(path))


def by_table(survey: Survey) -> list[tuple[TableSpec, Path]]:
    """The survey's tables with a load spec for each alone, in the order in which they can be loaded."""
    found = []
    for table in survey.spec.tables:
        path = survey.path.with_name(f"{table.name}.yaml")
        write_spec(path, survey.spec.model_copy(update={"tables": (table,)}))
        found.append((table, path))
    return found


def copy_to_mariadb(connection: Connection, survey: Survey, table: str, files: Sequence[Path], folder: Path) -> None:
    """Make a MyISAM table of the rows of a cluster's own files of it, ``chunkId`` and ``subChunkId`` included."""
    spec = next(each for each in survey.spec.tables if each.name == table)
    columns = [f"`{column.name}` {column.type}" for column in spec.columns or ()]
    columns += ["chunkId INT", "subChunkId INT"]
    exchange = folder / f"{table}.tsv"
    with connection.cursor() as cursor, duckdb.connect() as reader:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {survey.database}")
        cursor.execute(f"USE {survey.database}")
        cursor.execute(f"CREATE TABLE {table} ({', '.join(columns)}) ENGINE=MyISAM")
        for first in range(0, len(files), 200):
            some = [str(path) for path in files[first : first + 200]]
            rows = reader.sql("SELECT * FROM read_parquet($files)", params={"files": some})
            rows.write_csv(str(exchange), sep="\t", na_rep="\\N", header=False)
            cursor.execute(f"LOAD DATA LOCAL INFILE '{exchange}' INTO TABLE {table}")
    exchange.unlink()
