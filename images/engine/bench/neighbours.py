"""All pairs of neighbours, beside scipy's KD-tree over the same positions in memory."""

from __future__ import annotations

from functools import partial

import duckdb
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from bench.cluster import Cluster
from bench.results import Results, side_by_side
from bench.scans import fetch
from bench.surveys import Survey

GOAL = "<= 1.5"
Floats = npt.NDArray[np.float64]

RADII = (3, 10)
"""Arc seconds."""


def measure(results: Results, cluster: Cluster, survey: Survey, rounds: int) -> None:
    database, table, key = survey.database, survey.director.name, survey.director.key
    ra, decl = _positions(cluster, database, table)
    with cluster.connect(database) as ours:
        for radius in RADII:
            sql = (
                f"SELECT COUNT(*) FROM {table} a, {table} b WHERE scisql_angSep(a.ra, a.decl, b.ra, b.decl) < "
                f"{radius / 3600!r} AND a.{key} <> b.{key}"
            )
            chord = 2 * np.sin(np.radians(radius / 3600) / 2)
            found = int(fetch(ours, sql)[0][0])
            expected = _pairs(ra, decl, chord)
            if found != expected:
                raise RuntimeError(f"{found} pairs within {radius} arc seconds are not the KD-tree's {expected}")
            mine, theirs = side_by_side(rounds, partial(fetch, ours, sql), partial(_pairs, ra, decl, chord))
            name = f"{database}: neighbours within {radius} arc seconds"
            results.add(f"{name}: our time / KD-tree's", mine / theirs, "ratio", GOAL)
            results.add(f"{name}: our time", mine, "s")
            results.add(f"{name}: pairs", found, "pairs")


def _positions(cluster: Cluster, database: str, table: str) -> tuple[Floats, Floats]:
    files = [str(path) for path in cluster.main_files(database, table)]
    with duckdb.connect() as reader:
        columns = reader.sql("SELECT ra, decl FROM read_parquet($f)", params={"f": files}).fetchnumpy()
    return columns["ra"], columns["decl"]


def _pairs(ra: Floats, decl: Floats, chord: float) -> int:
    """Ordered pairs nearer than the chord, of positions in degrees: vectors, the tree, then all pairs."""
    lon, lat = np.radians(ra), np.radians(decl)
    points = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    return 2 * len(cKDTree(points).query_pairs(chord, output_type="ndarray"))
