"""Queries that are stopped: by KILL from this and from another czar, by a client that leaves, by a time limit."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pymysql
import pytest

from czar.smallsky import Cluster, czar_settings, running_czar
from qserv.catalog.errors import QueryInterrupted, QueryKilled
from qserv.catalog.metadata import Account
from qserv.czar.cancelling import Permit
from qserv.czar.queries import Queries

ON_A_WORKER = "SELECT COUNT(*) FROM " + ", ".join(f"Filter f{number}" for number in range(16))
ON_THE_CZAR = "SELECT COUNT(*) FROM " + ", ".join(f"information_schema.columns c{number}" for number in range(5))
PATIENCE = 30.0


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


def busy(cluster: Cluster) -> bool:
    return any(sum(worker.queries.running.values()) for worker in cluster.workers if worker.queries is not None)


class Asking:
    """A statement in a thread of its own: ``error`` is MySQL's number of how it ended."""

    def __init__(self, connection: pymysql.Connection[Any], sql: str) -> None:
        self.connection = connection
        self.error: int | None = None
        self._sql = sql
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(self._sql)
                cursor.fetchall()
        except pymysql.err.MySQLError as error:
            self.error = error.args[0]

    def ended(self) -> int | None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self.error


def processes(cluster: Cluster, user: str = "joe") -> list[tuple[Any, ...]]:
    return [row for row in cluster.ask("SHOW FULL PROCESSLIST", user) if row[7] in (ON_A_WORKER, ON_THE_CZAR)]


@pytest.mark.parametrize("sql", [ON_A_WORKER, ON_THE_CZAR])
def test_kill_query_stops_the_work_and_keeps_the_connection(cluster: Cluster, sql: str) -> None:
    with contextlib.closing(cluster.connect()) as connection:
        asking = Asking(connection, sql)
        until(lambda: bool(processes(cluster)))
        identifier = connection.thread_id()
        assert [row[0] for row in processes(cluster)] == [identifier]
        cluster.ask(f"KILL QUERY {identifier}")
        assert asking.ended() == 1317
        until(lambda: not busy(cluster))
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchall() == ((1,),)
        with pytest.raises(pymysql.err.MySQLError) as raised:
            cluster.ask(f"KILL QUERY {identifier}")
        assert raised.value.args[0] == 1094


def test_kill_connection(cluster: Cluster) -> None:
    with contextlib.closing(cluster.connect()) as connection:
        asking = Asking(connection, ON_A_WORKER)
        until(lambda: bool(processes(cluster)))
        cluster.ask(f"KILL {connection.thread_id()}")
        assert asking.ended() in (1317, 2013)
        until(lambda: not busy(cluster))
        with pytest.raises((pymysql.err.MySQLError, OSError)):
            connection.ping(reconnect=False)


def test_anothers_query_is_neither_seen_nor_killed(cluster: Cluster) -> None:
    with contextlib.closing(cluster.connect()) as connection:
        asking = Asking(connection, ON_A_WORKER)
        until(lambda: bool(processes(cluster)))
        assert processes(cluster, "ann") == []
        for kind in ("QUERY", "CONNECTION"):
            with pytest.raises(pymysql.err.MySQLError) as raised:
                cluster.ask(f"KILL {kind} {connection.thread_id()}", "ann")
            assert raised.value.args[0] == 1094
        assert len(processes(cluster, "root")) == 1
        cluster.ask(f"KILL QUERY {connection.thread_id()}", "root")
        assert asking.ended() == 1317


def test_kill_from_another_czar(cluster: Cluster) -> None:
    settings = czar_settings(cluster.folder, name="czar-other")
    with running_czar(settings) as ports, contextlib.closing(cluster.connect()) as connection:
        other = Cluster(cluster.folder, cluster.metadata, cluster.workers, cluster.rows, ports)
        asking = Asking(connection, ON_A_WORKER)
        until(lambda: bool(processes(other)))
        assert processes(other, "ann") == []
        with pytest.raises(pymysql.err.MySQLError) as raised:
            other.ask(f"KILL QUERY {connection.thread_id()}", "ann")
        assert raised.value.args[0] == 1094
        other.ask(f"KILL QUERY {connection.thread_id()}")
        assert asking.ended() == 1317
        until(lambda: not processes(other))


@pytest.mark.parametrize("sql", [ON_A_WORKER, ON_THE_CZAR])
def test_a_client_that_leaves_stops_its_query(cluster: Cluster, sql: str) -> None:
    connection = cluster.connect()
    connection._execute_command(3, sql)
    until(lambda: bool(processes(cluster)))
    raw: socket.socket = connection._sock
    raw.shutdown(socket.SHUT_RDWR)
    raw.close()
    until(lambda: not processes(cluster) and not busy(cluster))


def test_a_client_that_takes_no_rows_is_let_go_when_killed(cluster: Cluster) -> None:
    wide = "SELECT a.*, REPEAT('x', 1000) FROM Object a, Filter b, Filter c, Filter d"
    with contextlib.closing(cluster.connect(read_timeout=60)) as connection:
        connection._execute_command(3, wide)
        until(lambda: any(row[7] == wide for row in cluster.ask("SHOW FULL PROCESSLIST")))
        cluster.ask(f"KILL QUERY {connection.thread_id()}")
        until(lambda: not any(row[7] == wide for row in cluster.ask("SHOW FULL PROCESSLIST")) and not busy(cluster))


def test_a_time_limit(cluster: Cluster) -> None:
    with contextlib.closing(cluster.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET max_execution_time = 300")
        with pytest.raises(pymysql.err.MySQLError) as raised:
            cursor.execute(ON_A_WORKER)
        assert raised.value.args[0] == 3024
        until(lambda: not busy(cluster))


def test_http_deletes_a_query_and_notices_who_leaves(cluster: Cluster) -> None:
    base = f"http://127.0.0.1:{cluster.ports.http}/api/v1"
    answers: list[httpx.Response] = []

    def ask() -> None:
        body = {"sql": ON_A_WORKER, "database": "sky"}
        answers.append(httpx.post(f"{base}/query", json=body, auth=("joe", "joe"), timeout=PATIENCE))

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: any(told["state"] == "running" for told in running(base)))
    [told] = [told for told in running(base) if told["state"] == "running"]
    assert httpx.delete(f"{base}/queries/{told['id']}", auth=("ann", "ann")).status_code == 404
    assert httpx.delete(f"{base}/queries/{told['id']}", auth=("joe", "joe")).status_code == 204
    thread.join(PATIENCE)
    assert answers[0].status_code == 409
    assert answers[0].json()["code"] == "query-killed"
    assert httpx.delete(f"{base}/queries/{told['id']}", auth=("joe", "joe")).status_code == 404
    until(lambda: not busy(cluster))


def running(base: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{base}/queries", auth=("joe", "joe")).json()
    return found


def test_history_is_in_the_metadata(cluster: Cluster) -> None:
    cluster.ask("SELECT COUNT(*) FROM Object /* remembered */")
    until(lambda: any("remembered" in record.sql and record.state == "done" for record in history(cluster)))
    [record] = [record for record in history(cluster) if "remembered" in record.sql]
    assert (record.account, record.rows) == ("joe", 1)
    assert record.chunks


def history(cluster: Cluster) -> list[Any]:
    return cluster.metadata.query_history("joe")


def test_a_permit_stops_all_though_one_cannot_be_stopped() -> None:
    def fail() -> None:
        raise RuntimeError("closed already")

    stopped: list[int] = []
    permit = Permit()
    with contextlib.ExitStack() as at_work:
        for stop in (lambda: stopped.append(1), fail, lambda: stopped.append(2)):
            at_work.enter_context(permit.stopping(stop))
        with pytest.raises(RuntimeError):
            permit.revoke(QueryKilled("enough"))
    assert sorted(stopped) == [1, 2]


def test_time_limits_hold_after_a_failure_of_the_watch(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_czar: str) -> None:
        failed.set()
        raise RuntimeError("of no kind that is known")

    failed, stopped = threading.Event(), threading.Event()
    monkeypatch.setattr(cluster.metadata, "kill_requests", fail)
    queries = Queries(cluster.metadata, "a czar of this test")
    try:
        assert failed.wait(30)
        query = queries.start(Account("joe", ""), "SELECT 1", limit=0.0)
        with contextlib.suppress(QueryInterrupted), query.permit.stopping(stopped.set):
            assert stopped.wait(30)
    finally:
        queries.close()
