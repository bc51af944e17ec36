"""Processes that are killed while they work: each answer is right or a clear error, and all is well afterwards."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import pymysql
import pytest

from bench.cluster import Cluster, await_true
from qserv.catalog.model import WorkerState
from qserv.ingest.synth import synthesize

QUERIES = {
    "count": "SELECT COUNT(*), MIN(objectId), MAX(objectId) FROM Object",
    "groups": "SELECT detections, COUNT(*), MAX(objectId) FROM Object GROUP BY detections ORDER BY detections",
    "point": "SELECT objectId, name FROM Object WHERE objectId = 433327840428102",
    "join": "SELECT COUNT(*), MIN(s.sourceId) FROM Object o JOIN Source s USING (objectId) WHERE o.variable = 1",
    "pairs": "SELECT COUNT(*) FROM Object a, Object b WHERE scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.01",
    "rows": "SELECT objectId, ra, decl FROM Object ORDER BY objectId",
}

CLEAR = ("chunk", "worker", "replica", "stopped", "ended", "Lost connection", "reach")
"""What an error of a cluster that lost a process may speak of."""


class Askers:
    """Clients that ask the queries over and over, and note every answer that is not the expected one."""

    def __init__(self, cluster: Cluster, clients: int = 3) -> None:
        self._cluster = cluster
        self._stop = threading.Event()
        self.expected = {name: ask(cluster, sql) for name, sql in QUERIES.items()}
        self.right: Counter[str] = Counter()
        self.errors: list[str] = []
        self.wrong: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Askers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def answered(self, more: int) -> None:
        """Wait until each query was answered that many times more, or refused."""
        before = sum(self.right.values()) + len(self.errors)
        await_true(lambda: sum(self.right.values()) + len(self.errors) >= before + more * len(QUERIES), "queries hang")

    def _run(self, number: int) -> None:
        names = list(QUERIES)
        while not self._stop.is_set():
            number += 1
            name = names[number % len(names)]
            try:
                answer = ask(self._cluster, QUERIES[name])
            except pymysql.err.MySQLError as error:
                self.errors.append(str(error))
                continue
            if answer == self.expected[name]:
                self.right[name] += 1
            else:
                self.wrong.append(f"{name}: {str(answer)[:200]}")


def ask(cluster: Cluster, sql: str, database: str = "synth") -> tuple[tuple[object, ...], ...]:
    with cluster.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return tuple(cursor.fetchall())


def unclear(errors: list[str]) -> list[str]:
    return [error for error in errors if not any(word in error for word in CLEAR)]


def test_a_killed_worker_costs_no_answer(cluster: Cluster) -> None:
    with Askers(cluster) as askers:
        askers.answered(1)
        cluster.kill("worker-1")
        askers.answered(4)
    assert askers.wrong == []
    assert unclear(askers.errors) == []
    assert sum(askers.right.values()) > len(askers.errors)
    assert {name: ask(cluster, sql) for name, sql in QUERIES.items()} == askers.expected


def test_workers_killed_and_back_while_queries_run(cluster: Cluster) -> None:
    with Askers(cluster) as askers:
        for worker in ("worker-0", "worker-2"):
            cluster.kill(worker)
            askers.answered(1)
            cluster.start()
            askers.answered(1)
    assert askers.wrong == []
    assert unclear(askers.errors) == []
    assert {name: ask(cluster, sql) for name, sql in QUERIES.items()} == askers.expected


def test_chunks_without_any_replica_are_named(cluster: Cluster) -> None:
    whole = ask(cluster, QUERIES["count"])
    cluster.kill("worker-0")
    cluster.kill("worker-1")
    with pytest.raises(pymysql.err.MySQLError, match=r"chunks? \d+"):
        ask(cluster, QUERIES["count"])
    cluster.start()
    assert ask(cluster, QUERIES["count"]) == whole


def test_a_killed_czar_leaves_no_query_behind(cluster: Cluster) -> None:
    with Askers(cluster) as askers:
        askers.answered(1)
        cluster.kill("czar")
        await_true(lambda: len(askers.errors) > 0, "no client noticed")
        cluster.start()
        askers.answered(1)
    assert askers.wrong == []
    running = ask(cluster, "SHOW PROCESSLIST")
    assert [row for row in running if row[7] and "PROCESSLIST" not in str(row[7])] == []


def test_queries_are_answered_without_a_controller(cluster: Cluster) -> None:
    with Askers(cluster) as askers:
        cluster.kill("replication")
        askers.answered(3)
        cluster.start()
        askers.answered(1)
    assert askers.wrong == []
    assert askers.errors == []
    with cluster.controller() as controller:
        assert {worker.state for worker in controller.workers()} == {WorkerState.ONLINE}


@pytest.mark.parametrize("victim", ["worker-1", "replication"])
@pytest.mark.parametrize("moment", [0.3, 1.0])
def test_a_load_goes_on_after_a_kill(cluster: Cluster, tmp_path: Path, victim: str, moment: float) -> None:
    """The rows are all there once, whether the load bore the kill or was run again."""
    name = f"killed_{victim.replace('-', '_')}_{int(10 * moment)}"
    objects = 200_000
    spec = synthesize(tmp_path, objects, 1, truth=False, database=name, objects_per_file=65_536)
    failures: list[BaseException] = []

    def load() -> None:
        try:
            cluster.load(spec)
        except Exception as error:
            failures.append(error)

    loader = threading.Thread(target=load)
    loader.start()
    time.sleep(moment)  # anywhere in the load: what is proven holds at every moment
    cluster.kill(victim)
    cluster.start()
    loader.join()
    if failures:
        cluster.load(spec)
    assert ask(cluster, "SELECT COUNT(*), COUNT(DISTINCT objectId) FROM Object", name) == ((objects, objects),)
    with cluster.controller() as controller:
        assert {row.state for row in controller.transactions(name)} <= {"committed", "aborted"}
        controller.drop_database(name)
