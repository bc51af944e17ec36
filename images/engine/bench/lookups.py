"""One object by its key, and a cone of one arc minute, as a MySQL client sees them."""

from __future__ import annotations

from statistics import quantiles
from time import perf_counter

import numpy as np
from pymysql.connections import Connection

from bench.cluster import Cluster
from bench.results import Results
from bench.scans import fetch

POINT_GOAL, CONE_GOAL = "<= 5", "<= 10"
CONE = 1 / 60
SEED = 7


def measure(results: Results, cluster: Cluster, database: str, times: int) -> None:
    rng = np.random.default_rng(SEED)
    with cluster.connect(database) as ours:
        rows = np.array(fetch(ours, "SELECT objectId, ra, decl FROM Object LIMIT 100000"))
        picked = rng.choice(len(rows), times)
        points = [f"SELECT * FROM Object WHERE objectId = {int(rows[each][0])}" for each in picked]
        cones = [
            f"SELECT objectId, ra, decl FROM Object WHERE scisql_s2PtInCircle(ra, decl, {ra!r}, {decl!r}, {CONE!r}) = 1"
            for _, ra, decl in rows[picked].tolist()
        ]
        _told(results, f"{database}: point by key", _times(ours, points), POINT_GOAL)
        _told(results, f"{database}: cone of 1 arc minute", _times(ours, cones), CONE_GOAL)
        sources = [f"SELECT * FROM Source WHERE objectId = {int(rows[each][0])}" for each in picked]
        _told(results, f"{database}: sources of one object", _times(ours, sources), None)


def _times(connection: Connection, queries: list[str]) -> list[float]:
    for sql in queries[: len(queries) // 10]:
        fetch(connection, sql)
    found = []
    for sql in queries:
        began = perf_counter()
        fetch(connection, sql)
        found.append(1000 * (perf_counter() - began))
    return found


def _told(results: Results, name: str, milliseconds: list[float], goal: str | None) -> None:
    cuts = quantiles(milliseconds, n=20)
    results.add(f"{name}: p50", cuts[9], "ms", goal)
    results.add(f"{name}: p95", cuts[18], "ms")
