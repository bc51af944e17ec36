"""A large result to a client, beside MariaDB's own: rows a second, the first row, and the czar's memory."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

from pymysql.cursors import SSCursor

from bench.cluster import Cluster
from bench.processes import resident_bytes
from bench.results import Results, side_by_side

RATE_GOAL = ">= 1"
FIRST_GOAL = "< 0.5"
MEMORY_GOAL = "<= 300"
SELECTS = {
    5: "SELECT objectId, ra, decl, gPsfFlux, rPsfFlux FROM Object LIMIT {rows}",
    20: "SELECT * FROM Object LIMIT {rows}",
}


def measure(results: Results, cluster: Cluster, socket: Path, database: str, rows: int, rounds: int) -> None:
    czar = cluster.pid("czar")
    before = resident_bytes(czar)
    for columns, select in SELECTS.items():
        sql = select.format(rows=rows)
        czars = ("mariadb", f"--defaults-file={cluster.home.client_file}", database)
        peers = ("mariadb", f"--socket={socket}", "--user=root", database)
        ours, theirs = side_by_side(rounds, partial(_client, czars, sql), partial(_client, peers, sql))
        name = f"{rows:,} rows of {columns} columns to the C client"
        results.add(f"{name}: our rows/s", rows / ours, "rows/s")
        results.add(f"{name}: our rows/s / MariaDB's", theirs / ours, "ratio", RATE_GOAL)
        with cluster.connect(database, cursorclass=SSCursor) as connection, connection.cursor() as cursor:
            began = perf_counter()
            cursor.execute(sql)
            cursor.fetchone()
            results.add(f"{name}: first row", perf_counter() - began, "s", FIRST_GOAL)
            highest = before
            while cursor.fetchmany(50_000):
                highest = max(highest, resident_bytes(czar))
        results.add(f"{name}: growth of the czar's memory", (highest - before) / 1e6, "MB", MEMORY_GOAL)


def _client(command: Sequence[str], sql: str) -> None:
    subprocess.run([*command, "--quick", "--batch", "--execute", sql], check=True, stdout=subprocess.DEVNULL)
