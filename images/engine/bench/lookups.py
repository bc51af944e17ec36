"""One object by its key, and a cone of one arc minute, as a MySQL client sees them."""

from __future__ import annotations

from statistics import quantiles
from time import perf_counter

import numpy as np
from pymysql.connections import Connection

from bench.cluster import Cluster
from bench.results import Results
from bench.scans import fetch
from bench.surveys import Survey

POINT_GOAL, CONE_GOAL = "<= 5", "<= 10"
CONE = 1 / 60
SEED = 7


def measure(results: Results, cluster: Cluster, survey: Survey, times: int) -> None:
    database, table, key = survey.database, survey.director.name, survey.director.key
    rng = np.random.default_rng(SEED)
    with cluster.connect(database) as ours:
        rows = fetch(ours, f"SELECT {key}, ra, decl FROM {table} LIMIT 100000")
        picked = [rows[each] for each in rng.choice(len(rows), times)]
        points = [f"SELECT * FROM {table} WHERE {key} = {number}" for number, _, _ in picked]
        cones = [
            f"SELECT {key}, ra, decl FROM {table} WHERE scisql_s2PtInCircle(ra, decl, {ra!r}, {decl!r}, {CONE!r}) = 1"
            for _, ra, decl in picked
        ]
        _told(results, f"{database}: point by key", _times(ours, points), POINT_GOAL)
        _told(results, f"{database}: cone of 1 arc minute", _times(ours, cones), CONE_GOAL)
        for child in survey.children:
            theirs = [f"SELECT * FROM {child.name} WHERE {child.key} = {number}" for number, _, _ in picked]
            _told(results, f"{database}: rows of {child.name} of one object", _times(ours, theirs), None)


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
