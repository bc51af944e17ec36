"""Full scans beside bare DuckDB on the same files, and beside MariaDB's MyISAM on the same rows."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
from pymysql.connections import Connection

from bench.cluster import Cluster
from bench.processes import bytes_read, cpu_seconds, evict
from bench.results import Results, side_by_side

DUCKDB_GOAL = "<= 1.15"
MARIADB_GOAL = ">= 5"
COLD_GOAL = ">= 20"


@dataclass(frozen=True, slots=True)
class Scan:
    """``plain``: what asks bare DuckDB the same, where it is not the same SQL."""

    title: str
    sql: str
    plain: str | None = None


SCANS = (
    Scan(
        "filter + count",
        "SELECT COUNT(*) FROM {table} WHERE gPsfFlux / rPsfFlux > 0.8",
        "SELECT COUNT(*) FROM {table} WHERE gPsfFlux::DOUBLE / rPsfFlux > 0.8",
    ),
    Scan(
        "averages",
        "SELECT AVG(gPsfFlux), AVG(rPsfFlux), AVG(iPsfFlux), AVG(zPsfFlux) FROM {table}",
    ),
    Scan(
        "colour cut",
        "SELECT COUNT(*) FROM {table} WHERE gPsfFlux > 0 AND rPsfFlux > 0 "
        "AND -2.5e0 * LOG10(gPsfFlux) + 2.5e0 * LOG10(rPsfFlux) > 0.3 AND extendedness < 0.5",
    ),
    Scan("GROUP BY", "SELECT chunkId, COUNT(*), AVG(gPsfFlux) FROM {table} GROUP BY chunkId"),
)


GAIA_SCANS = (
    Scan(
        "filter + count",
        "SELECT COUNT(*) FROM {table} WHERE phot_bp_mean_mag - phot_rp_mean_mag > 1.5",
        "SELECT COUNT(*) FROM {table} WHERE phot_bp_mean_mag::DOUBLE - phot_rp_mean_mag > 1.5",
    ),
    Scan("GROUP BY", "SELECT chunkId, COUNT(*), AVG(phot_g_mean_mag) FROM {table} GROUP BY chunkId"),
)
"""Without a goal: 1,200 stars in a chunk are too few for a scan, and the fixed cost of 400 files is all there is."""


def fetch(connection: Connection, sql: str) -> tuple[tuple[Any, ...], ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return tuple(cursor.fetchall())


def beside_duckdb(
    results: Results,
    cluster: Cluster,
    database: str,
    table: str,
    rounds: int,
    scans: Sequence[Scan] = SCANS,
    goal: str | None = DUCKDB_GOAL,
) -> None:
    files = [str(path) for path in cluster.main_files(database, table)]
    bare = duckdb.connect(config={"threads": os.cpu_count() or 1})
    bare.execute("SET parquet_metadata_cache = true")
    with cluster.connect(database) as ours:
        for scan in scans:
            sql, plain = scan.sql.format(table=table), (scan.plain or scan.sql).format(table="read_parquet($files)")
            ask = partial(fetch, ours, sql)
            read = partial(_all_of, bare, plain, files)
            _same(scan, ask(), read())
            mine, theirs = side_by_side(rounds, ask, read)
            cpu = _spent(ask, cluster.pids(), rounds) / _spent(read, [os.getpid()], rounds)
            name = f"{database}.{table}, {scan.title}"
            results.add(f"{name}: our time / bare DuckDB's", mine / theirs, "ratio", goal)
            results.add(f"{name}: our CPU / bare DuckDB's", cpu, "ratio")
            results.add(f"{name}: our time", 1000 * mine, "ms")
    bare.close()


def _same(scan: Scan, mine: Sequence[tuple[Any, ...]], theirs: Sequence[tuple[Any, ...]]) -> None:
    """Raises where the answers differ: what is compared then is not the same work."""
    both = zip(sorted(mine), sorted(theirs), strict=True)
    if not all(
        math.isclose(one, other, rel_tol=1e-9) for row, peer in both for one, other in zip(row, peer, strict=True)
    ):
        raise RuntimeError(f"{scan.title}: bare DuckDB answers something else")


def _all_of(connection: duckdb.DuckDBPyConnection, sql: str, files: list[str]) -> list[tuple[object, ...]]:
    return connection.execute(sql, {"files": files}).fetchall()


def beside_mariadb(
    results: Results, cluster: Cluster, mariadb: tuple[Connection, int], database: str, table: str, rounds: int
) -> None:
    """Processor seconds of MariaDB over ours: what each does with one core, whatever else the machine does."""
    peer, pid = mariadb
    ours = cluster.pids()
    with cluster.connect(database) as mine:
        for scan in SCANS:
            sql = scan.sql.format(table=f"{database}.{table}")
            taken = _spent(partial(fetch, mine, sql), ours, rounds)
            other = _spent(partial(fetch, peer, sql), [pid], rounds)
            results.add(f"{database}.{table}, {scan.title}: MariaDB's CPU / ours", other / taken, "ratio", MARIADB_GOAL)


def _spent(act: Callable[[], object], pids: list[int], rounds: int) -> float:
    """Processor seconds of processes for an act, by the run of several that took least."""
    act()
    spent = []
    for _ in range(rounds):
        before = cpu_seconds(pids)
        repeated = 0
        while repeated < 50 and cpu_seconds(pids) - before < 0.5:  # ticks are 10 ms
            act()
            repeated += 1
        spent.append((cpu_seconds(pids) - before) / repeated)
    return min(spent)


def cold_reads(
    results: Results, cluster: Cluster, mariadb: tuple[Connection, int], data: Path, database: str, table: str
) -> None:
    """Bytes read from the disk by one scan after all caches were emptied, on both sides."""
    peer, pid = mariadb
    fetch(peer, "FLUSH TABLES")
    sql = SCANS[0].sql.format(table=f"{database}.{table}")
    cluster.restart_workers()
    with cluster.connect(database) as mine:
        fetch(mine, "SELECT 1")
        files = cluster.main_files(database, table, all_replicas=True)
        evict([*files, *data.glob(f"{database}/{table}.*")])
        pids = cluster.pids()
        before = bytes_read(pids)
        fetch(mine, sql)
        ours = bytes_read(pids) - before
    before = bytes_read([pid])
    fetch(peer, sql)
    theirs = bytes_read([pid]) - before
    results.add(f"{database}.{table}, cold filter + count: bytes read, ours", ours / 1e6, "MB")
    results.add(
        f"{database}.{table}, cold filter + count: MariaDB's bytes / ours", theirs / max(ours, 1), "ratio", COLD_GOAL
    )
