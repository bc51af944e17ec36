"""Queries through the MySQL port, over real workers."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pymysql
import pytest

from czar.smallsky import Cluster


def test_aggregates_over_all_chunks(cluster: Cluster) -> None:
    count, low, high, flux = cluster.ask("SELECT COUNT(*), MIN(objectId), MAX(objectId), AVG(flux) FROM Object")[0]
    assert (count, low, high) == (cluster.rows.num_rows, 0, cluster.rows.num_rows - 1)
    expected = [value for value in cluster.rows["flux"].to_pylist() if value is not None]
    assert flux == pytest.approx(sum(expected) / len(expected))


def test_rows_stream_whole(cluster: Cluster) -> None:
    found = cluster.ask("SELECT objectId, ra, flux, label, seen FROM Object")
    assert len(found) == cluster.rows.num_rows
    expected = {row["objectId"]: row for row in cluster.rows.to_pylist()}
    for number, ra, flux, label, seen in found:
        assert (ra, label, seen) == tuple(expected[number][name] for name in ("ra", "label", "seen"))
        # FLOAT goes out with six digits, as MySQL sends it
        assert flux == (None if expected[number]["flux"] is None else pytest.approx(expected[number]["flux"], rel=1e-5))


def test_a_key_asks_one_chunk(cluster: Cluster) -> None:
    assert cluster.ask("SELECT objectId, label FROM Object WHERE objectId = 17") == [(17, "star 17")]
    told = {what: value for _, what, value in cluster.ask("EXPLAIN SELECT ra FROM Object WHERE objectId = 17")}
    assert told["chunks"].startswith("1 of ")
    assert "index of sky.Object.objectId: 1 key" in told["restricted by"]


def test_a_value_over_the_whole_sky_is_asked_first(cluster: Cluster) -> None:
    """It is told workers as a constant: none sends its rows for it."""
    sql = "SELECT objectId FROM Object WHERE objectId > (SELECT AVG(objectId) + 1998 FROM Object)"
    assert sorted(cluster.ask(sql)) == [(3998,), (3999,)]
    told = {(step, what): value for step, what, value in cluster.ask(f"EXPLAIN {sql}")}
    assert told["answer0", "answered before"] == "one value"
    assert "sum(" in told["answer0 leaf0", "worker sql"]
    assert "{answer0}" in told["leaf0", "worker sql"]


def test_a_key_that_a_subquery_gives_asks_one_chunk(cluster: Cluster) -> None:
    sql = "SELECT label FROM Object WHERE objectId = (SELECT MAX(objectId) - 3982 FROM Object)"
    assert cluster.ask(sql) == [("star 17",)]
    told = {(step, what): value for step, what, value in cluster.ask(f"EXPLAIN {sql}")}
    assert told["leaf0", "restricted by"] == "index of sky.Object.objectId: the keys of {answer0}"
    assert told["leaf0", "chunks"].startswith("at most ")


def test_a_subquery_of_several_rows_is_no_value(cluster: Cluster) -> None:
    with pytest.raises(pymysql.err.MySQLError) as raised:
        cluster.ask("SELECT COUNT(*) FROM Object WHERE objectId = (SELECT objectId FROM Object WHERE objectId < 9)")
    assert raised.value.args == (1242, "Subquery returns more than 1 row")


def test_keys_and_ranges(cluster: Cluster) -> None:
    assert cluster.ask("SELECT COUNT(*) FROM Object WHERE objectId IN (3, 99, 3, 123456)") == [(2,)]
    assert cluster.ask("SELECT COUNT(*) FROM Object WHERE objectId BETWEEN 100 AND 199") == [(100,)]


def test_no_chunk_at_all(cluster: Cluster) -> None:
    assert cluster.ask("SELECT ra FROM Object WHERE objectId = -5") == []
    assert cluster.ask("SELECT COUNT(*), MAX(ra) FROM Object WHERE objectId = -5") == [(0, None)]
    assert cluster.ask("SELECT COUNT(*) FROM Object WHERE qserv_areaspec_box(100, 40, 101, 41)") == [(0,)]


def test_order_and_limit(cluster: Cluster) -> None:
    assert cluster.ask("SELECT objectId FROM Object ORDER BY objectId DESC LIMIT 2 OFFSET 1") == [(3998,), (3997,)]
    assert len(cluster.ask("SELECT objectId FROM Object LIMIT 7")) == 7
    assert cluster.ask("SELECT objectId FROM Object LIMIT 0") == []


def test_replicated_tables(cluster: Cluster) -> None:
    assert cluster.ask("SELECT name FROM Filter WHERE id < 2 ORDER BY id") == [("u",), ("g",)]
    joined = cluster.ask("SELECT COUNT(*) FROM Object o JOIN Filter f ON f.id = o.objectId % 5 WHERE f.name = 'u'")
    assert joined == [(800,)]


def test_no_table(cluster: Cluster) -> None:
    assert cluster.ask("SELECT 1 + 1, 7 DIV 2, 'x', NULL", database=None) == [(2, 3, "x", None)]


def test_table_that_is_published_and_empty(cluster: Cluster) -> None:
    assert cluster.ask("SELECT COUNT(*) FROM hidden.Object", user="root") == [(0,)]
    assert cluster.ask("SELECT * FROM hidden.Object", user="root") == []


def test_column_names(cluster: Cluster) -> None:
    with contextlib.closing(cluster.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), 1+1, ra AS Alpha, DATABASE(), @@version_comment FROM Object GROUP BY ra LIMIT 1"
        )
        names = [column[0] for column in cursor.description]
    assert names == ["count(*)", "1+1", "Alpha", "DATABASE()", "@@version_comment"]


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("SELEC 1", 1064),
        ("", 1065),
        ("SELECT nothing FROM Object", 1054),
        ("SELECT 1 FROM Nowhere", 1146),
        ("SELECT no_function(1)", 1305),
        ("SELECT @@no_variable", 1193),
        ("SELECT 1; SELECT 2", 1235),
        ("DELETE FROM Object", 1235),
        ("CREATE TABLE t (i INT)", 1235),
        ("SELECT * FROM hidden.Object", 1044),
        ("SELECT * FROM nowhere.Object", 1044),
        ("KILL 4000000000", 1094),
    ],
)
def test_errors_have_mysqls_numbers(cluster: Cluster, sql: str, number: int) -> None:
    with contextlib.closing(cluster.connect()) as connection, connection.cursor() as cursor:
        with pytest.raises(pymysql.err.MySQLError) as raised:
            cursor.execute(sql)
        assert raised.value.args[0] == number
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == ((1,),)


def test_no_default_database(cluster: Cluster) -> None:
    with pytest.raises(pymysql.err.MySQLError) as raised:
        cluster.ask("SELECT 1 FROM Object", database=None)
    assert raised.value.args[0] == 1046


# Before workers are stopped: one that is back may not be reached for a second, and here both holders are needed.
def test_a_missing_file_is_read_from_another_replica(cluster: Cluster) -> None:
    root = cluster.workers[0].root
    moved: list[tuple[Any, Any]] = []
    for path in list(root.glob("sky/Object/*/main-*.parquet"))[:3]:
        aside = path.with_suffix(".aside")
        path.rename(aside)
        moved.append((path, aside))
    try:
        assert cluster.ask("SELECT COUNT(*), SUM(objectId) FROM Object") == [(4000, 4000 * 3999 // 2)]
    finally:
        for path, aside in moved:
            aside.rename(path)


def test_a_stopped_worker_is_answered_for_by_others(cluster: Cluster) -> None:
    stopped = cluster.workers[1]
    stopped.stop()
    try:
        assert cluster.ask("SELECT COUNT(*) FROM Object") == [(cluster.rows.num_rows,)]
        assert len(cluster.ask("SELECT objectId FROM Object")) == cluster.rows.num_rows
        for key in range(40):
            assert cluster.ask(f"SELECT objectId FROM Object WHERE objectId = {key}") == [(key,)]
    finally:
        stopped.start()


def test_a_look_up_waits_for_workers_that_restart(cluster: Cluster) -> None:
    for worker in cluster.workers:
        worker.stop()

    def start() -> None:
        for worker in cluster.workers:
            worker.start()

    restart = threading.Timer(0.5, start)
    restart.start()
    try:
        assert cluster.ask("SELECT objectId FROM Object WHERE objectId IN (7, 8, 9) ORDER BY 1") == [(7,), (8,), (9,)]
    finally:
        restart.join()


def test_too_many_stopped_workers_name_the_chunks(cluster: Cluster) -> None:
    for worker in cluster.workers[:2]:
        worker.stop()
    try:
        with pytest.raises(pymysql.err.MySQLError, match="answers for chunk") as raised:
            cluster.ask("SELECT COUNT(*) FROM Object")
        assert raised.value.args[0] == 1105
    finally:
        for worker in cluster.workers[:2]:
            worker.start()
    assert cluster.ask("SELECT COUNT(*) FROM Object") == [(cluster.rows.num_rows,)]
