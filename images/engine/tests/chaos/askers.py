"""Clients that ask queries with known answers, all the time."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

import pymysql

from bench.cluster import Cluster, await_true

QUERIES = {
    "count": "SELECT COUNT(*), SUM(objectId), COUNT(DISTINCT objectId) FROM Object",
    "sources": "SELECT COUNT(*), SUM(sourceId) FROM Source",
    "join": "SELECT COUNT(*), MIN(s.sourceId) FROM Object o JOIN Source s ON o.objectId = s.objectId WHERE o.decl > 0",
    "pairs": "SELECT COUNT(*) FROM Object a, Object b WHERE scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.01",
    "groups": "SELECT chunkId, COUNT(*) AS n FROM Object GROUP BY chunkId ORDER BY chunkId",
}

Answer = tuple[tuple[object, ...], ...]


@dataclass
class Told:
    """What was answered: right answers by query, errors (each a clear refusal), wrong answers."""

    right: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def ask(cluster: Cluster, sql: str) -> Answer:
    with cluster.connect("synth", connect_timeout=10, read_timeout=120) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return tuple(cursor.fetchall())


class Askers:
    """Asks from when it is entered until it is left."""

    def __init__(self, cluster: Cluster, clients: int = 2) -> None:
        self._cluster = cluster
        self._stop = threading.Event()
        self.expected = {name: ask(cluster, sql) for name, sql in QUERIES.items()}
        self.told = Told()
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
        """Wait for that many more answers, right ones or errors."""
        before = self._count()
        await_true(lambda: self._count() >= before + more, "queries hang")

    def _count(self) -> int:
        return sum(self.told.right.values()) + len(self.told.errors) + len(self.told.wrong)

    def _run(self, number: int) -> None:
        names = list(QUERIES)
        while not self._stop.is_set():
            number += 1
            name = names[number % len(names)]
            try:
                answer = ask(self._cluster, QUERIES[name])
            except (pymysql.err.MySQLError, OSError) as error:
                self.told.errors.append(f"{name}: {error}")
                self._stop.wait(0.2)
                continue
            if answer == self.expected[name]:
                self.told.right[name] += 1
            else:
                self.told.wrong.append(f"{name}: {str(answer)[:200]}")
