"""Queries inside of others that are answered before them: their plans, and that no table is fetched for them.

That the answers are right is told by ``differential/queries/beforehand.sql``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

import pytest

from qserv.sql.beforehand import MOST_ROWS, Given, bound, shown
from qserv.sql.plan import Leaf, Plan, Preliminary
from qserv.sql.planner import plan
from qserv.sql.values import DATE, DATETIME, DOUBLE, INT, TEXT, TIME, UBIGINT, Kind, Type, decimal
from sql.world import World

VALUES = (
    "SELECT COUNT(*) FROM Object WHERE rMag < (SELECT AVG(rMag) FROM Object)",
    "SELECT objectId, rMag - (SELECT AVG(rMag) FROM Object) FROM Object",
    "SELECT objectId FROM Source GROUP BY objectId HAVING AVG(psfFlux) > (SELECT AVG(psfFlux) FROM Source)",
    "SELECT detections, COUNT(*) / (SELECT COUNT(*) FROM Object) FROM Object GROUP BY detections",
    "SELECT COUNT(*) FROM Object o LEFT JOIN Source s ON o.objectId = s.objectId AND psfFlux > (SELECT AVG(psfFlux) "
    "FROM Source)",
    "SELECT COUNT(*) FROM Object o WHERE EXISTS (SELECT 1 FROM Source s WHERE s.objectId = o.objectId AND s.psfFlux > "
    "(SELECT AVG(f.psfFlux) FROM ForcedSource f))",
    "SELECT COUNT(*) FROM Object WHERE EXISTS (SELECT * FROM Source WHERE psfFlux > 100)",
    "SELECT COUNT(*) FROM Object WHERE rMag > "
    "(SELECT AVG(rMag) FROM Object WHERE rMag > (SELECT MIN(rMag) FROM Object))",
)
"""Queries with others of one value."""

LISTS = (
    "SELECT COUNT(*) FROM Object WHERE objectId IN (SELECT objectId + 7 FROM Source)",
    "SELECT COUNT(*) FROM Object WHERE objectId IN (SELECT objectId FROM Source LIMIT 5)",
    "SELECT COUNT(*) FROM Object WHERE detections IN (SELECT filterId FROM Source)",
    "SELECT COUNT(*) FROM Object WHERE detections > ALL (SELECT filterId FROM Source)",
    "SELECT COUNT(*) FROM Object o LEFT JOIN Source s USING (objectId) "
    "WHERE s.objectId NOT IN (SELECT objectId FROM ForcedSource)",
    "SELECT COUNT(*) FROM Object o JOIN (SELECT filterId, COUNT(*) n FROM Source GROUP BY filterId) s "
    "ON s.filterId = o.detections",
    "SELECT COUNT(*) FROM Object o JOIN (SELECT objectId FROM Source ORDER BY psfFlux LIMIT 9) s USING (objectId)",
    "SELECT COUNT(*) FROM Object o JOIN (SELECT objectId k, rMag FROM Object WHERE rMag < 16) b ON b.rMag = o.rMag",
    "WITH m AS (SELECT AVG(rMag) a FROM Object) SELECT COUNT(*) FROM Object JOIN m WHERE rMag < m.a",
)
"""Queries with others of some rows."""


def _leaves(found: Plan) -> Iterator[Leaf]:
    for each in found.before:
        yield from _leaves(each.plan)
    yield from found.leaves


@pytest.mark.parametrize("sql", VALUES)
def test_a_value_is_asked_for_first(sql: str, world: World) -> None:
    found = plan(sql, world.catalog, "synth")
    assert found.before
    assert all(each.single for each in found.before)
    assert found.otherwise is None
    assert len(found.leaves) == 1


@pytest.mark.parametrize("sql", LISTS)
def test_rows_are_asked_for_first_where_they_are_few(sql: str, world: World) -> None:
    found = plan(sql, world.catalog, "synth")
    (rows,) = found.before
    assert not rows.single
    assert len(found.leaves) == 1
    assert found.otherwise is not None
    assert not found.otherwise.before
    assert len(found.otherwise.leaves) > 1


def test_no_table_is_fetched_for_a_value(world: World) -> None:
    """Each leaf sends one row a batch: what it adds up, or any row of those that exist."""
    for sql in VALUES[:1] + VALUES[5:]:
        for leaf in _leaves(plan(sql, world.catalog, "synth")):
            assert leaf.limit == 1 or leaf.sql.startswith(("SELECT sum(", "SELECT count(", "SELECT min(")), leaf.sql


def test_a_query_that_is_translated_twice_is_asked_once(world: World) -> None:
    sql = "SELECT detections - (SELECT MIN(detections) FROM Object) AS k FROM Object GROUP BY k"
    assert len(plan(sql, world.catalog, "synth").before) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT (SELECT MAX(wavelength) FROM Filter) FROM Object",
        "SELECT COUNT(*) FROM Object o WHERE rMag < (SELECT AVG(psfFlux) FROM Source s WHERE s.objectId = o.objectId)",
        "SELECT COUNT(*) FROM Object WHERE objectId IN (SELECT objectId FROM Source)",
        "SELECT COUNT(*) FROM (SELECT objectId FROM Source UNION ALL SELECT filterId FROM Filter) t",
    ],
)
def test_what_workers_answer_beside_is_not_asked_for_first(sql: str, world: World) -> None:
    assert plan(sql, world.catalog, "synth").before == ()


def test_of_too_many_rows_the_tables_are_fetched(world: World) -> None:
    sql = "SELECT COUNT(*) FROM Object WHERE objectId {} IN (SELECT sourceId FROM Source LIMIT {})"
    few, many = (world.ask(sql.format("NOT", rows), "synth") for rows in (MOST_ROWS, MOST_ROWS + 1))
    assert few.rows == many.rows
    assert [len(each.plan.leaves) for each in (few, many)] == [1, 2]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ra FROM Object WHERE objectId = (SELECT objectId FROM Object ORDER BY iFlux DESC LIMIT 1)",
        "SELECT ra FROM Object WHERE (SELECT MAX(objectId) FROM Source) = objectId AND rMag > 0",
        "SELECT ra FROM Object WHERE objectId IN (SELECT objectId + 7 FROM Source ORDER BY psfFlux DESC LIMIT 2)",
        "SELECT o.ra FROM Object o JOIN (SELECT objectId FROM Source ORDER BY psfFlux DESC LIMIT 1) s USING (objectId)",
        "WITH t AS (SELECT MAX(objectId) m FROM Source) SELECT s.ra FROM t, Source s, Object o "
        "WHERE o.objectId = s.objectId AND t.m = o.objectId",
    ],
)
def test_keys_that_are_answers_are_looked_up(sql: str, world: World) -> None:
    found = world.ask(sql, "synth")
    assert found.asked[-1] <= 2


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) FROM Object WHERE objectId = (SELECT AVG(iFlux) FROM Object)",
        "SELECT COUNT(*) FROM Object WHERE objectId NOT IN (SELECT objectId FROM Source LIMIT 1)",
        "SELECT COUNT(*) FROM Object WHERE objectId > (SELECT MAX(objectId) FROM Source)",
        "SELECT COUNT(*) FROM Object o LEFT JOIN (SELECT objectId FROM Source LIMIT 1) s USING (objectId)",
    ],
)
def test_what_says_no_more_than_an_inequality_restricts_nothing(sql: str, world: World) -> None:
    objects = world.catalog.table("synth", "Object")
    assert objects is not None
    assert world.ask(sql, "synth").asked[-1] == len(world.held[objects.id])


def test_bound_statements_hold_the_answers(world: World) -> None:
    found = plan("SELECT COUNT(*) FROM Object WHERE rMag < (SELECT AVG(rMag) FROM Object)", world.catalog, "synth")
    assert "{answer0}" in shown(found.leaves[0].sql)
    sql = bound(found, [Given.of(found.before[0], [(20.5,)])]).leaves[0].sql
    assert "(CAST('20.5' AS DOUBLE))" in sql
    assert "\0" not in sql


@pytest.mark.parametrize(
    ("type_", "value", "sql"),
    [
        (DOUBLE, 0.1, "CAST('0.1' AS DOUBLE)"),
        (DOUBLE, None, "CAST(NULL AS DOUBLE)"),
        (decimal(12, 8), Decimal("0E-8"), "CAST('0.00000000' AS DECIMAL(38,8))"),
        (UBIGINT, 1 << 63, "CAST('9223372036854775808' AS UBIGINT)"),
        (TEXT, "it's", "CAST('it''s' AS VARCHAR)"),
        (Type(Kind.BINARY), b"\0'", "CAST(unhex('0027') AS BLOB)"),
        (DATE, dt.date(2026, 1, 2), "CAST('2026-01-02' AS DATE)"),
        (TIME, dt.time(1, 2, 3, 500_000), "CAST('01:02:03.500000' AS TIME)"),
        (DATETIME, dt.datetime(2026, 1, 2, 3, 4, 5), "CAST('2026-01-02 03:04:05' AS TIMESTAMP)"),
    ],
)
def test_constants_have_the_types_of_what_they_answer(type_: Type, value: object, sql: str) -> None:
    nothing = Plan((), "SELECT 1 AS c0", ("x",))
    assert Given.of(Preliminary(nothing, (type_,), 1, single=True), [(value,)]).sql == sql


def test_lists_are_columns_side_by_side(world: World) -> None:
    preliminary = Preliminary(Plan((), "", ("a", "b")), (INT, TEXT), MOST_ROWS, single=False)
    rows: list[tuple[object, ...]] = [(1, "a'b"), (None, None), (2, "")]
    assert world.connection.sql(Given.of(preliminary, rows).sql).fetchall() == rows
    assert world.connection.sql(Given.of(preliminary, []).sql).fetchall() == []
