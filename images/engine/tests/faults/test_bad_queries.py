"""Queries that cannot be answered: each has MySQL's number and says what is wrong; the next query is answered."""

from __future__ import annotations

import pymysql
import pytest
from pymysql.connections import Connection

from bench.cluster import Cluster

NEAR = "SELECT COUNT(*) FROM Object a, Object b WHERE scisql_angSep(a.ra, a.decl, b.ra, b.decl)"


@pytest.fixture(scope="module")
def connection(standing: Cluster) -> Connection:
    return standing.connect("synth")


@pytest.mark.parametrize(
    ("sql", "number", "says"),
    [
        ("SELEC 1", 1064, "syntax"),
        ("SELECT FROM WHERE", 1064, "syntax"),
        ("SELECT ra, FROM Object", 1064, "comma"),
        ("SELECT ra FROM Object WHERE objectId IN (1, 2, )", 1064, "comma"),
        ("SELECT ra FROM Object INTO OUTFILE '/tmp/x'", 1235, "INTO OUTFILE"),
        ("SELECT 1 FROM Object o JOIN Source o USING (objectId)", 1066, "'o'"),
        ("SELECT ra FROM Object UNION SELECT ra, decl FROM Object", 1222, "columns"),
        ("SELECT (SELECT ra FROM Object)", 1242, "more than 1 row"),
        ("SELECT 1 FROM Object WHERE ra < 1 OR qserv_areaspec_circle(10, 20, 1)", 1235, "joined by AND"),
        ("SELECT COUNT(*) FROM Nothing", 1146, "Nothing"),
        ("SELECT COUNT(*) FROM nowhere.Object", 1049, "nowhere"),
        ("SELECT colour FROM Object", 1054, "colour"),
        ("SELECT o.colour FROM Object o", 1054, "colour"),
        ("SELECT objectId FROM Object WHERE reddish(ra)", 1305, "reddish"),
        ("SELECT objectId FROM Object o JOIN Source s ON o.objectId = s.objectId", 1052, "objectId"),
        ("SELECT COUNT(*) FROM Object WHERE qserv_areaspec_circle(10, 20)", 1210, "circle"),
        ("SELECT COUNT(*) FROM Object WHERE qserv_areaspec_box(10, 20, ra, 30)", 1210, "constant"),
        ("SELECT COUNT(*) FROM Object WHERE qserv_areaspec_circle(10, 91, 1)", 1210, "91"),
        ("SELECT COUNT(*) FROM Object WHERE qserv_areaspec_circle(10, 20, -1)", 1210, "-1"),
        ("SELECT COUNT(*) FROM Object WHERE qserv_areaspec_box(1, 50, 2, 40)", 1210, "50"),
        ("SELECT COUNT(*) FROM Object WHERE qserv_areaspec_poly(1, 2, 3)", 1210, "poly"),
        (f"{NEAR} < 0.06", 1210, "0.05"),
        ("INSERT INTO Object (objectId) VALUES (1)", 1235, "INSERT"),
        ("DELETE FROM Object", 1235, "DELETE"),
        ("DROP TABLE Object", 1235, "DROP"),
        ("SELECT 1; SELECT 2", 1235, "one statement"),
        ("USE nowhere", 1049, "nowhere"),
        ("KILL QUERY 1", 1094, "1"),
        ("SELECT 9223372036854775807 + 1", 1690, "range"),
    ],
)
def test_says_what_is_wrong(connection: Connection, sql: str, number: int, says: str) -> None:
    with connection.cursor() as cursor:
        with pytest.raises(pymysql.err.MySQLError) as refused:
            cursor.execute(sql)
        assert (refused.value.args[0], says.casefold() in refused.value.args[1].casefold()) == (number, True), refused
        cursor.execute("SELECT COUNT(*) FROM Filter")
        assert cursor.fetchall() == ((6,),)


def test_kill_of_a_query_that_ended(connection: Connection, standing: Cluster) -> None:
    with standing.connect("synth") as other:
        ended = other.thread_id()
    with connection.cursor() as cursor, pytest.raises(pymysql.err.MySQLError) as refused:
        cursor.execute(f"KILL {ended}")
    assert refused.value.args[0] == 1094


def test_a_wrong_password_is_refused_as_an_unknown_account_is(standing: Cluster) -> None:
    told = []
    for login in ({"password": "wrong"}, {"user": "nobody", "password": "wrong"}):
        with pytest.raises(pymysql.err.OperationalError) as refused:
            standing.connect(**login)
        told.append(refused.value.args[0])
        assert "wrong" not in str(refused.value)
    assert told == [1045, 1045]
