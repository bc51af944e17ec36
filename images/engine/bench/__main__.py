"""``python -m bench``: measure, print, and write ``build/bench.json``."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import chunkcost, hats, lookups, mariadb, memory, neighbours, rows, scans, surveys
from bench.cluster import Cluster, running
from bench.processes import evict, processor_time
from bench.results import Results
from bench.surveys import DENSE, FULL, GAIA, NARROW, QUICK, WIDE, Sizes, Survey

PARTS = ("load", "scans", "mariadb", "lookups", "neighbours", "rows", "hats", "memory", "chunks")
_ALONE = frozenset({"hats", "memory", "chunks"})
"""Parts that need no cluster with all surveys."""

LOAD_GOAL = ">= 400,000"


def main() -> int:
    arguments = _arguments()
    sizes = QUICK if arguments.quick else FULL
    results = Results()
    with ExitStack() as stack:
        if arguments.folder is not None:
            arguments.folder.mkdir(parents=True, exist_ok=True)
        folder = arguments.folder or Path(stack.enter_context(TemporaryDirectory(prefix="qserv-bench-")))
        if set(arguments.only) - _ALONE:
            _cluster(results, stack, folder, sizes, set(arguments.only))
        if "hats" in arguments.only:
            results.section("Load beside hats-import")
            hats.measure(results, folder, surveys.for_hats(folder / "surveys", sizes))
        if "memory" in arguments.only:
            results.section("Memory while loading")
            memory.measure(results, folder, sizes.memory_rows)
        if "chunks" in arguments.only:
            results.section("What a chunk costs")
            chunkcost.measure(results, folder)
    results.write(arguments.out)
    missed = [result.name for result in results.found if result.met is False]
    results.console.print(f"\n{arguments.out}: {len(results.found)} results, {len(missed)} goals missed")
    return 0


def _cluster(results: Results, stack: ExitStack, folder: Path, sizes: Sizes, parts: set[str]) -> None:
    """All that is measured on one local cluster with the surveys loaded."""
    results.console.print(f"synthetic surveys: {sizes.objects:,} objects")
    found = surveys.make(folder / "surveys", sizes)
    place = Path(stack.enter_context(TemporaryDirectory(prefix="cluster-", dir=folder)))
    cluster = stack.enter_context(running(place))
    results.section("Load: three workers, two replicas, with overlap")
    for survey in found.values():
        _load(results, cluster, survey)
    if "scans" in parts:
        results.section("Full scans beside bare DuckDB")
        scans.beside_duckdb(results, cluster, NARROW, "Object", sizes.rounds)
        scans.beside_duckdb(results, cluster, WIDE, "Object", sizes.rounds)
        scans.beside_duckdb(results, cluster, GAIA, "Star", sizes.rounds, scans.GAIA_SCANS, goal=None)
    if "lookups" in parts:
        results.section("One object, one place")
        for name in (NARROW, GAIA):
            lookups.measure(results, cluster, found[name], sizes.lookups)
    if "neighbours" in parts:
        results.section("Neighbours beside a KD-tree")
        for name in (NARROW, DENSE, GAIA):
            neighbours.measure(results, cluster, found[name], sizes.rounds)
    if parts & {"mariadb", "rows"}:
        _beside_mariadb(results, stack, cluster, place, found, sizes, parts)


def _load(results: Results, cluster: Cluster, survey: Survey) -> None:
    """Each table by itself, so that the director's rows are told from its children's."""
    for table, spec in surveys.by_table(survey):
        with processor_time(cluster.all_pids()) as spent:
            loaded = cluster.load(spec)
        rows = loaded.tables[0].rows
        name = f"{survey.database}.{table.name}, {rows:,} rows of {len(table.columns or ())} columns"
        goal = LOAD_GOAL if (survey.database, table.name) == (NARROW, "Object") else None
        results.add(f"{name}: loaded", rows / loaded.seconds, "rows/s", goal)
        results.add(f"{name}: processor time", 1e6 * spent() / rows, "µs/row")
    evict(survey.path.parent.rglob("*.parquet"))  # memory is for what is asked


def _beside_mariadb(
    results: Results,
    stack: ExitStack,
    cluster: Cluster,
    folder: Path,
    found: dict[str, Survey],
    sizes: Sizes,
    parts: set[str],
) -> None:
    if not mariadb.installed():
        results.console.print("mariadb-server is not installed: nothing is measured beside it")
        return
    socket = stack.enter_context(mariadb.private_server())
    peer = stack.enter_context(mariadb.connect(socket))
    for name in (NARROW, WIDE):
        surveys.copy_to_mariadb(peer, found[name], "Object", cluster.main_files(name, "Object"), folder)
    if "rows" in parts:
        results.section("A large result to a client")
        rows.measure(results, cluster, socket, NARROW, sizes.rows_sent, sizes.rounds)
    if "mariadb" in parts:
        results.section("Full scans beside MariaDB's MyISAM, for each core")
        both = (peer, mariadb.pid(socket))
        scans.beside_mariadb(results, cluster, both, NARROW, "Object", sizes.rounds)
        scans.beside_mariadb(results, cluster, both, WIDE, "Object", sizes.rounds)
        scans.cold_reads(results, cluster, both, socket.parent / "data", WIDE, "Object")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small data: minutes instead of half an hour")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts alone")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"))
    parser.add_argument(
        "--folder", type=Path, help="where surveys are made and kept for the next run (default: temporary)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
